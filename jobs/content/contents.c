#include "jobs/content/contents.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/content/damage_report.h"
#include "jobs/content/manifest.h"
#include "jobs/operations/inspect.h"
#include "jobs/sources/inventory.h"
#include "store/catalogue/backups.h"
#include "store/read/replay.h"

/* A JSON member: an inspect has some kilobytes, a manifest some megabytes. */
enum { JSON_MEMBER_MAX = 64 * 1024 * 1024 };

/* The plain bytes of a replay, counted. */
struct contents_counted {
	struct source source;
	struct replay *replay;
	struct operation *operation; /* or NULL */
};

static ssize_t
counted_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct contents_counted *c = ctx;
	ssize_t got;

	if (c->operation != NULL && operation_check(c->operation, e) != 0)
		return -1;
	got = source_read(&c->source, data, size, e);
	if (got > 0 && c->operation != NULL)
		operation_advance(c->operation, got, 0);
	return got;
}

static int
counted_skip(void *ctx, int64_t bytes, struct err *e)
{
	const struct contents_counted *c = ctx;

	if (c->operation != NULL)
		operation_advance(c->operation, bytes, 0);
	return replay_plain_seek(c->replay, replay_plain_at(c->replay) + bytes, e);
}

static enum replay_use
use_of(enum reader_use use)
{
	switch (use) {
	case READER_COMPARE:
		return REPLAY_COMPARE;
	case READER_LOOK:
		return REPLAY_LOOK;
	case READER_WRITE:
		break;
	}
	return REPLAY_WRITE;
}

static int
counted_direct(void *ctx, const struct reader_file *f, int64_t at, int64_t len, int64_t fd_offset,
	int64_t *ret_from, int64_t *ret_len, struct err *e)
{
	const struct contents_counted *c = ctx;
	const struct replay_file file = {use_of(f->use), f->fd, f->differs, f->ctx};

	if (c->operation != NULL && operation_check(c->operation, e) != 0)
		return -1;
	return replay_file(c->replay, &file, at, len, fd_offset, ret_from, ret_len, e);
}

static int
counted_open(struct contents_counted *c, struct store *s, const char *backup,
	struct reader **ret_reader, struct err *e)
{
	if (replay_open(s, backup, &c->replay, e) != 0)
		return -1;
	c->source = replay_plain(c->replay);
	return reader_open((struct source){.read = counted_read, .ctx = c}, ret_reader, e);
}

static void
counted_close(struct contents_counted *c)
{
	replay_close(c->replay);
}

static int
go_over(struct reader *reader, contents_visit *visit, void *ctx, struct err *e)
{
	const struct member *m;
	int more;

	while ((more = reader_next(reader, &m, e)) > 0) {
		const int status = visit(ctx, m, reader, e);

		if (status != 0)
			return status > 0 ? 0 : -1;
	}
	return more;
}

int
contents_walk(struct store *s, const char *backup, struct operation *o, contents_visit *visit,
	void *ctx, struct err *e)
{
	SCOPED(counted_close) struct contents_counted counted = {.operation = o};
	SCOPED(reader_close_at) struct reader *reader = NULL;

	if (counted_open(&counted, s, backup, &reader, e) != 0)
		return -1;
	return go_over(reader, visit, ctx, e);
}

int
contents_skim(struct store *s, const char *backup, struct operation *o, contents_visit *visit,
	void *ctx, struct err *e)
{
	SCOPED(counted_close) struct contents_counted counted = {.operation = o};
	SCOPED(reader_close_at) struct reader *reader = NULL;

	if (counted_open(&counted, s, backup, &reader, e) != 0)
		return -1;
	reader_skip_by(reader, counted_skip);
	reader_direct_by(reader, counted_direct);
	return go_over(reader, visit, ctx, e);
}

int
contents_pick(struct store *s, const char *backup, struct operation *o,
	const struct contents_pick *pick, contents_visit *visit, void *ctx, struct err *e)
{
	SCOPED(counted_close) struct contents_counted counted = {.operation = o};
	SCOPED(reader_close_at) struct reader *reader = NULL;
	const struct member *m;

	if (pick->count == 0)
		return 0;
	if (counted_open(&counted, s, backup, &reader, e) != 0)
		return -1;
	reader_skip_by(reader, counted_skip);
	reader_direct_by(reader, counted_direct);
	for (size_t i = 0; i < pick->count; i++) {
		if (reader_leap(reader, pick->offsets[i], e) != 0)
			return -1;
		if (reader_next(reader, &m, e) <= 0)
			return err_prefix(e, "the archive is not what it was");
		if (visit(ctx, m, reader, e) != 0)
			return -1;
	}
	return 0;
}

static json_t *
contents_read_json(const struct member *m, struct reader *r, struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(JSON_MEMBER_MAX);
	struct source content = reader_content(r);
	char piece[16384];
	json_error_t error;
	json_t *json;
	ssize_t got;

	while ((got = source_read(&content, piece, sizeof(piece), e)) > 0)
		if (buf_add(&text, piece, (size_t)got) != 0) {
			(void)err_set(e, ERR_CORRUPT, "%s is larger than %d bytes", m->path,
				JSON_MEMBER_MAX);
			return NULL;
		}
	if (got < 0)
		return NULL;
	json = json_parse(text.data, text.len, 0, &error);
	if (json == NULL)
		(void)err_set(e, ERR_CORRUPT, "%s: line %d: %s", m->path, error.line, error.text);
	return json;
}

/* The middle of ${path} if it is ${head}MIDDLE${tail}, the caller's; else NULL. */
static char *
middle(const char *path, const char *head, const char *tail)
{
	const size_t len = strlen(path), before = strlen(head), after = strlen(tail);

	if (len <= before + after || strncmp(path, head, before) != 0 ||
		strcmp(path + len - after, tail) != 0 ||
		memchr(path + before, '/', len - before - after) != NULL)
		return NULL;
	return mem_copy(path + before, len - before - after);
}

static int
keep_json(json_t *object, const char *name, const struct member *m, struct reader *r, struct err *e)
{
	json_t *json = contents_read_json(m, r, e);

	if (json == NULL)
		return -1;
	if (json_object_get(object, name) != NULL) {
		json_decref(json);
		return err_set(e, ERR_CORRUPT, "%s is in the archive twice", m->path);
	}
	return json_object_set_new(object, name, json);
}

int
contents_drain(struct reader *r, struct err *e)
{
	const void *data;
	int64_t offset;
	size_t len;
	int more;

	while ((more = reader_block(r, &data, &len, &offset, e)) > 0)
		;
	return more;
}

static int
check_promises(const struct contents *c, struct err *e)
{
	const json_t *item;
	size_t i;

	if (c->manifest == NULL)
		return err_set(e, ERR_CORRUPT, "the archive has no backup.json");
	if (json_integer_value(json_object_get(c->manifest, "format")) != MANIFEST_FORMAT)
		return err_set(e, ERR_UNSUPPORTED,
			"the archive's format is not %d: it was made by another version",
			MANIFEST_FORMAT);
	json_array_foreach (json_object_get(c->manifest, "containers"), i, item) {
		if (json_object_get(c->inspects, json_text(item, "name", NULL)) == NULL)
			return err_set(e, ERR_CORRUPT, "container %s has no inspect.json",
				json_text(item, "name", NULL));
	}
	json_array_foreach (json_object_get(c->manifest, "networks"), i, item) {
		if (json_object_get(c->networks, json_string_value(item)) == NULL)
			return err_set(e, ERR_CORRUPT, "network %s is not in the archive",
				json_string_value(item));
	}
	return 0;
}

struct contents_reading {
	struct contents *contents;
	const struct contents_looker *looker; /* or NULL */
	bool brief;
};

/* Nothing of what is looked for stands from ${path} on. */
static bool
trees_begin(const struct contents *c, const char *path)
{
	struct err ignored;

	return (strncmp(path, "volumes/", 8) == 0 || strncmp(path, "binds/", 6) == 0 ||
		       strncmp(path, "host/", 5) == 0) &&
	       check_promises(c, &ignored) == 0;
}

static int
read_member(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	const struct contents_reading *reading = ctx;
	struct contents *c = reading->contents;
	SCOPED(free_at) char *container = middle(m->path, "containers/", "/inspect.json");
	SCOPED(free_at) char *network = middle(m->path, "networks/", ".json");

	if (reading->brief && trees_begin(c, m->path))
		return 1;
	c->members++;
	c->bytes += m->size;
	if (reading->looker != NULL)
		reading->looker->look(reading->looker->ctx, c, m);
	if (container != NULL)
		return keep_json(c->inspects, container, m, r, e);
	if (network != NULL)
		return keep_json(c->networks, network, m, r, e);
	if (strcmp(m->path, "backup.json") != 0)
		return reading->brief ? 0 : contents_drain(r, e);
	c->manifest = c->manifest == NULL ? contents_read_json(m, r, e) : NULL;
	return c->manifest == NULL ? -1 : 0;
}

static int
read_all(struct store *s, const char *backup, struct operation *o, struct contents_reading *reading,
	struct contents **ret_contents, struct err *e)
{
	SCOPED(contents_free_at) struct contents *c = mem_new(sizeof(*c));

	reading->contents = c;
	c->inspects = json_object();
	c->networks = json_object();
	if ((reading->brief ? contents_skim : contents_walk)(
		    s, backup, o, read_member, reading, e) != 0 ||
		check_promises(c, e) != 0)
		return -1;
	*ret_contents = TAKE(c);
	return 0;
}

int
contents_read_looking(struct store *s, const char *backup, struct operation *o,
	const struct contents_looker *looker, struct contents **ret_contents, struct err *e)
{
	struct contents_reading reading = {.looker = looker};

	return read_all(s, backup, o, &reading, ret_contents, e);
}

int
contents_read_brief(struct store *s, const char *backup, struct operation *o,
	struct contents **ret_contents, struct err *e)
{
	struct contents_reading reading = {.brief = true};

	return read_all(s, backup, o, &reading, ret_contents, e);
}

int
contents_read(struct store *s, const char *backup, struct operation *o,
	struct contents **ret_contents, struct err *e)
{
	return contents_read_looking(s, backup, o, NULL, ret_contents, e);
}

/* A pattern of the path ${name}, as text_json wrote it: \xHH was a byte that is no UTF-8. */
static json_t *
pattern_of(const char *name, bool folder)
{
	SCOPED(buf_free) struct buf pattern = BUF_INIT(4 * MEMBER_PATH_MAX);

	for (const char *at = name; *at != '\0'; at++) {
		if (at[0] == '\\' && at[1] == 'x' && at[2] >= '8' && isxdigit(at[2]) &&
			isxdigit(at[3])) {
			(void)buf_text(&pattern, "?");
			at += 3;
			continue;
		}
		if (strchr("*?[\\", *at) != NULL)
			(void)buf_text(&pattern, "\\");
		(void)buf_add(&pattern, at, 1);
	}
	if (folder)
		(void)buf_text(&pattern, "/*");
	return json_string(pattern.data == NULL ? "" : pattern.data);
}

json_t *
contents_left_out(const struct contents *c)
{
	json_t *list = json_copy(json_object_get(json_object_get(c->manifest, "plan"), "exclude"));
	const json_t *one;
	size_t i;

	if (list == NULL)
		list = json_array();
	json_array_foreach (json_object_get(c->manifest, "omitted"), i, one) {
		const char *kind = json_text(one, "kind", NULL);

		if (strcmp(kind, "file") == 0 || strcmp(kind, "folder") == 0)
			(void)json_array_append_new(
				list, pattern_of(json_text(one, "name", NULL), kind[1] == 'o'));
	}
	return list;
}

void
contents_free(struct contents *c)
{
	if (c == NULL)
		return;
	json_decref(c->manifest);
	json_decref(c->inspects);
	json_decref(c->networks);
	free(c);
}

void
contents_free_at(struct contents **c)
{
	contents_free(*c);
}

/* Chunks whose numbers a verification takes along, to look for the backups that need them. */
enum { VERIFY_NUMBERS = 10000 };

/* Something is damaged: mark all of it, and name what it hurts, in the result and the error. */
static int
contents_damage_tell(const struct verify_request *request, struct operation *o, json_t **ret_result,
	struct err *e)
{
	SCOPED(free_at) uint64_t *numbers = mem_array(NULL, VERIFY_NUMBERS, sizeof(*numbers));
	SCOPED(free_at) char *text = NULL;
	size_t count = VERIFY_NUMBERS;
	json_t *files = NULL;

	operation_phase(o, "name");
	if (damage_report_of_backup(
		    request->store, request->backup, o, numbers, &count, &files, e) != 0)
		return -1;
	if (count == 0) {
		json_decref(files);
		return 0;
	}
	*ret_result = json_pack("{s:I}", "chunks_damaged", (json_int_t)count);
	files = json_pack("[o]", files);
	if (damage_report(request->store, numbers, count, files, *ret_result, &text, e) != 0)
		return -1;
	(void)err_set(e, ERR_CORRUPT,
		"%zu chunks are damaged; the next backup of the same data heals them%s", count,
		text);
	return 1;
}

int
verify_run(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	const struct verify_request *request = arg;
	SCOPED(contents_free_at) struct contents *c = NULL;
	struct err why;

	operation_phase(o, "verify");
	if (contents_read(request->store, request->backup, o, &c, e) == 0) {
		if (backups_verified(request->store, request->backup, clock_real_ns(), e) != 0)
			return -1;
		*ret_result = json_pack("{s:I, s:I}", "members", (json_int_t)c->members, "bytes",
			(json_int_t)c->bytes);
		return 0;
	}
	why = *e;
	if (why.code == ERR_CORRUPT)
		(void)backups_verified(request->store, request->backup, 0, e); /* it may be gone */
	if (why.code == ERR_CORRUPT && contents_damage_tell(request, o, ret_result, e) != 0)
		return -1;
	*e = why; /* no chunk is to blame */
	return -1;
}

void
verify_request_free(void *arg)
{
	struct verify_request *request = arg;

	free(request->backup);
	free(request);
}
