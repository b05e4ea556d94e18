#include "jobs/sources/inventory_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "archive/tar/names.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "engine/containers.h"
#include "engine/lender/lender.h"
#include "jobs/sources/compose.h"
#include "jobs/sources/layer_copy.h"

enum { SOURCES_MAX = 4096 };

/* Binds of these and what is below them hold nothing that could be brought back. */
static const char *const volatile_paths[] = {"/proc", "/sys", "/dev", "/run", "/var/run", NULL};

const char *
source_kind_name(enum source_kind kind)
{
	static const char *const names[] = {"layer", "tmpfs", "volume", "bind", "host"};

	return names[kind];
}

void
inventory_warn(struct inventory *v, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)json_array_append_new(v->warnings, text_json_format(format, args));
	va_end(args);
}

static bool
inventory_is_below(const char *path, const char *top)
{
	const size_t len = strlen(top);

	return strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool
inventory_known(const struct inventory *v, enum source_kind kind, const char *path)
{
	for (size_t i = 0; i < v->count; i++)
		if (v->sources[i].kind == kind && strcmp(v->sources[i].path, path) == 0)
			return true;
	return false;
}

int
inventory_add(struct inventory *v, const struct plan_source *source, struct err *e)
{
	struct plan_source *s;

	for (size_t i = 0; i < v->count; i++)
		if (v->sources[i].kind == source->kind &&
			strcmp(v->sources[i].path, source->path) == 0 &&
			strcmp(v->sources[i].prefix, source->prefix) == 0) {
			v->sources[i].compose = v->sources[i].compose && source->compose;
			return 0;
		}
	if (v->count == SOURCES_MAX)
		return err_set(e, ERR_TOO_LARGE, "the plan has more than %d sources", SOURCES_MAX);
	v->sources = mem_array(v->sources, v->count + 1, sizeof(*v->sources));
	s = &v->sources[v->count++];
	*s = *source;
	s->name = mem_string(source->name);
	s->path = mem_string(source->path);
	s->prefix = mem_string(source->prefix);
	s->holder = source->holder == NULL ? NULL : mem_string(source->holder);
	s->base = source->base == NULL ? NULL : mem_string(source->base);
	s->born = source->born == NULL ? NULL : mem_string(source->born);
	return 0;
}

static void
source_clear(struct plan_source *s)
{
	free(s->name);
	free(s->path);
	free(s->prefix);
	free(s->holder);
	free(s->base);
	free(s->born);
	layer_copy_free(s->copy);
	json_decref(s->place);
	free(s->left);
}

static void
inventory_take_off(struct inventory *v, size_t i)
{
	source_clear(&v->sources[i]);
	memmove(&v->sources[i], &v->sources[i + 1], (v->count - i - 1) * sizeof(*v->sources));
	v->count--;
}

void
inventory_drop(struct inventory *v, size_t i, const char *reason)
{
	if (reason != NULL)
		inventory_warn(v, "%s %s was not captured: %s",
			source_kind_name(v->sources[i].kind), v->sources[i].name, reason);
	inventory_take_off(v, i);
}

void
inventory_leave_out(struct inventory *v, size_t i)
{
	v->sources[i].left_out = true;
}

void
inventory_purge(struct inventory *v)
{
	for (size_t i = v->count; i-- > 0;)
		if (v->sources[i].left_out)
			inventory_take_off(v, i);
}

static int
add_path(struct inventory *v, enum source_kind kind, const char *path, bool optional, struct err *e)
{
	SCOPED(free_at)
	char *prefix = mem_format("%s%s", kind == SOURCE_HOST ? "host" : "binds", path);
	SCOPED(free_at) char *name = mem_string(path);
	SCOPED(free_at) char *copy = mem_string(path);

	if (!names_safe_path(prefix))
		return omissions_add_name(v->omissions, source_kind_name(kind), path, e);
	return inventory_add(v,
		&(struct plan_source){.kind = kind,
			.name = name,
			.path = copy,
			.prefix = prefix,
			.optional = optional},
		e);
}

static int
add_bind(struct inventory *v, const char *path, const char *container, struct err *e)
{
	if (strcmp(path, "/") == 0) {
		inventory_warn(v, "container %s binds the whole host (/); that is not captured",
			container);
		return 0;
	}
	for (const char *const *p = volatile_paths; *p != NULL; p++)
		if (inventory_is_below(path, *p)) {
			inventory_warn(v, "container %s binds %s, which is volatile: not captured",
				container, path);
			return 0;
		}
	return add_path(v, SOURCE_BIND, path, false, e);
}

static int
inventory_add_volume(struct inventory *v, const json_t *mount, struct err *e)
{
	SCOPED(free_at) char *name = mem_string(json_text(mount, "Name", NULL));
	SCOPED(free_at) char *path = mem_string(json_text(mount, "Source", NULL));
	SCOPED(free_at) char *prefix = mem_format("volumes/%s", name);

	if (!names_safe_part(prefix))
		return omissions_add_name(v->omissions, "volume", name, e);
	if (path[0] == '\0') { /* not mounted now, and its driver does not say where */
		free(path);
		path = mem_string(name);
	}
	return inventory_add(v,
		&(struct plan_source){
			.kind = SOURCE_VOLUME, .name = name, .path = path, .prefix = prefix},
		e);
}

int
inventory_take_mounts(
	struct inventory *v, const struct plan *plan, const json_t *inspect, struct err *e)
{
	const json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(inspect, "Mounts"), i, mount) {
		const char *type = json_text(mount, "Type", NULL);

		if (strcmp(type, "volume") == 0) {
			if (inventory_add_volume(v, mount, e) != 0)
				return -1;
		} else if (strcmp(type, "bind") == 0) {
			if (add_bind(v, json_text(mount, "Source", NULL), container_name(inspect),
				    e) != 0)
				return -1;
		} else if (strcmp(type, "tmpfs") != 0) {
			inventory_warn(v, "container %s: %s mount at %s is not captured",
				container_name(inspect), type,
				json_text(mount, "Destination", NULL));
		}
	}
	return inventory_take_tmpfs(v, plan, inspect, e);
}

int
inventory_add_compose(struct inventory *v, const char *path, struct err *e)
{
	const size_t count = v->count;

	if (inventory_known(
		    v, SOURCE_HOST, path)) /* of another container of the project, or of the plan */
		return 0;
	if (add_path(v, SOURCE_HOST, path, true, e) != 0)
		return -1;
	if (v->count > count)
		v->sources[count].compose = true;
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(container_name(*(json_t *const *)a), container_name(*(json_t *const *)b));
}

static json_t *
sorted(json_t *array)
{
	const size_t count = json_array_size(array);
	SCOPED(free_at) json_t **items = mem_array(NULL, count, sizeof(json_t *));
	json_t *result = json_array();

	for (size_t i = 0; i < count; i++)
		items[i] = json_array_get(array, i);
	qsort(items, count, sizeof(*items), by_name);
	for (size_t i = 0; i < count; i++)
		(void)json_array_append(result, items[i]);
	json_decref(array);
	return result;
}

static bool
inventory_ours(const struct self *self, const json_t *inspect)
{
	const json_t *labels = json_object_get(json_object_get(inspect, "Config"), "Labels");

	return strcmp(json_text(inspect, "Id", NULL), self->id) == 0 ||
	       json_object_get(labels, LENDER_LABEL) != NULL;
}

/* The name of an item of the engine's list; its id if it has none. */
static const char *
listed_name(const json_t *item)
{
	const char *name = json_string_value(json_array_get(json_object_get(item, "Names"), 0));

	return name == NULL ? json_text(item, "Id", NULL) : name + (name[0] == '/');
}

/* Whether the plan would take it, by what the list says. */
static bool
listed_is_taken(const struct plan *plan, const json_t *item)
{
	SCOPED(json_decref_at)
	json_t *like = json_pack("{s:s, s:{s:O*}}", "Name", listed_name(item), "Config", "Labels",
		json_object_get(item, "Labels"));

	return plan_takes(plan, like);
}

/* The archive has a folder of its name. */
static int
inventory_take_container(struct inventory *v, json_t *inspect, struct err *e)
{
	if (names_safe_path(container_name(inspect)))
		return json_array_append(v->containers, inspect);
	(void)err_set(
		e, ERR_UNSUPPORTED, "its name is none that a folder can have (255 bytes at most)");
	return omissions_add(v->omissions, "container", container_name(inspect), "rename it", e);
}

static int
take_containers(struct inventory *v, struct engine *g, const struct self *self,
	const struct plan *plan, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item;
	size_t i;

	if (containers_list(g, &list, e) != 0)
		return -1;
	v->containers = json_array();
	json_array_foreach (list, i, item) {
		SCOPED(json_decref_at) json_t *inspect = NULL;
		const char *name = listed_name(item);

		if (containers_inspect(g, json_text(item, "Id", NULL), &inspect, e) == 0) {
			if (!inventory_ours(self, inspect) &&
				(plan_takes(plan, inspect) || inventory_is_task(v, inspect)) &&
				inventory_take_container(v, inspect, e) != 0)
				return -1;
		} else if (e->code != ERR_NOT_FOUND && listed_is_taken(plan, item) &&
			   omissions_add(v->omissions, "container", name,
				   "see why the engine cannot inspect it, or exclude it", e) != 0) {
			return -1; /* (one not found is gone since it was listed) */
		}
	}
	v->containers = sorted(v->containers);
	return 0;
}

static int
by_place(const void *a, const void *b)
{
	const struct plan_source *x = a, *y = b;

	return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->prefix, y->prefix);
}

int
inventory_add_path(struct inventory *v, enum source_kind kind, const char *path, struct err *e)
{
	return add_path(v, kind, path, false, e);
}

void
inventory_sort(struct inventory *v)
{
	if (v->count > 0)
		qsort(v->sources, v->count, sizeof(*v->sources), by_place);
}

/* A bind that a host path of the plan holds as well is taken once, as the host path. */
static void
inventory_drop_covered(struct inventory *v)
{
	for (size_t i = v->count; i-- > 0;)
		if (v->sources[i].kind == SOURCE_BIND &&
			inventory_known(v, SOURCE_HOST, v->sources[i].path))
			inventory_take_off(v, i);
}

static int
take_objects(struct inventory *v, struct engine *g, const struct plan *plan, struct err *e)
{
	const json_t *item;
	size_t i;

	json_array_foreach (v->containers, i, item) {
		if (inventory_take_mounts(v, plan, item, e) != 0 ||
			compose_add(v, g, item, e) != 0 ||
			inventory_take_networks(v, g, item, e) != 0)
			return -1;
		if (inventory_take_image(v, g, item, e) != 0 &&
			inventory_cannot(v, g, item, "image", json_text(item, "Config", "Image"),
				"pull or build it again, or exclude the container", e) != 0)
			return -1;
	}
	json_array_foreach (plan->host_paths, i, item) {
		if (add_path(v, SOURCE_HOST, json_string_value(item), plan->embedded, e) != 0)
			return -1;
	}
	if (inventory_take_swarm(v, g, plan, e) != 0)
		return -1;
	inventory_drop_covered(v);
	inventory_sort(v);
	return inventory_take_volumes(v, g, e);
}

/* Sources that are the store, or the engine's data, or lie within them.  (Volumes lie within the
 * engine's data by nature: of those only one that holds the store is dropped.) */
static void
drop_never(struct inventory *v)
{
	const struct excludes *x = v->excludes;

	for (size_t i = v->count; i-- > 0;) {
		const struct plan_source *s = &v->sources[i];
		const bool never =
			s->kind == SOURCE_VOLUME ? inventory_is_below(x->store, s->path)
			: s->kind <= SOURCE_TMPFS
				? false
				: inventory_is_below(s->path, x->store) ||
					  (x->engine != NULL &&
						  inventory_is_below(s->path, x->engine));

		if (never)
			inventory_drop(v, i, "it belongs to this service or to the engine");
	}
}

int
inventory_take(struct engine *g, const struct self *self, const struct plan *plan,
	const char *store_path, struct inventory **ret_inventory, struct err *e)
{
	SCOPED(inventory_free_at) struct inventory *v = mem_new(sizeof(*v));
	SCOPED(free_at) char *run_path = mem_format("%s/run", store_path);

	v->images = json_array();
	v->networks = json_array();
	v->volumes = json_array();
	v->warnings = json_array();
	v->omissions = omissions_new(plan->fails);
	if (excludes_new(g, self, store_path, plan->exclude, &v->excludes, e) != 0 ||
		inventory_find_services(v, g, plan, e) != 0 ||
		take_containers(v, g, self, plan, e) != 0 ||
		inventory_take_layers(v, g, self, store_path, e) != 0 ||
		take_objects(v, g, plan, e) != 0)
		return -1;
	if (v->some_gone && inventory_forget_gone(v, g, e) < 0)
		return -1;
	inventory_take_secrets(v, g, self, run_path);
	inventory_purge(v);
	drop_never(v);
	*ret_inventory = TAKE(v);
	return 0;
}

void
inventory_free(struct inventory *v)
{
	if (v == NULL)
		return;
	json_decref(v->containers);
	json_decref(v->images);
	json_decref(v->networks);
	json_decref(v->volumes);
	json_decref(v->warnings);
	json_decref(v->projects);
	json_decref(v->swarm);
	json_decref(v->services);
	omissions_free_at(&v->omissions);
	for (size_t i = 0; i < v->count; i++)
		source_clear(&v->sources[i]);
	free(v->sources);
	excludes_free(v->excludes);
	free(v);
}

void
inventory_free_at(struct inventory **v)
{
	inventory_free(*v);
}
