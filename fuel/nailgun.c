#include "fuel/nailgun.h"

#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "http/http.h"

/* A master of years has thousands of tasks, half a KiB each. */
enum { ANSWER_MAX = 16 * 1024 * 1024 };

static const char or_force[] = "send {\"force\": true} to go on without knowing";

struct nailgun {
	struct http *http;
	struct keystone *keystone;
};

int
nailgun_open(
	const char *url, struct keystone *keystone, struct nailgun **ret_nailgun, struct err *e)
{
	struct nailgun *n = mem_new(sizeof(*n));

	n->keystone = keystone;
	if (http_open(&(struct http_options){.url = url}, &n->http, e) != 0) {
		free(n);
		return err_prefix(e, "FUEL_BACKUP_NAILGUN");
	}
	*ret_nailgun = n;
	return 0;
}

void
nailgun_close(struct nailgun *n)
{
	if (n == NULL)
		return;
	http_close(n->http);
	free(n);
}

static bool
nailgun_time_is_up(void *ctx)
{
	const int64_t *since_ns = ctx;

	return clock_since_ms(*since_ns) > NAILGUN_MS;
}

static int
nailgun_ask(struct nailgun *n, struct http_reply *reply, struct err *e)
{
	int64_t since_ns = clock_mono_ns();
	SCOPED(free_at) char *token = n->keystone == NULL ? NULL : keystone_login(n->keystone, e);

	if (n->keystone != NULL && token == NULL)
		return -1;
	SCOPED(free_at)
	char *header = token == NULL ? NULL : mem_format("X-Auth-Token: %s", token);
	const struct http_request request = {.method = "GET",
		.path = "/api/tasks",
		.headers = (const char *const[]){header, NULL},
		.cancelled = nailgun_time_is_up,
		.ctx = &since_ns};
	return http_call(n->http, &request, reply, e);
}

static int
nailgun_judge(const json_t *tasks, struct err *e)
{
	const json_t *task;
	size_t i;

	if (!json_is_array(tasks))
		return err_set(e, ERR_PREFLIGHT, "Nailgun's list of tasks is not understood; %s",
			or_force);
	json_array_foreach (tasks, i, task) {
		const char *status = json_string_value(json_object_get(task, "status"));
		const char *name = json_string_value(json_object_get(task, "name"));

		if (status == NULL)
			return err_set(
				e, ERR_PREFLIGHT, "a task of Nailgun has no status; %s", or_force);
		if (strcmp(status, "running") != 0 && strcmp(status, "pending") != 0)
			continue;
		return err_set(e, ERR_OCCUPIED,
			"Nailgun's task %lld (%.64s) is %s: wait for its end, or send {\"force\": "
			"true}",
			(long long)json_integer_value(json_object_get(task, "id")),
			name == NULL ? "?" : name, status);
	}
	return 0;
}

int
nailgun_idle(struct nailgun *n, struct err *e)
{
	SCOPED(http_reply_free)
	struct http_reply reply = {.body = BUF_INIT(ANSWER_MAX), .content_length = -1};
	SCOPED(json_decref_at) json_t *tasks = NULL;

	if (nailgun_ask(n, &reply, e) != 0) {
		e->code = ERR_PREFLIGHT;
		(void)err_prefix(
			e, "whether Nailgun has tasks running is not known (%s)", or_force);
		return -1;
	}
	if (reply.status != 200)
		return err_set(e, ERR_PREFLIGHT,
			"Nailgun answered %d when asked for its tasks%s; %s", reply.status,
			reply.status == 401 ? " (see FUEL_BACKUP_KEYSTONE_USER)" : "", or_force);
	tasks = json_loadb(reply.body.data == NULL ? "" : reply.body.data, reply.body.len, 0, NULL);
	return nailgun_judge(tasks, e);
}
