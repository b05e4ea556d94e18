#ifndef ENGINE_CONTAINERS_H
#define ENGINE_CONTAINERS_H

#include <jansson.h>

#include "base/err.h"
#include "engine/engine.h"

/*
 * Containers.  ${id}: a whole id, as the engine tells it: the engine takes a name, too, but also
 * the beginning of an id for a name, so that whoever has only a name asks containers_find first.
 * JSON that is returned is the caller's.  Errors as engine_json.
 */
int containers_list(struct engine *g, json_t **ret_array, struct err *e); /* all, also stopped */

/* ERR_NOT_FOUND as well if the engine means another container by ${id}. */
int containers_inspect(struct engine *g, const char *id, json_t **ret_inspect, struct err *e);

/* The container whose name is exactly ${name} (no slash before it), whatever ids begin with it. */
int containers_find(struct engine *g, const char *name, json_t **ret_inspect, struct err *e);

/* Create ${name}; ${ret_id} the caller's to free. */
int containers_create(
	struct engine *g, const char *name, const json_t *body, char **ret_id, struct err *e);
int containers_start(struct engine *g, const char *id, struct err *e);
int containers_stop(struct engine *g, const char *id, int seconds, struct err *e);
int containers_kill(struct engine *g, const char *id, const char *signal, struct err *e);
int containers_pause(struct engine *g, const char *id, struct err *e);
int containers_unpause(struct engine *g, const char *id, struct err *e);

/* The same, and an inspect, of an engine that may be stuck: ERR_TIMEOUT after ${wait_ms} without a
 * byte; it may yet do it. */
int containers_unpause_within(struct engine *g, const char *id, int64_t wait_ms, struct err *e);
int containers_inspect_within(
	struct engine *g, const char *id, int64_t wait_ms, json_t **ret_inspect, struct err *e);
int containers_rename(struct engine *g, const char *id, const char *name, struct err *e);

/* Remove with force, keeping its volumes; it being gone already is success. */
int containers_remove(struct engine *g, const char *id, struct err *e);

/* The same with its anonymous volumes. */
int containers_discard(struct engine *g, const char *id, struct err *e);

/* Set the restart policy ({"Name": …, "MaximumRetryCount": …}, borrowed).  An engine that changes
 * none (Podman 4, which starts nothing again that was stopped) leaves it as it is: success. */
int containers_set_restart(struct engine *g, const char *id, const json_t *policy, struct err *e);

/* Wait until it does not run; the exit code to ${ret_code}. */
int containers_wait(struct engine *g, const char *id, int *ret_code, struct err *e);

/* Ask what runs in it.  The answer is dropped: asking is the least that the engine tells as an
 * event
 * ("top") of this container. */
int containers_top(struct engine *g, const char *id, struct err *e);

/* The last ${lines} lines of its log as text; the caller's to free. */
int containers_log_tail(
	struct engine *g, const char *id, int lines, char **ret_text, struct err *e);

#endif
