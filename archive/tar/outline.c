/*
 * Invariants:
 * 1. Within a stretch, paths ascend strictly by path_compare; the first of its points is its first
 *    member.
 * 2. Under path_compare a folder, and what is in it, are neighbours: nothing stands between them.
 * So what is wanted of a stretch is found by halving its points, and then by reading on.
 */
#include "archive/tar/outline.h"

#include <stdlib.h>
#include <string.h>

#include "archive/tar/path_order.h"
#include "archive/tar/reader.h"
#include "base/mem.h"
#include "base/scope.h"

/* A member whose place is remembered. */
struct point {
	int64_t offset;
	char *path;
};

struct outline_stretch {
	size_t first, count; /* of the points */
	int64_t end;	     /* where the next one begins, or the end marker */
	char *last;	     /* path of its last member */
};

struct outline {
	struct point *points;
	size_t point_count, point_room;
	struct outline_stretch *stretches;
	size_t stretch_count, stretch_room;
	size_t bytes; /* of memory, about */
};

void
outline_free(struct outline *o)
{
	if (o == NULL)
		return;
	for (size_t i = 0; i < o->point_count; i++)
		free(o->points[i].path);
	for (size_t i = 0; i < o->stretch_count; i++)
		free(o->stretches[i].last);
	free(o->points);
	free(o->stretches);
	free(o);
}

void
outline_free_at(struct outline **o)
{
	outline_free(*o);
}

/* ---- making one ---- */

static int
charge(struct outline *o, size_t bytes, struct err *e)
{
	o->bytes += bytes;
	if (o->bytes <= OUTLINE_BYTES_MAX)
		return 0;
	return err_set(e, ERR_TOO_LARGE,
		"the backup has too many files to be browsed; its archive can be downloaded");
}

static int
add_point(struct outline *o, int64_t offset, const char *path, struct err *e)
{
	if (charge(o, sizeof(*o->points) + strlen(path) + 17, e) != 0)
		return -1;
	if (o->point_count == o->point_room) {
		o->point_room = o->point_room * 2 + 64;
		o->points = mem_array(o->points, o->point_room, sizeof(*o->points));
	}
	o->points[o->point_count++] = (struct point){offset, mem_string(path)};
	o->stretches[o->stretch_count - 1].count++;
	return 0;
}

static void
end_stretch(struct outline *o, int64_t end, char *last)
{
	if (o->stretch_count == 0)
		return;
	o->stretches[o->stretch_count - 1].end = end;
	o->stretches[o->stretch_count - 1].last = last;
}

static int
begin_stretch(struct outline *o, struct err *e)
{
	if (charge(o, sizeof(*o->stretches) + 64, e) != 0)
		return -1;
	if (o->stretch_count == o->stretch_room) {
		o->stretch_room = o->stretch_room * 2 + 16;
		o->stretches = mem_array(o->stretches, o->stretch_room, sizeof(*o->stretches));
	}
	o->stretches[o->stretch_count++] = (struct outline_stretch){.first = o->point_count};
	return 0;
}

/* What it costs to read past ${m}: its headers, and content that is not left out. */
static int64_t
cost_of(const struct member *m)
{
	const int64_t stored = member_stored_size(m);

	return INT64_C(3) * MEMBER_BLOCK_SIZE +
	       (stored < OUTLINE_STEP / 4 ? stored : OUTLINE_STEP / 4);
}

/* Take in the members of ${r}; ${last}: the path of the one before, owned. */
static int
take_members(struct outline *o, struct reader *r, char **last, struct err *e)
{
	const struct member *m;
	int64_t cost = 0;
	int more;

	while ((more = reader_next(r, &m, e)) > 0) {
		const int64_t at = reader_place(r).header;

		if (*last == NULL || path_compare(*last, m->path) >= 0) {
			end_stretch(o, at, *last);
			*last = NULL;
			if (begin_stretch(o, e) != 0)
				return -1;
			cost = OUTLINE_STEP;
		}
		if (cost >= OUTLINE_STEP) {
			if (add_point(o, at, m->path, e) != 0)
				return -1;
			cost = 0;
		}
		cost += cost_of(m);
		free(*last);
		*last = mem_string(m->path);
	}
	if (more < 0)
		return -1;
	end_stretch(o, reader_place(r).header, TAKE(*last));
	return 0;
}

int
outline_make(const struct outline_stream *s, struct outline **ret_outline, struct err *e)
{
	SCOPED(outline_free_at) struct outline *o = mem_new(sizeof(*o));
	SCOPED(reader_close_at) struct reader *r = NULL;
	SCOPED(free_at) char *last = NULL;

	if (s->seek(s->source.ctx, 0, e) != 0 || reader_open(s->source, &r, e) != 0)
		return -1;
	reader_skip_by(r, s->skip);
	if (take_members(o, r, &last, e) != 0)
		return -1;
	*ret_outline = TAKE(o);
	return 0;
}

/* ---- going through a stretch ---- */

struct cursor {
	const struct outline *o;
	const struct outline_stream *s;
	const struct outline_stretch *stretch;
	size_t point;  /* the last one that is not behind the present member */
	int64_t began; /* where in the stream the reader did */
	struct reader *reader;
	const struct member *member;
};

static void
cursor_close(struct cursor *c)
{
	reader_close_at(&c->reader);
}

/* Begin to read at ${point} of the stretch. */
static int
cursor_go(struct cursor *c, size_t point, struct err *e)
{
	reader_close_at(&c->reader);
	c->reader = NULL;
	c->point = point;
	c->began = c->o->points[point].offset;
	if (c->s->seek(c->s->source.ctx, c->began, e) != 0 ||
		reader_open(c->s->source, &c->reader, e) != 0)
		return -1;
	reader_skip_by(c->reader, c->s->skip);
	return 0;
}

static int64_t
cursor_at(const struct cursor *c)
{
	return c->began + reader_place(c->reader).header;
}

/* The next member of the stretch.  Returns 1, 0 behind its last one, -1. */
static int
cursor_next(struct cursor *c, struct err *e)
{
	const size_t end = c->stretch->first + c->stretch->count;
	const int more = reader_next(c->reader, &c->member, e);

	if (more <= 0)
		return more;
	if (cursor_at(c) >= c->stretch->end)
		return 0;
	while (c->point + 1 < end && c->o->points[c->point + 1].offset <= cursor_at(c))
		c->point++;
	return 1;
}

/* True of the members that a search goes past: all before the first that is wanted. */
typedef bool passed(const char *path, const char *key);

static bool
before(const char *path, const char *key)
{
	return path_compare(path, key) < 0;
}

static bool
not_beyond(const char *path, const char *key)
{
	return path_compare(path, key) <= 0 || path_inside(path, key);
}

/* Go on to the first member that is not ${over}.  Returns 1, 0 if there is none, -1. */
static int
cursor_past(struct cursor *c, passed *over, const char *key, struct err *e)
{
	size_t low = c->point;
	size_t high = c->stretch->first + c->stretch->count;
	int more;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;
		if (over(c->o->points[middle].path, key))
			low = middle;
		else
			high = middle;
	}
	if ((c->reader == NULL || low > c->point) && cursor_go(c, low, e) != 0)
		return -1;
	while ((more = cursor_next(c, e)) > 0 && over(c->member->path, key))
		;
	return more;
}

/*
 * Stand on the first member of ${stretch} that is in ${folder}, itself included, and behind the
 * name ${after}, if that is not NULL.  Returns 1, 0 if there is none, -1.
 */
static int
cursor_open(struct cursor *c, const struct outline_stretch *stretch, const char *folder,
	const char *after, struct err *e)
{
	const char *first = c->o->points[stretch->first].path;
	SCOPED(free_at) char *key = after == NULL ? NULL : path_join(folder, after);
	int more;

	if (path_compare(stretch->last, folder) < 0 || !not_beyond(first, folder))
		return 0;
	c->stretch = stretch;
	c->point = stretch->first;
	more = key == NULL ? cursor_past(c, before, folder, e) : cursor_past(c, not_beyond, key, e);
	if (more <= 0)
		return more;
	return path_compare(c->member->path, folder) == 0 || path_inside(c->member->path, folder);
}

/* ---- what is asked ---- */

void
outline_entry_free(struct outline_entry *entry)
{
	free(entry->name);
	free(entry->link);
}

void
outline_list_free(struct outline_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		outline_entry_free(&list->entries[i]);
	free(list->entries);
	*list = (struct outline_list){0};
}

static struct outline_entry
entry_of(const struct cursor *c, char *name)
{
	const struct member *m = c->member;

	return (struct outline_entry){
		.name = name,
		.member = true,
		.type = m->type,
		.mode = m->mode,
		.uid = m->uid,
		.gid = m->gid,
		.size = m->size,
		.mtime_ns = m->mtime_ns,
		.link = m->link == NULL ? NULL : mem_string(m->link),
		.sparse = m->sparse,
		.header = cursor_at(c),
		.content = c->began + reader_place(c->reader).content,
	};
}

int
outline_find(const struct outline *o, const struct outline_stream *s, const char *path,
	struct outline_entry *ret_entry, struct err *e)
{
	SCOPED(cursor_close) struct cursor c = {.o = o, .s = s};
	bool implied = *path == '\0';

	for (size_t i = 0; i < o->stretch_count; i++) {
		const int found = cursor_open(&c, &o->stretches[i], path, NULL, e);

		if (found < 0)
			return -1;
		if (found > 0 && strcmp(c.member->path, path) == 0) {
			*ret_entry = entry_of(&c, mem_string(path_name(path)));
			return 0;
		}
		implied = implied || found > 0;
		reader_close_at(&c.reader);
		c.reader = NULL;
	}
	if (!implied)
		return err_set(e, ERR_NOT_FOUND, "the backup has no %.500s", path);
	*ret_entry =
		(struct outline_entry){.name = mem_string(path_name(path)), .type = MEMBER_DIR};
	return 0;
}

/* The first ${limit} + 1 entries of the folder in one stretch, which ascend. */
static int
stretch_children(struct cursor *c, const struct outline_stretch *stretch, const char *folder,
	const char *after, size_t limit, struct outline_list *list, struct err *e)
{
	int more = cursor_open(c, stretch, folder, after, e);

	if (more > 0 && path_compare(c->member->path, folder) == 0)
		more = cursor_next(c, e);
	while (more > 0 && path_inside(c->member->path, folder) && list->count <= limit) {
		bool direct;
		char *name = path_child(c->member->path, folder, &direct);
		SCOPED(free_at) char *child = path_join(folder, name);

		if (list->count % 64 == 0)
			list->entries =
				mem_array(list->entries, list->count + 64, sizeof(*list->entries));
		list->entries[list->count++] =
			direct ? entry_of(c, name)
			       : (struct outline_entry){.name = name, .type = MEMBER_DIR};
		more = direct && c->member->type != MEMBER_DIR
			       ? cursor_next(c, e)
			       : cursor_past(c, not_beyond, child, e);
	}
	return more < 0 ? -1 : 0;
}

/* The first ${limit} + 1 entries of both lists into ${to}; ${from} is empty then. */
static void
merge(struct outline_list *to, struct outline_list *from, size_t limit)
{
	struct outline_list both = {
		.entries = mem_array(NULL, to->count + from->count + 1, sizeof(*to->entries))};
	size_t i = 0;
	size_t j = 0;

	while (i < to->count || j < from->count) {
		struct outline_entry *a = i < to->count ? &to->entries[i] : NULL;
		struct outline_entry *b = j < from->count ? &from->entries[j] : NULL;
		const int order = a == NULL ? 1 : b == NULL ? -1 : strcmp(a->name, b->name);
		struct outline_entry *next = order <= 0 ? a : b;

		i += order <= 0;
		j += order >= 0;
		if (order == 0) { /* one of them may only be implied by what is in it */
			next = a->member ? a : b;
			outline_entry_free(a->member ? b : a);
		}
		if (both.count <= limit)
			both.entries[both.count++] = *next;
		else
			outline_entry_free(next);
	}
	free(to->entries);
	free(from->entries);
	*to = both;
	*from = (struct outline_list){0};
}

int
outline_children(const struct outline *o, const struct outline_stream *s, const char *folder,
	const char *after, size_t limit, struct outline_list *ret_list, struct err *e)
{
	SCOPED(outline_list_free) struct outline_list all = {0};

	for (size_t i = 0; i < o->stretch_count; i++) {
		SCOPED(cursor_close) struct cursor c = {.o = o, .s = s};
		SCOPED(outline_list_free) struct outline_list some = {0};

		if (stretch_children(&c, &o->stretches[i], folder, after, limit, &some, e) != 0)
			return -1;
		if (some.count > 0)
			merge(&all, &some, limit);
	}
	all.more = all.count > limit;
	if (all.more)
		outline_entry_free(&all.entries[--all.count]);
	*ret_list = all;
	all = (struct outline_list){0};
	return 0;
}

int
outline_ranges(const struct outline *o, const struct outline_stream *s, const char *folder,
	struct outline_range **ret_ranges, size_t *ret_count, struct err *e)
{
	SCOPED(free_at) struct outline_range *ranges = NULL;
	size_t count = 0;

	for (size_t i = 0; i < o->stretch_count; i++) {
		SCOPED(cursor_close) struct cursor c = {.o = o, .s = s};
		int more = cursor_open(&c, &o->stretches[i], folder, NULL, e);

		if (more < 0)
			return -1;
		if (more == 0)
			continue;
		const int64_t from = cursor_at(&c);
		if ((more = cursor_past(&c, not_beyond, folder, e)) < 0)
			return -1;
		const int64_t end = more > 0 ? cursor_at(&c) : o->stretches[i].end;
		ranges = mem_array(ranges, count + 1, sizeof(*ranges));
		ranges[count++] = (struct outline_range){from, end - from};
	}
	*ret_ranges = TAKE(ranges);
	*ret_count = count;
	return 0;
}
