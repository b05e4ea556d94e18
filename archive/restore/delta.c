#include "archive/restore/delta.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/disk/file_write.h"
#include "archive/disk/look.h"
#include "archive/write/content.h"
#include "base/mem.h"
#include "base/scope.h"

/* Bytes: what is read at once, and compared. */
enum { PIECE = 256 * 1024, GRAIN = 4096 };

/* It is of no layer. */
enum { LOOK_FLAGS = ATTRIBUTES_TRUSTED | ATTRIBUTES_MARKS };

struct state {
	uint64_t inode, size, ctime_ns;
};

struct delta_record {
	uint64_t at, len;
};

/* A delta that is written. */
struct half {
	int fd;
	int64_t at;
};

struct making {
	int file_fd;
	int64_t left; /* so many bytes may still differ */
	bool given_up;
	struct half new, old;
	int64_t size; /* of the file */
	char *piece;  /* PIECE bytes, */
	char *zeros;  /* and as many */
};

static struct state
delta_state_of(const struct stat *st)
{
	return (struct state){st->st_ino, (uint64_t)st->st_size,
		(uint64_t)st->st_ctim.tv_sec * UINT64_C(1000000000) +
			(uint64_t)st->st_ctim.tv_nsec};
}

static int
delta_add(struct half *h, const void *data, size_t len, struct err *e)
{
	if (file_write_block(h->fd, data, len, h->at, e) != 0)
		return -1;
	h->at += (int64_t)len;
	return 0;
}

static int
delta_add_record(struct half *h, int64_t at, int64_t len, struct err *e)
{
	const struct delta_record record = {(uint64_t)at, (uint64_t)len};

	return delta_add(h, &record, sizeof(record), e);
}

/* A disk that is damaged there: the file is better written anew. */
static int
delta_give_up(struct making *k, struct err *e)
{
	k->given_up = true;
	return err_errno(e, "cannot be read");
}

/* Keep what the file has from ${at} up to ${end}. */
static int
delta_keep(struct making *k, int64_t at, int64_t end, struct err *e)
{
	if (at >= end)
		return 0;
	if (delta_add_record(&k->old, at, end - at, e) != 0)
		return -1;
	while (at < end) {
		const size_t len = end - at < PIECE ? (size_t)(end - at) : PIECE;
		const ssize_t got = content_read(k->file_fd, k->piece, len, at);

		if (got < 0)
			return delta_give_up(k, e);
		memset(k->piece + got, 0, len - (size_t)got); /* shorter now: so it has changed */
		if (delta_add(&k->old, k->piece, len, e) != 0)
			return -1;
		at += (int64_t)len;
	}
	return 0;
}

/* ${len} bytes from ${at} on, of which the file has ${had} bytes, ${here}. */
static int
record_both(struct making *k, const char *there, size_t len, const char *here, size_t had,
	int64_t at, struct err *e)
{
	k->left -= (int64_t)len;
	k->given_up = k->left < 0;
	if (k->given_up)
		return err_set(e, ERR_TOO_LARGE, "too much of it differs");
	if (delta_add_record(&k->new, at, (int64_t)len, e) != 0 ||
		delta_add(&k->new, there, len, e) != 0)
		return -1;
	if (had == 0)
		return 0;
	return delta_add_record(&k->old, at, (int64_t)had, e) != 0
		       ? -1
		       : delta_add(&k->old, here, had, e);
}

static size_t
delta_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* A piece of at most PIECE bytes, of which the file has ${got}. */
static int
delta_compare(struct making *k, const char *data, size_t len, size_t got, int64_t at, struct err *e)
{
	for (size_t i = 0; i < len; i += GRAIN) {
		const size_t n = delta_least(GRAIN, len - i),
			     had = got <= i ? 0 : delta_least(n, got - i);

		if (had == n && memcmp(k->piece + i, data + i, n) == 0)
			continue;
		if (record_both(k, data + i, n, k->piece + i, had, at + (int64_t)i, e) != 0)
			return -1;
	}
	return 0;
}

static int
differs(void *ctx, const void *data, size_t len, int64_t at, struct err *e)
{
	struct making *k = ctx;
	const char *bytes = data;

	while (len > 0) {
		const size_t some = delta_least(len, PIECE);
		const ssize_t got = content_read(k->file_fd, k->piece, some, at);

		if (got < 0)
			return delta_give_up(k, e);
		if (delta_compare(k, bytes, some, (size_t)got, at, e) != 0)
			return -1;
		bytes += some;
		len -= some;
		at += (int64_t)some;
	}
	return 0;
}

/* Between ${at} and ${end} the member has a hole: the file's data there, if it has any, become
 * zeros. */
static int
look_at_hole(struct making *k, int64_t at, int64_t end, struct err *e)
{
	end = end < k->size ? end : k->size;
	while (at < end) {
		const off_t data = lseek(k->file_fd, at, SEEK_DATA);

		if (data < 0)
			return errno == ENXIO ? 0 : delta_give_up(k, e);
		at = data > at ? data : at;
		if (at >= end)
			return 0;
		const size_t len = end - at < PIECE ? (size_t)(end - at) : PIECE;

		if (differs(k, k->zeros, len, at, e) != 0)
			return -1;
		at += (int64_t)len;
	}
	return 0;
}

static int
look_over(struct making *k, const struct member *m, struct reader *r, struct err *e)
{
	const struct reader_file file = {READER_LOOK, k->file_fd, differs, k};
	struct reader_part seen = {0};
	int64_t offset, end = 0;
	const void *data;
	size_t len;
	int more;

	for (;;) {
		if (reader_shorten(r, &file, &seen, &end, e) < 0)
			return -1;
		if ((more = reader_block(r, &data, &len, &offset, e)) <= 0)
			break;
		if (look_at_hole(k, end, offset, e) != 0 || differs(k, data, len, offset, e) != 0)
			return -1;
		end = offset + (int64_t)len;
	}
	return more < 0 ? -1 : look_at_hole(k, end, m->size, e);
}

/* The half that leads back: what the file has behind the member's end, and what it looks like. */
static int
finish_old(struct making *k, const struct member *m, const struct stat *st, struct err *e)
{
	SCOPED(look_free) struct look look = {0};

	if (delta_keep(k, m->size, st->st_size, e) != 0 ||
		delta_add_record(&k->old, st->st_size, 0, e) != 0 ||
		look_at(&look, k->file_fd, LOOK_FLAGS, e) != 0 ||
		look_apply(&look, k->old.fd, 0, e) != 0)
		return -1;
	return fsync(k->old.fd) == 0 ? 0 : err_errno(e, "cannot be synced");
}

static int
finish_new(struct making *k, const struct member *m, struct err *e)
{
	struct place place;

	place_open(&place, k->new.fd);
	return delta_add_record(&k->new, m->size, 0, e) != 0 ? -1 : attributes_apply(&place, m, e);
}

int
delta_make(int file_fd, const struct member *m, struct reader *r, int64_t most, int new_fd,
	int old_fd, struct err *e)
{
	SCOPED(free_at) char *pieces = mem_new(2 * PIECE);
	struct making k = {.file_fd = file_fd,
		.left = most,
		.new = {new_fd, 0},
		.old = {old_fd, 0},
		.piece = pieces,
		.zeros = pieces + PIECE};
	struct stat st;

	if (fstat(file_fd, &st) != 0)
		return err_errno(e, "cannot be looked at");
	k.size = st.st_size;
	k.left -= st.st_size > m->size ? st.st_size - m->size : 0;
	if (k.left < 0)
		return 0;
	const struct state state = delta_state_of(&st);

	if (delta_add(&k.new, &state, sizeof(state), e) != 0 ||
		delta_add(&k.old, &state, sizeof(state), e) != 0)
		return -1;
	if (look_over(&k, m, r, e) != 0 || finish_old(&k, m, &st, e) != 0)
		return k.given_up ? 0 : -1;
	return finish_new(&k, m, e) != 0 ? -1 : 1;
}

int
delta_fits(int delta_fd, int file_fd, struct err *e)
{
	struct state was, is;
	struct stat st;
	const ssize_t got = content_read(delta_fd, &was, sizeof(was), 0);

	if (got != sizeof(was) || fstat(file_fd, &st) != 0)
		return got < 0 ? err_errno(e, "what differs cannot be read")
			       : err_set(e, ERR_IO, "what differs is cut off");
	is = delta_state_of(&st);
	return memcmp(&was, &is, sizeof(is)) == 0;
}

static int
read_record(int fd, int64_t at, struct delta_record *ret_record, struct err *e)
{
	const ssize_t got = content_read(fd, ret_record, sizeof(*ret_record), at);

	if (got < 0)
		return err_errno(e, "what differs cannot be read");
	return got == sizeof(*ret_record) ? 0 : err_set(e, ERR_IO, "what differs is cut off");
}

/* ${record}, whose bytes stand from ${at} on. */
static int
apply_record(int delta_fd, int64_t at, const struct delta_record *record, int file_fd, char *piece,
	struct err *e)
{
	for (uint64_t done = 0; done < record->len;) {
		const size_t len =
			record->len - done < PIECE ? (size_t)(record->len - done) : PIECE;
		const ssize_t got = content_read(delta_fd, piece, len, at + (int64_t)done);

		if (got < 0)
			return err_errno(e, "what differs cannot be read");
		if ((size_t)got < len)
			return err_set(e, ERR_IO, "what differs is cut off");
		if (file_write_block(file_fd, piece, len, (int64_t)(record->at + done), e) != 0)
			return -1;
		done += len;
	}
	return 0;
}

int
delta_apply(int delta_fd, int file_fd, int attributes, struct err *e)
{
	SCOPED(free_at) char *piece = mem_array(NULL, PIECE, 1);
	SCOPED(look_free) struct look look = {0};
	struct delta_record record = {0};

	for (int64_t at = sizeof(struct state);; at += (int64_t)record.len) {
		if (read_record(delta_fd, at, &record, e) != 0)
			return -1;
		at += (int64_t)sizeof(record);
		if (record.len == 0)
			break;
		if (apply_record(delta_fd, at, &record, file_fd, piece, e) != 0)
			return -1;
	}
	if (ftruncate(file_fd, (off_t)record.at) != 0)
		return err_errno(
			e, "cannot be made %llu bytes long", (unsigned long long)record.at);
	return look_at(&look, delta_fd, LOOK_FLAGS, e) != 0
		       ? -1
		       : look_apply(&look, file_fd, attributes, e);
}
