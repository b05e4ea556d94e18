#ifndef ENGINE_HOST_VIEW_H
#define ENGINE_HOST_VIEW_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/self.h"

/*
 * The host's root folder, as the engine's host has it, to ask what is there without an engine that
 * might make it.  Where it was had by the host's first process it is kept with the engine, so that
 * only the first view of a service costs a helper.
 */
struct host_view;

/**
 * host_view_open(g, self, run_path, ret_view, e):
 * ${run_path}: as lender_options has it.  Thread-safe.  Errors as lender_open.
 */
int host_view_open(struct engine *g, const struct self *self, const char *run_path,
	struct host_view **ret_view, struct err *e);
void host_view_close(struct host_view *v);
void host_view_close_at(struct host_view **v);

/* Whether the host has the absolute ${path}, links followed as the host would. */
bool host_view_has(const struct host_view *v, const char *path);

#endif
