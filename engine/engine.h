#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "http/http.h"

/*
 * A Docker Engine.  Opening connects to nothing; the version is negotiated with the first call and
 * again after the engine was away.  Thread-safe.
 */
struct engine;

/**
 * engine_open(host, ret_engine, e):
 * ${host} as DOCKER_HOST: unix:///path or tcp://host:port; NULL: unix:///var/run/docker.sock.
 */
int engine_open(const char *host, struct engine **ret_engine, struct err *e);
void engine_close(struct engine *g);
void engine_close_at(struct engine **g);

const char *engine_host(const struct engine *g);
const char *engine_socket(const struct engine *g); /* path of the unix socket, or NULL */

/**
 * engine_socket_dead(g):
 * True if the socket will never answer again: it was mounted into this container, the engine has
 * been started anew since and has made another one, and nobody listens on this one.  Only a new
 * start of this container binds the new one.  Waits for nothing.
 */
bool engine_socket_dead(const struct engine *g);

/* The negotiated API version as 100 * major + minor (141 is 1.41); -1 on error. */
int engine_api(struct engine *g, struct err *e);

/* Ask again what it speaks before the next call: it may have been upgraded.  Whoever begins an
 * operation does (self_find). */
void engine_forget_api(struct engine *g);

/* GET /info and /version; the caller's. */
int engine_info(struct engine *g, json_t **ret_info, struct err *e);
int engine_version(struct engine *g, json_t **ret_version, struct err *e);

/**
 * engine_json(g, method, path, body, ret, e):
 * One call of the API; ${path} without the version prefix, ${body} JSON or NULL (borrowed), the
 * reply's JSON to ${ret} (NULL: not wanted; it becomes JSON null where the reply is empty).
 * Errors: ERR_UNREACHABLE; 404 ERR_NOT_FOUND, 409 ERR_CONFLICT, other statuses >= 400 ERR_ENGINE
 * with the engine's message, e->number the status; 304 counts as success.
 */
int engine_json(struct engine *g, const char *method, const char *path, const json_t *body,
	json_t **ret, struct err *e);

/* The same with a request of any form (streams); ${request}->path without the prefix. */
int engine_call(
	struct engine *g, struct http_request *request, struct http_reply *reply, struct err *e);

/* Open ${count} connections, so that as many calls at once find one. */
int engine_warm(struct engine *g, size_t count, struct err *e);

/**
 * engine_give_up(cancelled, ctx):
 * From now on calls of this thread end with ERR_CANCELLED when ${cancelled} says so, even in the
 * middle; removals excepted, which clean up.  NULL: none do any more.  Not to be set while anything
 * is frozen or half restored.
 */
void engine_give_up(bool (*cancelled)(void *ctx), void *ctx);

/* What a file above this one keeps with the engine: made at the first call, dropped when the engine
 * is closed.  Thread-safe. */
enum engine_memory { ENGINE_LAYERS, ENGINE_TRAITS, ENGINE_HOST_VIEW, ENGINE_MEMORIES };

void *engine_memory(struct engine *g, enum engine_memory which, void *(*make)(void),
	void (*drop)(void *memory));

/* Another number after each engine_forget_api, never 0: what was learned before may be of an engine
 * that has been upgraded since. */
unsigned long engine_epoch(struct engine *g);

/* -1 with the engine's message if ${reply} is an error status; see engine_json. */
int engine_check(const struct http_request *request, const struct http_reply *reply, struct err *e);

#endif
