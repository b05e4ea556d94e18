#include "jobs/refill.h"

#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/lender.h"
#include "engine/volumes.h"
#include "jobs/excludes.h"
#include "jobs/inspect.h"
#include "jobs/roots.h"
#include "jobs/target.h"

/* IP, DHCP, DNS and NTP of a Fuel master: a first stage that does not bring them back. */
static const char astute[] = "host/etc/fuel/astute.yaml";

struct refill {
	struct restore *restore;
	struct excludes *excludes;
	struct lender *lenders[3]; /* of what is there, of what was made before the stop, after */
	const char *id;		   /* borrowed */
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

static void
target_offsets_free(struct target_offsets *o)
{
	free(o->list);
}

static struct target_options
options_of(const struct refill *f)
{
	return (struct target_options){
		.id = f->id, .run_fd = f->run_fd, .excludes = f->excludes, .except = except(f)};
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

static const struct stack_item *
item_of(const struct restore *r, const char *container)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->items[i].name, container) == 0)
			return &r->items[i];
	return NULL;
}

/* Whether there is such a volume, or a layer to be compared with, now. */
static int
is_absent(const struct refill *f, struct target *t, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const struct stack_item *item;

	if (t->volume != NULL) {
		t->absent =
			volumes_inspect(f->restore->request->engine, t->volume, &inspect, e) != 0;
		return t->absent && e->code != ERR_NOT_FOUND ? -1 : 0;
	}
	item = item_of(f->restore, t->container);
	if (item == NULL)
		return err_set(e, ERR_CORRUPT, "backup.json: a layer of no container: %.200s",
			t->container);
	t->absent = item->way != WAY_IN_PLACE;
	return 0;
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
	if (t->container != NULL || t->volume != NULL)
		return is_absent(f, t, e);
	if (path[0] != '/' || strchr(t->prefix, '/') == NULL)
		return err_set(e, ERR_CORRUPT, "backup.json: source \"%.200s\"", path);
	if (roots_host_has(f->restore->request->engine, f->restore->self, path, &has, e) != 0)
		return -1;
	t->absent = !has;
	t->way = !file ? TARGET_TREE : has ? TARGET_OVERWRITE : TARGET_MAKE;
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

/* The path of the layer of ${container} now; the caller's. */
static char *
layer_path(const struct refill *f, const char *container, struct err *e)
{
	const struct stack_item *item = item_of(f->restore, container);
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

typedef bool select_target(const struct target *t);

/* What is there before anything is made; a file that is to be made needs its folder only then. */
static bool
is_there(const struct target *t)
{
	return !t->absent;
}

static bool
is_made_before(const struct target *t)
{
	return t->active && t->lender == NULL && t->container == NULL;
}

static bool
is_made_after(const struct target *t)
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

static int
lend(struct refill *f, size_t which, select_target *wanted, struct err *e)
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

/* The restore closes it, whatever happens. */
static int
make(struct restore *r, struct refill **ret_refill, struct err *e)
{
	struct refill *f = mem_new(sizeof(*f));

	*ret_refill = f;
	f->restore = r;
	f->id = restore_id(r);
	f->run_path = mem_format("%s/run", store_path(r->request->store));
	f->run_fd = openat(store_fd(r->request->store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->run_fd < 0 ? err_errno(e, "%s", f->run_path) : 0;
}

int
refill_open(struct restore *r, struct refill **ret_refill, struct err *e)
{
	struct refill *f;

	if (make(r, ret_refill, e) != 0)
		return -1;
	f = *ret_refill;
	if (excludes_new(r->request->engine, r->self, store_path(r->request->store), r->exclude,
		    &f->excludes, e) != 0 ||
		add_targets(f, e) != 0 || lend(f, 0, is_there, e) != 0)
		return -1;
	const struct target_options options = options_of(f);
	for (size_t i = 0; i < f->count; i++)
		if (target_look(&f->targets[i], &options, e) != 0)
			return -1;
	return 0;
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

/* The target that takes ${m}; NULL: none. */
static struct target *
taker(struct refill *f, const struct member *m)
{
	if (except(f) != NULL && strcmp(m->path, except(f)) == 0)
		return NULL;
	return target_of(f, m->path);
}

static int
compare_member(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	struct target *t = taker(ctx, m);

	return t == NULL ? 0 : target_compare(t, m, r, e);
}

static int
put_back(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	struct refill *f = ctx;
	struct target *t = taker(f, m);

	if (f->restore->operation != NULL) {
		if (operation_check(f->restore->operation, e) != 0)
			return -1;
		operation_advance(f->restore->operation, 0, 1);
	}
	return t == NULL ? 0 : target_member(t, m, r, e);
}

static int
ascending(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Hand the members of ${offsets} to ${visit}. */
static int
pick(struct refill *f, struct target_offsets *o, contents_visit *visit, struct err *e)
{
	const struct restore_request *request = f->restore->request;
	const struct contents_pick wanted = {o->list, o->count};

	if (o->count > 0)
		qsort(o->list, o->count, sizeof(*o->list), ascending);
	return contents_pick(
		request->store, request->backup, f->restore->operation, &wanted, visit, f, e);
}

int
refill_compare(struct refill *f, struct err *e)
{
	const struct restore_request *request = f->restore->request;

	if (contents_skim(request->store, request->backup, f->restore->operation, compare_member, f,
		    e) != 0)
		return -1;
	for (size_t i = 0; i < f->count; i++) {
		if (target_survey(&f->targets[i], e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
		f->targets[i].active = target_differs(&f->targets[i]);
	}
	return 0;
}

/* Put what differs beside the old: trees, or all that is not yet. */
static int
stage(struct refill *f, bool files, struct err *e)
{
	SCOPED(target_offsets_free) struct target_offsets wanted = {0};

	for (size_t i = 0; i < f->count; i++) {
		struct target *t = &f->targets[i];

		if (t->active && !t->absent && (files || t->way == TARGET_TREE))
			target_wanted(t, &wanted);
	}
	return pick(f, &wanted, put_back, e);
}

static int
begin(struct refill *f, bool container, struct err *e)
{
	const struct target_options options = options_of(f);

	for (size_t i = 0; i < f->count; i++) {
		struct target *t = &f->targets[i];
		const bool after = t->container != NULL && t->absent;

		if (!t->active || after != container || t->way != TARGET_TREE)
			continue;
		target_found(t);
		if (target_begin(t, &options, e) != 0)
			return err_prefix(e, "%s", t->prefix);
	}
	return 0;
}

int
refill_lend(struct refill *f, struct err *e)
{
	return lend(f, 1, is_made_before, e);
}

int
refill_stage(struct refill *f, struct err *e)
{
	return begin(f, false, e) != 0 ? -1 : stage(f, false, e);
}

/* What may have changed since it was compared. */
static int
compare_again(struct refill *f, struct err *e)
{
	SCOPED(target_offsets_free) struct target_offsets again = {0};
	const struct target_options options = options_of(f);

	for (size_t i = 0; i < f->count; i++) {
		if (!f->targets[i].active)
			continue;
		if (target_survey(&f->targets[i], e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
		target_again(&f->targets[i], &again);
	}
	if (pick(f, &again, compare_member, e) != 0)
		return -1;
	for (size_t i = 0; i < f->count; i++) {
		if (!f->targets[i].active || f->targets[i].way != TARGET_TREE)
			continue;
		ledger_settle(differ_ledger(f->targets[i].differ));
		if (target_again_all(&f->targets[i], &options, e) < 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
	}
	return 0;
}

static int
begin_files(struct refill *f, struct err *e)
{
	const struct target_options options = options_of(f);

	for (size_t i = 0; i < f->count; i++) {
		struct target *t = &f->targets[i];

		if (!t->active || t->way == TARGET_TREE)
			continue;
		t->absent = false;
		if (target_begin(t, &options, e) != 0)
			return err_prefix(e, "%s", t->prefix);
	}
	return 0;
}

int
refill_extract(struct refill *f, struct err *e)
{
	if (lend(f, 2, is_made_after, e) != 0 || begin(f, true, e) != 0 ||
		compare_again(f, e) != 0 || begin_files(f, e) != 0 || stage(f, true, e) != 0)
		return -1;
	for (size_t i = 0; i < f->count; i++)
		if (f->targets[i].active && target_ready(&f->targets[i], e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
	return 0;
}

int
refill_swap(struct refill *f, struct err *e)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->targets[i].active && target_swap(&f->targets[i], e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
	return 0;
}

int
refill_finish(struct refill *f, struct err *e)
{
	const struct target_options options = options_of(f);
	int status = 0;

	for (size_t i = 0; i < f->count; i++)
		if (f->targets[i].active && target_finish(&f->targets[i], &options, e) != 0)
			status = err_prefix(e, "%s", f->targets[i].prefix);
	return status;
}

/* Layers of containers that were made go with them. */
static bool
remains(const struct restore *r, const char *container)
{
	const struct stack_item *item = container == NULL ? NULL : item_of(r, container);

	return container == NULL || (item != NULL && item->way == WAY_IN_PLACE);
}

/* The target ${t} as another restore of the same backup would have it. */
static struct target
again_of(const struct target *t)
{
	return (struct target){.prefix = mem_string(t->prefix),
		.path = mem_string(t->path),
		.container = t->container == NULL ? NULL : mem_string(t->container),
		.nested = t->nested,
		.active = true,
		.lender = t->lender,
		.number = t->number,
		.itself = t->itself,
		.root_fd = t->root_fd < 0 ? -1 : fcntl(t->root_fd, F_DUPFD_CLOEXEC, 0),
		.saved_fd = -1};
}

/* What an earlier try has left is undone; it moved nothing that would be needed. */
static int
begin_again(struct refill *f, struct err *e)
{
	const struct target_options options = options_of(f);

	for (size_t i = 0; i < f->count; i++) {
		struct target *t = &f->targets[i];

		if (target_resume(t, &options, e) != 0 || target_undo(t, &options, e) != 0)
			return -1;
		patch_close(t->patch);
		t->patch = NULL;
		if (target_look(t, &options, e) != 0)
			return -1;
	}
	return 0;
}

static int
carry_out_again(struct refill *f, struct err *e)
{
	if (begin_again(f, e) != 0 || refill_compare(f, e) != 0 || begin(f, false, e) != 0 ||
		stage(f, false, e) != 0)
		return -1;
	for (size_t i = 0; i < f->count; i++)
		if (f->targets[i].active && target_ready(&f->targets[i], e) != 0)
			return -1;
	return refill_swap(f, e) != 0 || refill_finish(f, e) != 0 ? -1 : 0;
}

/*
 * The restored containers ran: they may have written into what had been equal and was left in
 * place. What they left is made equal to the backup once more, and so to what was there before;
 * then the moves can be undone.
 */
static int
mend(struct refill *f, struct err *e)
{
	SCOPED(free_at) char *id = mem_format("%s-again", f->id);
	struct restore quiet = *f->restore;
	struct refill again = {.restore = &quiet,
		.excludes = f->excludes,
		.id = id,
		.run_fd = f->run_fd,
		.run_path = f->run_path};
	int status;

	quiet.operation = NULL;
	again.targets = mem_new((f->count + 1) * sizeof(*again.targets));
	for (size_t i = 0; i < f->count; i++) {
		const struct target *t = &f->targets[i];

		if (t->patch != NULL && patch_begun(t->patch) && remains(f->restore, t->container))
			again.targets[again.count++] = again_of(t);
	}
	status = again.count == 0 ? 0 : carry_out_again(&again, e);
	for (size_t i = 0; i < again.count; i++)
		target_clear(&again.targets[i]);
	free(again.targets);
	return status;
}

int
refill_undo(struct refill *f)
{
	const struct target_options options = options_of(f);
	int status = 0;
	struct err e;

	if (f->restore->started && mend(f, &e) != 0) {
		log_error("restore: what its containers wrote could not be taken back: %s", e.text);
		return -1;
	}

	for (size_t i = f->count; i-- > 0;)
		if (f->targets[i].active && target_undo(&f->targets[i], &options, &e) != 0) {
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

		if (!t->active)
			continue;
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

static void
read_targets(struct refill *f, const json_t *targets)
{
	const json_t *target;
	size_t i;

	f->targets = mem_new((json_array_size(targets) + 1) * sizeof(*f->targets));
	json_array_foreach (targets, i, target) {
		if (!remains(f->restore, json_string_value(json_object_get(target, "container"))))
			continue;
		f->targets[f->count++] = (struct target){.prefix = optional(target, "prefix"),
			.path = optional(target, "path"),
			.volume = optional(target, "volume"),
			.container = optional(target, "container"),
			.way = (enum target_way)json_integer_value(json_object_get(target, "way")),
			.saved = optional(target, "saved"),
			.active = true,
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
	if (excludes_new(r->request->engine, r->self, store_path(r->request->store), r->exclude,
		    &f->excludes, e) != 0)
		return -1;
	if (lend(f, 0, is_there, e) != 0)
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
	for (size_t i = 0; i < 3; i++)
		lender_close(f->lenders[i]);
	excludes_free(f->excludes);
	free(f->run_path);
	fd_close_at(&f->run_fd);
	free(f);
}

size_t
refill_targets(const struct refill *f, struct target **ret_targets)
{
	*ret_targets = f->targets;
	return f->count;
}
