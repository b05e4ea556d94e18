#include <string.h>

#include "archive/tar/names.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "handlers/app.h"
#include "handlers/streams.h"
#include "jobs/browse.h"
#include "server/range.h"

/* Entries of a folder in one answer. */
enum { ENTRIES_DEFAULT = 1000, ENTRIES_MAX = 10000 };

/* What is asked for. */
struct files_look {
	char *path; /* without a '/' at its end; "" the root */
	bool tar;
	int limit;
	const char *after;
	struct browse_view *view;
	struct outline_entry entry;
};

static void
look_free(struct files_look *l)
{
	free(l->path);
	outline_entry_free(&l->entry);
	browse_close(l->view);
}

static int
look_asked(struct files_look *l, const struct request *r, struct err *e)
{
	const char *format = request_parameter(r, "format");
	size_t len = r->rest == NULL ? 0 : strlen(r->rest);
	int64_t limit;

	len -= len > 0 && r->rest[len - 1] == '/';
	l->path = mem_copy(r->rest == NULL ? "" : r->rest, len);
	l->tar = format != NULL;
	l->after = request_parameter(r, "after");
	if (len > 0 && !names_safe_path(l->path))
		return err_set(e, ERR_INVALID, "a path has no empty, \".\" or \"..\" part");
	if (l->tar && strcmp(format, "tar") != 0)
		return err_set(e, ERR_INVALID, "\"format\" is tar, or left out");
	if (l->after != NULL && (*l->after == '\0' || strchr(l->after, '/') != NULL))
		return err_set(e, ERR_INVALID,
			"\"after\" is the name of an entry, as in the \"next\" of a list");
	if (request_integer(r, "limit", 1, ENTRIES_MAX, ENTRIES_DEFAULT, &limit, e) != 0)
		return -1;
	l->limit = (int)limit;
	return 0;
}

static const char *
type_name(enum member_type type)
{
	switch (type) {
	case MEMBER_DIR:
		return "folder";
	case MEMBER_SYMLINK:
		return "symlink";
	case MEMBER_LINK:
		return "hardlink";
	case MEMBER_CHAR:
		return "character-device";
	case MEMBER_BLOCK:
		return "block-device";
	case MEMBER_FIFO:
		return "fifo";
	case MEMBER_FILE:
		break;
	}
	return "file";
}

/* ${entry} of the folder whose path is ${folder}, as in the contract's File. */
/* A time of the API is none after 2262. */
static int64_t
nearest(member_time ns)
{
	if (ns > INT64_MAX)
		return INT64_MAX;
	return ns < INT64_MIN ? INT64_MIN : (int64_t)ns;
}

static json_t *
entry_json(const struct outline_entry *entry, const char *folder)
{
	SCOPED(free_at)
	char *path = mem_format("%s%s%s", folder, *folder == '\0' ? "" : "/", entry->name);
	SCOPED(free_at) char *href = text_percent(path);
	json_t *json = json_pack("{s:o, s:s, s:s}", "name", text_json(entry->name), "type",
		type_name(entry->type), "href", href);
	char text[CLOCK_TEXT_SIZE];

	if (!entry->member)
		return json;
	(void)snprintf(text, sizeof(text), "%04o", (unsigned)entry->mode);
	(void)json_object_set_new(json, "mode", json_string(text));
	(void)json_object_set_new(json, "uid", json_integer(entry->uid));
	(void)json_object_set_new(json, "gid", json_integer(entry->gid));
	(void)json_object_set_new(
		json, "modified_at", json_string(clock_text(nearest(entry->mtime_ns), text)));
	if (entry->type == MEMBER_FILE)
		(void)json_object_set_new(json, "size_bytes", json_integer(entry->size));
	if (entry->link != NULL)
		(void)json_object_set_new(json, "link", text_json(entry->link));
	return json;
}

/* The entry that was asked for; its folder is what stands before its name. */
static json_t *
look_json(const struct files_look *l)
{
	const char *slash = strrchr(l->path, '/');
	SCOPED(free_at)
	char *folder = mem_copy(l->path, slash == NULL ? 0 : (size_t)(slash - l->path));

	return json_pack(
		"{s:o, s:o}", "path", text_json(l->path), "entry", entry_json(&l->entry, folder));
}

static int
answer_folder(const struct files_look *l, struct reply *reply, struct err *e)
{
	SCOPED(outline_list_free) struct outline_list list = {0};
	SCOPED(free_at) char *next = NULL;
	json_t *entries, *json;

	if (browse_children(l->view, l->path, l->after, (size_t)l->limit, &list, e) != 0)
		return -1;
	entries = json_array();
	for (size_t i = 0; i < list.count; i++)
		(void)json_array_append_new(entries, entry_json(&list.entries[i], l->path));
	if (list.more)
		next = text_percent(list.entries[list.count - 1].name);
	json = look_json(l);
	(void)json_object_set_new(json, "entries", entries);
	(void)json_object_set_new(json, "next", next == NULL ? json_null() : json_string(next));
	reply_json(reply, 200, json);
	return 0;
}

/* ---- bytes ---- */

struct files_sending {
	struct browse_view *view;
	struct source source;
	int64_t left;
	char *path;
};

static ssize_t
sending_read(void *ctx, uint64_t offset, char *data, size_t size)
{
	struct files_sending *s = ctx;
	struct err e;
	ssize_t got;

	(void)offset;
	if (s->left == 0)
		return 0;
	if ((int64_t)size > s->left)
		size = (size_t)s->left;
	got = source_read(&s->source, data, size, &e);
	if (got < 0)
		log_error("%s: sending it broken off: %s", s->path, e.text);
	if (got <= 0)
		return -1; /* a stream that is too short is a fault as well */
	s->left -= got;
	return got;
}

static void
sending_close(void *ctx)
{
	struct files_sending *s = ctx;

	browse_close(s->view);
	streams_leave(STREAM_PLAIN);
	free(s->path);
	free(s);
}

/* Answer with the ${len} bytes of ${source}; the view and the path go with it. */
static void
send_bytes(struct files_look *l, struct source source, int64_t len, int status, const char *type,
	struct reply *reply)
{
	const char *slash = strrchr(l->path, '/');
	SCOPED(free_at) char *name = text_percent(slash == NULL ? l->path : slash + 1);
	struct files_sending *s = mem_new(sizeof(*s));

	*s = (struct files_sending){l->view, source, len, l->path};
	reply_streamed(reply, status, type,
		&(struct reply_stream){
			.read = sending_read, .close = sending_close, .ctx = s, .len = len});
	reply_header(reply, "Content-Disposition", "attachment; filename*=UTF-8''%s%s",
		*name == '\0' ? "backup" : name, l->tar ? ".tar" : "");
	reply_header(reply, "Cache-Control", "private, no-cache");
	l->view = NULL;
	l->path = NULL;
}

static int
answer_tar(struct files_look *l, struct reply *reply, struct err *e)
{
	struct source source;
	int64_t len;

	if (streams_enter(STREAM_PLAIN, reply) != 0)
		return 0;
	if (browse_tar(l->view, l->path, &source, &len, e) != 0) {
		streams_leave(STREAM_PLAIN);
		return -1;
	}
	send_bytes(l, source, len, 200, "application/x-tar", reply);
	reply_header(reply, "Accept-Ranges", "none");
	return 0;
}

static int
files_refuse_range(const struct files_look *l, struct reply *reply)
{
	struct err e;

	(void)err_set(&e, ERR_RANGE, "the file has %lld bytes; the range begins behind them",
		(long long)l->entry.size);
	reply_error(reply, &e);
	reply_header(reply, "Content-Range", "bytes */%lld", (long long)l->entry.size);
	return 0;
}

static int
answer_file(struct files_look *l, const struct request *r, struct reply *reply, struct err *e)
{
	const char *condition = request_header(r, "If-Range");
	const int64_t size = l->entry.size;
	const bool sparse = l->entry.sparse; /* ranges of it are not offered */
	struct range range = {.len = size};
	struct source source;
	char etag[96];
	int ranged = 0;

	(void)snprintf(etag, sizeof(etag), "\"%s-%llx\"", browse_digest(l->view),
		(unsigned long long)l->entry.header);
	if (etag_listed(request_header(r, "If-None-Match"), etag)) {
		reply_empty(reply, 304);
		reply_header(reply, "ETag", "%s", etag);
		return 0;
	}
	if (!sparse && !r->head && (condition == NULL || strcmp(condition, etag) == 0))
		ranged = range_parse(request_header(r, "Range"), size, &range);
	if (ranged < 0)
		return files_refuse_range(l, reply);
	if (streams_enter(STREAM_PLAIN, reply) != 0)
		return 0;
	if (browse_file(l->view, &l->entry, range.first, range.len, &source, e) != 0) {
		streams_leave(STREAM_PLAIN);
		return -1;
	}
	send_bytes(l, source, range.len, ranged ? 206 : 200, "application/octet-stream", reply);
	reply_header(reply, "ETag", "%s", etag);
	reply_header(reply, "Accept-Ranges", "%s", sparse ? "none" : "bytes");
	if (ranged)
		reply_header(reply, "Content-Range", "bytes %lld-%lld/%lld", (long long)range.first,
			(long long)(range.first + range.len - 1), (long long)size);
	return 0;
}

int
files_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	SCOPED(look_free) struct files_look l = {0};

	if (look_asked(&l, r, e) != 0 || browse_open(app->browse, r->id, &l.view, e) != 0 ||
		browse_find(l.view, l.path, &l.entry, e) != 0)
		return -1;
	if (l.entry.type == MEMBER_DIR)
		return l.tar ? answer_tar(&l, reply, e) : answer_folder(&l, reply, e);
	if (l.tar)
		return err_set(e, ERR_INVALID, "%.500s is no folder: leave out \"format\"", l.path);
	if (l.entry.type == MEMBER_FILE || l.entry.type == MEMBER_LINK)
		return answer_file(&l, r, reply, e);
	reply_json(reply, 200, look_json(&l));
	return 0;
}
