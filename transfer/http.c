#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "transfer/request.h"

/*
 * A server that takes PUT, and GET for what was put, and nothing else for sure: no folders, no
 * listing.  nginx's dav_methods PUT, an artefact store, a pre-signed gateway.
 */

static char *
object_url(const struct transfer *t, const char *name)
{
	return mem_format("%s://%s%s%s%s/%s", t->url.scheme, t->url.host,
		t->url.port == NULL ? "" : ":", t->url.port == NULL ? "" : t->url.port,
		t->url.coded, name);
}

static char *
bearer(const struct transfer *t)
{
	return t->secret[TRANSFER_TOKEN] == NULL
		       ? NULL
		       : mem_format("Authorization: Bearer %s", t->secret[TRANSFER_TOKEN]);
}

static int
http_open_destination(struct transfer *t, const struct transfer_options *o, struct err *e)
{
	if (t->url.host[0] == '\0')
		return err_set(e, ERR_INVALID, "%s:// names no host", t->url.scheme);
	t->facts.encrypted = strcmp(t->url.scheme, "https") == 0;
	return request_open(t, o, e);
}

static int
http_stat(struct transfer *t, const char *name, int64_t *ret_size, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, name);
	SCOPED(free_at) char *token = bearer(t);
	const struct wire_call call = {.url = url, .nobody = true, .headers = {token}};

	if (request_call(t, &call, &reply, name, e) != 0)
		return reply.status == 404 || reply.status == 410 ? 0 : -1;
	*ret_size = reply.length < 0 ? 0 : reply.length; /* Apache tells no length of 0 */
	return 1;
}

static int
http_put(struct transfer *t, const char *name, const struct transfer_body *body,
	enum transfer_how how, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, name);
	SCOPED(free_at) char *token = bearer(t);
	struct wire_call call = {.url = url, .method = "PUT", .body = body, .length = body->length};
	int64_t size = -1;
	int headers = 0, found;

	if (token != NULL)
		call.headers[headers++] = token;
	if (how == TRANSFER_NEW)
		call.headers[headers] = "If-None-Match: *"; /* a server may ignore it */
	if (request_call(t, &call, &reply, name, e) != 0)
		return -1;
	found = http_stat(t, name, &size, e);
	if (found < 0)
		return -1;
	if (found == 0 || size != body->length)
		return err_set(e, ERR_REMOTE,
			"%s was taken, but %lld bytes of %lld are there: does the server keep what "
			"is put?",
			name, (long long)size, (long long)body->length);
	return 0;
}

static int
http_get(struct transfer *t, const char *name, int64_t from, int64_t length,
	const struct sink *sink, struct err *e)
{
	SCOPED(free_at) char *url = object_url(t, name);
	SCOPED(free_at) char *token = bearer(t);
	const struct wire_call call = {
		.url = url,
		.sink = sink,
		.headers = {token},
		.range_from = from,
		.range_length = from == 0 && length < 0 ? 0 : length,
	};

	return request_get(t, &call, name, e);
}

static int
http_list(struct transfer *t, const char *folder, transfer_each *each, void *ctx, struct err *e)
{
	(void)t;
	(void)folder;
	(void)each;
	(void)ctx;
	return err_set(e, ERR_UNSUPPORTED,
		"a plain HTTP server has no listing: if it speaks WebDAV, write dav:// or davs://");
}

static int
http_remove(struct transfer *t, const char *name, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *url = object_url(t, name);
	SCOPED(free_at) char *token = bearer(t);
	const struct wire_call call = {.url = url, .method = "DELETE", .headers = {token}};

	if (request_call(t, &call, &reply, name, e) == 0 || reply.status == 404)
		return 0;
	return -1;
}

const struct protocol protocol_http = {
	.name = "http",
	.schemes = "http https ",
	.exclusive = false,
	.open = http_open_destination,
	.put = http_put,
	.get = http_get,
	.stat = http_stat,
	.list = http_list,
	.remove = http_remove,
};
