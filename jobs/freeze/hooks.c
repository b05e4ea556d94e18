#include "jobs/freeze/hooks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "base/thread.h"
#include "engine/exec.h"
#include "jobs/operations/inspect.h"
#include "jobs/operations/run_state.h"
#include "jobs/plan/labels.h"

static const char note_name[] = "hooks.json";

/* Labels, ours and those of offen/docker-volume-backup, for who comes from there. */
static const char *const before_labels[] = {
	"fuel-backup.before-freeze", "docker-volume-backup.archive-pre", NULL};
static const char *const after_labels[] = {
	"fuel-backup.after-thaw", "docker-volume-backup.archive-post", NULL};
static const char failure_label[] = "fuel-backup.hook-failure";
static const char timeout_label[] = "fuel-backup.hook-timeout";

/* A hook is to prepare a moment, not to make the backup: five minutes unless the label says so. */
enum { TIMEOUT_SECONDS = 300, TIMEOUT_SECONDS_MAX = 24 * 3600 };

/* Of those that a start runs, side by side.  One that hangs keeps no start for longer. */
enum { TIMEOUT_RECOVER_MS = 60 * 1000, RECOVER_THREADS_MAX = 16 };

struct hook {
	char *id;
	char *name;
	bool runs;
	bool ignore; /* a failure */
	int64_t timeout_ms;
	json_t *before, *after; /* commands, or NULL */
};

struct hooks {
	struct engine *engine;
	int run_fd;
	struct hook *list;
	size_t count;
	json_t *ran;
	bool begun; /* those after the thaw are due */
};

static int
parse_failure(const json_t *inspect, bool *ret_ignore, struct err *e)
{
	const char *value = labels_text(inspect, (const char *const[]){failure_label, NULL});

	*ret_ignore = value != NULL && strcmp(value, "ignore") == 0;
	if (value == NULL || *ret_ignore || strcmp(value, "fail") == 0)
		return 0;
	return err_set(e, ERR_INVALID, "container %s: label %s is \"fail\" or \"ignore\"",
		container_name(inspect), failure_label);
}

static void
hook_clear(struct hook *hook)
{
	free(hook->id);
	free(hook->name);
	json_decref(hook->before);
	json_decref(hook->after);
}

static int
parse(const json_t *inspect, struct hook *hook, struct err *e)
{
	hook->id = mem_string(json_text(inspect, "Id", NULL));
	hook->name = mem_string(container_name(inspect));
	hook->runs = strcmp(container_state(inspect), "running") == 0;
	if (labels_command(inspect, before_labels, &hook->before, e) != 0 ||
		labels_command(inspect, after_labels, &hook->after, e) != 0 ||
		parse_failure(inspect, &hook->ignore, e) != 0)
		return -1;
	return labels_seconds(
		inspect, timeout_label, TIMEOUT_SECONDS, TIMEOUT_SECONDS_MAX, &hook->timeout_ms, e);
}

int
hooks_new(struct engine *g, int run_fd, const json_t *containers, struct hooks **ret_hooks,
	struct err *e)
{
	SCOPED(hooks_free_at) struct hooks *h = mem_new(sizeof(*h));
	const json_t *inspect;
	size_t i;

	h->engine = g;
	h->run_fd = run_fd;
	h->ran = json_array();
	h->list = mem_new((json_array_size(containers) + 1) * sizeof(*h->list));
	json_array_foreach (containers, i, inspect) {
		if (parse(inspect, &h->list[h->count++], e) != 0)
			return -1;
	}
	*ret_hooks = TAKE(h);
	return 0;
}

void
hooks_free_at(struct hooks **at)
{
	struct hooks *h = *at;

	if (h == NULL)
		return;
	for (size_t i = 0; i < h->count; i++)
		hook_clear(&h->list[i]);
	free(h->list);
	json_decref(h->ran);
	free(h);
}

bool
hooks_any_before(const struct hooks *h)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->list[i].runs && h->list[i].before != NULL)
			return true;
	return false;
}

static bool
runs_after(const struct hook *hook)
{
	return hook->runs && hook->after != NULL;
}

/* Those from number ${from} on are due. */
static int
hooks_write_note(const struct hooks *h, size_t from, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = json_array();

	for (size_t i = from; i < h->count; i++)
		if (runs_after(&h->list[i]))
			(void)json_array_append_new(
				list, json_pack("{s:s, s:O}", "id", h->list[i].id, "command",
					      h->list[i].after));
	return json_array_size(list) == 0 ? run_state_remove(h->run_fd, note_name, e)
					  : run_state_write(h->run_fd, note_name, list, e);
}

/* Run one, and record it.  -1 if it failed. */
static int
hooks_run(struct hooks *h, const struct hook *hook, const char *when, struct operation *o,
	struct err *e)
{
	const json_t *command = strcmp(when, "before-freeze") == 0 ? hook->before : hook->after;
	const struct exec_request request = {.container = hook->id,
		.command = command,
		.timeout_ms = hook->timeout_ms,
		.cancelled = strcmp(when, "before-freeze") == 0 ? operation_given_up
								: operation_stopping,
		.ctx = o};
	const int64_t since_ns = clock_mono_ns();
	struct exec_result result = {0};
	int status = exec_run(h->engine, &request, &result, e);
	const bool ended = status == 0;

	if (ended && result.exit_code != 0)
		status = err_set(e, ERR_HOOK, "it ended with exit code %d: %.300s",
			result.exit_code, result.output);
	if (status != 0 && e->code != ERR_CANCELLED) {
		(void)err_prefix(e, "the %s hook of container %s", when, hook->name);
		e->code = ERR_HOOK;
	}
	(void)json_array_append_new(
		h->ran, json_pack("{s:s, s:s, s:O, s:o, s:o, s:o, s:I}", "container", hook->name,
				"when", when, "command", command, "exit_code",
				ended ? json_integer(result.exit_code) : json_null(), "output",
				text_json(result.output == NULL ? "" : result.output), "error",
				status == 0 ? json_null() : text_json(e->text), "duration_ms",
				(json_int_t)clock_since_ms(since_ns)));
	free(result.output);
	return status;
}

int
hooks_before(struct hooks *h, struct operation *o, struct err *e)
{
	if (hooks_write_note(h, 0, e) != 0)
		return -1;
	h->begun = true;
	for (size_t i = 0; i < h->count; i++) {
		const struct hook *hook = &h->list[i];

		if (!hook->runs || hook->before == NULL)
			continue;
		if (hooks_run(h, hook, "before-freeze", o, e) != 0 &&
			(!hook->ignore || e->code == ERR_CANCELLED))
			return -1;
	}
	return 0;
}

void
hooks_after(struct hooks *h, struct operation *o)
{
	struct err ignored;

	if (h == NULL || !h->begun)
		return;
	h->begun = false;
	/* A service that is asked to stop waits for none: what has begun goes on in its container,
	 * and the others stay in the note, for the next start. */
	for (size_t i = 0; i < h->count && !operation_stopping(o); i++) {
		if (!runs_after(&h->list[i]))
			continue;
		(void)hooks_write_note(h, i + 1, &ignored);
		(void)hooks_run(h, &h->list[i], "after-thaw", o, &ignored);
	}
	if (!operation_stopping(o))
		(void)run_state_remove(h->run_fd, note_name, &ignored);
}

json_t *
hooks_json(const struct hooks *h)
{
	return h == NULL ? json_array() : json_deep_copy(h->ran);
}

/* What a start runs, shared by some threads. */
struct recovery_round {
	struct engine *engine;
	const json_t *list;
	atomic_size_t next;
};

static void *
take_hooks(void *ctx)
{
	struct recovery_round *r = ctx;
	size_t i;

	while ((i = atomic_fetch_add(&r->next, 1)) < json_array_size(r->list)) {
		const json_t *item = json_array_get(r->list, i);
		const struct exec_request request = {.container = json_text(item, "id", NULL),
			.command = json_object_get(item, "command"),
			.timeout_ms = TIMEOUT_RECOVER_MS};
		struct exec_result result = {0};
		struct err ignored;

		if (labels_is_command(request.command) &&
			exec_run(r->engine, &request, &result, &ignored) == 0)
			free(result.output);
	}
	return NULL;
}

void
hooks_recover(struct engine *g, int run_fd)
{
	SCOPED(json_decref_at) json_t *list = run_state_read(run_fd, note_name);
	struct recovery_round round = {.engine = g, .list = list};
	pthread_t threads[RECOVER_THREADS_MAX];
	size_t started = 0;
	struct err ignored;

	if (list == NULL)
		return;
	/* First, so that one that hangs each time is run no more than once. */
	(void)run_state_remove(run_fd, note_name, &ignored);
	while (started < RECOVER_THREADS_MAX && started + 1 < json_array_size(list) &&
		thread_start(&threads[started], take_hooks, &round) == 0)
		started++;
	(void)take_hooks(&round);
	while (started > 0)
		(void)pthread_join(threads[--started], NULL);
}
