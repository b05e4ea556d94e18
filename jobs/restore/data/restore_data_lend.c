/* The roots of a restore's targets, lent for writing. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/layers/layers.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/data/restore_data_internal.h"

/* The folder that holds ${path}; the caller's. */
static char *
parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == path ? mem_string("/") : mem_copy(path, (size_t)(slash - path));
}

/* The container of a target that is a layer, or NULL. */
static const struct restore_container *
container_of(const struct restore_data *f, const struct target *t, struct err *e)
{
	const struct restore_container *item = restore_data_item(f->restore, t->container);

	if (item != NULL && item->id != NULL)
		return item;
	(void)err_set(e, ERR_INTERNAL, "container %s is not there", t->container);
	return NULL;
}

/* All else is restored without a layer that nobody knows; it is told. */
static int
leave_layer(struct restore_data *f, struct target *t, const struct layer *layer, struct err *e)
{
	if (t->parts != NULL)
		return err_set(e, ERR_UNSUPPORTED, "container %s: %s", t->container, layer->why);
	t->unknown = true;
	t->active = false;
	restore_warn(f->restore,
		"the layer of container %s is not restored (%s): its files are in the backup's "
		"archive, under %s",
		t->container, layer->why, t->prefix);
	return 0;
}

static void
take_layer(struct target *t, struct layer *layer)
{
	free(t->path);
	free(t->base);
	free(t->born);
	t->path = TAKE(layer->path);
	t->base = TAKE(layer->base);
	t->born = TAKE(layer->born);
	t->form = layer->form;
}

/* Where the layers of all wanted targets are now.  ${of}: those without are not wanted any more. */
static int
find_layers(struct restore_data *f, bool *of, struct err *e)
{
	const struct layers_options options = {.engine = f->restore->request->engine,
		.self = f->restore->self,
		.run_path = f->run_path};
	SCOPED(json_decref_at) json_t *inspects = json_array();
	struct layer *layers = NULL;
	size_t count, at = 0;
	int status = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct restore_container *item;
		json_t *inspect;

		if (!of[i] || f->targets[i].container == NULL)
			continue;
		item = container_of(f, &f->targets[i], e);
		if (item == NULL || containers_inspect(options.engine, item->id, &inspect, e) != 0)
			return -1;
		(void)json_array_append_new(inspects, inspect);
	}
	count = json_array_size(inspects);
	if (count == 0)
		return 0;
	if (layers_find(&options, inspects, &layers, e) != 0)
		return -1;
	for (size_t i = 0; i < f->count && status == 0; i++) {
		if (!of[i] || f->targets[i].container == NULL)
			continue;
		if (layers[at].path != NULL)
			take_layer(&f->targets[i], &layers[at]);
		else
			status = leave_layer(f, &f->targets[i], &layers[at], e);
		of[i] = !f->targets[i].unknown;
		at++;
	}
	layers_free(layers, count);
	return status;
}

/* Of layers, and of volumes where that can be had, the folder that holds them is lent, so that the
 * work stays out of what the container sees, and the tree itself: for the lender's own look at it,
 * and so that the engine has a volume in use.  A whole tree is lent by itself, with what it began
 * with. */
static void
add_roots(struct restore_data *f, struct target *t, struct lender_root *roots, size_t *n)
{
	const bool writable = !f->restore->request->dry_run;

	t->number = *n;
	if (t->form == LAYER_TREE) {
		t->itself = *n;
		roots[(*n)++] = (struct lender_root){
			.path = mem_string(t->path), .writable = writable && t->absent};
		t->base_number = *n;
		roots[(*n)++] = (struct lender_root){.path = mem_string(t->base)};
		t->born_number = *n;
		if (t->born != NULL)
			roots[(*n)++] = (struct lender_root){.path = mem_string(t->born)};
		return;
	}
	if (t->container != NULL || t->outside) {
		roots[(*n)++] = (struct lender_root){.path = parent(t->path), .writable = writable};
		t->itself = *n;
		roots[(*n)++] =
			(struct lender_root){.path = mem_string(t->path), .volume = t->volume};
		return;
	}
	const char *path = t->real != NULL ? t->real : t->path;

	roots[(*n)++] = (struct lender_root){
		.path = t->way == TARGET_MAKE ? parent(path) : mem_string(path),
		.volume = t->volume,
		.writable = writable};
}

/* What is missing is made here, through no link, and not by the engine's mount. */
static int
make_missing(struct restore_data *f, const bool *of, struct err *e)
{
	for (size_t i = 0; i < f->count && !f->restore->request->dry_run; i++)
		if (of[i] && f->targets[i].absent &&
			restore_data_make_missing(f, &f->targets[i], e) != 0)
			return -1;
	return 0;
}

/* What is there before anything is made; a file that is to be made needs its folder only then. */
bool
restore_data_is_there(const struct target *t)
{
	return !t->absent && t->twin == NULL;
}

bool
restore_data_is_made_before(const struct target *t)
{
	return t->active && t->lender == NULL && t->container == NULL;
}

bool
restore_data_is_made_after(const struct target *t)
{
	return t->active && t->lender == NULL && t->container != NULL;
}

/* The tree below the folder that was lent; it is the one that was lent by itself. */
static int
open_inside(struct target *t, struct err *e)
{
	struct stat inside, itself;

	if ((t->container == NULL || t->form == LAYER_TREE) && !t->outside)
		return 0;
	t->root_fd = openat(lender_fd(t->lender, t->number), strrchr(t->path, '/') + 1,
		O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (t->root_fd < 0 || fstat(t->root_fd, &inside) != 0 ||
		fstat(lender_fd(t->lender, t->itself), &itself) != 0)
		return err_errno(e, "%s", t->path);
	if (t->outside && (inside.st_dev != itself.st_dev || inside.st_ino != itself.st_ino))
		return err_set(e, ERR_CONFLICT,
			"%s is not what the engine has for the volume %s: nothing is written there",
			t->path, t->volume);
	return 0;
}

int
restore_data_lend_targets(
	struct restore_data *f, size_t which, restore_data_select *wanted, struct err *e)
{
	SCOPED(free_at)
	struct lender_root *roots = mem_array(NULL, 3 * f->count + 1, sizeof(*roots));
	SCOPED(free_at) bool *of = mem_array(NULL, f->count + 1, sizeof(*of));
	SCOPED(free_at) char *name = mem_format("fuel-backup-lender-%s-%zu", f->id, which);
	struct lender **place = which < RESTORE_DATA_LENDERS
					? &f->lenders[which]
					: &f->each[which - RESTORE_DATA_LENDERS];
	size_t n = 0;
	int status;

	for (size_t i = 0; i < f->count; i++)
		of[i] = wanted(&f->targets[i]);
	status = find_layers(f, of, e) != 0 || make_missing(f, of, e) != 0 ? -1 : 0;
	for (size_t i = 0; i < f->count && status == 0; i++)
		if (of[i])
			add_roots(f, &f->targets[i], roots, &n);
	if (status == 0 && n > 0)
		status = lender_open(&(struct lender_options){.engine = f->restore->request->engine,
					     .self = f->restore->self,
					     .run_path = f->run_path,
					     .name = name,
					     .roots = roots,
					     .count = n},
			place, e);
	for (size_t i = 0; i < f->count && status == 0; i++)
		if (of[i]) {
			f->targets[i].lender = *place;
			status = open_inside(&f->targets[i], e) != 0 ||
						 restore_data_check_lent(f, &f->targets[i], e) != 0
					 ? -1
					 : 0;
		}
	for (size_t i = 0; i < n; i++)
		free((char *)(uintptr_t)roots[i].path);
	return status;
}
