#include "jobs/refill.h"

#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/lender.h"
#include "jobs/excludes.h"
#include "jobs/inspect.h"
#include "jobs/roots.h"
#include "jobs/target.h"

/* IP, DHCP, DNS and NTP of a Fuel master: a first stage that does not bring them back. */
static const char astute[] = "host/etc/fuel/astute.yaml";

struct refill {
	struct restore *restore;
	struct excludes *excludes;
	struct lender *data;   /* volumes, binds, host paths */
	struct lender *layers; /* of the containers, once they are made */
	char *run_path;
	int run_fd;
	struct target *targets;
	size_t count;
	struct target *last; /* the one that took the last member */
};

static const char *
except(const struct refill *f)
{
	return f->restore->request->astute ? NULL : astute;
}

static struct target_options
options_of(const struct refill *f)
{
	return (struct target_options){.id = restore_id(f->restore),
		.run_fd = f->run_fd,
		.excludes = f->excludes,
		.except = except(f)};
}

/* True if a container of the backup binds ${path} or something below it. */
static bool
bound(const struct restore *r, const char *path)
{
	const size_t len = strlen(path);

	for (size_t i = 0; i < r->count; i++) {
		const json_t *mount;
		size_t k;

		json_array_foreach (json_object_get(r->items[i].inspect, "Mounts"), k, mount) {
			const char *source = json_text(mount, "Source", NULL);

			if (strcmp(json_text(mount, "Type", NULL), "bind") == 0 &&
				strncmp(source, path, len) == 0 &&
				(source[len] == '\0' || source[len] == '/'))
				return true;
		}
	}
	return false;
}

static int
add_target(struct refill *f, const json_t *source, struct err *e)
{
	const char *kind = json_text(source, "kind", NULL), *name = json_text(source, "name", NULL);
	const char *path = json_text(source, "path", NULL);
	const bool file = json_truth(source, "file", NULL);
	struct target *t = &f->targets[f->count];
	bool has = true;

	if (strcmp(kind, "host") == 0 && !f->restore->request->host_paths &&
		!bound(f->restore, path))
		return 0;
	*t = (struct target){.prefix = mem_string(json_text(source, "prefix", NULL)),
		.path = mem_string(path),
		.volume = strcmp(kind, "volume") == 0 ? mem_string(name) : NULL,
		.container = strcmp(kind, "layer") == 0 ? mem_string(name) : NULL,
		.root_fd = -1,
		.saved_fd = -1};
	t->saved = mem_format("restore-%s-%zu.tar", restore_id(f->restore), f->count);
	f->count++;
	if (!file || t->volume != NULL || t->container != NULL)
		return 0;
	if (path[0] != '/' || strchr(t->prefix, '/') == NULL)
		return err_set(e, ERR_CORRUPT, "backup.json: source \"%.200s\"", path);
	if (roots_host_has(f->restore->request->engine, f->restore->self, path, &has, e) != 0)
		return -1;
	t->way = has ? TARGET_OVERWRITE : TARGET_MAKE;
	return 0;
}

static int
add_targets(struct refill *f, struct err *e)
{
	const json_t *sources = json_object_get(f->restore->contents->manifest, "sources");
	const json_t *source;
	size_t i;

	f->targets = mem_new((json_array_size(sources) + 1) * sizeof(*f->targets));
	json_array_foreach (sources, i, source) {
		if (add_target(f, source, e) != 0)
			return -1;
	}
	for (i = 0; i < f->count; i++)
		for (size_t k = 0; k < f->count; k++)
			f->targets[i].nested =
				f->targets[i].nested ||
				(k != i && target_holds(&f->targets[i], f->targets[k].prefix) > 0);
	return 0;
}

/* The folder that holds ${path}; the caller's. */
static char *
parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == path ? mem_string("/") : mem_copy(path, (size_t)(slash - path));
}

/* Lend ${roots} (their paths owned, and freed) and give them to the targets ${of}. */
static int
lend(struct refill *f, const char *what, struct lender_root *roots, struct target **of,
	size_t count, struct lender **ret_lender, struct err *e)
{
	SCOPED(free_at)
	char *name = mem_format("fuel-backup-lender-%s-%s", restore_id(f->restore), what);
	const struct lender_options options = {.engine = f->restore->request->engine,
		.self = f->restore->self,
		.run_path = f->run_path,
		.name = name,
		.roots = roots,
		.count = count};
	const int status = count == 0 ? 0 : lender_open(&options, ret_lender, e);

	for (size_t i = 0; i < count; i++) {
		of[i]->lender = *ret_lender;
		of[i]->number = i;
		free((char *)(uintptr_t)roots[i].path);
	}
	return status;
}

static int
lend_data(struct refill *f, struct err *e)
{
	SCOPED(free_at) struct lender_root *roots = mem_array(NULL, f->count + 1, sizeof(*roots));
	SCOPED(free_at) struct target **of = mem_array(NULL, f->count + 1, sizeof(*of));
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++) {
		struct target *t = &f->targets[i];

		if (t->container != NULL)
			continue;
		roots[n] = (struct lender_root){
			.path = t->way == TARGET_MAKE ? parent(t->path) : mem_string(t->path),
			.volume = t->volume,
			.writable = true,
			.create = t->volume == NULL && t->way != TARGET_OVERWRITE};
		of[n++] = t;
	}
	return lend(f, "data", roots, of, n, &f->data, e);
}

static const struct stack_item *
item_of(const struct restore *r, const char *container)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->items[i].name, container) == 0)
			return &r->items[i];
	return NULL;
}

/* The path of the layer of ${container} now; the caller's. */
static char *
layer_path(const struct refill *f, const char *container, struct err *e)
{
	const struct stack_item *item = item_of(f->restore, container);
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const char *path;

	if (item == NULL) {
		(void)err_set(
			e, ERR_CORRUPT, "backup.json: a layer of no container: %.200s", container);
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

/* Of layers the folder that holds them is lent, so that the work of the fill stays out of what the
 * container will see. */
static int
lend_layers(struct refill *f, struct err *e)
{
	SCOPED(free_at) struct lender_root *roots = mem_array(NULL, f->count + 1, sizeof(*roots));
	SCOPED(free_at) struct target **of = mem_array(NULL, f->count + 1, sizeof(*of));
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++) {
		struct target *t = &f->targets[i];
		char *path;

		if (t->container == NULL)
			continue;
		path = layer_path(f, t->container, e);
		if (path == NULL) {
			while (n > 0)
				free((char *)(uintptr_t)roots[--n].path);
			return -1;
		}
		free(t->path);
		t->path = path;
		roots[n] = (struct lender_root){.path = parent(path), .writable = true};
		of[n++] = t;
	}
	if (lend(f, "layers", roots, of, n, &f->layers, e) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		of[i]->root_fd = openat(lender_fd(f->layers, i), strrchr(of[i]->path, '/') + 1,
			O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (of[i]->root_fd < 0)
			return err_errno(e, "%s", of[i]->path);
	}
	return 0;
}

static int
check_targets(const struct refill *f, bool layers, struct err *e)
{
	const struct target_options options = options_of(f);

	for (size_t i = 0; i < f->count; i++)
		if ((f->targets[i].container != NULL) == layers &&
			target_check(&f->targets[i], &options, e) != 0)
			return -1;
	return 0;
}

/* The restore closes it, whatever happens. */
static int
make(struct restore *r, struct refill **ret_refill, struct err *e)
{
	struct refill *f = mem_new(sizeof(*f));

	*ret_refill = f;
	f->restore = r;
	f->run_path = mem_format("%s/run", store_path(r->request->store));
	f->run_fd = openat(store_fd(r->request->store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->run_fd < 0 ? err_errno(e, "%s", f->run_path) : 0;
}

int
refill_open(struct restore *r, struct refill **ret_refill, struct err *e)
{
	const json_t *exclude =
		json_object_get(json_object_get(r->contents->manifest, "plan"), "exclude");
	struct refill *f;

	if (make(r, ret_refill, e) != 0)
		return -1;
	f = *ret_refill;
	if (excludes_new(r->request->engine, r->self, store_path(r->request->store), exclude,
		    &f->excludes, e) != 0 ||
		add_targets(f, e) != 0 || lend_data(f, e) != 0)
		return -1;
	return check_targets(f, false, e);
}

/* The target that holds ${path} most closely, or NULL. */
static struct target *
target_of(struct refill *f, const char *path)
{
	size_t longest = 0;

	if (f->last != NULL && !f->last->nested && target_holds(f->last, path) > 0)
		return f->last;
	f->last = NULL;
	for (size_t i = 0; i < f->count; i++) {
		const size_t len = target_holds(&f->targets[i], path);

		if (len > longest) {
			longest = len;
			f->last = &f->targets[i];
		}
	}
	return f->last;
}

static int
put_back(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	struct refill *f = ctx;
	struct target *t = target_of(f, m->path);

	if (operation_check(f->restore->operation, e) != 0)
		return -1;
	if (t == NULL || (except(f) != NULL && strcmp(m->path, except(f)) == 0))
		return 0;
	operation_advance(f->restore->operation, 0, 1);
	return target_member(t, m, r, e);
}

int
refill_extract(struct refill *f, struct err *e)
{
	const struct target_options options = options_of(f);
	const struct restore_request *request = f->restore->request;

	if (lend_layers(f, e) != 0 || check_targets(f, true, e) != 0)
		return -1;
	for (size_t i = 0; i < f->count; i++)
		if (target_begin(&f->targets[i], &options, e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
	return contents_walk(
		request->store, request->backup, f->restore->operation, put_back, f, e);
}

int
refill_swap(struct refill *f, struct err *e)
{
	for (size_t i = 0; i < f->count; i++)
		if (target_swap(&f->targets[i], e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
	return 0;
}

int
refill_finish(struct refill *f, struct err *e)
{
	const struct target_options options = options_of(f);
	int status = 0;

	for (size_t i = 0; i < f->count; i++)
		if (target_finish(&f->targets[i], &options, e) != 0)
			status = err_prefix(e, "%s", f->targets[i].prefix);
	return status;
}

int
refill_undo(struct refill *f)
{
	const struct target_options options = options_of(f);
	int status = 0;
	struct err e;

	for (size_t i = f->count; i-- > 0;)
		if (target_undo(&f->targets[i], &options, &e) != 0) {
			log_error("restore: %s: its old content is not back in place (look for "
				  ".fuel-backup-%s there): %s",
				f->targets[i].prefix, options.id, e.text);
			status = -1;
		}
	return status;
}

json_t *
refill_note(const struct refill *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->count; i++) {
		const struct target *t = &f->targets[i];

		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s*, s:s*, s:i, s:s}", "prefix", t->prefix,
				      "path", t->path, "volume", t->volume, "container",
				      t->container, "way", (int)t->way, "saved", t->saved));
	}
	return list;
}

static char *
optional(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? NULL : mem_string(text);
}

/* Layers of containers that were made go with them. */
static bool
remains(const struct restore *r, const json_t *target)
{
	const char *container = json_string_value(json_object_get(target, "container"));
	const struct stack_item *item = container == NULL ? NULL : item_of(r, container);

	return container == NULL || (item != NULL && item->way == WAY_IN_PLACE);
}

static void
read_targets(struct refill *f, const json_t *targets)
{
	const json_t *target;
	size_t i;

	f->targets = mem_new((json_array_size(targets) + 1) * sizeof(*f->targets));
	json_array_foreach (targets, i, target) {
		if (!remains(f->restore, target))
			continue;
		f->targets[f->count++] = (struct target){.prefix = optional(target, "prefix"),
			.path = optional(target, "path"),
			.volume = optional(target, "volume"),
			.container = optional(target, "container"),
			.way = (enum target_way)json_integer_value(json_object_get(target, "way")),
			.saved = optional(target, "saved"),
			.root_fd = -1,
			.saved_fd = -1};
	}
}

int
refill_resume(struct restore *r, const json_t *targets, struct refill **ret_refill, struct err *e)
{
	struct refill *f;

	if (make(r, ret_refill, e) != 0)
		return -1;
	f = *ret_refill;
	read_targets(f, targets);
	if (lend_data(f, e) != 0 || lend_layers(f, e) != 0)
		return -1;
	const struct target_options options = options_of(f);
	for (size_t i = 0; i < f->count; i++)
		if (target_resume(&f->targets[i], &options, e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
	return 0;
}

void
refill_close(struct refill *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->count; i++)
		target_clear(&f->targets[i]);
	free(f->targets);
	lender_close(f->layers);
	lender_close(f->data);
	excludes_free(f->excludes);
	free(f->run_path);
	fd_close_at(&f->run_fd);
	free(f);
}
