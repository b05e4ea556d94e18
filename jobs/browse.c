#include "jobs/browse.h"

#include <pthread.h>
#include <string.h>

#include "archive/tar/reader.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "store/read/replay.h"

enum { DIGEST_SIZE = 80 };

/* An outline and who uses it: the shelf, and views. */
struct kept {
	char digest[DIGEST_SIZE]; /* of the stream */
	struct outline *outline;
	size_t users;
};

struct browse {
	struct store *store;
	pthread_mutex_t mutex;
	struct kept *shelf[BROWSE_KEPT]; /* the one looked at last comes first */
};

struct browse_view {
	struct browse *browse;
	struct kept *kept;
	struct replay *replay;
	struct source plain; /* of it */
	struct outline_stream stream;
	struct reader *reader; /* of a file with holes */

	/* What browse_file and browse_tar give out: parts of the stream, then an end marker. */
	struct outline_range *parts;
	size_t part, part_count;
	int64_t left; /* of the present part */
	size_t zeros;
};

struct browse *
browse_new(struct store *s)
{
	struct browse *b = mem_new(sizeof(*b));

	b->store = s;
	(void)pthread_mutex_init(&b->mutex, NULL);
	return b;
}

static void
browse_leave(struct kept *k)
{
	if (k == NULL || --k->users > 0)
		return;
	outline_free(k->outline);
	free(k);
}

void
browse_free(struct browse *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < BROWSE_KEPT; i++)
		browse_leave(b->shelf[i]);
	(void)pthread_mutex_destroy(&b->mutex);
	free(b);
}

/* Put what was at ${from} to the front. */
static void
to_front(struct browse *b, size_t from)
{
	struct kept *k = b->shelf[from];

	memmove(&b->shelf[1], &b->shelf[0], from * sizeof(k));
	b->shelf[0] = k;
}

/* The kept outline of the stream ${digest}, for one more user; NULL if there is none.  An id would
 * not do: a backup that was deleted may be imported again from an archive that somebody changed. */
static struct kept *
shelf_find(struct browse *b, const char *digest)
{
	LOCKED(&b->mutex);
	for (size_t i = 0; i < BROWSE_KEPT; i++)
		if (b->shelf[i] != NULL && strcmp(b->shelf[i]->digest, digest) == 0) {
			to_front(b, i);
			b->shelf[0]->users++;
			return b->shelf[0];
		}
	return NULL;
}

/* Keep ${outline}, which is taken; for one user besides. */
static struct kept *
shelf_put(struct browse *b, const char *digest, struct outline *outline)
{
	struct kept *k = mem_new(sizeof(*k));
	LOCKED(&b->mutex);

	(void)snprintf(k->digest, sizeof(k->digest), "%s", digest);
	k->outline = outline;
	k->users = 2;
	browse_leave(b->shelf[BROWSE_KEPT - 1]);
	b->shelf[BROWSE_KEPT - 1] = k;
	to_front(b, BROWSE_KEPT - 1);
	return k;
}

static int
stream_seek(void *ctx, int64_t offset, struct err *e)
{
	struct browse_view *v = ctx;

	return replay_plain_seek(v->replay, offset, e);
}

static int
stream_skip(void *ctx, int64_t len, struct err *e)
{
	struct browse_view *v = ctx;

	return replay_plain_seek(v->replay, replay_plain_at(v->replay) + len, e);
}

static ssize_t
browse_stream_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct browse_view *v = ctx;

	return source_read(&v->plain, data, size, e);
}

int
browse_open(struct browse *b, const char *backup, struct browse_view **ret_view, struct err *e)
{
	SCOPED(browse_close_at) struct browse_view *v = mem_new(sizeof(*v));
	struct outline *outline;

	v->browse = b;
	v->stream = (struct outline_stream){
		.source = {browse_stream_read, v}, .seek = stream_seek, .skip = stream_skip};
	if (replay_open(b->store, backup, &v->replay, e) != 0)
		return -1;
	v->plain = replay_plain(v->replay);
	v->kept = shelf_find(b, replay_digest(v->replay));
	if (v->kept == NULL) {
		if (outline_make(&v->stream, &outline, e) != 0)
			return -1;
		v->kept = shelf_put(b, replay_digest(v->replay), outline);
	}
	*ret_view = TAKE(v);
	return 0;
}

void
browse_close(struct browse_view *v)
{
	if (v == NULL)
		return;
	reader_close_at(&v->reader);
	if (v->kept != NULL) {
		LOCKED(&v->browse->mutex);
		browse_leave(v->kept);
	}
	replay_close(v->replay);
	free(v->parts);
	free(v);
}

void
browse_close_at(struct browse_view **v)
{
	browse_close(*v);
}

const char *
browse_digest(const struct browse_view *v)
{
	return replay_digest(v->replay);
}

int
browse_find(struct browse_view *v, const char *path, struct outline_entry *ret_entry, struct err *e)
{
	SCOPED(outline_entry_free) struct outline_entry file = {0};

	if (outline_find(v->kept->outline, &v->stream, path, ret_entry, e) != 0)
		return -1;
	if (!ret_entry->member || ret_entry->type != MEMBER_LINK)
		return 0;
	if (outline_find(v->kept->outline, &v->stream, ret_entry->link, &file, e) != 0 ||
		file.type != MEMBER_FILE) {
		outline_entry_free(ret_entry);
		*ret_entry = (struct outline_entry){0};
		return err_set(e, ERR_CORRUPT, "%.500s is a link to what is not there", path);
	}
	ret_entry->size = file.size;
	ret_entry->sparse = file.sparse;
	ret_entry->header = file.header;
	ret_entry->content = file.content;
	return 0;
}

int
browse_children(struct browse_view *v, const char *folder, const char *after, size_t limit,
	struct outline_list *ret_list, struct err *e)
{
	return outline_children(v->kept->outline, &v->stream, folder, after, limit, ret_list, e);
}

/* ---- contents ---- */

/* The next part begins.  Returns 1, 0 if there is none, -1. */
static int
part_next(struct browse_view *v, struct err *e)
{
	while (v->left == 0) {
		if (v->part == v->part_count)
			return 0;
		v->left = v->parts[v->part].len;
		if (replay_plain_seek(v->replay, v->parts[v->part].offset, e) != 0)
			return -1;
		v->part++;
	}
	return 1;
}

static ssize_t
parts_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct browse_view *v = ctx;
	const int more = part_next(v, e);
	ssize_t got;

	if (more < 0)
		return -1;
	if (more == 0) {
		size = size < v->zeros ? size : v->zeros;
		memset(data, 0, size);
		v->zeros -= size;
		return (ssize_t)size;
	}
	if ((int64_t)size > v->left)
		size = (size_t)v->left;
	got = browse_stream_read(v, data, size, e);
	if (got == 0)
		return err_set(e, ERR_CORRUPT, "the archive ends too early");
	if (got > 0)
		v->left -= got;
	return got;
}

/* Give out ${parts}, taken, and then ${zeros} of these. */
static struct source
parts_give(struct browse_view *v, struct outline_range *parts, size_t count, size_t zeros)
{
	free(v->parts);
	v->parts = parts;
	v->part_count = count;
	v->part = 0;
	v->left = 0;
	v->zeros = zeros;
	return (struct source){parts_read, v};
}

static int
open_sparse(struct browse_view *v, const struct outline_entry *file, struct source *ret_source,
	struct err *e)
{
	const struct member *m;

	reader_close_at(&v->reader);
	v->reader = NULL;
	if (stream_seek(v, file->header, e) != 0 ||
		reader_open(v->stream.source, &v->reader, e) != 0)
		return -1;
	if (reader_next(v->reader, &m, e) < 0)
		return -1;
	*ret_source = reader_content(v->reader);
	return 0;
}

int
browse_file(struct browse_view *v, const struct outline_entry *file, int64_t first, int64_t len,
	struct source *ret_source, struct err *e)
{
	struct outline_range *part;

	if (file->sparse)
		return open_sparse(v, file, ret_source, e);
	part = mem_new(sizeof(*part));
	*part = (struct outline_range){file->content + first, len};
	*ret_source = parts_give(v, part, 1, 0);
	return 0;
}

int
browse_tar(struct browse_view *v, const char *folder, struct source *ret_source, int64_t *ret_len,
	struct err *e)
{
	struct outline_range *parts;
	size_t count;

	if (outline_ranges(v->kept->outline, &v->stream, folder, &parts, &count, e) != 0)
		return -1;
	*ret_len = MEMBER_END_SIZE;
	for (size_t i = 0; i < count; i++)
		*ret_len += parts[i].len;
	*ret_source = parts_give(v, parts, count, MEMBER_END_SIZE);
	return 0;
}
