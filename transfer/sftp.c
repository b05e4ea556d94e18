#include <curl/curl.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "transfer/transfer_internal.h"

/*
 * SFTP by libssh2: NAME.part, its size asked, renamed; OpenSSH refuses a rename onto what is there.
 * The server is known by the fingerprint of its host key alone (wire_host.h).
 */
struct sftp {
	char *server; /* sftp://host:port */
	char *folder; /* as commands name it */
};

static int
sftp_open(struct transfer *t, const struct transfer_options *o, struct err *e)
{
	const char *user = o->user == NULL ? t->url.user : o->user;
	struct sftp *s;

	if (t->url.host[0] == '\0' || user == NULL)
		return err_set(e, ERR_INVALID, "write sftp://user@host/folder");
	if (strchr(t->url.path, ' ') != NULL)
		return err_set(e, ERR_INVALID,
			"a folder on an SFTP server cannot have a space in its "
			"name here: choose another");
	if (o->key_file == NULL && t->secret[TRANSFER_PASSWORD] == NULL)
		return err_set(e, ERR_INVALID,
			"an SFTP server wants a key or a password: name the file "
			"that holds it as `key_file` or `password_file`");
	s = mem_new(sizeof(*s));
	s->server = mem_format("sftp://%s%s%s", t->url.host, t->url.port == NULL ? "" : ":",
		t->url.port == NULL ? "" : t->url.port);
	s->folder = mem_string(t->url.path);
	t->state = s;
	t->facts.encrypted = true;
	return wire_open(
		&(struct wire_options){
			.user = user,
			.password = t->secret[TRANSFER_PASSWORD],
			.key_file = o->key_file,
			.key_password = t->secret[TRANSFER_KEY_PASSWORD],
			.host_key = o->host_key,
			.rate_bytes_s = o->rate_bytes_s,
			.connect_s = o->connect_s,
			.stall_s = o->stall_s,
			.cancelled = o->cancelled,
			.ctx = o->ctx,
		},
		&t->wire, e);
}

static void
sftp_close(struct transfer *t)
{
	struct sftp *s = t->state;

	free(s->server);
	free(s->folder);
	free(s);
}

static char *
object_url(const struct transfer *t, const char *name, const char *behind)
{
	const struct sftp *s = t->state;

	return mem_format("%s%s/%s%s", s->server, t->url.coded, name, behind);
}

/* 1, 0, -1: the size of what ${url} names, after ${first} and ${second} if they are any. */
static int
size_after(struct transfer *t, const char *url, const char *first, const char *second,
	int64_t *ret_size, struct wire_reply *reply, struct err *e)
{
	struct wire_call call = {.url = url, .nobody = true};

	call.quotes[0] = first == NULL ? second : first;
	call.quotes[1] = first == NULL ? NULL : second;
	if (wire_call(t->wire, &call, reply, e) != 0)
		return reply->code == CURLE_REMOTE_FILE_NOT_FOUND ? 0 : -1;
	*ret_size = reply->length < 0 ? 0 : reply->length; /* libcurl tells no size of 0 */
	return 1;
}

static int
size_of(struct transfer *t, const char *name, const char *behind, int64_t *ret_size, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, name, behind);

	return size_after(t, url, NULL, NULL, ret_size, &reply, e);
}

static int
sftp_stat(struct transfer *t, const char *name, int64_t *ret_size, struct err *e)
{
	return size_of(t, name, "", ret_size, e);
}

static int
get(struct transfer *t, const char *url, int64_t from, int64_t length, const struct sink *sink,
	struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	const struct wire_call call = {
		.url = url,
		.sink = sink,
		.range_from = from,
		.range_length = from == 0 && length < 0 ? 0 : length,
	};

	return wire_call(t->wire, &call, &reply, e);
}

/* From where on NAME.part is to be written. */
static int
resume_at(struct transfer *t, const char *part, const char *name, const struct transfer_body *body,
	int64_t *ret_at, struct err *e)
{
	struct same same = {.body = body};
	const struct sink sink = same_sink(&same);
	int64_t there = 0;
	const int found = size_of(t, name, TRANSFER_PART_SUFFIX, &there, e);

	*ret_at = 0;
	if (found <= 0 || there == 0 || there > body->length)
		return found < 0 ? -1 : 0;
	same.at = there > TRANSFER_TAIL ? there - TRANSFER_TAIL : 0;
	if (get(t, part, same.at, there - same.at, &sink, e) != 0)
		return e->code == ERR_NOT_FOUND || e->code == ERR_REMOTE ? 0 : -1;
	*ret_at = same.differs ? 0 : there;
	return 0;
}

static int
upload(struct transfer *t, const char *name, const struct transfer_body *body, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *part = object_url(t, name, TRANSFER_PART_SUFFIX);
	int64_t at, size = -1;
	struct wire_call call = {.url = part, .body = body};

	if (resume_at(t, part, name, body, &at, e) != 0)
		return -1;
	call.from = at;
	call.resume = at > 0;
	call.length = body->length - at;
	if ((at == 0 || at < body->length) && wire_call(t->wire, &call, &reply, e) != 0)
		return -1;
	if (size_of(t, name, TRANSFER_PART_SUFFIX, &size, e) < 0)
		return -1;
	if (size != body->length)
		return err_set(e, ERR_IO, "%s was sent, but %lld bytes of %lld are there", name,
			(long long)size, (long long)body->length);
	return 0;
}

static int
sftp_put(struct transfer *t, const char *name, const struct transfer_body *body,
	enum transfer_how how, struct err *e)
{
	const struct sftp *s = t->state;
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, name, "");
	SCOPED(free_at) char *away = mem_format("*rm %s/%s", s->folder, name);
	SCOPED(free_at)
	char *rename = mem_format(
		"rename %s/%s" TRANSFER_PART_SUFFIX " %s/%s", s->folder, name, s->folder, name);
	int64_t size = -1;
	struct err later;

	if (upload(t, name, body, e) != 0)
		return -1;
	if (size_after(t, url, how == TRANSFER_REPLACE ? away : NULL, rename, &size, &reply, e) >
			0 &&
		size == body->length)
		return 0;
	if (reply.code != CURLE_QUOTE_ERROR)
		return reply.code == CURLE_OK || reply.code == CURLE_REMOTE_FILE_NOT_FOUND
			       ? err_set(e, ERR_REMOTE, "%s was renamed and is not there", name)
			       : -1;
	/* Why it may not be renamed is not told. */
	if (how == TRANSFER_NEW && size_of(t, name, "", &size, &later) > 0)
		return err_set(e, ERR_CONFLICT, "%s is there already", name);
	return err_set(e, ERR_REMOTE,
		"%s: the server refused to rename it: the user needs the right to", name);
}

static int
sftp_get(struct transfer *t, const char *name, int64_t from, int64_t length,
	const struct sink *sink, struct err *e)
{
	SCOPED(free_at) char *url = object_url(t, name, "");
	int64_t size = -1;

	/* Of an empty file libcurl 8.14 makes an error. */
	if (from == 0 && length < 0 && size_of(t, name, "", &size, e) > 0 && size == 0)
		return 0;
	return get(t, url, from, length, sink, e);
}

/* One line of `ls -l`, as all SFTP servers send it: rights, links, owner, group, size, date, name.
 */
static int
tell_line(const char *line, size_t len, transfer_each *each, void *ctx, struct err *e)
{
	const char *at = line, *end = line + len, *size = NULL;
	const bool folder = len > 0 && line[0] == 'd';

	if (len == 0 || (line[0] != '-' && !folder))
		return 0;
	for (int field = 0; field < 8; field++) {
		if (field == 4)
			size = at;
		while (at < end && *at != ' ')
			at++;
		while (at < end && *at == ' ')
			at++;
	}
	if (at == end || size == NULL)
		return 0;
	return transfer_tell(each, ctx, at, (size_t)(end - at), strtoll(size, NULL, 10), folder, e);
}

static int
sftp_list(struct transfer *t, const char *folder, transfer_each *each, void *ctx, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, folder, folder[0] == '\0' ? "" : "/");
	const struct wire_call call = {.url = url};

	if (wire_call(t->wire, &call, &reply, e) != 0)
		return reply.code == CURLE_REMOTE_FILE_NOT_FOUND ? 0 : -1;
	for (const char *at = reply.text.data; at != NULL && *at != '\0';) {
		const size_t len = strcspn(at, "\r\n");

		if (tell_line(at, len, each, ctx, e) != 0)
			return -1;
		at += len + strspn(at + len, "\r\n");
	}
	return 0;
}

static int
sftp_remove(struct transfer *t, const char *name, struct err *e)
{
	const struct sftp *s = t->state;
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, name, "");
	SCOPED(free_at)
	char *part = mem_format("*rm %s/%s" TRANSFER_PART_SUFFIX, s->folder, name);
	SCOPED(free_at) char *whole = mem_format("*rm %s/%s", s->folder, name);
	int64_t size = -1;
	const int found = size_after(t, url, part, whole, &size, &reply, e);

	if (found > 0)
		return err_set(e, ERR_BARRED, "%s: the server refuses to delete it", name);
	return found;
}

const struct protocol protocol_sftp = {
	.name = "sftp",
	.schemes = "sftp ",
	.exclusive = true,
	.open = sftp_open,
	.close = sftp_close,
	.put = sftp_put,
	.get = sftp_get,
	.stat = sftp_stat,
	.list = sftp_list,
	.remove = sftp_remove,
};
