#include "jobs/restore/data/restore_data.h"

#include <fcntl.h>
#include <string.h>

#include "archive/restore/small_file_writer.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender.h"
#include "engine/volumes.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/data/restore_data_internal.h"
#include "jobs/restore/state/astute.h"
#include "jobs/restore/state/selection.h"
#include "jobs/sources/roots.h"

/* Below that a file is read and written as fast as its places are looked for. */
enum { IN_PLACE_FROM = 1024 * 1024 };

bool
restore_data_is_astute(const struct target *t, const char *path)
{
	const size_t len = strlen(t->path);

	return t->volume == NULL && t->container == NULL && len > 0 &&
	       strncmp(t->path, ASTUTE_PATH, len) == 0 &&
	       strcmp(path + strlen(t->prefix), &ASTUTE_PATH[len]) == 0;
}

struct target_options
restore_data_options(const struct restore_data *f)
{
	return (struct target_options){.id = f->id,
		.run_fd = f->run_fd,
		.scribe = f->scribe,
		.in_place_from = IN_PLACE_FROM,
		.excludes = f->excludes,
		.tell = f->restore->tell != NULL ? f->restore->tell : target_count,
		.told = f->restore->outlook,
		.except = f->restore->request->astute ? NULL : ASTUTE_PATH};
}

/* True if a container of the backup binds ${path} or something below it. */
static bool
restore_data_bound(const struct restore *r, const char *path)
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

const struct restore_container *
restore_data_item(const struct restore *r, const char *container)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->items[i].name, container) == 0)
			return &r->items[i];
	return NULL;
}

/* Whether there is a layer to be compared with now. */
static int
is_absent(const struct restore_data *f, struct target *t, struct err *e)
{
	const struct restore_container *item = restore_data_item(f->restore, t->container);

	if (item == NULL)
		return err_set(e, ERR_CORRUPT, "backup.json: a layer of no container: %.200s",
			t->container);
	t->absent = item->way != WAY_IN_PLACE;
	return 0;
}

static int
add_target(struct restore_data *f, const json_t *source, struct err *e)
{
	const char *kind = json_text(source, "kind", NULL), *name = json_text(source, "name", NULL);
	const char *path = json_text(source, "path", NULL);
	struct target *t = &f->targets[f->count];
	char **parts = NULL;

	if (strcmp(kind, "tmpfs") == 0) /* filled when its container has started (tmpfs_fill.h) */
		return 0;
	if (f->restore->selection == NULL && strcmp(kind, "host") == 0 &&
		!f->restore->request->host_paths && !restore_data_bound(f->restore, path))
		return 0;
	if (!selection_source(f->restore->selection, source, &parts))
		return 0;
	/* The plan does not name it: whoever wants a project's file back does. */
	if (f->restore->selection == NULL && json_truth(source, "compose", NULL) &&
		!restore_data_bound(f->restore, path)) {
		restore_warn(f->restore,
			"%s is a file of a compose project: it stays as it is, unless it is named "
			"in "
			"\"only\"",
			path);
		return 0;
	}
	*t = (struct target){.parts = parts,
		.prefix = mem_string(json_text(source, "prefix", NULL)),
		.path = mem_string(path),
		.volume = strcmp(kind, "volume") == 0 ? mem_string(name) : NULL,
		.container = strcmp(kind, "layer") == 0 ? mem_string(name) : NULL,
		.trusted = json_truth(source, "trusted", NULL),
		.root_fd = -1,
		.found = {.fd = -1},
		.saved_fd = -1};
	t->saved = mem_format("restore-%s-%zu.tar", restore_id(f->restore), f->count);
	f->count++;
	if (t->container != NULL)
		return is_absent(f, t, e);
	if (t->volume == NULL && (path[0] != '/' || strchr(t->prefix, '/') == NULL))
		return err_set(e, ERR_CORRUPT, "backup.json: source \"%.200s\"", path);
	t->bound = t->volume == NULL && restore_data_bound(f->restore, path);
	if (restore_data_place(f, t, source, e) != 0)
		return -1;
	if (!protected_is_mounted(f->protected, &t->found))
		return 0;
	if (f->restore->selection != NULL)
		return err_set(e, ERR_CONFLICT,
			"%.1000s is mounted into this service: nothing is written there while it "
			"is",
			t->path);
	restore_warn(f->restore, "%s is mounted into this service: it stays as it is", t->path);
	target_clear(t);
	f->count--;
	return 0;
}

static int
add_targets(struct restore_data *f, struct err *e)
{
	const json_t *sources = json_object_get(f->restore->contents->manifest, "sources");
	const json_t *source;
	size_t i;

	f->targets = mem_new((json_array_size(sources) + 1) * sizeof(*f->targets));
	json_array_foreach (sources, i, source) {
		if (add_target(f, source, e) != 0)
			return -1;
	}
	restore_data_find_twins(f);
	for (i = 0; i < f->count; i++)
		for (size_t k = 0; k < f->count; k++)
			f->targets[i].nested =
				f->targets[i].nested ||
				(k != i && target_holds(&f->targets[i], f->targets[k].prefix) > 0);
	return 0;
}

/* The restore closes it, whatever happens. */
static int
restore_data_make(struct restore *r, struct restore_data **ret_refill, struct err *e)
{
	struct restore_data *f = mem_new(sizeof(*f));

	*ret_refill = f;
	f->restore = r;
	f->id = restore_id(r);
	f->scribe = small_file_writer_new();
	f->run_path = mem_format("%s/run", store_path(r->request->store));
	f->run_fd = openat(store_fd(r->request->store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->run_fd < 0 ? err_errno(e, "%s", f->run_path) : 0;
}

static int
look_one(struct restore_data *f, struct target *t, const struct target_options *options,
	struct err *e)
{
	const char *held;

	if (t->twin != NULL || t->unknown)
		return 0;
	if (f->protected != NULL && !t->absent && t->container == NULL && t->way == TARGET_TREE) {
		protected_inside(f->protected, target_root(t), &t->left, &t->left_count);
		if ((held = protected_held(f->protected, target_root(t))) != NULL)
			restore_warn(f->restore, "%s holds %s: that stays as it is", t->path, held);
	}
	if (target_look(t, options, e) != 0)
		return -1;
	held = t->differ == NULL ? NULL : tree_diff_mounts(t->differ);
	if (held != NULL)
		restore_warn(f->restore, "%s: what is mounted in it stays as it is: %s", t->prefix,
			held);
	return 0;
}

int
restore_data_open(struct restore *r, struct restore_data **ret_refill, struct err *e)
{
	struct restore_data *f;

	if (restore_data_make(r, ret_refill, e) != 0)
		return -1;
	f = *ret_refill;
	if (excludes_new(r->request->engine, r->self, store_path(r->request->store), r->exclude,
		    &f->excludes, e) != 0 ||
		add_targets(f, e) != 0 ||
		restore_data_lend_targets(f, 0, restore_data_is_there, e) != 0)
		return -1;
	const struct target_options options = restore_data_options(f);
	for (size_t i = 0; i < f->count; i++)
		if (look_one(f, &f->targets[i], &options, e) != 0)
			return -1;
	return 0;
}

/* Layers of containers that were made go with them. */
bool
restore_data_remains(const struct restore *r, const char *container)
{
	const struct restore_container *item =
		container == NULL ? NULL : restore_data_item(r, container);

	return container == NULL || (item != NULL && item->way == WAY_IN_PLACE);
}

static json_t *
parts_json(char *const *parts)
{
	json_t *list = parts == NULL ? json_null() : json_array();

	for (; parts != NULL && *parts != NULL; parts++)
		(void)json_array_append_new(list, json_string(*parts));
	return list;
}

json_t *
restore_data_note(const struct restore_data *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->count; i++) {
		const struct target *t = &f->targets[i];

		if (!t->active)
			continue;
		(void)json_array_append_new(
			list, json_pack("{s:o, s:s, s:s, s:s*, s:s*, s:b, s:s*, s:i, s:s, s:O*}",
				      "parts", parts_json(t->parts), "prefix", t->prefix, "path",
				      t->path, "real", t->real, "volume", t->volume, "outside",
				      (int)t->outside, "container", t->container, "way",
				      (int)t->way, "saved", t->saved, "relink", t->relink));
	}
	return list;
}

static char *
restore_data_optional(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? NULL : mem_string(text);
}

static char **
read_parts(const json_t *list)
{
	char **parts;
	const json_t *part;
	size_t i;

	if (!json_is_array(list))
		return NULL;
	parts = mem_new((json_array_size(list) + 1) * sizeof(*parts));
	json_array_foreach (list, i, part) {
		parts[i] = mem_string(json_string_value(part));
	}
	return parts;
}

static void
read_targets(struct restore_data *f, const json_t *targets)
{
	const json_t *target;
	size_t i;

	f->targets = mem_new((json_array_size(targets) + 1) * sizeof(*f->targets));
	json_array_foreach (targets, i, target) {
		if (!restore_data_remains(
			    f->restore, json_string_value(json_object_get(target, "container"))))
			continue;
		f->targets[f->count++] = (struct target){
			.prefix = restore_data_optional(target, "prefix"),
			.path = restore_data_optional(target, "path"),
			.volume = restore_data_optional(target, "volume"),
			/* before it was noted the work was done inside */
			.outside = json_is_true(json_object_get(target, "outside")),
			.container = restore_data_optional(target, "container"),
			.way = (enum target_way)json_integer_value(json_object_get(target, "way")),
			.saved = restore_data_optional(target, "saved"),
			.real = restore_data_optional(target, "real"),
			.relink = json_incref(json_object_get(target, "relink")),
			.parts = read_parts(json_object_get(target, "parts")),
			.active = true,
			.found = {.fd = -1},
			.root_fd = -1,
			.saved_fd = -1};
	}
}

int
restore_data_resume(
	struct restore *r, const json_t *targets, struct restore_data **ret_refill, struct err *e)
{
	struct restore_data *f;

	if (restore_data_make(r, ret_refill, e) != 0)
		return -1;
	f = *ret_refill;
	read_targets(f, targets);
	if (excludes_new(r->request->engine, r->self, store_path(r->request->store), r->exclude,
		    &f->excludes, e) != 0)
		return -1;
	if (restore_data_lend_again(f, e) != 0)
		return -1;
	const struct target_options options = restore_data_options(f);
	for (size_t i = 0; i < f->count; i++)
		if (target_resume(&f->targets[i], &options, e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
	return 0;
}

void
restore_data_close(struct restore_data *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->count; i++)
		target_clear(&f->targets[i]);
	free(f->targets);
	small_file_writer_free(f->scribe);
	for (size_t i = 0; i < RESTORE_DATA_LENDERS; i++)
		lender_close(f->lenders[i]);
	restore_data_mounts_free(f);
	lender_close(f->view);
	protected_free(f->protected);
	for (size_t i = 0; i < f->each_count; i++)
		lender_close(f->each[i]);
	free(f->each);
	excludes_free(f->excludes);
	free(f->run_path);
	fd_close_at(&f->run_fd);
	free(f);
}

size_t
restore_data_targets(const struct restore_data *f, struct target **ret_targets)
{
	*ret_targets = f->targets;
	return f->count;
}
