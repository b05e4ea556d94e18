#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "transfer/s3_internal.h"
#include "transfer/xml.h"

/*
 * An object in parts: they are put one after the other, and become it at once at the end.  A put
 * that breaks off leaves its parts, which cost room until the next put of the same name uses them
 * or its deletion drops them.
 */
enum { PARTS_MAX = 1000, ETAG = 80 };

struct parts {
	char upload[1024]; /* "": none yet */
	int64_t part_bytes;
	int count;
	char (*etag)[ETAG]; /* "" : not there */
	char number[16], tag[ETAG];
};

/* An upload of ${key} in a list of them: the first one. */
struct uploads {
	const char *key;
	char seen[1024], upload[1024], found[1024];
};

static int
on_upload(void *ctx, const char *name, const char *text, struct err *e)
{
	struct uploads *u = ctx;

	(void)e;
	if (strcmp(name, "Key") == 0)
		(void)snprintf(u->seen, sizeof(u->seen), "%s", text);
	else if (strcmp(name, "UploadId") == 0)
		(void)snprintf(u->upload, sizeof(u->upload), "%s", text);
	else if (strcmp(name, "Upload") == 0 && strcmp(u->seen, u->key) == 0)
		(void)snprintf(u->found, sizeof(u->found), "%s", u->upload);
	return 0;
}

/* What an earlier put of ${name} began; "" if none did, or nobody may ask. */
static int
find_upload(struct transfer *t, const char *name, char upload[1024], struct err *e)
{
	const struct s3 *s = t->state;
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *key = mem_format("%s%s", s->prefix, name);
	SCOPED(free_at) char *coded = s3_query_value(key);
	SCOPED(free_at) char *query = mem_format("prefix=%s&uploads=", coded);
	const struct s3_call call = {.method = "GET", .query = query};
	struct uploads u = {.key = key};

	upload[0] = '\0';
	if (s3_request(t, &call, &reply, e) != 0)
		return reply.status >= 400 && reply.status < 500 ? 0 : -1;
	if (xml_read(reply.text.data, reply.text.len, on_upload, &u, e) != 0)
		return -1;
	(void)snprintf(upload, 1024, "%s", u.found);
	return 0;
}

static int
begin_upload(struct transfer *t, const char *name, struct parts *p, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	const struct s3_call call = {
		.method = "POST", .name = name, .query = "uploads=", .text = ""};

	if (s3_request(t, &call, &reply, e) != 0)
		return -1;
	s3_value(&reply, "UploadId", p->upload, sizeof(p->upload));
	return p->upload[0] != '\0' ? 0
				    : err_set(e, ERR_REMOTE,
					      "%s: the server began an upload without an id", name);
}

static int
on_part(void *ctx, const char *name, const char *text, struct err *e)
{
	struct parts *p = ctx;
	long number;

	(void)e;
	if (strcmp(name, "PartNumber") == 0)
		(void)snprintf(p->number, sizeof(p->number), "%s", text);
	else if (strcmp(name, "ETag") == 0)
		(void)snprintf(p->tag, sizeof(p->tag), "%s", text);
	if (strcmp(name, "Part") != 0)
		return 0;
	number = strtol(p->number, NULL, 10);
	if (number >= 1 && number <= p->count)
		(void)snprintf(p->etag[number - 1], ETAG, "%s", p->tag);
	return 0;
}

static int
list_parts(struct transfer *t, const char *name, struct parts *p, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *id = s3_query_value(p->upload);
	SCOPED(free_at) char *query = mem_format("uploadId=%s", id);
	const struct s3_call call = {.method = "GET", .name = name, .query = query};

	if (s3_request(t, &call, &reply, e) != 0)
		return -1;
	return xml_read(reply.text.data, reply.text.len, on_part, p, e);
}

static int
put_part(struct transfer *t, const char *name, const struct transfer_body *body, struct parts *p,
	int number, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *id = s3_query_value(p->upload);
	SCOPED(free_at) char *query = mem_format("partNumber=%d&uploadId=%s", number + 1, id);
	const int64_t from = number * p->part_bytes, left = body->length - from;
	const int64_t length = left < p->part_bytes ? left : p->part_bytes;
	const struct s3_call call = {.method = "PUT",
		.name = name,
		.query = query,
		.body = body,
		.from = from,
		.length = length};
	char *tag = p->etag[number], md5[33], quoted[40];

	if (tag[0] != '\0') {
		if (s3_md5(body, from, length, md5, e) != 0)
			return -1;
		(void)snprintf(quoted, sizeof(quoted), "\"%s\"", md5);
		if (strcmp(tag, quoted) == 0)
			return 0;
	}
	if (s3_request(t, &call, &reply, e) != 0)
		return -1;
	(void)snprintf(tag, ETAG, "%.*s", ETAG - 1, reply.etag);
	return 0;
}

static int
complete(struct transfer *t, const char *name, struct parts *p, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *id = s3_query_value(p->upload);
	SCOPED(free_at) char *query = mem_format("uploadId=%s", id);
	SCOPED(free_at) char *text = NULL;
	struct buf b = BUF_INIT((size_t)PARTS_MAX * 200 + 200);
	struct s3_call call = {.method = "POST", .name = name, .query = query};
	char code[64];

	(void)buf_text(&b, "<CompleteMultipartUpload>");
	for (int i = 0; i < p->count; i++)
		(void)buf_format(&b, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>",
			i + 1, p->etag[i]);
	(void)buf_text(&b, "</CompleteMultipartUpload>");
	text = buf_take(&b);
	call.text = text;
	if (s3_request(t, &call, &reply, e) != 0)
		return -1;
	s3_value(&reply, "Code", code, sizeof(code)); /* an error may come with 200 */
	return code[0] == '\0' ? 0
			       : err_set(e, ERR_REMOTE, "%s: the server answered %s", name, code);
}

static int
put_all(struct transfer *t, const char *name, const struct transfer_body *body, struct parts *p,
	struct err *e)
{
	int64_t size = -1;

	if (find_upload(t, name, p->upload, e) != 0)
		return -1;
	if (p->upload[0] != '\0' && list_parts(t, name, p, e) != 0)
		p->upload[0] = '\0'; /* it is gone meanwhile */
	if (p->upload[0] == '\0' && begin_upload(t, name, p, e) != 0)
		return -1;
	for (int i = 0; i < p->count; i++)
		if (put_part(t, name, body, p, i, e) != 0)
			return -1;
	if (complete(t, name, p, e) != 0)
		return -1;
	if (transfer_stat(t, name, &size, e) < 0)
		return e->code == ERR_BARRED ? 0 : -1; /* who may write need not see */
	return size == body->length ? 0
				    : err_set(e, ERR_REMOTE, "%s: %lld bytes of %lld are there",
					      name, (long long)size, (long long)body->length);
}

int
s3_parts_put(struct transfer *t, const char *name, const struct transfer_body *body, struct err *e)
{
	const struct s3 *s = t->state;
	struct parts p = {.part_bytes = s->part_bytes};
	int status;

	while (body->length / p.part_bytes >= PARTS_MAX)
		p.part_bytes *= 2;
	p.count = (int)((body->length + p.part_bytes - 1) / p.part_bytes);
	p.etag = mem_new((size_t)p.count * sizeof(*p.etag));
	status = put_all(t, name, body, &p, e);
	free(p.etag);
	return status;
}

int
s3_parts_drop(struct transfer *t, const char *name, struct err *e)
{
	char upload[1024];

	if (find_upload(t, name, upload, e) != 0)
		return -1;
	while (upload[0] != '\0') {
		SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
		SCOPED(free_at) char *id = s3_query_value(upload);
		SCOPED(free_at) char *query = mem_format("uploadId=%s", id);
		const struct s3_call call = {.method = "DELETE", .name = name, .query = query};

		if (s3_request(t, &call, &reply, e) != 0 || find_upload(t, name, upload, e) != 0)
			return -1;
	}
	return 0;
}
