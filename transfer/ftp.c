#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/scope.h"
#include "transfer/transfer_internal.h"

/*
 * FTP, with TLS (AUTH TLS before the login; port 990: from the first byte) as ftps://.  NAME.part,
 * its size asked (a stream that breaks off is a whole file to a server), RNFR and RNTO.  No FTP
 * server refuses to replace what is there (tried: vsftpd, proftpd, pure-ftpd), so TRANSFER_NEW is
 * as good as the look before it.
 */
struct ftp {
	char *server; /* ftp://host:port */
};

static int
ftp_open(struct transfer *t, const struct transfer_options *o, struct err *e)
{
	const char *user = o->user == NULL ? t->url.user : o->user;
	const bool tls = strcmp(t->url.scheme, "ftps") == 0;
	const bool implicit = tls && t->url.port != NULL && strcmp(t->url.port, "990") == 0;
	struct ftp *f;

	if (t->url.host[0] == '\0')
		return err_set(e, ERR_INVALID, "%s:// names no host", t->url.scheme);
	if (user != NULL && t->secret[TRANSFER_PASSWORD] == NULL)
		return err_set(e, ERR_INVALID,
			"there is a user and no password: name the file that holds it as "
			"`password_file`");
	f = mem_new(sizeof(*f));
	f->server = mem_format("%s://%s%s%s", implicit ? "ftps" : "ftp", t->url.host,
		t->url.port == NULL ? "" : ":", t->url.port == NULL ? "" : t->url.port);
	t->state = f;
	t->facts.encrypted = tls;
	return wire_open(
		&(struct wire_options){
			.user = user,
			.password = t->secret[TRANSFER_PASSWORD],
			.ca_file = o->ca_file,
			.tls_required = tls,
			.rate_bytes_s = o->rate_bytes_s,
			.connect_s = o->connect_s,
			.stall_s = o->stall_s,
			.cancelled = o->cancelled,
			.ctx = o->ctx,
		},
		&t->wire, e);
}

static void
ftp_close(struct transfer *t)
{
	struct ftp *f = t->state;

	free(f->server);
	free(f);
}

static char *
object_url(const struct transfer *t, const char *name, const char *behind)
{
	const struct ftp *f = t->state;

	return mem_format("%s%s/%s%s", f->server, t->url.coded, name, behind);
}

/* ${verb} and the whole path: commands run in whatever folder the last transfer was in. */
static char *
command(struct transfer *t, const char *verb, const char *name, const char *behind)
{
	const char *entry = wire_entry(t->wire);
	const bool absolute = strncmp(t->url.path, "//", 2) == 0;

	if (absolute || strcmp(entry, "/") == 0)
		entry = "";
	return mem_format(
		"%s %s%s/%s%s", verb, entry, t->url.path + (absolute ? 1 : 0), name, behind);
}

/* The login, which tells where it begins. */
static int
ready(struct transfer *t, struct err *e)
{
	const struct ftp *f = t->state;
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = mem_format("%s/", f->server);
	const struct wire_call call = {.url = url, .nobody = true};

	return wire_entry(t->wire)[0] != '\0' ? 0 : wire_call(t->wire, &call, &reply, e);
}

static int
size_of(struct transfer *t, const char *name, const char *behind, int64_t *ret_size, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, name, behind);
	const struct wire_call call = {.url = url, .nobody = true};

	if (wire_call(t->wire, &call, &reply, e) != 0)
		/* 9: the folder on the way is not there, either. */
		return reply.code == CURLE_REMOTE_FILE_NOT_FOUND ||
				       reply.code == CURLE_REMOTE_ACCESS_DENIED
			       ? 0
			       : -1;
	*ret_size = reply.length;
	return reply.length < 0 ? 0 : 1;
}

static int
ftp_stat(struct transfer *t, const char *name, int64_t *ret_size, struct err *e)
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
ftp_put(struct transfer *t, const char *name, const struct transfer_body *body,
	enum transfer_how how, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, name, "");
	SCOPED(free_at) char *from = NULL;
	SCOPED(free_at) char *to = NULL;
	struct wire_call call = {.url = url, .nobody = true};

	(void)how;
	if (ready(t, e) != 0 || upload(t, name, body, e) != 0)
		return -1;
	from = command(t, "RNFR", name, TRANSFER_PART_SUFFIX);
	to = command(t, "RNTO", name, "");
	call.quotes[0] = from;
	call.quotes[1] = to;
	if (wire_call(t->wire, &call, &reply, e) != 0)
		return err_prefix(e, "%s could not be given its name", name);
	if (reply.length != body->length)
		return err_set(e, ERR_REMOTE, "%s was renamed, but %lld bytes of %lld are there",
			name, (long long)reply.length, (long long)body->length);
	return 0;
}

static int
ftp_get(struct transfer *t, const char *name, int64_t from, int64_t length, const struct sink *sink,
	struct err *e)
{
	SCOPED(free_at) char *url = object_url(t, name, "");

	return get(t, url, from, length, sink, e);
}

/* "type=file;size=3;modify=20261130211800; name" (RFC 3659, section 7.2). */
static int
tell_fact_line(const char *line, size_t len, transfer_each *each, void *ctx, struct err *e)
{
	const char *name = memchr(line, ' ', len);
	SCOPED(free_at) char *facts = mem_copy(line, len);
	const char *size = strcasestr(facts, "size=");
	const bool folder = strcasestr(facts, "type=dir;") != NULL;

	if (name == NULL || (!folder && strcasestr(facts, "type=file;") == NULL))
		return 0;
	name++;
	return transfer_tell(each, ctx, name, (size_t)(line + len - name),
		size == NULL ? -1 : strtoll(size + 5, NULL, 10), folder, e);
}

/* A name and nothing else: whether it is a folder, and its size, must be asked. */
static int
tell_name(struct transfer *t, const char *folder, const char *line, size_t len, transfer_each *each,
	void *ctx, struct err *e)
{
	SCOPED(free_at) char *last = mem_copy(line, len);
	const char *name = strrchr(last, '/') == NULL ? last : strrchr(last, '/') + 1;
	SCOPED(free_at)
	char *whole = mem_format("%s%s%s", folder, folder[0] == '\0' ? "" : "/", name);
	int64_t size = -1;
	int found;

	if (!transfer_name_valid(whole))
		return 0;
	found = size_of(t, whole, "", &size, e);
	if (found < 0)
		return -1;
	return transfer_tell(each, ctx, name, strlen(name), size, found == 0, e);
}

static int
cut_off(struct err *e)
{
	return err_set(e, ERR_REMOTE,
		"the server cuts its listings off: raise its limit (pure-ftpd: -L), or keep fewer "
		"copies in one folder");
}

/* By names alone, for servers without MLSD. */
static int
list_names(struct transfer *t, const char *folder, const char *url, transfer_each *each, void *ctx,
	struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	const struct wire_call call = {.url = url, .names = true};

	/* "No files found" is 450 or 550: an empty folder, or none. */
	if (wire_call(t->wire, &call, &reply, e) != 0)
		return reply.code == CURLE_FTP_COULDNT_RETR_FILE ||
				       reply.code == CURLE_REMOTE_ACCESS_DENIED ||
				       reply.code == CURLE_REMOTE_FILE_NOT_FOUND
			       ? 0
			       : -1;
	if (reply.truncated)
		return cut_off(e);
	for (const char *at = reply.text.data; at != NULL && *at != '\0';) {
		const size_t len = strcspn(at, "\r\n");

		if (len > 0 && tell_name(t, folder, at, len, each, ctx, e) != 0)
			return -1;
		at += len + strspn(at + len, "\r\n");
	}
	return 0;
}

static int
ftp_list(struct transfer *t, const char *folder, transfer_each *each, void *ctx, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, folder, folder[0] == '\0' ? "" : "/");
	const struct wire_call call = {.url = url, .method = "MLSD"};

	if (wire_call(t->wire, &call, &reply, e) != 0) {
		if (reply.code == CURLE_REMOTE_ACCESS_DENIED)
			return 0; /* there is no such folder yet */
		if (reply.code == CURLE_FTP_COULDNT_RETR_FILE && reply.last[0] == '5')
			return list_names(t, folder, url, each, ctx, e);
		return -1;
	}
	if (reply.truncated)
		return cut_off(e);
	for (const char *at = reply.text.data; at != NULL && *at != '\0';) {
		const size_t len = strcspn(at, "\r\n");

		if (tell_fact_line(at, len, each, ctx, e) != 0)
			return -1;
		at += len + strspn(at + len, "\r\n");
	}
	return 0;
}

static int
ftp_remove(struct transfer *t, const char *name, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, name, "");
	SCOPED(free_at) char *part = NULL;
	SCOPED(free_at) char *whole = NULL;
	struct wire_call call = {.url = url, .nobody = true};

	if (ready(t, e) != 0)
		return -1;
	part = command(t, "*DELE", name, TRANSFER_PART_SUFFIX);
	whole = command(t, "*DELE", name, "");
	call.quotes[0] = part;
	call.quotes[1] = whole;
	if (wire_call(t->wire, &call, &reply, e) != 0)
		return reply.code == CURLE_REMOTE_FILE_NOT_FOUND ||
				       reply.code == CURLE_REMOTE_ACCESS_DENIED
			       ? 0
			       : -1;
	return reply.length < 0
		       ? 0
		       : err_set(e, ERR_BARRED, "%s: the server refuses to delete it", name);
}

const struct protocol protocol_ftp = {
	.name = "ftp",
	.schemes = "ftp ftps ",
	.exclusive = false,
	.open = ftp_open,
	.close = ftp_close,
	.put = ftp_put,
	.get = ftp_get,
	.stat = ftp_stat,
	.list = ftp_list,
	.remove = ftp_remove,
};
