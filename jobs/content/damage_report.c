#include "jobs/content/damage_report.h"

#include <stdlib.h>
#include <string.h>

#include "archive/tar/header.h"
#include "archive/tar/pax.h"
#include "archive/tar/reader.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "jobs/operations/inspect.h"
#include "store/catalogue/damage.h"
#include "store/read/salvage.h"

enum { TELL_BYTES = 1 << 20 };

/* In an error: so many names, each cut to so many bytes. */
enum { TEXT_NAMES = 3, TEXT_NAME_MAX = 120, TEXT_MAX = 600 };

struct damage_report_walk {
	struct salvage *salvage;
	struct operation *operation;
	int64_t untold; /* bytes that the operation does not know of */
	int64_t end;	/* of the member before */
	char *last;	/* its path */
	bool lost;	/* since then names were lost */
	json_t *files, *unnamed;
	bool more;
};

/*
 * A block of the tar at a time, so that the reader has none in its hands that it has not looked at:
 * behind a member's content the source stands at the end of its last block.
 */
static ssize_t
walk_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct damage_report_walk *w = ctx;
	const struct source source = salvage_source(w->salvage);
	const size_t left =
		MEMBER_BLOCK_SIZE - (size_t)(salvage_at(w->salvage) % MEMBER_BLOCK_SIZE);

	const ssize_t got = source_read(&source, data, size < left ? size : left, e);
	w->untold += got > 0 ? got : 0;
	if (w->untold < TELL_BYTES)
		return got;
	operation_advance(w->operation, w->untold, 0);
	w->untold = 0;
	return operation_check(w->operation, e) != 0 ? -1 : got;
}

static void
name_add(struct damage_report_walk *w, json_t *list, json_t *name)
{
	if (json_array_size(w->files) + json_array_size(w->unnamed) < DAMAGE_REPORT_NAMES) {
		(void)json_array_append_new(list, name);
		return;
	}
	json_decref(name);
	w->more = true;
}

/* What was lost stands between the last member that was read and ${next} (NULL: the end). */
static void
lost_add(struct damage_report_walk *w, const char *next)
{
	SCOPED(free_at)
	char *text = mem_format("between %s and %s", w->last == NULL ? "the beginning" : w->last,
		next == NULL ? "the end" : next);

	name_add(w, w->unnamed, text_json(text));
	w->lost = false;
}

static bool
hurt(const struct damage_report_walk *w, int64_t from, int64_t to)
{
	size_t count = 0;
	const struct salvage_hole *holes = salvage_holes(w->salvage, &count);

	for (size_t i = 0; i < count; i++)
		if (holes[i].from < to && holes[i].to > from)
			return true;
	return false;
}

/* Go over the present member's content. */
static int
member_pass(struct damage_report_walk *w, const char *path, struct reader *r, struct err *e)
{
	const void *data;
	int64_t offset;
	size_t len;
	int more;

	if (w->lost)
		lost_add(w, path);
	while ((more = reader_block(r, &data, &len, &offset, e)) > 0)
		;
	const int64_t end = salvage_at(w->salvage);
	if (hurt(w, w->end, end))
		name_add(w, w->files, text_json(path));
	w->end = end;
	free(w->last);
	w->last = mem_string(path);
	return more;
}

/* Members, as far as they can be told apart: 0 at the archive's end, 1 if one cannot, -1. */
static int
members_walk(struct damage_report_walk *w, struct err *e)
{
	SCOPED(reader_close_at) struct reader *reader = NULL;
	const struct member *m;
	int more = reader_open((struct source){.read = walk_read, .ctx = w}, &reader, e);

	if (more != 0)
		return -1;
	while ((more = reader_next(reader, &m, e)) > 0) {
		SCOPED(free_at) char *path = mem_string(m->path);
		if (member_pass(w, path, reader, e) != 0) {
			more = -1;
			break;
		}
	}
	if (more == 0)
		return 0;
	return e->code == ERR_CORRUPT || e->code == ERR_UNSUPPORTED ? 1 : -1;
}

/* To the next chunk that begins with a header: 1, 0 if there is none, -1. */
static int
resume(struct damage_report_walk *w, struct err *e)
{
	const void *data;
	size_t len;
	int more;

	w->lost = true;
	while ((more = salvage_skip(w->salvage, &data, &len, e)) > 0) {
		if (operation_check(w->operation, e) != 0)
			return -1;
		w->end = salvage_at(w->salvage);
		if (len >= sizeof(struct ustar) && ustar_checksum_fits(data))
			return 1;
	}
	return more;
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
numbers_take(const struct damage_report_walk *w, uint64_t *numbers, size_t *count)
{
	const size_t room = *count;
	size_t holes = 0;
	const struct salvage_hole *hole = salvage_holes(w->salvage, &holes);

	*count = 0;
	for (size_t i = 0; i < holes; i++)
		if (*count < room)
			numbers[(*count)++] = hole[i].number;
	if (*count > 1)
		qsort(numbers, *count, sizeof(*numbers), by_number);
}

static void
walk_free_at(struct damage_report_walk *w)
{
	salvage_close_at(&w->salvage);
	json_decref(w->files);
	json_decref(w->unnamed);
	free(w->last);
}

int
damage_report_of_backup(struct store *s, const char *backup, struct operation *o, uint64_t *numbers,
	size_t *ret_count, json_t **ret_files, struct err *e)
{
	SCOPED(walk_free_at)
	struct damage_report_walk w = {
		.operation = o, .files = json_array(), .unnamed = json_array()};
	int more;

	if (salvage_open(s, backup, &w.salvage, e) != 0)
		return -1;
	while ((more = members_walk(&w, e)) > 0 && (more = resume(&w, e)) > 0)
		;
	if (more < 0)
		return -1;
	if (w.lost)
		lost_add(&w, NULL);
	numbers_take(&w, numbers, ret_count);
	*ret_files = json_pack("{s:s, s:O, s:O, s:b}", "backup", backup, "files", w.files,
		"unnamed", w.unnamed, "more", (int)w.more);
	return 0;
}

/* Up to TEXT_NAMES of a list, and how many there are besides. */
static void
text_list(struct buf *to, const char *what, const json_t *list, int64_t total)
{
	const json_t *item;
	size_t i;

	if (total == 0)
		return;
	(void)buf_format(to, "; %s: ", what);
	json_array_foreach (list, i, item) {
		if (i < TEXT_NAMES)
			(void)buf_format(to, "%s%.*s", i == 0 ? "" : ", ", TEXT_NAME_MAX,
				json_string_value(item));
	}
	if (total > TEXT_NAMES)
		(void)buf_format(to, " and %lld others", (long long)total - TEXT_NAMES);
}

int
damage_report(struct store *s, const uint64_t *numbers, size_t count, json_t *files, json_t *result,
	char **ret_text, struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(TEXT_MAX);
	json_t *ids = NULL;
	int64_t total = 0;
	const json_t *one;
	size_t i;

	(void)json_object_set_new(result, "damage", files);
	if (damage_backups(s, numbers, count, DAMAGE_REPORT_BACKUPS, &ids, &total, e) != 0)
		return -1;
	(void)json_object_set_new(result, "backups", ids);
	(void)json_object_set_new(result, "backups_damaged", json_integer(total));
	text_list(&text, "hurt are the backups", ids, total);
	json_array_foreach (files, i, one) {
		const json_t *names = json_object_get(one, "files");
		const json_t *unnamed = json_object_get(one, "unnamed");
		text_list(&text, "the files", names, (int64_t)json_array_size(names));
		text_list(&text, "files whose names are lost", unnamed,
			(int64_t)json_array_size(unnamed));
	}
	*ret_text = buf_take(&text);
	return 0;
}
