#include "http/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"

/* LOOK_MS: how soon a call that is given up ends; libcurl's own loop looks once a second. */
enum { CONNECT_MS = 5000, HEADERS_MAX = 64, LOOK_MS = 50 };

/* A handle with the connections that it keeps. */
struct line {
	CURL *easy;
	CURLM *multi;
};

struct http {
	char *url;
	char *unix_path;
	char *bearer;
	bool http2;
	int64_t connect_ms;
	int64_t stall_ms;
	pthread_mutex_t mutex;
	struct line idle[HTTP_IDLE_MAX];
	size_t idle_count;
};

/* One call. */
struct http_call {
	const struct http_request *request;
	struct http_reply *reply;
	struct err *e;
	CURL *curl;
	bool failed; /* ${e} is filled already */
	int64_t stall_ms;
	int64_t moved_ns; /* when bytes last moved */
	curl_off_t down, up;
	char text[CURL_ERROR_SIZE];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
init(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static char *
http_optional(const char *text)
{
	return text == NULL ? NULL : mem_string(text);
}

int
http_open(const struct http_options *o, struct http **ret_http, struct err *e)
{
	struct http *h;

	if (strncmp(o->url, "http://", 7) != 0 && strncmp(o->url, "https://", 8) != 0)
		return err_set(
			e, ERR_INVALID, "\"%.200s\" is no http:// or https:// address", o->url);
	(void)pthread_once(&once, init);
	h = mem_new(sizeof(*h));
	h->url = mem_string(o->url);
	h->unix_path = http_optional(o->unix_path);
	h->bearer = o->bearer == NULL ? NULL : mem_format("Authorization: Bearer %s", o->bearer);
	h->http2 = o->http2;
	h->connect_ms = o->connect_ms == 0 ? CONNECT_MS : o->connect_ms;
	h->stall_ms = o->stall_ms;
	(void)pthread_mutex_init(&h->mutex, NULL);
	*ret_http = h;
	return 0;
}

static void
hang_up(struct line *line)
{
	curl_easy_cleanup(line->easy);
	(void)curl_multi_cleanup(line->multi);
}

void
http_close(struct http *h)
{
	if (h == NULL)
		return;
	while (h->idle_count > 0)
		hang_up(&h->idle[--h->idle_count]);
	(void)pthread_mutex_destroy(&h->mutex);
	free(h->url);
	free(h->unix_path);
	free(h->bearer);
	free(h);
}

void
http_close_at(struct http **h)
{
	http_close(*h);
}

static struct line
borrow(struct http *h)
{
	LOCKED(&h->mutex);

	if (h->idle_count > 0)
		return h->idle[--h->idle_count];
	return (struct line){curl_easy_init(), curl_multi_init()};
}

static void
give_back(struct http *h, struct line *line)
{
	bool kept = false;

	(void)pthread_mutex_lock(&h->mutex);
	if (line->easy != NULL && line->multi != NULL && h->idle_count < HTTP_IDLE_MAX) {
		h->idle[h->idle_count++] = *line;
		kept = true;
	}
	(void)pthread_mutex_unlock(&h->mutex);
	if (!kept)
		hang_up(line);
}

/* As curl_easy_perform, but for how often it looks up. */
static CURLcode
perform(const struct line *line)
{
	CURLcode code = CURLE_FAILED_INIT;
	const CURLMsg *message;
	int running = 1, left;

	if (curl_multi_add_handle(line->multi, line->easy) != CURLM_OK)
		return code;
	while (curl_multi_perform(line->multi, &running) == CURLM_OK && running > 0)
		if (curl_multi_poll(line->multi, NULL, 0, LOOK_MS, NULL) != CURLM_OK)
			break;
	while ((message = curl_multi_info_read(line->multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE)
			code = message->data.result;
	(void)curl_multi_remove_handle(line->multi, line->easy);
	return code;
}

/* The value of header ${name} if ${line} is it, without white space around; else 0. */
static size_t
header_value(const char *line, size_t len, const char *name, const char **ret_value)
{
	const size_t name_len = strlen(name);

	if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
		return 0;
	line += name_len + 1;
	len -= name_len + 1;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' '))
		len--;
	*ret_value = line;
	return len;
}

static void
keep_header(const char *line, size_t len, const char *name, char *to, size_t size)
{
	const char *value;
	const size_t got = header_value(line, len, name, &value);

	if (got == 0 || got >= size)
		return;
	memcpy(to, value, got);
	to[got] = '\0';
}

static size_t
on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct http_call *c = ctx;
	struct http_reply *r = c->reply;
	const size_t len = size * count;
	char number[32] = "";

	if (len > 5 && strncmp(line, "HTTP/", 5) == 0) { /* of this answer, not of a 100 before */
		r->type[0] = r->location[0] = r->etag[0] = r->subject_token[0] = '\0';
		r->grpc_status[0] = r->grpc_message[0] = '\0';
		r->content_length = -1;
	}
	keep_header(line, len, "Content-Type", r->type, sizeof(r->type));
	keep_header(line, len, "Location", r->location, sizeof(r->location));
	keep_header(line, len, "X-Subject-Token", r->subject_token, sizeof(r->subject_token));
	keep_header(line, len, "ETag", r->etag, sizeof(r->etag));
	keep_header(line, len, "grpc-status", r->grpc_status, sizeof(r->grpc_status));
	keep_header(line, len, "grpc-message", r->grpc_message, sizeof(r->grpc_message));
	keep_header(line, len, "Content-Length", number, sizeof(number));
	if (number[0] != '\0')
		r->content_length = strtoll(number, NULL, 10);
	r->type[strcspn(r->type, ";")] = '\0';
	return len;
}

static size_t
on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct http_call *c = ctx;
	const size_t len = size * count;
	long status = 0;

	(void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	c->moved_ns = clock_mono_ns();
	if (c->request->sink != NULL && status >= 200 && status < 300) {
		c->failed = sink_write(c->request->sink, data, len, c->e) != 0;
		c->moved_ns = clock_mono_ns(); /* the sink's time is not the server's */
	} else if (buf_add(&c->reply->body, data, len) != 0) {
		c->failed = true;
		(void)err_set(c->e, ERR_TOO_LARGE, "the answer to %s %s is over %zu bytes",
			c->request->method, c->request->path, c->reply->body.max);
	}
	return c->failed ? CURL_WRITEFUNC_ERROR : len;
}

static size_t
on_upload(char *data, size_t size, size_t count, void *ctx)
{
	struct http_call *c = ctx;
	const ssize_t got = source_read(c->request->source, data, size * count, c->e);

	c->moved_ns = clock_mono_ns();
	c->failed = got < 0;
	return c->failed ? CURL_READFUNC_ABORT : (size_t)got;
}

static int
on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct http_call *c = ctx;
	const struct http_request *r = c->request;

	(void)down_total;
	(void)up_total;
	if (down != c->down || up != c->up)
		c->moved_ns = clock_mono_ns();
	c->down = down;
	c->up = up;
	if (r->cancelled != NULL && r->cancelled(r->ctx)) {
		c->failed = true;
		(void)err_set(c->e, ERR_CANCELLED, "%s %s was given up", r->method, r->path);
	} else if (c->stall_ms > 0 && clock_since_ms(c->moved_ns) > c->stall_ms) {
		c->failed = true;
		(void)err_set(c->e, ERR_TIMEOUT, "%s %s: no byte for %lld ms", r->method, r->path,
			(long long)c->stall_ms);
	}
	return c->failed ? 1 : 0;
}

static struct curl_slist *
headers_of(const struct http *h, const struct http_request *r)
{
	struct curl_slist *list =
		curl_slist_append(NULL, r->expect ? "Expect: 100-continue" : "Expect:");

	if (h->bearer != NULL)
		list = curl_slist_append(list, h->bearer);
	if (r->type != NULL) {
		SCOPED(free_at) char *type = mem_format("Content-Type: %s", r->type);

		list = curl_slist_append(list, type);
	}
	for (size_t i = 0; r->headers != NULL && r->headers[i] != NULL && i < HEADERS_MAX; i++)
		list = curl_slist_append(list, r->headers[i]);
	return list;
}

static void
set_body(CURL *curl, struct http_call *c)
{
	const struct http_request *r = c->request;

	if (strcmp(r->method, "HEAD") == 0)
		(void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else if (r->source != NULL) {
		(void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		(void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_upload);
		(void)curl_easy_setopt(curl, CURLOPT_READDATA, c);
		(void)curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->source_len);
	} else if (r->type != NULL || strcmp(r->method, "POST") == 0) {
		(void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body == NULL ? "" : r->body);
	}
	if (strcmp(r->method, "HEAD") != 0)
		(void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
}

/* libcurl 7.88 (Debian 12) ends the second call on a connection that began with HTTP/2 with an
 * error of framing; 8.14 (Debian 13) does not. */
static bool
reuses_http2(void)
{
	return curl_version_info(CURLVERSION_NOW)->version_num >= 0x080100;
}

static void
set_options(const struct http *h, struct http_call *c)
{
	CURL *curl = c->curl;

	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, c->text);
	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)h->connect_ms);
	if (h->http2) {
		(void)curl_easy_setopt(
			curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
		(void)curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, reuses_http2() ? 0L : 1L);
	}
	if (h->unix_path != NULL)
		(void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, h->unix_path);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, c);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
	(void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	(void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, c);
	(void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
	(void)curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
}

static int
http_judge(struct http_call *c, const struct http *h, CURLcode code)
{
	const struct http_request *r = c->request;
	const char *where = h->unix_path == NULL ? h->url : h->unix_path;
	const char *why = c->text[0] == '\0' ? curl_easy_strerror(code) : c->text;

	if (c->failed)
		return -1;
	switch ((int)code) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_OPERATION_TIMEDOUT:
		if (h->unix_path != NULL && access(h->unix_path, W_OK) != 0 && errno == EACCES)
			why = "this process may not open it (where the engine remaps users, start "
			      "this container with --userns=host)";
		return err_set(c->e, ERR_UNREACHABLE, "%s does not answer: %s", where, why);
	default:
		break;
	}
	/* Nothing came at all: the server went away before it read the request. */
	if (c->reply->status == 0)
		return err_set(
			c->e, ERR_UNREACHABLE, "%s: %s %s: %s", where, r->method, r->path, why);
	return err_set(c->e, ERR_IO, "%s: %s %s broke off: %s", where, r->method, r->path, why);
}

/* One call on ${line}. */
static int
call_on(struct http *h, const struct line *line, const struct http_request *r,
	struct http_reply *reply, struct err *e)
{
	SCOPED(free_at) char *url = mem_format("%s%s", h->url, r->path);
	struct http_call c = {.request = r,
		.reply = reply,
		.e = e,
		.curl = line->easy,
		.stall_ms = r->stall_ms == 0 ? h->stall_ms : r->stall_ms,
		.moved_ns = clock_mono_ns()};
	struct curl_slist *headers;
	long status = 0;
	CURLcode code;

	if (line->easy == NULL || line->multi == NULL)
		return err_set(e, ERR_INTERNAL, "no HTTP handle");
	headers = headers_of(h, r);
	buf_clear(&reply->body);
	reply->status = 0;
	set_options(h, &c);
	set_body(c.curl, &c);
	(void)curl_easy_setopt(c.curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(c.curl, CURLOPT_HTTPHEADER, headers);
	code = perform(line);
	(void)curl_easy_getinfo(c.curl, CURLINFO_RESPONSE_CODE, &status);
	reply->status = (int)status;
	curl_easy_reset(c.curl);
	curl_slist_free_all(headers);
	return http_judge(&c, h, code);
}

int
http_call(struct http *h, const struct http_request *r, struct http_reply *reply, struct err *e)
{
	struct line line = borrow(h);
	const int status = call_on(h, &line, r, reply, e);

	give_back(h, &line);
	return status;
}

int
http_warm(struct http *h, const struct http_request *r, size_t count, struct err *e)
{
	struct line lines[HTTP_IDLE_MAX];
	size_t borrowed = 0;
	int status = 0;

	while (status == 0 && borrowed < count && borrowed < HTTP_IDLE_MAX) {
		SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;

		lines[borrowed] = borrow(h);
		status = call_on(h, &lines[borrowed++], r, &reply, e);
	}
	while (borrowed > 0)
		give_back(h, &lines[--borrowed]);
	return status;
}

void
http_reply_free(struct http_reply *reply)
{
	buf_free(&reply->body);
}

char *
http_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0);
	char *copy = mem_string(escaped == NULL ? "" : escaped);

	curl_free(escaped);
	return copy;
}
