/* The roots of a restore's targets, lent for writing. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "jobs/inspect.h"
#include "jobs/refill_parts.h"

/* The folder that holds ${path}; the caller's. */
static char *
parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == path ? mem_string("/") : mem_copy(path, (size_t)(slash - path));
}

/* The path of the layer of ${container} now; the caller's. */
static char *
layer_path(const struct refill *f, const char *container, struct err *e)
{
	const struct stack_item *item = refill_item(f->restore, container);
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const char *path;

	if (item == NULL || item->id == NULL) {
		(void)err_set(e, ERR_INTERNAL, "container %s is not there", container);
		return NULL;
	}
	if (containers_inspect(f->restore->request->engine, item->id, &inspect, e) != 0)
		return NULL;
	path = container_layer(inspect);
	if (path[0] == '/')
		return mem_string(path);
	(void)err_set(e, ERR_UNSUPPORTED,
		"container %s: this engine's storage driver gives no path of the writable layer",
		container);
	return NULL;
}

/* Of layers the folder that holds them is lent, so that the work stays out of what the container
 * will see, and the layer itself, for the lender's own look at it. */
static int
add_roots(struct refill *f, struct target *t, struct lender_root *roots, size_t *n, struct err *e)
{
	const bool writable = !f->restore->request->dry_run;

	t->number = *n;
	if (t->container != NULL) {
		char *path = layer_path(f, t->container, e);

		if (path == NULL)
			return -1;
		free(t->path);
		t->path = path;
		roots[(*n)++] = (struct lender_root){.path = parent(path), .writable = writable};
		t->itself = *n;
		roots[(*n)++] = (struct lender_root){.path = mem_string(path)};
		return 0;
	}
	roots[(*n)++] = (struct lender_root){
		.path = t->way == TARGET_MAKE ? parent(t->path) : mem_string(t->path),
		.volume = t->volume,
		.writable = writable,
		.create = writable && t->volume == NULL && t->way != TARGET_OVERWRITE};
	return 0;
}

/* What is there before anything is made; a file that is to be made needs its folder only then. */
bool
refill_is_there(const struct target *t)
{
	return !t->absent;
}

bool
refill_is_made_before(const struct target *t)
{
	return t->active && t->lender == NULL && t->container == NULL;
}

bool
refill_is_made_after(const struct target *t)
{
	return t->active && t->lender == NULL && t->container != NULL;
}

static int
open_layer(struct target *t, struct err *e)
{
	if (t->container == NULL)
		return 0;
	t->root_fd = openat(lender_fd(t->lender, t->number), strrchr(t->path, '/') + 1,
		O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return t->root_fd < 0 ? err_errno(e, "%s", t->path) : 0;
}

int
refill_lend_targets(struct refill *f, size_t which, refill_select *wanted, struct err *e)
{
	SCOPED(free_at)
	struct lender_root *roots = mem_array(NULL, 2 * f->count + 1, sizeof(*roots));
	SCOPED(free_at) bool *of = mem_array(NULL, f->count + 1, sizeof(*of));
	SCOPED(free_at) char *name = mem_format("fuel-backup-lender-%s-%zu", f->id, which);
	size_t n = 0;
	int status = 0;

	for (size_t i = 0; i < f->count && status == 0; i++) {
		of[i] = wanted(&f->targets[i]);
		status = of[i] ? add_roots(f, &f->targets[i], roots, &n, e) : 0;
	}
	if (status == 0 && n > 0)
		status = lender_open(&(struct lender_options){.engine = f->restore->request->engine,
					     .self = f->restore->self,
					     .run_path = f->run_path,
					     .name = name,
					     .roots = roots,
					     .count = n},
			&f->lenders[which], e);
	for (size_t i = 0; i < f->count && status == 0; i++)
		if (of[i]) {
			f->targets[i].lender = f->lenders[which];
			status = open_layer(&f->targets[i], e);
		}
	for (size_t i = 0; i < n; i++)
		free((char *)(uintptr_t)roots[i].path);
	return status;
}
