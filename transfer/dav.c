#include <curl/curl.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "transfer/request.h"
#include "transfer/xml.h"

/*
 * WebDAV (RFC 4918): PUT of NAME.part, its size asked, MOVE with `Overwrite: F`, which a server
 * refuses with 412 if NAME is there.  Where MOVE is refused (an append-only server), PUT goes to
 * NAME: that is whole or nothing on nginx, Apache and lighttpd (tried).
 */
struct dav {
	char *base;   /* http://host:port/folder */
	char *bearer; /* NULL: none */
	bool no_move; /* it was refused */
};

static char *
object_url(const struct transfer *t, const char *name, const char *behind)
{
	const struct dav *d = t->state;

	return mem_format("%s/%s%s", d->base, name, behind);
}

static int
dav_open(struct transfer *t, const struct transfer_options *o, struct err *e)
{
	const bool tls = strcmp(t->url.scheme, "davs") == 0;
	struct dav *d;

	if (t->url.host[0] == '\0')
		return err_set(e, ERR_INVALID, "%s:// names no host", t->url.scheme);
	d = mem_new(sizeof(*d));
	d->base = mem_format("%s://%s%s%s%s", tls ? "https" : "http", t->url.host,
		t->url.port == NULL ? "" : ":", t->url.port == NULL ? "" : t->url.port,
		t->url.coded);
	if (t->secret[TRANSFER_TOKEN] != NULL)
		d->bearer = mem_format("Authorization: Bearer %s", t->secret[TRANSFER_TOKEN]);
	t->state = d;
	t->facts.encrypted = tls;
	return request_open(t, o, e);
}

static void
dav_close(struct transfer *t)
{
	struct dav *d = t->state;

	free(d->base);
	if (d->bearer != NULL)
		explicit_bzero(d->bearer, strlen(d->bearer));
	free(d->bearer);
	free(d);
}

/* A call with ${headers} besides who we are. */
static int
dav_call(struct transfer *t, struct wire_call *call, const char *first, const char *second,
	struct wire_reply *reply, const char *what, struct err *e)
{
	const struct dav *d = t->state;
	int n = 0;

	if (d->bearer != NULL)
		call->headers[n++] = d->bearer;
	if (first != NULL)
		call->headers[n++] = first;
	if (second != NULL)
		call->headers[n] = second;
	return request_call(t, call, reply, what, e);
}

static int
size_of(struct transfer *t, const char *url, const char *name, int64_t *ret_size, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	struct wire_call call = {.url = url, .nobody = true};

	if (dav_call(t, &call, NULL, NULL, &reply, name, e) != 0)
		return reply.status == 404 || reply.status == 410 ? 0 : -1;
	*ret_size = reply.length < 0 ? 0 : reply.length; /* Apache tells no length of 0 */
	return 1;
}

static int
dav_stat(struct transfer *t, const char *name, int64_t *ret_size, struct err *e)
{
	SCOPED(free_at) char *url = object_url(t, name, "");

	return size_of(t, url, name, ret_size, e);
}

/* The folders that ${name} is in; one that is there is no fault (405). */
static int
make_folders(struct transfer *t, const char *name, struct err *e)
{
	for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
		SCOPED(free_at) char *folder = mem_copy(name, (size_t)(slash - name));
		SCOPED(free_at) char *url = object_url(t, folder, "/"); /* nginx: 409 without '/' */
		struct wire_call call = {.url = url, .method = "MKCOL"};

		if (dav_call(t, &call, NULL, NULL, &reply, folder, e) != 0 && reply.status != 405)
			return -1;
	}
	return 0;
}

static int
upload(struct transfer *t, const char *url, const char *name, const struct transfer_body *body,
	const char *condition, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	struct wire_call call = {.url = url, .method = "PUT", .body = body, .length = body->length};
	int64_t size = -1;

	/* 409 and 404: a folder on the way is missing.  They are made when that is so. */
	if (dav_call(t, &call, condition, NULL, &reply, name, e) != 0) {
		if (reply.status != 409 && reply.status != 404 && reply.status != 403)
			return -1;
		if (strchr(name, '/') == NULL || make_folders(t, name, e) != 0)
			return -1;
		if (dav_call(t, &call, condition, NULL, &reply, name, e) != 0)
			return -1;
	}
	if (size_of(t, url, name, &size, e) < 0)
		return -1;
	if (size != body->length)
		return err_set(e, ERR_REMOTE, "%s was taken, but %lld bytes of %lld are there",
			name, (long long)size, (long long)body->length);
	return 0;
}

/* 1: it has its name; 0: the server does not move; -1. */
static int
publish(struct transfer *t, const char *part, const char *url, const char *name,
	enum transfer_how how, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *to = mem_format("Destination: %s", url);
	struct wire_call call = {.url = part, .method = "MOVE"};

	if (dav_call(t, &call, to, how == TRANSFER_NEW ? "Overwrite: F" : "Overwrite: T", &reply,
		    name, e) == 0)
		return 1;
	return reply.status == 405 || reply.status == 501 || reply.status == 403 ? 0 : -1;
}

static int
dav_put(struct transfer *t, const char *name, const struct transfer_body *body,
	enum transfer_how how, struct err *e)
{
	SCOPED(free_at) char *part = object_url(t, name, TRANSFER_PART_SUFFIX);
	SCOPED(free_at) char *url = object_url(t, name, "");
	struct dav *d = t->state;
	int moved;

	if (!d->no_move) {
		if (upload(t, part, name, body, NULL, e) != 0)
			return -1;
		moved = publish(t, part, url, name, how, e);
		if (moved != 0)
			return moved > 0 ? 0 : -1;
		d->no_move = true;
	}
	return upload(t, url, name, body, how == TRANSFER_NEW ? "If-None-Match: *" : NULL, e);
}

static int
dav_get(struct transfer *t, const char *name, int64_t from, int64_t length, const struct sink *sink,
	struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, name, "");
	struct wire_call call = {
		.url = url,
		.sink = sink,
		.range_from = from,
		.range_length = from == 0 && length < 0 ? 0 : length,
	};

	return dav_call(t, &call, NULL, NULL, &reply, name, e);
}

/* A listing that is read. */
struct dav_listing {
	transfer_each *each;
	void *ctx;
	size_t self; /* of how many '/' the folder's own path is */
	char name[TRANSFER_NAME_MAX + 1];
	size_t depth;
	int64_t size;
	bool folder;
};

/* The last part of a path or URL, decoded, and how many parts there are before it. */
static void
keep_href(struct dav_listing *l, const char *href)
{
	const char *path = strstr(href, "://");
	int len = 0;
	char *text, *last;

	path = path == NULL ? href : strchr(path + 3, '/');
	text = path == NULL ? NULL : curl_easy_unescape(NULL, path, 0, &len);
	l->name[0] = '\0';
	l->depth = 0;
	if (text == NULL)
		return;
	while (len > 0 && text[len - 1] == '/')
		text[--len] = '\0';
	for (const char *c = text; *c != '\0'; c++)
		l->depth += *c == '/' ? 1 : 0;
	last = strrchr(text, '/');
	if (last != NULL && strlen(last + 1) < sizeof(l->name))
		(void)strcpy(l->name, last + 1);
	curl_free(text);
}

static int
on_element(void *ctx, const char *name, const char *text, struct err *e)
{
	struct dav_listing *l = ctx;

	if (strcmp(name, "href") == 0)
		keep_href(l, text);
	else if (strcmp(name, "getcontentlength") == 0)
		l->size = strtoll(text, NULL, 10);
	else if (strcmp(name, "collection") == 0)
		l->folder = true;
	if (strcmp(name, "response") != 0)
		return 0;
	if (l->depth == l->self + 1 && /* the folder itself is in its own listing */
		transfer_tell(l->each, l->ctx, l->name, strlen(l->name), l->size, l->folder, e) !=
			0)
		return -1;
	l->size = -1;
	l->folder = false;
	return 0;
}

static int
dav_list(struct transfer *t, const char *folder, transfer_each *each, void *ctx, struct err *e)
{
	static const char asked[] = "<?xml version=\"1.0\"?><propfind xmlns=\"DAV:\"><prop>"
				    "<getcontentlength/><resourcetype/></prop></propfind>";
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, folder, folder[0] == '\0' ? "" : "/");
	struct wire_call call = {.url = url, .method = "PROPFIND", .text = asked};
	struct dav_listing l = {.each = each, .ctx = ctx, .size = -1};

	if (dav_call(t, &call, "Depth: 1", "Content-Type: application/xml", &reply, "the listing",
		    e) != 0)
		return reply.status == 404 ? 0 : -1;
	if (reply.status != 207)
		return err_set(e, ERR_UNSUPPORTED,
			"the server answered a PROPFIND with %d: is WebDAV switched on?",
			reply.status);
	for (const char *c = t->url.path; *c != '\0'; c++)
		l.self += *c == '/' ? 1 : 0;
	for (const char *c = folder; *c != '\0'; c++)
		l.self += *c == '/' || c == folder ? 1 : 0;
	return xml_read(reply.text.data, reply.text.len, on_element, &l, e);
}

static int
dav_remove(struct transfer *t, const char *name, struct err *e)
{
	static const char *const ends[] = {TRANSFER_PART_SUFFIX, ""};

	for (size_t i = 0; i < 2; i++) {
		SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
		SCOPED(free_at) char *url = object_url(t, name, ends[i]);
		struct wire_call call = {.url = url, .method = "DELETE"};

		if (dav_call(t, &call, NULL, NULL, &reply, name, e) != 0 && reply.status != 404 &&
			reply.status != 410)
			return -1;
	}
	return 0;
}

const struct protocol protocol_dav = {
	.name = "dav",
	.schemes = "dav davs ",
	.exclusive = true,
	.open = dav_open,
	.close = dav_close,
	.put = dav_put,
	.get = dav_get,
	.stat = dav_stat,
	.list = dav_list,
	.remove = dav_remove,
};
