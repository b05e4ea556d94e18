#ifndef ENGINE_EXEC_H
#define ENGINE_EXEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"

/* Commands in running containers. */

enum { EXEC_OUTPUT_MAX = 16 * 1024 }; /* what is kept of a command's output: its beginning */

struct exec_request {
	const char *container;
	const json_t *command; /* texts */
	int64_t timeout_ms;
	bool (*cancelled)(void *ctx); /* or NULL */
	void *ctx;
};

struct exec_result {
	int exit_code;
	char *output; /* stdout and stderr as they came; the caller's to free */
};

/**
 * exec_run(g, request, ret_result, e):
 * Run the command to its end.  0 whatever its exit code.  ERR_TIMEOUT: it still runs (an engine
 * cannot end it); ERR_CANCELLED; else as engine_json.
 */
int exec_run(struct engine *g, const struct exec_request *request, struct exec_result *ret_result,
	struct err *e);

#endif
