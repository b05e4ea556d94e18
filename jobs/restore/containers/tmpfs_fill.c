#include "jobs/restore/containers/tmpfs_fill.h"

#include <string.h>

#include "archive/restore/extract.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/lender/lender.h"
#include "jobs/content/id_map.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/state/selection.h"

struct fill_mount {
	const char *prefix; /* archive path; borrowed from the manifest */
	const char *path;   /* in the container */
	struct extract *extract;
};

/* The mounts of one container, or of all that are to be filled. */
struct filling {
	struct fill_mount *mounts;
	size_t count;
};

/* Whether ${source} is a tmpfs of ${container}. */
static bool
is_tmpfs_of(const json_t *source, const char *container)
{
	const char *name = json_text(source, "name", NULL);
	const size_t len = strlen(container);

	return strcmp(json_text(source, "kind", NULL), "tmpfs") == 0 &&
	       strncmp(name, container, len) == 0 && name[len] == ':';
}

static const json_t *
sources_of(const struct restore *r)
{
	return json_object_get(r->contents->manifest, "sources");
}

bool
tmpfs_fill_any(const struct restore *r, const struct restore_container *item)
{
	const json_t *source;
	size_t i;

	if (item->bystander || strcmp(container_state(item->inspect), "stopped") == 0)
		return false;
	json_array_foreach (sources_of(r), i, source) {
		if (is_tmpfs_of(source, item->name))
			return true;
	}
	return false;
}

int
tmpfs_fill_check(const struct restore *r, struct err *e)
{
	const json_t *source;
	size_t i;

	json_array_foreach (sources_of(r), i, source) {
		const char *name = json_text(source, "name", NULL);
		SCOPED(free_at) char *container = mem_copy(name, strcspn(name, ":"));
		char **parts = NULL;

		if (strcmp(json_text(source, "kind", NULL), "tmpfs") != 0 ||
			selection_container(r->selection, container) ||
			!selection_source(r->selection, source, &parts))
			continue;
		selection_parts_free(parts);
		return err_set(e, ERR_INVALID,
			"%s is in memory, and comes back with its container alone: name %s in "
			"\"containers\", or look at it with GET /backups/{id}/files",
			name, container);
	}
	return 0;
}

static void
tmpfs_fill_add_mounts(const struct restore *r, const char *container, struct filling *f)
{
	const json_t *source;
	size_t i;

	json_array_foreach (sources_of(r), i, source) {
		if (!is_tmpfs_of(source, container))
			continue;
		f->mounts = mem_array(f->mounts, f->count + 1, sizeof(*f->mounts));
		f->mounts[f->count++] =
			(struct fill_mount){.prefix = json_text(source, "prefix", NULL),
				.path = json_text(source, "path", NULL)};
	}
}

static void
filling_clear(struct filling *f)
{
	for (size_t i = 0; i < f->count; i++)
		extract_close(f->mounts[i].extract);
	free(f->mounts);
}

/* The innermost mount that holds ${path}; NULL: none. */
static struct fill_mount *
mount_of(const struct filling *f, const char *path)
{
	struct fill_mount *best = NULL;

	for (size_t i = 0; i < f->count; i++) {
		const size_t len = strlen(f->mounts[i].prefix);

		if (strncmp(path, f->mounts[i].prefix, len) == 0 &&
			(path[len] == '\0' || path[len] == '/') &&
			(best == NULL || len > strlen(best->prefix)))
			best = &f->mounts[i];
	}
	return best;
}

/* Containers come after the images, and before all else. */
static bool
is_past(const struct member *m)
{
	return strncmp(m->path, "networks/", 9) == 0 || strncmp(m->path, "volumes/", 8) == 0 ||
	       strncmp(m->path, "binds/", 6) == 0 || strncmp(m->path, "host/", 5) == 0;
}

static int
verify_member(void *ctx, const struct member *m, struct reader *reader, struct err *e)
{
	if (is_past(m))
		return 1;
	return mount_of(ctx, m->path) == NULL ? 0 : contents_drain(reader, e);
}

static int
put_member(void *ctx, const struct member *m, struct reader *reader, struct err *e)
{
	struct fill_mount *mount = mount_of(ctx, m->path);

	if (is_past(m))
		return 1;
	return mount == NULL ? 0 : extract_member(mount->extract, m, reader, e);
}

int
tmpfs_fill_verify(struct restore *r, struct err *e)
{
	SCOPED(filling_clear) struct filling f = {0};

	for (size_t i = 0; i < r->count; i++)
		if (!r->items[i].keeps && tmpfs_fill_any(r, &r->items[i])) {
			tmpfs_fill_add_mounts(r, r->items[i].name, &f);
			restore_warn(r,
				"container %s is started anew, and its tmpfs mounts are filled "
				"right after its start",
				r->items[i].name);
		}
	if (f.count == 0)
		return 0;
	return contents_skim(r->request->store, r->request->backup, NULL, verify_member, &f, e);
}

static int
tmpfs_fill_lend(const struct restore *r, const struct restore_container *item,
	const struct filling *f, const json_t *now, struct lender **ret_lender, struct err *e)
{
	SCOPED(free_at) struct lender_root *roots = mem_array(NULL, f->count, sizeof(*roots));
	SCOPED(free_at) char *name = mem_format("fuel-backup-lender-tmpfs-%s", restore_id(r));
	SCOPED(free_at) char *run_path = mem_format("%s/run", store_path(r->request->store));
	const struct lender_options options = {.engine = r->request->engine,
		.self = r->self,
		.run_path = run_path,
		.name = name,
		.roots = roots,
		.count = f->count};
	const json_t *pid = json_object_get(json_object_get(now, "State"), "Pid");

	for (size_t i = 0; i < f->count; i++)
		roots[i] = (struct lender_root){.path = f->mounts[i].path,
			.holder = item->id,
			.pid = (int)json_integer_value(pid),
			.writable = true};
	return lender_open(&options, ret_lender, e);
}

/* Into a container that stands still. */
static int
tmpfs_fill_fill(struct restore *r, const struct restore_container *item, struct err *e)
{
	SCOPED(filling_clear) struct filling f = {0};
	SCOPED(json_decref_at) json_t *now = NULL;
	SCOPED(lender_close_at) struct lender *lender = NULL;
	SCOPED(id_map_visit_free) struct id_map_visit mapped = {0};

	tmpfs_fill_add_mounts(r, item->name, &f);
	if (containers_inspect(r->request->engine, item->id, &now, e) != 0 ||
		tmpfs_fill_lend(r, item, &f, now, &lender, e) != 0)
		return -1;
	for (size_t i = 0; i < f.count; i++) {
		const struct extract_options options = {.prefix = f.mounts[i].prefix};

		if (extract_open(lender_fd(lender, i), &options, &f.mounts[i].extract, e) != 0)
			return err_prefix(e, "tmpfs %s", f.mounts[i].path);
	}
	if (id_map_visit_by(&mapped, r->request->engine, r->contents, put_member, &f, e) != 0 ||
		contents_skim(
			r->request->store, r->request->backup, NULL, id_map_visit, &mapped, e) != 0)
		return -1;
	for (size_t i = 0; i < f.count; i++)
		if (extract_finish(f.mounts[i].extract, e) != 0)
			return err_prefix(e, "tmpfs %s", f.mounts[i].path);
	return 0;
}

int
tmpfs_fill(struct restore *r, const struct restore_container *item, struct err *e)
{
	struct engine *g = r->request->engine;

	if (!tmpfs_fill_any(r, item))
		return 0;
	if (containers_pause(g, item->id, e) != 0) {
		if (e->code != ERR_CONFLICT && e->code != ERR_ENGINE)
			return -1;
		restore_warn(r, "container %s: its tmpfs mounts were not filled: %s", item->name,
			e->text);
		return 0;
	}
	/* On error it is ended, paused or not, with all that is undone. */
	if (tmpfs_fill_fill(r, item, e) != 0)
		return err_prefix(e, "container %s", item->name);
	return containers_unpause(g, item->id, e);
}
