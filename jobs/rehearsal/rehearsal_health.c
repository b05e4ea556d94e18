#include "jobs/rehearsal/rehearsal_health.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "engine/containers.h"
#include "engine/exec.h"
#include "jobs/operations/inspect.h"
#include "jobs/plan/labels.h"
#include "jobs/sources/order.h"

/* How often one that ends is started again if its restart policy would, as the engine would have
 * done: what it needs may not be up yet.  A second between two starts. */
enum { STARTS_MAX = 5, AGAIN_MS = 1000 };

enum { LOOK_US = 100 * 1000, CHECK_AGAIN_MS = 1000, LOG_LINES = 20, TAIL_BYTES = 4096 };

/* A check is to succeed within this, unless its label says otherwise. */
enum { CHECK_SECONDS = 60, CHECK_SECONDS_MAX = 3600 };
static const char *const check_labels[] = {"fuel-backup.check", NULL};
static const char check_timeout_label[] = "fuel-backup.check-timeout";

/* One container on trial. */
struct actor {
	struct clone *clone;
	bool runs;    /* it ran when the backup was made: it is started */
	bool settled; /* it works, or it is known that it does not */
	bool failed;
	int64_t started_ns; /* first */
	int64_t again_ns;   /* last */
	int64_t settled_ms;
	int starts;
	char state[16];
	char health[16];
	char *error;
	char *logs;
	json_t *check;
};

static const json_t *
rehearsal_health_state_of(const struct actor *a)
{
	return json_object_get(a->clone->inspect, "State");
}

/* The last ${TAIL_BYTES} of ${text}; the caller's. */
static char *
tail(const char *text)
{
	const size_t len = strlen(text);
	const char *at = len > TAIL_BYTES ? text + len - TAIL_BYTES : text;

	while (at != text && ((unsigned char)*at & 0xC0) == 0x80) /* no part of a character */
		at++;
	return mem_string(at);
}

static void
rehearsal_health_fail(const struct rehearsal_health *t, struct actor *a, char *error)
{
	SCOPED(free_at) char *log = NULL;
	struct err ignored;

	a->settled = a->failed = true;
	free(a->error);
	a->error = error;
	a->settled_ms = a->starts == 0 ? 0 : clock_since_ms(a->started_ns);
	if (a->clone->id != NULL && a->starts > 0 &&
		containers_log_tail(t->clones->engine, a->clone->id, LOG_LINES, &log, &ignored) ==
			0)
		a->logs = tail(log);
}

/* ---- start ---- */

static int
rehearsal_health_start(const struct rehearsal_health *t, struct actor *a, struct err *e)
{
	const int64_t now_ns = clock_mono_ns();

	if (a->clone->id == NULL) {
		rehearsal_health_fail(
			t, a, mem_format("it could not be made: %s", a->clone->fault.text));
		return 0;
	}
	if (a->starts++ == 0)
		a->started_ns = now_ns;
	a->again_ns = now_ns;
	if (containers_start(t->clones->engine, a->clone->id, e) == 0)
		return 0;
	if (e->code != ERR_ENGINE && e->code != ERR_NOT_FOUND && e->code != ERR_CONFLICT)
		return err_prefix(e, "container %s", a->clone->name);
	rehearsal_health_fail(t, a, mem_format("it could not be started: %s", e->text));
	return 0;
}

/* Whether the policy that it was made with would start it again. */
static bool
starts_again(const struct actor *a, int exit_code)
{
	const char *policy = json_text(
		json_object_get(a->clone->inspect, "HostConfig"), "RestartPolicy", "Name");

	return strcmp(policy, "always") == 0 || strcmp(policy, "unless-stopped") == 0 ||
	       (strcmp(policy, "on-failure") == 0 && exit_code != 0);
}

static void
rehearsal_health_ended(const struct rehearsal_health *t, struct actor *a, const json_t *now)
{
	const int code =
		(int)json_integer_value(json_object_get(json_object_get(now, "State"), "ExitCode"));

	if (starts_again(a, code) && a->starts < STARTS_MAX) {
		(void)strcpy(a->state, "again"); /* look() starts it when its time has come */
		return;
	}
	if (!starts_again(a, code) && code == 0) {
		a->settled = true; /* it has done its work */
		a->settled_ms = clock_since_ms(a->started_ns);
		return;
	}
	rehearsal_health_fail(t, a,
		mem_format("it ended with exit code %d%s%s", code,
			json_truth(now, "State", "OOMKilled")
				? ": it was out of memory (see memory_bytes)"
				: "",
			a->starts > 1 ? ", and again after each new start" : ""));
}

/* What it does now: nothing more is asked of it once it is settled. */
static int
rehearsal_health_look(const struct rehearsal_health *t, struct actor *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *now = NULL;
	const bool checked =
		strcmp(json_text(rehearsal_health_state_of(a), "Health", "Status"), "healthy") == 0;

	if (strcmp(a->state, "again") == 0 && clock_since_ms(a->again_ns) < AGAIN_MS)
		return 0;
	if (strcmp(a->state, "again") == 0) {
		(void)strcpy(a->state, "");
		return rehearsal_health_start(t, a, e);
	}
	if (containers_inspect(t->clones->engine, a->clone->id, &now, e) != 0)
		return err_prefix(e, "container %s", a->clone->name);
	(void)snprintf(a->state, sizeof(a->state), "%s", json_text(now, "State", "Status"));
	(void)snprintf(a->health, sizeof(a->health), "%s",
		json_text(json_object_get(now, "State"), "Health", "Status"));
	if (!json_truth(now, "State", "Running")) {
		rehearsal_health_ended(t, a, now);
		return 0;
	}
	a->settled = checked ? strcmp(a->health, "healthy") == 0
			     : clock_since_ms(a->again_ns) >= t->stay_ms;
	if (a->settled)
		a->settled_ms = clock_since_ms(a->started_ns);
	else if (checked && clock_since_ms(a->started_ns) > t->health_ms)
		rehearsal_health_fail(t, a,
			mem_format("it is %s after %lld s, not healthy", a->health,
				(long long)(t->health_ms / 1000)));
	return 0;
}

/* A container that has been started and is up, but for its health check or its staying up. */
static bool
is_up(const struct actor *a)
{
	return a->settled ||
	       strcmp(json_text(rehearsal_health_state_of(a), "Health", "Status"), "healthy") != 0;
}

/* Whether ${a} may start: what it needs is up.  One that failed is waited for no longer. */
static bool
may_start(const struct rehearsal_health *t, const struct actor *actors, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (actors[k].runs && !is_up(&actors[k]) &&
			order_needs(actors[i].clone->inspect, actors[k].clone->inspect, true))
			return false;
	return !operation_cancelled(t->operation);
}

static int
look_at_all(const struct rehearsal_health *t, struct actor *actors, size_t count, bool *ret_settled,
	struct err *e)
{
	*ret_settled = true;
	for (size_t i = 0; i < count; i++) {
		struct actor *a = &actors[i];

		if (a->runs && a->starts > 0 && !a->settled && rehearsal_health_look(t, a, e) != 0)
			return -1;
		*ret_settled = *ret_settled && (!a->runs || a->settled);
	}
	return operation_check(t->operation, e);
}

static int
rehearsal_health_start_all(const struct rehearsal_health *t, struct actor *actors, struct err *e)
{
	const size_t count = t->clones->count;
	bool settled = false;
	size_t next = 0;

	while (!settled) {
		while (next < count && (!actors[next].runs || may_start(t, actors, next))) {
			if (actors[next].runs && rehearsal_health_start(t, &actors[next], e) != 0)
				return -1;
			next++;
		}
		if (look_at_all(t, actors, count, &settled, e) != 0)
			return -1;
		if (!settled)
			(void)usleep(LOOK_US);
	}
	return 0;
}

/* ---- check ---- */

/* What came of the last try. */
static void
note_check(struct actor *a, const json_t *command, const struct exec_result *result,
	const struct err *failure, int64_t since_ns)
{
	SCOPED(free_at) char *output = tail(result->output == NULL ? "" : result->output);

	json_decref(a->check);
	a->check = json_pack("{s:O, s:o, s:o, s:o, s:I}", "command", command, "exit_code",
		failure == NULL ? json_integer(result->exit_code) : json_null(), "output",
		text_json(output), "error",
		failure == NULL ? json_null() : text_json(failure->text), "duration_ms",
		(json_int_t)clock_since_ms(since_ns));
}

/* 1: it succeeded, 0: it did not, -1: the engine or we have a fault. */
static int
try_check(const struct rehearsal_health *t, struct actor *a, const json_t *command, int64_t left_ms,
	int64_t since_ns, struct err *e)
{
	const struct exec_request request = {.container = a->clone->id,
		.command = command,
		.timeout_ms = left_ms,
		.cancelled = operation_given_up,
		.ctx = t->operation};
	struct exec_result result = {0};
	const int status = exec_run(t->clones->engine, &request, &result, e);

	note_check(a, command, &result, status == 0 ? NULL : e, since_ns);
	free(result.output);
	if (status == 0)
		return result.exit_code == 0;
	return e->code == ERR_CANCELLED || e->code == ERR_UNREACHABLE ? -1 : 0;
}

static int
rehearsal_health_check(const struct rehearsal_health *t, struct actor *a, const json_t *command,
	int64_t timeout_ms, struct err *e)
{
	const int64_t since_ns = clock_mono_ns();

	for (;;) {
		const int64_t left_ms = timeout_ms - clock_since_ms(since_ns);
		const int done = try_check(t, a, command, left_ms > 0 ? left_ms : 1, since_ns, e);

		if (done != 0)
			return done > 0 ? 0 : -1;
		if (clock_since_ms(since_ns) + CHECK_AGAIN_MS >= timeout_ms)
			break;
		(void)usleep(CHECK_AGAIN_MS * 1000);
		if (operation_check(t->operation, e) != 0)
			return -1;
	}
	rehearsal_health_fail(t, a,
		mem_format(
			"its check did not succeed within %lld s", (long long)(timeout_ms / 1000)));
	return 0;
}

static int
check_all(const struct rehearsal_health *t, struct actor *actors, struct err *e)
{
	for (size_t i = 0; i < t->clones->count; i++) {
		struct actor *a = &actors[i];
		SCOPED(json_decref_at) json_t *command = NULL;
		int64_t timeout_ms;

		if (!a->runs || a->failed)
			continue;
		if (labels_command(a->clone->inspect, check_labels, &command, e) != 0 ||
			labels_seconds(a->clone->inspect, check_timeout_label, CHECK_SECONDS,
				CHECK_SECONDS_MAX, &timeout_ms, e) != 0)
			rehearsal_health_fail(t, a, mem_string(e->text));
		else if (command != NULL &&
			 rehearsal_health_check(t, a, command, timeout_ms, e) != 0)
			return -1;
	}
	return 0;
}

/* Who stayed up at first may have ended since. */
static int
rehearsal_health_look_again(const struct rehearsal_health *t, struct actor *actors, struct err *e)
{
	for (size_t i = 0; i < t->clones->count; i++) {
		struct actor *a = &actors[i];
		SCOPED(json_decref_at) json_t *now = NULL;

		if (!a->runs || a->failed || strcmp(a->state, "running") != 0)
			continue;
		if (containers_inspect(t->clones->engine, a->clone->id, &now, e) != 0)
			return -1;
		(void)snprintf(a->state, sizeof(a->state), "%s", json_text(now, "State", "Status"));
		if (!json_truth(now, "State", "Running"))
			rehearsal_health_fail(t, a, mem_string("it was up, and has ended since"));
	}
	return 0;
}

/* ---- the outcome ---- */

static json_t *
text_or_null(const char *text)
{
	return text == NULL || text[0] == '\0' ? json_null() : text_json(text);
}

static json_t *
actor_json(const struct actor *a)
{
	const char *state = a->clone->id == NULL  ? "missing"
			    : a->state[0] == '\0' ? "created"
						  : a->state;

	return json_pack("{s:s, s:b, s:s, s:o, s:i, s:o, s:O, s:o, s:o}", "name", a->clone->name,
		"ok", !a->failed, "state", state, "health", text_or_null(a->health), "starts",
		a->starts, "started_ms", a->starts == 0 ? json_null() : json_integer(a->settled_ms),
		"check", a->check == NULL ? json_null() : a->check, "error", text_or_null(a->error),
		"logs", text_or_null(a->logs));
}

static void
actors_clear(struct actor *actors, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(actors[i].error);
		free(actors[i].logs);
		json_decref(actors[i].check);
	}
	free(actors);
}

static int
run(const struct rehearsal_health *t, struct actor *actors, struct err *e)
{
	operation_phase(t->operation, "start");
	if (rehearsal_health_start_all(t, actors, e) != 0)
		return -1;
	operation_phase(t->operation, "check");
	return check_all(t, actors, e) != 0 ? -1 : rehearsal_health_look_again(t, actors, e);
}

int
rehearsal_health_run(
	const struct rehearsal_health *t, json_t **ret_containers, bool *ret_proven, struct err *e)
{
	struct actor *actors = mem_new((t->clones->count + 1) * sizeof(*actors));
	json_t *list = json_array();
	int status;

	for (size_t i = 0; i < t->clones->count; i++) {
		actors[i].clone = &t->clones->list[i];
		actors[i].runs = strcmp(container_state(actors[i].clone->inspect), "stopped") != 0;
		if (!actors[i].runs && actors[i].clone->id == NULL)
			rehearsal_health_fail(t, &actors[i],
				mem_format(
					"it could not be made: %s", actors[i].clone->fault.text));
	}
	status = run(t, actors, e);
	*ret_proven = true;
	for (size_t i = 0; i < t->clones->count; i++) {
		*ret_proven = *ret_proven && !actors[i].failed;
		(void)json_array_append_new(list, actor_json(&actors[i]));
	}
	actors_clear(actors, t->clones->count);
	if (status != 0)
		json_decref(list);
	else
		*ret_containers = list;
	return status;
}
