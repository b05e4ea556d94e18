#include "jobs/backup/live_pages.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/keys/temp_cipher.h"

enum {
	WRITE_AT_ONCE = 4096,	       /* sums: 64 KiB */
	SLOTS = 4 * LIVE_FILES_MAX / 2 /* of the table: at most half of them are in use */
};

/* An unlinked file, hidden if need be; each place is written once. */
struct hidden_file {
	int fd;			     /* -1: none yet */
	struct temp_cipher *scratch; /* or NULL */
};

struct live_pages {
	int dir_fd;
	struct hidden_file sums;
	struct hidden_file pages;
	bool broken;	  /* the sums could not be written: nothing more is remembered */
	uint64_t written; /* sums in their file: all of the files that are kept */
	uint64_t first;	  /* of the present file */
	struct page_sum waiting[WRITE_AT_ONCE]; /* of the present file */
	size_t waiting_count;
	XXH3_state_t *page; /* of the page that is not complete yet */
	size_t page_len;
	int64_t bytes; /* of the present file so far */
	struct live_file **list;
	size_t count;
	int64_t bytes_min;     /* smaller files are not remembered any more */
	uint32_t slots[SLOTS]; /* by path: index in the list plus one, 0: free */
	_Atomic uint64_t next_slot;
	atomic_size_t changes;
	pthread_mutex_t mutex; /* guards the making of ${pages}.fd */
};

struct live_pages *
live_pages_new(int dir_fd, bool hidden)
{
	struct live_pages *l = mem_new(sizeof(*l));

	l->dir_fd = dir_fd;
	l->sums.fd = l->pages.fd = -1;
	l->bytes_min = LIVE_BYTES_MIN;
	l->page = XXH3_createState();
	if (l->page == NULL)
		abort(); /* only without memory */
	(void)XXH3_128bits_reset(l->page);
	(void)pthread_mutex_init(&l->mutex, NULL);
	if (hidden) {
		l->sums.scratch = temp_cipher_new();
		l->pages.scratch = temp_cipher_new();
	}
	return l;
}

static void
live_file_free(struct live_file *f)
{
	free(f->path);
	free(f->changes);
	recipe_free(&f->recipe);
	free(f);
}

void
live_pages_free_at(struct live_pages **at)
{
	struct live_pages *l = *at;

	if (l == NULL)
		return;
	for (size_t i = 0; i < l->count; i++)
		live_file_free(l->list[i]);
	free(l->list);
	fd_close_at(&l->sums.fd);
	fd_close_at(&l->pages.fd);
	temp_cipher_free(l->sums.scratch);
	temp_cipher_free(l->pages.scratch);
	(void)XXH3_freeState(l->page);
	(void)pthread_mutex_destroy(&l->mutex);
	free(l);
}

static struct page_sum
sum_from(XXH128_hash_t hash)
{
	return (struct page_sum){hash.low64, hash.high64};
}

struct page_sum
page_sum_of(const void *data, size_t len)
{
	return sum_from(XXH3_128bits(data, len));
}

bool
page_sum_equal(const struct page_sum *a, const struct page_sum *b)
{
	return a->low == b->low && a->high == b->high;
}

static int
temporary_file(int dir_fd)
{
	return openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static bool
write_at(int fd, const void *data, size_t len, int64_t offset)
{
	const char *at = data;

	while (len > 0) {
		const ssize_t done = pwrite(fd, at, len, offset);

		if (done <= 0)
			return false;
		at += done;
		offset += done;
		len -= (size_t)done;
	}
	return true;
}

static void
sums_flush(struct live_pages *l)
{
	const size_t len = l->waiting_count * sizeof(l->waiting[0]);
	const off_t at = (off_t)(l->written * sizeof(l->waiting[0]));

	if (len == 0)
		return;
	if (l->sums.scratch != NULL)
		temp_cipher_turn(l->sums.scratch, at, l->waiting, len, l->waiting);
	if (l->sums.fd < 0)
		l->sums.fd = temporary_file(l->dir_fd);
	l->broken = l->sums.fd < 0 || !write_at(l->sums.fd, l->waiting, len, at);
	l->written += l->waiting_count;
	l->waiting_count = 0;
}

static void
sums_add(struct live_pages *l, struct page_sum sum)
{
	l->waiting[l->waiting_count++] = sum;
	if (l->waiting_count == WRITE_AT_ONCE)
		sums_flush(l);
}

/* The page that is begun ends here. */
static void
page_end(struct live_pages *l)
{
	if (l->page_len == 0)
		return;
	sums_add(l, sum_from(XXH3_128bits_digest(l->page)));
	(void)XXH3_128bits_reset(l->page);
	l->page_len = 0;
}

void
live_pages_begin(struct live_pages *l)
{
	(void)XXH3_128bits_reset(l->page);
	l->page_len = 0;
	l->bytes = 0;
	l->waiting_count = 0; /* of a file that was not kept */
	l->first = l->written;
}

void
live_pages_chunk(void *live_pages, const void *data, size_t len)
{
	struct live_pages *l = live_pages;
	const char *at = data;

	l->bytes += (int64_t)len;
	while (len > 0 && !l->broken) {
		const size_t want = LIVE_PAGE - l->page_len;
		const size_t part = len < want ? len : want;

		if (part == LIVE_PAGE) {
			sums_add(l, page_sum_of(at, part));
		} else {
			(void)XXH3_128bits_update(l->page, at, part);
			l->page_len += part;
			if (l->page_len == LIVE_PAGE)
				page_end(l);
		}
		at += part;
		len -= part;
	}
}

/* The slot in which ${path} stands, or would. */
static size_t
live_pages_slot_of(const struct live_pages *l, const char *path)
{
	size_t i = (size_t)XXH3_64bits(path, strlen(path)) % SLOTS;

	while (l->slots[i] != 0 && strcmp(l->list[l->slots[i] - 1]->path, path) != 0)
		i = (i + 1) % SLOTS;
	return i;
}

static void
changes_forget(struct live_pages *l, struct live_file *f)
{
	(void)atomic_fetch_sub(&l->changes, f->change_count);
	f->change_count = 0;
	free(TAKE(f->changes));
}

/* Make room: forget the smaller files, until there is a quarter of it free. */
static void
prune(struct live_pages *l)
{
	while (l->count > LIVE_FILES_MAX / 4 * 3) {
		size_t kept = 0;

		l->bytes_min *= 2;
		for (size_t i = 0; i < l->count; i++) {
			struct live_file *f = l->list[i];

			if (f->rank_bytes >= l->bytes_min || f->claimed) {
				l->list[kept++] = f;
				continue;
			}
			changes_forget(l, f);
			live_file_free(f);
		}
		l->count = kept;
	}
	memset(l->slots, 0, sizeof(l->slots));
	for (size_t i = 0; i < l->count; i++)
		l->slots[live_pages_slot_of(l, l->list[i]->path)] = (uint32_t)i + 1;
}

static struct live_file *
file_at(struct live_pages *l, const char *path)
{
	uint32_t *slot;

	if (l->list == NULL)
		l->list = mem_array(NULL, LIVE_FILES_MAX, sizeof(*l->list));
	if (l->count == LIVE_FILES_MAX)
		prune(l);
	slot = &l->slots[live_pages_slot_of(l, path)];
	if (*slot == 0) {
		struct live_file *f = mem_new(sizeof(*f));

		f->path = mem_string(path);
		l->list[l->count++] = f;
		*slot = (uint32_t)l->count;
	}
	return l->list[*slot - 1];
}

void
live_pages_keep(struct live_pages *l, const struct segment *segment, bool stable,
	const struct recipe *recipe)
{
	struct live_file *f;

	page_end(l);
	if (l->broken || segment->path == NULL || segment->bytes < l->bytes_min)
		return;
	sums_flush(l);
	if (l->broken)
		return;
	f = file_at(l, segment->path);
	changes_forget(l, f);
	f->kind = segment->kind;
	f->bytes = l->bytes;
	f->rank_bytes = segment->bytes;
	f->first = l->first;
	f->pages = l->written - l->first;
	f->stable = stable;
	memcpy(f->key, segment->key, sizeof(f->key));
	recipe_clear(&f->recipe);
	recipe_add_all(&f->recipe, recipe);
}

struct live_file *
live_pages_claim(struct live_pages *l, const char *path, enum segment_kind kind)
{
	struct live_file *f;
	uint32_t slot;

	if (l->broken || path == NULL || l->list == NULL)
		return NULL;
	slot = l->slots[live_pages_slot_of(l, path)];
	f = slot == 0 ? NULL : l->list[slot - 1];
	if (f == NULL || f->kind != kind || f->claimed)
		return NULL;
	f->claimed = true;
	return f;
}

void
live_pages_release(struct live_pages *l, struct live_file *f)
{
	(void)l;
	f->claimed = false;
}

bool
live_pages_room(const struct live_pages *l)
{
	return atomic_load(&l->changes) <= LIVE_CHANGES_MAX / 2;
}

size_t
live_pages_sums(const struct live_pages *l, const struct live_file *f, uint64_t page,
	struct page_sum *sums, size_t count)
{
	const uint64_t at = f->first + page;
	ssize_t got;

	if (page >= f->pages)
		return 0;
	if (count > f->pages - page)
		count = (size_t)(f->pages - page);
	got = pread(l->sums.fd, sums, count * sizeof(*sums), (off_t)(at * sizeof(*sums)));
	if (got <= 0)
		return 0;
	if (l->sums.scratch != NULL)
		temp_cipher_turn(
			l->sums.scratch, (int64_t)(at * sizeof(*sums)), sums, (size_t)got, sums);
	return (size_t)got / sizeof(*sums);
}

static int
pages_file_open(struct live_pages *l, struct err *e)
{
	LOCKED(&l->mutex);
	if (l->pages.fd < 0)
		l->pages.fd = temporary_file(l->dir_fd);
	return l->pages.fd < 0 ? err_errno(e, "no temporary file can be made in the store") : 0;
}

int
live_pages_store(
	struct live_pages *l, const void *data, size_t len, uint64_t *ret_slot, struct err *e)
{
	const uint64_t count = (len + LIVE_PAGE - 1) / LIVE_PAGE;
	const uint64_t slot = atomic_fetch_add(&l->next_slot, count);
	const int64_t offset = (int64_t)(slot * LIVE_PAGE);
	SCOPED(free_at) char *hidden = NULL;

	if (pages_file_open(l, e) != 0)
		return -1;
	if (l->pages.scratch != NULL) {
		hidden = mem_array(NULL, len, 1);
		temp_cipher_turn(l->pages.scratch, offset, data, len, hidden);
		data = hidden;
	}
	if (!write_at(l->pages.fd, data, len, offset))
		return err_errno(e, "the pages that changed cannot be written");
	*ret_slot = slot;
	return 0;
}

int
live_pages_load(const struct live_pages *l, uint64_t slot, void *data, size_t len, struct err *e)
{
	const int64_t offset = (int64_t)(slot * LIVE_PAGE);
	const ssize_t got = pread(l->pages.fd, data, len, offset);

	if (got != (ssize_t)len)
		return err_errno(e, "a page that changed cannot be read back");
	if (l->pages.scratch != NULL)
		temp_cipher_turn(l->pages.scratch, offset, data, len, data);
	return 0;
}

void
live_pages_change(
	struct live_pages *l, struct live_file *f, const struct live_change *changes, size_t count)
{
	struct live_change *merged;
	size_t i = 0, k = 0, len = 0;

	if (count == 0)
		return;
	merged = mem_array(NULL, f->change_count + count, sizeof(*merged));
	while (i < f->change_count || k < count) {
		/* Of the same page the newer one counts. */
		if (i < f->change_count && k < count && f->changes[i].page == changes[k].page)
			i++;
		if (k == count || (i < f->change_count && f->changes[i].page < changes[k].page))
			merged[len++] = f->changes[i++];
		else
			merged[len++] = changes[k++];
	}
	(void)atomic_fetch_add(&l->changes, len - f->change_count);
	free(f->changes);
	f->changes = merged;
	f->change_count = len;
}
