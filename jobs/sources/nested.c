#include "jobs/sources/nested.h"

#include <fnmatch.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

/* File systems whose files are on a disk, here or elsewhere.  A list of those that are not would
 * miss what kernels invent. */
static const char *const lasting[] = {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs",
	"reiserfs", "bcachefs", "vfat", "exfat", "ntfs", "ntfs3", "nfs", "nfs4", "cifs", "smb3",
	"ceph", "glusterfs", "fuse", "9p", "virtiofs", "squashfs", "erofs", "iso9660", NULL};

static bool
lasts(const char *type)
{
	if (strncmp(type, "fuse.", 5) == 0)
		return true;
	for (const char *const *t = lasting; *t != NULL; t++)
		if (strcmp(type, *t) == 0)
			return true;
	return false;
}

static bool
nested_is_below(const char *path, const char *top)
{
	const size_t len = strlen(top);

	return strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool
nested_matches(const struct inventory *v, const char *path)
{
	for (char **pattern = v->excludes->patterns; pattern != NULL && *pattern != NULL; pattern++)
		if (fnmatch(*pattern, path, 0) == 0)
			return true;
	return false;
}

/* ${path}, of the archive, or a folder above it is left out. */
static bool
nested_excluded(const struct inventory *v, const char *path)
{
	SCOPED(free_at) char *part = mem_string(path);
	char *slash = part + strlen(part);

	for (; slash != NULL; slash = strrchr(part, '/')) {
		*slash = '\0';
		if (nested_matches(v, part))
			return true;
	}
	return false;
}

static bool
is_source_path(const struct inventory *v, const char *path)
{
	for (size_t i = 0; i < v->count; i++)
		if (v->sources[i].kind >= SOURCE_BIND && strcmp(v->sources[i].path, path) == 0)
			return true;
	return false;
}

static int
nested_add_mount(struct inventory *v, const struct plan_source *outer, const char *rest,
	size_t *added, struct err *e)
{
	const enum source_kind kind = outer->kind;
	SCOPED(free_at) char *path = mem_format("%s%s", outer->path, rest);
	SCOPED(free_at) char *prefix = mem_format("%s%s", outer->prefix, rest);
	const char *engine = v->excludes->engine;

	if (is_source_path(v, path) || nested_excluded(v, prefix) ||
		nested_is_below(path, v->excludes->store) ||
		(engine != NULL && nested_is_below(path, engine)))
		return 0;
	(*added)++;
	return inventory_add_path(v, kind, path, e);
}

/* The source in which the mount at ${point} lies; ${ret_rest}: its path below it. */
static const struct plan_source *
outer_of(const struct inventory *v, size_t count, bool in_container, const char *point,
	const char **ret_rest)
{
	for (size_t i = 0; i < count; i++) {
		SCOPED(free_at)
		char *root = in_container ? mem_format("/source/%zu", i)
					  : mem_string(v->sources[i].path);
		const size_t len = strlen(root);

		if (v->sources[i].kind < SOURCE_BIND || !nested_is_below(point, root) ||
			point[len] == '\0')
			continue;
		*ret_rest = point + len;
		return &v->sources[i];
	}
	return NULL;
}

int
nested_add(
	struct lender *l, bool in_container, struct inventory *v, size_t *ret_added, struct err *e)
{
	SCOPED(free_at) char *lines = NULL;
	const size_t count = v->count; /* those that are added here are no roots of this lender */
	char *rest = NULL;

	*ret_added = 0;
	if (lender_mounts(l, &lines, e) != 0)
		return -1;
	for (char *line = strtok_r(lines, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest)) {
		char *type = strchr(line, '\t'), *end;
		const struct plan_source *outer;
		const char *below = NULL;

		if (type == NULL)
			continue;
		*type++ = '\0';
		end = strchr(type, '\t');
		if (end != NULL)
			*end = '\0';
		outer = lasts(type) ? outer_of(v, count, in_container, line, &below) : NULL;
		if (outer != NULL && nested_add_mount(v, outer, below, ret_added, e) != 0)
			return -1;
	}
	if (*ret_added > 0)
		inventory_sort(v);
	return 0;
}

bool
nested_is_source(const struct inventory *v, const char *path)
{
	for (size_t i = 0; i < v->count; i++)
		if (strcmp(v->sources[i].prefix, path) == 0)
			return true;
	return false;
}
