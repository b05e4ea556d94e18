#include "jobs/recovery/startup_recovery.h"

#include <fcntl.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender.h"
#include "engine/self.h"
#include "jobs/freeze/freeze.h"
#include "jobs/freeze/hooks.h"
#include "jobs/operations/run_state.h"
#include "jobs/rehearsal/rehearsal.h"
#include "jobs/restore/restore_as.h"
#include "jobs/restore/rollback.h"
#include "jobs/sources/layer_copy.h"

static int
startup_recovery_run_open(struct store *s, struct err *e)
{
	const int fd = openat(store_fd(s), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s/run", store_path(s)) : fd;
}

int
startup_recovery_thaw(struct store *s, struct engine *g, json_t **ret_thawed, struct err *e)
{
	SCOPED(free_at) char *run_path = mem_format("%s/run", store_path(s));
	SCOPED(fd_close_at) int run_fd = startup_recovery_run_open(s, e);

	return run_fd < 0 ? -1 : freeze_recover(g, run_fd, run_path, ret_thawed, e);
}

/* What is left of layers that were read through the engine. */
static void
sweep_copies(struct store *s)
{
	struct err ignored;
	SCOPED(fd_close_at) int run_fd = startup_recovery_run_open(s, &ignored);
	SCOPED(fd_close_at) int tmp_fd = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (run_fd >= 0)
		layer_copy_sweep(run_fd);
	if (tmp_fd >= 0)
		layer_copy_sweep(tmp_fd);
}

/* Nothing is frozen any more. */
static int
settle_rest(struct store *s, struct engine *g, json_t *left, struct err *e)
{
	SCOPED(self_free_at) struct self *self = NULL;
	struct err other;
	const int status = rollback_recover(s, g, left, e);

	sweep_copies(s);
	/* If that fails, the rest is put right all the same. */
	if (self_find(g, &self, &other) == 0 && lender_sweep(g, self, &other) == 0 &&
		rehearsal_recover(s, g, &other) == 0 && restore_as_recover(s, g, &other) == 0)
		return status;
	*e = status == 0 ? other : *e;
	return -1;
}

int
startup_recovery_settle(struct store *s, struct engine *g, int64_t since_ns,
	bool (*called_off)(void *ctx), void *ctx, json_t *left, struct err *e)
{
	SCOPED(json_decref_at) json_t *thawed = NULL;
	SCOPED(fd_close_at) int run_fd = startup_recovery_run_open(s, e);
	int status;

	if (run_fd < 0 || startup_recovery_thaw(s, g, &thawed, e) != 0)
		return -1;
	if (json_array_size(thawed) > 0)
		log_warn("thawed %zu containers that an earlier run left frozen",
			json_array_size(thawed));
	engine_give_up(called_off, ctx);
	hooks_recover(g, run_fd);
	status = settle_rest(s, g, left, e);
	engine_give_up(NULL, NULL);
	if (status == 0)
		run_state_sweep(run_fd, since_ns);
	return status;
}
