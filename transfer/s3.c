#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/sha256.h"
#include "base/text.h"
#include "transfer/request.h"
#include "transfer/s3_internal.h"
#include "transfer/xml.h"

/*
 * S3: one PUT an object (a cut-off one leaves nothing), or parts for a large one (s3_parts.c).  The
 * hash of the body is signed, so the bytes are read twice here, and Content-MD5 goes along, which
 * all servers check.  `If-None-Match: *` is sent for a new one; not every server heeds it.
 */
enum { PIECE = 256 * 1024 };

static const char empty_hash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/* "http(s)://host:port" of ${endpoint}; the bucket stands before the host or in the path. */
static int
find_host(struct s3 *s, const char *endpoint, const char *bucket, const char *style, struct err *e)
{
	struct url url;
	SCOPED(free_at) char *host = NULL;
	const bool virtual = style != NULL ? strcmp(style, "virtual") == 0
					   : strstr(endpoint, ".amazonaws.com") != NULL;

	if (url_parse(endpoint, &url, e) != 0)
		return err_prefix(e, "endpoint");
	if ((strcmp(url.scheme, "http") != 0 && strcmp(url.scheme, "https") != 0) ||
		url.host[0] == '\0' || url.path[0] != '\0') {
		url_free(&url);
		return err_set(
			e, ERR_INVALID, "write `endpoint` as https://host or https://host:port");
	}
	host = mem_format(
		"%s%s%s", url.host, url.port == NULL ? "" : ":", url.port == NULL ? "" : url.port);
	s->host = virtual ? mem_format("%s.%s", bucket, host) : mem_string(host);
	s->base = mem_format("%s://%s", url.scheme, s->host);
	s->bucket = virtual ? mem_string("") : mem_format("/%s", bucket);
	url_free(&url);
	return 0;
}

static int
keys_of(struct transfer *t, struct s3 *s, const struct transfer_options *o, struct err *e)
{
	const char *access = t->secret[TRANSFER_ACCESS_KEY],
		   *secret = t->secret[TRANSFER_SECRET_KEY];

	if (access == NULL && secret == NULL) { /* as all tools for S3 */
		access = getenv("AWS_ACCESS_KEY_ID");
		secret = getenv("AWS_SECRET_ACCESS_KEY");
	}
	if (access == NULL || secret == NULL)
		return err_set(e, ERR_INVALID,
			"S3 wants two keys: name the files that hold them as `access_key_file` and "
			"`secret_key_file`");
	s->keys = (struct s3_keys){
		.access_key = mem_string(access),
		.secret_key = mem_string(secret),
		.session_token = t->secret[TRANSFER_SESSION_TOKEN],
		.region = mem_string(o->region == NULL ? "us-east-1" : o->region),
	};
	return 0;
}

static int
s3_open(struct transfer *t, const struct transfer_options *o, struct err *e)
{
	SCOPED(free_at)
	char *amazon = mem_format(
		"https://s3.%s.amazonaws.com", o->region == NULL ? "us-east-1" : o->region);
	struct s3 *s;

	if (strlen(t->url.host) < 3)
		return err_set(e, ERR_INVALID, "write s3://bucket/prefix");
	if (o->style != NULL && strcmp(o->style, "path") != 0 && strcmp(o->style, "virtual") != 0)
		return err_set(e, ERR_INVALID, "`style` is \"path\" or \"virtual\"");
	s = mem_new(sizeof(*s));
	t->state = s;
	s->prefix = t->url.path[0] == '\0' ? mem_string("") : mem_format("%s/", t->url.path + 1);
	s->part_bytes = o->part_bytes > 0 ? o->part_bytes : TRANSFER_PART;
	if (find_host(s, o->endpoint == NULL ? amazon : o->endpoint, t->url.host, o->style, e) !=
			0 ||
		keys_of(t, s, o, e) != 0)
		return -1;
	t->facts.encrypted = strncmp(s->base, "https:", 6) == 0;
	return wire_open(
		&(struct wire_options){
			.ca_file = o->ca_file,
			.rate_bytes_s = o->rate_bytes_s,
			.connect_s = o->connect_s,
			.stall_s = o->stall_s,
			.cancelled = o->cancelled,
			.ctx = o->ctx,
		},
		&t->wire, e);
}

static void
forget(const char *text)
{
	char *own;

	if (text == NULL)
		return;
	memcpy(&own, &text, sizeof(own)); /* made by keys_of */
	explicit_bzero(own, strlen(own));
	free(own);
}

static void
s3_close(struct transfer *t)
{
	struct s3 *s = t->state;

	free(s->base);
	free(s->host);
	free(s->bucket);
	free(s->prefix);
	forget(s->keys.access_key);
	forget(s->keys.secret_key);
	forget(s->keys.region);
	free(s);
}

/* SHA-256 as hex and MD5 as a header, of a part of the body. */
static int
hash_body(const struct s3_call *c, char hex[65], char md5[64], struct err *e)
{
	EVP_MD_CTX *sha = EVP_MD_CTX_new(), *old = EVP_MD_CTX_new();
	unsigned char hash[EVP_MAX_MD_SIZE], coded[64];
	SCOPED(free_at) char *piece = mem_new(PIECE);
	bool with_md5 = old != NULL && EVP_DigestInit_ex2(old, EVP_md5(), NULL) == 1;
	int64_t at = c->from;
	ssize_t got = 1;

	if (sha == NULL || EVP_DigestInit_ex2(sha, EVP_sha256(), NULL) != 1)
		got = err_set(e, ERR_INTERNAL, "no SHA-256");
	while (got > 0 && at < c->from + c->length) {
		const int64_t left = c->from + c->length - at;

		got = c->body->read(
			c->body->ctx, at, piece, left < PIECE ? (size_t)left : (size_t)PIECE, e);
		if (got == 0)
			got = err_set(e, ERR_CHANGED, "what is copied ends before its end");
		if (got > 0) {
			(void)EVP_DigestUpdate(sha, piece, (size_t)got);
			if (with_md5)
				(void)EVP_DigestUpdate(old, piece, (size_t)got);
			at += got;
		}
	}
	md5[0] = '\0';
	if (got >= 0) {
		(void)EVP_DigestFinal_ex(sha, hash, NULL);
		(void)hex_text(hash, 32, hex);
		if (with_md5 && EVP_DigestFinal_ex(old, hash, NULL) == 1) {
			(void)EVP_EncodeBlock(coded, hash, 16);
			(void)snprintf(md5, 64, "Content-MD5: %.24s", (const char *)coded);
		}
	}
	EVP_MD_CTX_free(sha);
	EVP_MD_CTX_free(old);
	return got < 0 ? -1 : 0;
}

int
s3_md5(const struct transfer_body *body, int64_t from, int64_t length, char hex[33], struct err *e)
{
	const struct s3_call c = {.body = body, .from = from, .length = length};
	unsigned char hash[24];
	char sha[65], md5[64];

	if (hash_body(&c, sha, md5, e) != 0)
		return -1;
	hex[0] = '\0';
	if (md5[0] != '\0' &&
		EVP_DecodeBlock(hash, (const unsigned char *)md5 + strlen("Content-MD5: "), 24) >=
			16)
		(void)hex_text(hash, 16, hex);
	return 0;
}

struct wanted {
	const char *name;
	char *value;
	size_t size;
};

static int
on_wanted(void *ctx, const char *name, const char *text, struct err *e)
{
	struct wanted *w = ctx;

	(void)e;
	if (w->value[0] == '\0' && strcmp(name, w->name) == 0)
		(void)snprintf(w->value, w->size, "%s", text);
	return 0;
}

void
s3_value(const struct wire_reply *reply, const char *name, char *value, size_t size)
{
	struct wanted w = {name, value, size};
	struct err ignored;

	value[0] = '\0';
	(void)xml_read(reply->text.data, reply->text.len, on_wanted, &w, &ignored);
}

static int
s3_fault(struct transfer *t, const struct wire_reply *reply, const char *what, struct err *e)
{
	struct transfer_facts facts = {0};
	char code[64];

	s3_value(reply, "Code", code, sizeof(code));
	wire_facts(t->wire, &facts);
	if (strcmp(code, "RequestTimeTooSkewed") == 0)
		return err_set(e, ERR_BARRED,
			"%.200s: the server refused (RequestTimeTooSkewed), for its clock is %lld "
			"s %s of "
			"this host's: set the one that is wrong, best by NTP",
			what, (long long)llabs(facts.clock_ahead_ms / 1000),
			facts.clock_ahead_ms < 0 ? "behind" : "ahead");
	if (strcmp(code, "SignatureDoesNotMatch") == 0 || strcmp(code, "InvalidAccessKeyId") == 0)
		return err_set(e, ERR_BARRED,
			"%.200s: the server refused (%s): check what `access_key_file` and "
			"`secret_key_file` name, and the region",
			what, code);
	if (strcmp(code, "NoSuchBucket") == 0)
		return err_set(e, ERR_REMOTE,
			"there is no bucket %.100s: make it; the service does not", t->url.host);
	if (strcmp(code, "QuotaExceeded") == 0)
		return request_fault(507, what, code, e);
	return request_fault(reply->status, what, code, e);
}

/* Headers of one request, in memory of their own. */
struct signed_headers {
	char *date, *hash, *token;
	struct s3_signature signature;
	char md5[64];
};

static int
sign(struct s3 *s, const struct s3_call *c, const char *path, struct signed_headers *h,
	struct err *e)
{
	char hex[65];

	(void)snprintf(hex, sizeof(hex), "%s", empty_hash);
	h->md5[0] = '\0';
	if (c->text != NULL)
		sha256_hex(c->text, strlen(c->text), hex);
	else if (c->body != NULL && hash_body(c, hex, h->md5, e) != 0)
		return -1;
	if (s3_sign(&(struct s3_request){.method = c->method,
			    .host = s->host,
			    .path = path,
			    .query = c->query == NULL ? "" : c->query,
			    .payload = hex,
			    .time_s = clock_real_ns() / 1000000000},
		    &s->keys, &h->signature, e) != 0)
		return -1;
	h->date = mem_format("x-amz-date: %s", h->signature.date);
	h->hash = mem_format("x-amz-content-sha256: %s", hex);
	h->token = s->keys.session_token == NULL
			   ? NULL
			   : mem_format("x-amz-security-token: %s", s->keys.session_token);
	return 0;
}

int
s3_request(struct transfer *t, const struct s3_call *c, struct wire_reply *reply, struct err *e)
{
	struct s3 *s = t->state;
	SCOPED(free_at) char *prefix = text_percent(s->prefix);
	SCOPED(free_at)
	char *path = mem_format("%s/%s%s", s->bucket, c->name == NULL ? "" : prefix,
		c->name == NULL ? "" : c->name);
	SCOPED(free_at)
	char *url = mem_format("%s%s%s%s", s->base, path, c->query == NULL ? "" : "?",
		c->query == NULL ? "" : c->query);
	const char *what = c->name == NULL ? "the bucket" : c->name;
	struct signed_headers h = {0};
	struct wire_call call = {.url = url,
		.method = c->nobody || strcmp(c->method, "GET") == 0 ? NULL : c->method,
		.body = c->body,
		.from = c->from,
		.length = c->length,
		.text = c->text,
		.sink = c->sink,
		.range_from = c->range_from,
		.range_length = c->range_length,
		.nobody = c->nobody};
	int status, n = 0;

	if (sign(s, c, path, &h, e) != 0)
		return -1;
	call.headers[n++] = h.signature.authorization;
	call.headers[n++] = h.date;
	call.headers[n++] = h.hash;
	call.headers[n++] = "Content-Type:"; /* libcurl's own is not signed */
	if (h.token != NULL)
		call.headers[n++] = h.token;
	if (h.md5[0] != '\0')
		call.headers[n++] = h.md5;
	call.headers[n] = c->header;
	status = wire_call(t->wire, &call, reply, e);
	free(h.date);
	free(h.hash);
	free(h.token);
	if (status != 0)
		return -1;
	return reply->status >= 200 && reply->status < 300 ? 0 : s3_fault(t, reply, what, e);
}

static int
s3_put(struct transfer *t, const char *name, const struct transfer_body *body,
	enum transfer_how how, struct err *e)
{
	const struct s3 *s = t->state;
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	const struct s3_call call = {.method = "PUT",
		.name = name,
		.header = how == TRANSFER_NEW ? "If-None-Match: *" : NULL,
		.body = body,
		.length = body->length};

	if (body->length > s->part_bytes)
		return s3_parts_put(t, name, body, e);
	if (s3_request(t, &call, &reply, e) == 0)
		return 0;
	/* A server that does not know the condition (501): the look before the put must do. */
	if (reply.status != 501 || call.header == NULL)
		return -1;
	return s3_put(t, name, body, TRANSFER_REPLACE, e);
}

static int
s3_get(struct transfer *t, const char *name, int64_t from, int64_t length, const struct sink *sink,
	struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	const struct s3_call call = {.method = "GET",
		.name = name,
		.sink = sink,
		.range_from = from,
		.range_length = from == 0 && length < 0 ? 0 : length};

	return s3_request(t, &call, &reply, e);
}

static int
s3_stat(struct transfer *t, const char *name, int64_t *ret_size, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	const struct s3_call call = {.method = "HEAD", .name = name, .nobody = true};

	if (s3_request(t, &call, &reply, e) != 0)
		return reply.status == 404 ? 0 : -1;
	*ret_size = reply.length;
	return 1;
}

char *
s3_query_value(const char *text)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char *coded = mem_new(3 * strlen(text) + 1), *to = coded;

	for (; *text != '\0'; text++)
		if (strchr(plain, *text) != NULL)
			*to++ = *text;
		else
			to += sprintf(to, "%%%02X", (unsigned)(unsigned char)*text);
	return coded;
}

/* One page of a listing. */
struct s3_listing {
	transfer_each *each;
	void *ctx;
	size_t skip; /* of each key: prefix and folder */
	char key[1024];
	int64_t size;
	char token[1024];
};

static int
on_element(void *ctx, const char *name, const char *text, struct err *e)
{
	struct s3_listing *l = ctx;
	size_t len;

	if (strcmp(name, "Key") == 0 || strcmp(name, "Prefix") == 0)
		(void)snprintf(l->key, sizeof(l->key), "%s", text);
	else if (strcmp(name, "Size") == 0)
		l->size = strtoll(text, NULL, 10);
	else if (strcmp(name, "NextContinuationToken") == 0)
		(void)snprintf(l->token, sizeof(l->token), "%s", text);
	if (strcmp(name, "Contents") != 0 && strcmp(name, "CommonPrefixes") != 0)
		return 0;
	len = strlen(l->key);
	if (name[1] == 'o' && name[2] == 'm' && len > 0 && l->key[len - 1] == '/')
		len--;
	if (len <= l->skip)
		return 0;
	return transfer_tell(l->each, l->ctx, l->key + l->skip, len - l->skip, l->size,
		strcmp(name, "CommonPrefixes") == 0, e);
}

static int
list_page(struct transfer *t, const char *inside, struct s3_listing *l, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	SCOPED(free_at) char *coded = s3_query_value(l->token);
	SCOPED(free_at) char *query = NULL;
	struct s3_call call = {.method = "GET"};
	int status;

	query = mem_format("%s%s%sdelimiter=%%2F&list-type=2&max-keys=1000&prefix=%s",
		coded[0] == '\0' ? "" : "continuation-token=", coded, coded[0] == '\0' ? "" : "&",
		inside);
	call.query = query;
	l->token[0] = '\0';
	status = s3_request(t, &call, &reply, e);
	return status == 0 ? xml_read(reply.text.data, reply.text.len, on_element, l, e) : -1;
}

static int
s3_list(struct transfer *t, const char *folder, transfer_each *each, void *ctx, struct err *e)
{
	const struct s3 *s = t->state;
	SCOPED(free_at)
	char *inside = mem_format("%s%s%s", s->prefix, folder, folder[0] == '\0' ? "" : "/");
	SCOPED(free_at) char *query = s3_query_value(inside);
	struct s3_listing l = {.each = each, .ctx = ctx, .skip = strlen(inside)};

	do {
		if (list_page(t, query, &l, e) != 0)
			return -1;
	} while (l.token[0] != '\0');
	return 0;
}

static int
s3_remove(struct transfer *t, const char *name, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;
	const struct s3_call call = {.method = "DELETE", .name = name};
	struct err ignored;

	if (s3_request(t, &call, &reply, e) != 0 && reply.status != 404)
		return -1;
	(void)s3_parts_drop(t, name, &ignored); /* it may not be allowed, and costs room alone */
	return 0;
}

const struct protocol protocol_s3 = {
	.name = "s3",
	.schemes = "s3 ",
	.exclusive = false,
	.open = s3_open,
	.close = s3_close,
	.put = s3_put,
	.get = s3_get,
	.stat = s3_stat,
	.list = s3_list,
	.remove = s3_remove,
};
