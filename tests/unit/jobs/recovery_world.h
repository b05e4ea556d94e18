#ifndef UNIT_JOBS_RECOVERY_WORLD_H
#define UNIT_JOBS_RECOVERY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/un.h>

#include "tests/unit/peer.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/engine.h"
#include "jobs/operations/inspect.h"
#include "jobs/operations/run_state.h"
#include "jobs/restore/rollback.h"
#include "store/open/store.h"

/* The engine's world: {id: inspect}, with "Dies" (clock_mono_ns) where a stop is under way. */
struct world {
	struct peer peer;
	struct engine *engine;
	struct store *store;
	char folder[64];
	json_t *containers;
	json_t *networks;
	int made;
	int failing; /* look-ups that are yet to fail */
	uint64_t random;
};

static uint64_t
draw(struct world *w, uint64_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % below;
}

static void
set(json_t *object, const char *first, const char *second, json_t *value)
{
	(void)json_object_set_new(json_object_get(object, first), second, value);
}

static void
run_it(struct world *w, json_t *c, bool running)
{
	static const char *const states[] = {"exited", "running"};
	char at[64];

	set(c, "State", "Running", json_boolean(running));
	set(c, "State", "Paused", json_false());
	set(c, "State", "Status", json_string(states[running]));
	(void)json_object_del(c, "Dies");
	if (!running)
		return;
	(void)snprintf(
		at, sizeof(at), "2026-01-01T00:00:%02d.%09dZ", w->made / 1000 % 60, w->made % 1000);
	w->made++;
	set(c, "State", "StartedAt", json_string(at));
}

/* A container that was never started. */
static json_t *
make(struct world *w, const char *name, int turn, const char *policy, bool remove)
{
	char id[65];
	json_t *c;

	(void)snprintf(id, sizeof(id), "%064d", ++w->made);
	c = json_pack("{s:s, s:o, s:s, s:{s:s, s:b, s:b, s:s}, s:{s:s, s:[s], s:i, s:{}}, "
		      "s:{s:{s:s, s:i}, s:b, s:s}, s:[], s:{s:{s:{s:s}}}}",
		"Id", id, "Name", json_sprintf("/%s", name), "Image", "sha256:1", "State", "Status",
		"created", "Running", 0, "Paused", 0, "StartedAt", "0001-01-01T00:00:00Z", "Config",
		"Image", "image", "Env", turn == 0 ? "T=0" : "T=1", "StopTimeout", 0, "Labels",
		"HostConfig", "RestartPolicy", "Name", policy, "MaximumRetryCount", 0, "AutoRemove",
		(int)remove, "NetworkMode", "net", "Mounts", "NetworkSettings", "Networks", "net",
		"NetworkID", "n1");
	(void)json_object_set_new(c, "Path", json_string("sh"));
	(void)json_object_set_new(c, "Args", json_array());
	(void)json_object_set_new(w->containers, id, c);
	return c;
}

/* Ends it, and with --rm removes it. */
static void
ended(struct world *w, json_t *c)
{
	run_it(w, c, false);
	if (json_truth(c, "HostConfig", "AutoRemove"))
		(void)json_object_del(w->containers, json_text(c, "Id", NULL));
}

static void
let_die(struct world *w, int64_t until_ns)
{
	const char *id;
	json_t *c;
	void *next;

	json_object_foreach_safe (w->containers, next, id, c) {
		const json_t *dies = json_object_get(c, "Dies");

		if (dies != NULL && json_integer_value(dies) <= until_ns)
			ended(w, c);
	}
}

/* By id or name. */
static json_t *
find(struct world *w, const char *what)
{
	const char *id;
	json_t *c = json_object_get(w->containers, what);

	if (c != NULL)
		return c;
	json_object_foreach (w->containers, id, c) {
		if (strcmp(container_name(c), what) == 0)
			return c;
	}
	return NULL;
}

static void
reply_json(char reply[PEER_TEXT], int status, json_t *json)
{
	SCOPED(free_at) char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

	peer_reply(reply, status, "Content-Type: application/json\r\n", text);
	json_decref(json);
}

static void
reply_none(char reply[PEER_TEXT], int status)
{
	reply_json(reply, status, json_pack("{s:s}", "message", "scripted"));
}

static json_t *
list(struct world *w)
{
	json_t *all = json_array();
	const char *id;
	json_t *c;

	json_object_foreach (w->containers, id, c) {
		(void)json_array_append_new(
			all, json_pack("{s:s, s:[O], s:{}, s:[]}", "Id", id, "Names",
				     json_object_get(c, "Name"), "Labels", "Ports"));
	}
	return all;
}

static void
create(struct world *w, const char *name, const char *request, char reply[PEER_TEXT])
{
	SCOPED(json_decref_at) json_t *body = json_loads(strstr(request, "\r\n\r\n") + 4, 0, NULL);
	const json_t *host = json_object_get(body, "HostConfig");
	json_t *c;

	if (find(w, name) != NULL) {
		reply_none(reply, 409);
		return;
	}
	c = make(w, name, 0, json_text(host, "RestartPolicy", "Name"),
		json_truth(host, "AutoRemove", NULL));
	set(c, "Config", "Env", json_incref(json_object_get(body, "Env")));
	reply_json(reply, 201, json_pack("{s:s}", "Id", json_text(c, "Id", NULL)));
}

/* What is done to container ${c}. */
static void
change(struct world *w, json_t *c, const char *verb, const char *request, char reply[PEER_TEXT])
{
	SCOPED(json_decref_at) json_t *body = json_loads(strstr(request, "\r\n\r\n") + 4, 0, NULL);
	const char *name = strstr(verb, "name=");

	if (strncmp(verb, "rename", 6) == 0) {
		if (find(w, name + 5) != NULL) {
			reply_none(reply, 409);
			return;
		}
		(void)json_object_set_new(c, "Name", json_sprintf("/%s", name + 5));
	} else if (strcmp(verb, "start") == 0) {
		if (json_object_get(w->networks, "net") == NULL) {
			reply_none(reply, 404);
			return;
		}
		if (!json_truth(c, "State", "Running"))
			run_it(w, c, true);
	} else if (strncmp(verb, "kill", 4) == 0) {
		if (json_truth(c, "State", "Running"))
			ended(w, c);
	} else if (strcmp(verb, "pause") == 0) {
		set(c, "State", "Paused", json_true());
		set(c, "State", "Status", json_string("paused"));
	} else if (strcmp(verb, "update") == 0) {
		set(c, "HostConfig", "RestartPolicy",
			json_incref(json_object_get(body, "RestartPolicy")));
	}
	reply_json(reply, 200, json_object());
}

static void
answer_container(
	struct world *w, const char *method, char *path, const char *request, char reply[PEER_TEXT])
{
	char *slash = strchr(path, '/');
	const char *query = strstr(path, "?name=");
	json_t *c;

	if (strcmp(method, "POST") == 0 && strncmp(path, "create?", 7) == 0) {
		create(w, query + 6, request, reply);
		return;
	}
	if (slash != NULL)
		*slash++ = '\0';
	path[strcspn(path, "?")] = '\0';
	c = find(w, path);
	if (c == NULL)
		reply_none(reply, 404);
	else if (strcmp(method, "DELETE") == 0) {
		(void)json_object_del(w->containers, json_text(c, "Id", NULL));
		reply_json(reply, 200, json_object());
	} else if (strcmp(method, "GET") == 0 && w->failing > 0) {
		w->failing--;
		reply_none(reply, 500);
	} else if (strcmp(method, "GET") == 0)
		reply_json(reply, 200, json_deep_copy(c));
	else
		change(w, c, slash, request, reply);
}

static void
answer(struct peer *p, const char *request, char reply[PEER_TEXT])
{
	struct world *w = p->ctx;
	char method[8], path[512];
	char *at;

	for (int i = 0; i < p->count; i++) /* only what peer_wait needs */
		free(p->requests[i]);
	p->count = 0;
	let_die(w, clock_mono_ns());
	assert_int_equal(2, sscanf(request, "%7s %511s", method, path));
	at = strncmp(path, "/v1.", 4) == 0 ? strchr(path + 1, '/') : path;
	if (strcmp(at, "/version") == 0)
		reply_json(reply, 200,
			json_pack("{s:s, s:s, s:s}", "Version", "20.10.24", "ApiVersion", "1.41",
				"MinAPIVersion", "1.12"));
	else if (strcmp(at, "/info") == 0)
		reply_json(reply, 200,
			json_pack("{s:s, s:s}", "Name", "host", "DockerRootDir", "/nowhere"));
	else if (strncmp(at, "/containers/json", 16) == 0)
		reply_json(reply, 200, list(w));
	else if (strncmp(at, "/containers/", 12) == 0)
		answer_container(w, method, at + 12, request, reply);
	else if (strcmp(at, "/networks/create") == 0) {
		(void)json_object_set_new(
			w->networks, "net", json_pack("{s:s, s:s}", "Id", "n2", "Name", "net"));
		reply_json(reply, 201, json_pack("{s:s}", "Id", "n2"));
	} else if (strncmp(at, "/networks/net", 13) == 0) {
		json_t *net = json_object_get(w->networks, "net");

		reply_json(reply, net == NULL ? 404 : 200,
			net == NULL ? json_object() : json_incref(net));
	} else if (strncmp(at, "/images/", 8) == 0)
		reply_json(reply, 200, json_pack("{s:s}", "Id", "sha256:1"));
	else if (strncmp(at, "/networks", 9) == 0)
		reply_json(reply, 200, json_array());
	else
		reply_none(reply, 404);
}

/* As peer_open, on a unix socket: an engine of this host. */
static void
world_open(struct world *w)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/docker.sock", w->folder);
	(void)pthread_mutex_init(&w->peer.mutex, NULL);
	(void)pthread_cond_init(&w->peer.changed, NULL);
	w->peer.answer = answer;
	w->peer.ctx = w;
	w->peer.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(0, bind(w->peer.fd, (const struct sockaddr *)&address, sizeof(address)));
	assert_int_equal(0, listen(w->peer.fd, 64));
	assert_int_equal(0, pthread_create(&w->peer.thread, NULL, peer_run, &w->peer));
}

#endif
