#include "engine/engine.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/scope.h"

/*
 * API_MAX: the newest version that docs/recreate.md was written for, and the last whose inspect
 * tells a MAC address that was chosen; an engine that knows more is asked for this one.  Below 1.48
 * gateway priorities and mounts of images would be lost.  API_MIN: that of Docker 19.03, with
 * mounts with NoCopy and the events that a backup needs.
 */
enum { API_MIN = 140, API_MAX = 151, STALL_MS = 120 * 1000 };

struct engine {
	char *host;
	char *socket; /* NULL for tcp */
	struct http *http;
	pthread_mutex_t mutex;
	int api;	     /* 0: not known yet */
	unsigned long epoch; /* how often that was to be forgotten, and one */
	struct {
		void *memory;
		void (*drop)(void *memory);
	} memories[ENGINE_MEMORIES];
};

/* Data are read and written where this runs, never through an engine. */
static int
refuse_host(const char *host, struct err *e)
{
	if (strncmp(host, "ssh://", 6) == 0 || strncmp(host, "https://", 8) == 0)
		return err_set(e, ERR_INVALID,
			"DOCKER_HOST \"%.200s\" is another host's engine: this service works on "
			"the "
			"files of the host that it runs on; run it there, with "
			"DOCKER_HOST=unix:///var/run/docker.sock",
			host);
	return err_set(e, ERR_INVALID,
		"DOCKER_HOST \"%.200s\" is neither unix:///path nor tcp://host:port (of a socket "
		"proxy on this host)",
		host);
}

int
engine_open(const char *host, struct engine **ret_engine, struct err *e)
{
	SCOPED(engine_close_at) struct engine *g = mem_new(sizeof(*g));
	SCOPED(free_at) char *url = NULL;
	struct http_options options = {.stall_ms = STALL_MS};

	g->host =
		mem_string(host == NULL || host[0] == '\0' ? "unix:///var/run/docker.sock" : host);
	(void)pthread_mutex_init(&g->mutex, NULL);
	g->epoch = 1;
	if (strncmp(g->host, "unix:///", 8) == 0) {
		g->socket = mem_string(g->host + 7);
		options.unix_path = g->socket;
		url = mem_string("http://docker");
	} else if (strncmp(g->host, "tcp://", 6) == 0 && g->host[6] != '\0') {
		url = mem_format("http://%s", g->host + 6);
	} else {
		return refuse_host(g->host, e);
	}
	options.url = url;
	if (http_open(&options, &g->http, e) != 0)
		return -1;
	*ret_engine = TAKE(g);
	return 0;
}

void
engine_close(struct engine *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < ENGINE_MEMORIES; i++)
		if (g->memories[i].memory != NULL)
			g->memories[i].drop(g->memories[i].memory);
	http_close(g->http);
	(void)pthread_mutex_destroy(&g->mutex);
	free(g->host);
	free(g->socket);
	free(g);
}

void
engine_close_at(struct engine **g)
{
	engine_close(*g);
}

const char *
engine_host(const struct engine *g)
{
	return g->host;
}

const char *
engine_socket(const struct engine *g)
{
	return g->socket;
}

void *
engine_memory(
	struct engine *g, enum engine_memory which, void *(*make)(void), void (*drop)(void *memory))
{
	LOCKED(&g->mutex);

	if (g->memories[which].memory == NULL) {
		g->memories[which].memory = make();
		g->memories[which].drop = drop;
	}
	return g->memories[which].memory;
}

unsigned long
engine_epoch(struct engine *g)
{
	LOCKED(&g->mutex);

	return g->epoch;
}

/* Whether a connection is refused, for nobody listens. */
static bool
refuses(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED(fd_close_at)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return false;
	(void)strcpy(address.sun_path, path);
	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 &&
	       errno == ECONNREFUSED;
}

bool
engine_socket_dead(const struct engine *g)
{
	struct stat st;

	return g->socket != NULL && stat(g->socket, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_nlink == 0 && refuses(g->socket);
}

static void
set_api(struct engine *g, int api)
{
	LOCKED(&g->mutex);

	g->api = api;
}

/* "1.41" as 141; 0 if it is none. */
static int
version_of(const char *text)
{
	int major = 0, minor = 0;

	return sscanf(text, "%d.%d", &major, &minor) == 2 ? 100 * major + minor : 0;
}

/* Of engine_give_up. */
static _Thread_local struct {
	bool (*cancelled)(void *ctx);
	void *ctx;
} give_up;

/* Ask without a version: what does it speak? */
static int
negotiate(struct engine *g, int64_t stall_ms, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	const struct http_request request = {.method = "GET",
		.path = "/version",
		.stall_ms = stall_ms,
		.cancelled = give_up.cancelled,
		.ctx = give_up.ctx};
	SCOPED(json_decref_at) json_t *version = NULL;
	const char *text, *least;
	int api, least_api;

	if (http_call(g->http, &request, &reply, e) != 0)
		return -1;
	version = json_parse(reply.body.data, reply.body.len, 0, NULL);
	text = json_string_value(json_object_get(version, "ApiVersion"));
	least = json_string_value(json_object_get(version, "MinAPIVersion"));
	api = text == NULL ? 0 : version_of(text);
	least_api = least == NULL ? 0 : version_of(least);
	if (reply.status != 200 || api == 0)
		return err_set(
			e, ERR_UNREACHABLE, "%s answers, but not as a Docker engine does", g->host);
	if (api < API_MIN)
		return err_set(e, ERR_UNSUPPORTED,
			"the engine speaks API %s only; this service wants at least %d.%d", text,
			API_MIN / 100, API_MIN % 100);
	if (least_api > API_MAX)
		return err_set(e, ERR_UNSUPPORTED,
			"the engine speaks API %s and newer only (its min-api-version), and this "
			"service at most %d.%d: a newer version of it is needed",
			least, API_MAX / 100, API_MAX % 100);
	api = api > API_MAX ? API_MAX : api;
	set_api(g, api);
	return api;
}

/* ${stall_ms}: of the call that wants to know it. */
static int
api_within(struct engine *g, int64_t stall_ms, struct err *e)
{
	int api;

	(void)pthread_mutex_lock(&g->mutex);
	api = g->api;
	(void)pthread_mutex_unlock(&g->mutex);
	return api != 0 ? api : negotiate(g, stall_ms > 0 ? stall_ms : 0, e);
}

int
engine_api(struct engine *g, struct err *e)
{
	return api_within(g, 0, e);
}

void
engine_forget_api(struct engine *g)
{
	LOCKED(&g->mutex);

	g->api = 0;
	g->epoch++;
}

void
engine_give_up(bool (*cancelled)(void *ctx), void *ctx)
{
	give_up.cancelled = cancelled;
	give_up.ctx = ctx;
}

/* One call with version ${api}. */
static int
call_with(struct engine *g, int api, struct http_request *request, struct http_reply *reply,
	struct err *e)
{
	const char *bare = request->path;
	SCOPED(free_at) char *path = NULL;
	int status;

	path = mem_format("/v%d.%d%s", api / 100, api % 100, bare);
	request->path = path;
	if (request->cancelled == NULL && strcmp(request->method, "DELETE") != 0) {
		request->cancelled = give_up.cancelled;
		request->ctx = give_up.ctx;
	}
	status = http_call(g->http, request, reply, e);
	request->path = bare;
	if (status != 0 && e->code == ERR_UNREACHABLE)
		set_api(g, 0); /* another one may come back */
	return status;
}

/* "client version 1.41 is too old. Minimum supported API version is 1.44": another engine than the
 * one that was asked what it speaks answers here now. */
static bool
is_other_engine(const struct http_reply *reply)
{
	const char *body = reply->body.data;

	return reply->status == 400 && body != NULL && strstr(body, "client version") != NULL &&
	       (strstr(body, "is too old") != NULL || strstr(body, "is too new") != NULL);
}

static int
call(struct engine *g, struct http_request *request, struct http_reply *reply, struct err *e)
{
	int api = api_within(g, request->stall_ms, e);

	if (api < 0)
		return -1;
	if (call_with(g, api, request, reply, e) != 0)
		return -1;
	if (!is_other_engine(reply))
		return 0;
	engine_forget_api(g);
	api = api_within(g, request->stall_ms, e);
	if (api < 0)
		return -1;
	/* What was streamed to the first one is gone: whoever did that is refused, and asks again.
	 */
	return request->source != NULL ? 0 : call_with(g, api, request, reply, e);
}

int
engine_call(struct engine *g, struct http_request *request, struct http_reply *reply, struct err *e)
{
	bool (*const cancelled)(void *ctx) = give_up.cancelled;
	int status;

	/* A removal cleans up: not even the question for the version is given up. */
	if (strcmp(request->method, "DELETE") == 0)
		give_up.cancelled = NULL;
	status = call(g, request, reply, e);
	give_up.cancelled = cancelled;
	return status;
}

static int
engine_refusal(const struct http_request *request, const struct http_reply *reply, struct err *e)
{
	const char *body = reply->body.data == NULL ? "" : reply->body.data;
	SCOPED(json_decref_at) json_t *json = json_parse(body, reply->body.len, 0, NULL);
	const char *message = json_string_value(json_object_get(json, "message"));
	const enum err_code code = reply->status == 404	  ? ERR_NOT_FOUND
				   : reply->status == 409 ? ERR_CONFLICT
							  : ERR_ENGINE;

	(void)err_set(e, code, "the engine refused %s %.200s with %d: %.400s", request->method,
		request->path, reply->status, message == NULL ? body : message);
	e->number = reply->status;
	return -1;
}

int
engine_check(const struct http_request *request, const struct http_reply *reply, struct err *e)
{
	return reply->status >= 400 ? engine_refusal(request, reply, e) : 0;
}

int
engine_json(struct engine *g, const char *method, const char *path, const json_t *body,
	json_t **ret, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(free_at) char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
	struct http_request request = {.method = method,
		.path = path,
		.type = text == NULL ? NULL : "application/json",
		.body = text,
		.body_len = text == NULL ? 0 : strlen(text)};
	json_error_t error;

	if (engine_call(g, &request, &reply, e) != 0 || engine_check(&request, &reply, e) != 0)
		return -1;
	if (ret == NULL)
		return 0;
	if (reply.body.len == 0) {
		*ret = json_null();
		return 0;
	}
	/* (an empty list is `null` in some answers) */
	*ret = json_parse(reply.body.data, reply.body.len, JSON_DECODE_ANY, &error);
	if (*ret == NULL)
		return err_set(e, ERR_ENGINE, "the engine's answer to %s %s is no JSON: %s", method,
			path, error.text);
	return 0;
}

int
engine_warm(struct engine *g, size_t count, struct err *e)
{
	const struct http_request request = {.method = "GET", .path = "/_ping"};

	return http_warm(g->http, &request, count, e);
}

int
engine_info(struct engine *g, json_t **ret_info, struct err *e)
{
	return engine_json(g, "GET", "/info", NULL, ret_info, e);
}

int
engine_version(struct engine *g, json_t **ret_version, struct err *e)
{
	return engine_json(g, "GET", "/version", NULL, ret_version, e);
}
