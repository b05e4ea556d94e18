#include "engine/exec.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/frames.h"

/* What the call looks at between bytes. */
struct wait {
	const struct exec_request *request;
	int64_t since_ns;
	bool late;
};

static bool
exec_give_up(void *ctx)
{
	struct wait *w = ctx;

	w->late = clock_since_ms(w->since_ns) > w->request->timeout_ms;
	return w->late || (w->request->cancelled != NULL && w->request->cancelled(w->request->ctx));
}

/* Keep the beginning; the rest is read and dropped, so that the command does not stall. */
static int
exec_keep(void *ctx, const void *data, size_t len, struct err *e)
{
	struct buf *output = ctx;
	const size_t room = output->max - output->len;

	(void)e;
	(void)buf_add(output, data, len < room ? len : room);
	return 0;
}

static char *
create(struct engine *g, const struct exec_request *r, struct err *e)
{
	SCOPED(free_at) char *name = http_escape(r->container);
	SCOPED(free_at) char *path = mem_format("/containers/%s/exec", name);
	SCOPED(json_decref_at)
	json_t *body = json_pack(
		"{s:b, s:b, s:O}", "AttachStdout", 1, "AttachStderr", 1, "Cmd", r->command);
	SCOPED(json_decref_at) json_t *reply = NULL;
	const char *id;

	if (engine_json(g, "POST", path, body, &reply, e) != 0)
		return NULL;
	id = json_string_value(json_object_get(reply, "Id"));
	if (id == NULL) {
		(void)err_set(e, ERR_ENGINE, "the engine made an exec without an id");
		return NULL;
	}
	return mem_string(id);
}

static int
exec_start(struct engine *g, const struct exec_request *r, const char *id, struct buf *output,
	struct err *e)
{
	static const char body[] = "{\"Detach\":false,\"Tty\":false}";
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(free_at) char *path = mem_format("/exec/%s/start", id);
	struct wait wait = {.request = r, .since_ns = clock_mono_ns()};
	const struct sink sink = {exec_keep, output};
	struct http_request request = {.method = "POST",
		.path = path,
		.type = "application/json",
		.body = body,
		.body_len = sizeof(body) - 1,
		.sink = &sink,
		.stall_ms = -1,
		.cancelled = exec_give_up,
		.ctx = &wait};
	const int status = engine_call(g, &request, &reply, e);

	if (status != 0 && wait.late)
		return err_set(e, ERR_TIMEOUT, "it did not end within %lld ms, and still runs",
			(long long)r->timeout_ms);
	return status != 0 ? -1 : engine_check(&request, &reply, e);
}

int
exec_run(struct engine *g, const struct exec_request *r, struct exec_result *ret_result,
	struct err *e)
{
	SCOPED(free_at) char *id = create(g, r, e);
	SCOPED(buf_free) struct buf output = BUF_INIT(EXEC_OUTPUT_MAX);
	SCOPED(free_at) char *path = id == NULL ? NULL : mem_format("/exec/%s/json", id);
	SCOPED(json_decref_at) json_t *inspect = NULL;

	if (id == NULL || exec_start(g, r, id, &output, e) != 0 ||
		engine_json(g, "GET", path, NULL, &inspect, e) != 0)
		return -1;
	ret_result->exit_code = (int)json_integer_value(json_object_get(inspect, "ExitCode"));
	ret_result->output = frames_text(output.data, output.len);
	return 0;
}
