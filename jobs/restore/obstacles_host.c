/* Obstacles: what the host has not. */
#include <string.h>
#include <sys/statvfs.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender.h"
#include "engine/volumes.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/data/restore_data.h"
#include "jobs/restore/data/target.h"
#include "jobs/restore/obstacles_internal.h"
#include "jobs/restore/state/selection.h"

/* A file system is not filled to the brim (archive/restore/extract.c): so much stays free, or of a
 * small one this share. */
enum { SPACE_LEFT = 32 * 1024 * 1024, SPACE_SHARE = 64 };

static bool
has_driver(const json_t *info, const char *driver)
{
	const json_t *list = json_object_get(json_object_get(info, "Plugins"), "Volume");
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (json_is_string(item) && strcmp(json_string_value(item), driver) == 0)
			return true;
	}
	return json_array_size(list) == 0;
}

int
obstacles_volumes(struct obstacles *o, struct err *e)
{
	const struct restore *r = o->restore;
	const json_t *recorded;
	size_t i;

	json_array_foreach (json_object_get(r->contents->manifest, "volumes"), i, recorded) {
		const char *name = json_text(recorded, "Name", NULL);
		const char *driver = json_text(recorded, "Driver", NULL);
		SCOPED(json_decref_at) json_t *present = NULL;

		if (!selection_volume(r->selection, name))
			continue;
		if (volumes_inspect(r->request->engine, name, &present, e) == 0)
			continue;
		if (e->code != ERR_NOT_FOUND)
			return -1;
		if (!has_driver(o->info, driver))
			obstacles_add(o, name, "this engine has no volume driver \"%s\"", driver);
	}
	return 0;
}

/* What is written at least: of large files only places may differ. */
static int64_t
needed_by(const struct target *t)
{
	return t->bytes[TREE_DIFF_ADDED] + t->small_bytes;
}

/* What does not fit into ${room} of ${of}, told as ${name}. */
static void
judge_room(struct obstacles *o, const char *name, int64_t needed, const struct statvfs *of)
{
	const int64_t room = (int64_t)of->f_bavail * (int64_t)of->f_frsize;
	int64_t left = (int64_t)of->f_blocks * (int64_t)of->f_frsize / SPACE_SHARE;

	if (left > SPACE_LEFT)
		left = SPACE_LEFT;
	if (needed > 0 && needed + left > room)
		obstacles_add(o, name,
			"%lld MiB are to be written to its file system, which has %lld MiB free",
			(long long)(needed >> 20), (long long)(room >> 20));
}

/* The file system that volumes and layers that are made come to. */
static int
engine_room(const struct obstacles *o, struct statvfs *ret_of, struct err *e)
{
	const struct restore *r = o->restore;
	const char *path = json_text(o->info, "DockerRootDir", NULL);
	const struct lender_root root = {.path = path};
	SCOPED(lender_close_at) struct lender *lender = NULL;
	SCOPED(free_at) char *run_path = mem_format("%s/run", store_path(r->request->store));
	SCOPED(free_at) char *name = mem_format("fuel-backup-lender-%s-room", restore_id(r));
	const struct lender_options options = {.engine = r->request->engine,
		.self = r->self,
		.run_path = run_path,
		.name = name,
		.roots = &root,
		.count = 1};

	if (lender_open(&options, &lender, e) != 0)
		return -1;
	return fstatvfs(lender_fd(lender, 0), ret_of) != 0 ? err_errno(e, "%s", path) : 0;
}

/* What is not there yet, and so not lent. */
static int64_t
needed_anew(const struct target *targets, size_t count)
{
	int64_t needed = 0;

	for (size_t i = 0; i < count; i++)
		if (targets[i].lender == NULL &&
			(targets[i].volume != NULL || targets[i].container != NULL))
			needed += needed_by(&targets[i]);
	return needed;
}

static bool
fsid_of(const struct target *t, struct statvfs *ret_of)
{
	return t->lender != NULL && fstatvfs(target_root(t), ret_of) == 0;
}

/* The shortest that a usual file system is content with (eCryptfs, of 255). */
enum { NAME_USUAL = 143 };

static void
judge_name(struct obstacles *o, const struct target *t, const struct statvfs *of)
{
	if (of->f_namemax > 0 && t->longest > of->f_namemax)
		obstacles_add(o, t->prefix,
			"%.300s has a name of %zu bytes, and the file system there takes %lu",
			t->longest_path, t->longest, (unsigned long)of->f_namemax);
}

int
obstacles_names(struct obstacles *o, struct err *e)
{
	struct target *targets;
	const size_t count = restore_data_targets(o->restore->refill, &targets);
	struct statvfs engine = {0}, of;

	for (size_t i = 0; i < count; i++) {
		const struct target *t = &targets[i];

		if (t->longest <= NAME_USUAL)
			continue;
		if (fsid_of(t, &of))
			judge_name(o, t, &of);
		else if (t->volume == NULL && t->container == NULL)
			continue;
		else if (engine.f_namemax == 0 && engine_room(o, &engine, e) != 0)
			return -1;
		else
			judge_name(o, t, &engine);
	}
	return 0;
}

/* Trees on one file system need its room together. */
int
obstacles_space(struct obstacles *o, struct err *e)
{
	struct target *targets;
	const size_t count = restore_data_targets(o->restore->refill, &targets);
	SCOPED(free_at) bool *seen = mem_new((count + 1) * sizeof(*seen));
	int64_t anew = needed_anew(targets, count);
	struct statvfs engine = {0};

	if (anew > 0 && engine_room(o, &engine, e) != 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct statvfs first, other;
		int64_t needed = 0;

		if (seen[i] || !fsid_of(&targets[i], &first))
			continue;
		for (size_t k = i; k < count; k++)
			if (!seen[k] && fsid_of(&targets[k], &other) &&
				other.f_fsid == first.f_fsid) {
				seen[k] = true;
				needed += needed_by(&targets[k]);
			}
		if (anew > 0 && first.f_fsid == engine.f_fsid) {
			needed += anew;
			anew = 0;
		}
		judge_room(o, targets[i].prefix, needed, &first);
	}
	judge_room(o, json_text(o->info, "DockerRootDir", NULL), anew, &engine);
	return 0;
}
