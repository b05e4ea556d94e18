#include "jobs/restore/containers/leaks.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/data/restore_data.h"
#include "jobs/restore/data/target.h"

/* The engines that do this: on all others a restore need not stand still for a look. */
enum { LEAKS_FROM = 24, LEAKS_TO = 27 };

static bool
engine_leaks(struct engine *g)
{
	SCOPED(json_decref_at) json_t *version = NULL;
	struct err ignored;
	int major = 0;

	if (engine_version(g, &version, &ignored) != 0)
		return false;
	(void)sscanf(json_text(version, "Version", NULL), "%d.", &major);
	return major >= LEAKS_FROM && major <= LEAKS_TO;
}

/* A layer of overlay2 that is written to where it is: .../ID/diff, its mount is .../ID/merged. */
static bool
concerned(const struct restore *r, const struct target *t)
{
	static const char tail[] = "/diff";
	const size_t len = t->path == NULL ? 0 : strlen(t->path);

	if (t->container == NULL || !t->active || len < sizeof(tail) ||
		strcmp(t->path + len - (sizeof(tail) - 1), tail) != 0)
		return false;
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->items[i].name, t->container) == 0)
			return r->items[i].way == WAY_IN_PLACE;
	return false;
}

/* ${fd}: the folder of a layer, lent by a lender that was started after the stop: it sees the
 * mounts that there were then. */
static bool
leaks_is_mounted(int fd)
{
	struct stat diff, merged;

	return fstatat(fd, "diff", &diff, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(fd, "merged", &merged, AT_SYMLINK_NOFOLLOW) == 0 &&
	       diff.st_dev != merged.st_dev;
}

static void
leaks_note(struct restore *r, const char *container, const char *why)
{
	if (r->leaked == NULL)
		r->leaked = json_object();
	(void)json_object_set_new(r->leaked, container, json_string(why));
}

static int
leaks_look(struct restore *r, struct target *const *targets, const struct lender_root *roots,
	size_t count, struct err *e)
{
	SCOPED(lender_close_at) struct lender *lender = NULL;
	SCOPED(free_at) char *run_path = mem_format("%s/run", store_path(r->request->store));
	SCOPED(free_at) char *name = mem_format("fuel-backup-lender-%s-look", restore_id(r));
	const struct lender_options options = {.engine = r->request->engine,
		.self = r->self,
		.run_path = run_path,
		.name = name,
		.roots = roots,
		.count = count};
	const char *leaked = NULL;

	if (lender_open(&options, &lender, e) != 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (leaks_is_mounted(lender_fd(lender, i))) {
			leaked = targets[i]->container;
			leaks_note(r, leaked,
				"on this engine docker export had left its root mounted, and it "
				"would not have seen what is written in place");
		}
	return leaked == NULL ? 0
			      : err_set(e, ERR_CHANGED,
					"container %s: its root is still mounted after the stop, "
					"as docker export leaves it behind",
					leaked);
}

int
leaks_check(struct restore *r, struct err *e)
{
	struct target *list;
	const size_t all = restore_data_targets(r->refill, &list);
	SCOPED(free_at) struct target **targets = mem_array(NULL, all + 1, sizeof(*targets));
	SCOPED(free_at) struct lender_root *roots = mem_array(NULL, all + 1, sizeof(*roots));
	size_t count = 0;
	int status;

	for (size_t i = 0; i < all; i++) {
		if (!concerned(r, &list[i]))
			continue;
		targets[count] = &list[i];
		roots[count++] = (struct lender_root){
			.path = mem_copy(list[i].path,
				strlen(list[i].path) - strlen(strrchr(list[i].path, '/')))};
	}
	if (count == 0 || !engine_leaks(r->request->engine))
		status = 0;
	else
		status = leaks_look(r, targets, roots, count, e);
	for (size_t i = 0; i < count; i++)
		free((char *)(uintptr_t)roots[i].path);
	return status;
}

int
leaks_check_trees(struct restore *r, struct err *e)
{
	const char *found = NULL;
	struct target *list;
	const size_t all = restore_data_targets(r->refill, &list);

	for (size_t i = 0; i < all; i++) {
		const struct target *t = &list[i];

		if (t->form != LAYER_TREE || t->absent || !t->active)
			continue;
		if (t->parts != NULL)
			return err_set(e, ERR_UNSUPPORTED,
				"container %s: its storage driver keeps whole trees, in which no "
				"part of a layer is restored by itself: restore the whole "
				"container, or download the files",
				t->container);
		found = t->container;
		leaks_note(r, found, "its storage driver keeps whole trees, not layers");
	}
	return found == NULL ? 0
			     : err_set(e, ERR_CHANGED,
				       "container %s: its layer is not written to in place", found);
}
