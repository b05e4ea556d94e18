/* The looks of folders that stay; which attributes count is remembered for an undo after a crash.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "archive/disk/attributes.h"
#include "archive/disk/beneath.h"
#include "archive/disk/look.h"
#include "archive/restore/tree_swap_internal.h"
#include "base/scope.h"

/* What says so in the work folder. */
static const struct {
	const char *name;
	int attributes;
} attribute_notes[] = {
	{"trusted", ATTRIBUTES_TRUSTED | ATTRIBUTES_MARKS},
	{"trusted-layer", ATTRIBUTES_TRUSTED | ATTRIBUTES_LAYER},
};

int
tree_swap_trust(struct tree_swap *p, bool layer, struct err *e)
{
	const char *name = attribute_notes[layer].name;
	SCOPED(fd_close_at) int fd = openat(p->work_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(e, "%s", name);
	p->attributes = attribute_notes[layer].attributes;
	return 0;
}

int
tree_swap_find_attributes(struct tree_swap *p, struct err *e)
{
	struct stat st;

	for (size_t i = 0; i < 2; i++) {
		const char *name = attribute_notes[i].name;

		if (fstatat(p->work_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			p->attributes = attribute_notes[i].attributes;
		else if (errno != ENOENT)
			return err_errno(e, "%s", name);
	}
	return 0;
}

static int
open_below(int root, const char *path)
{
	return beneath_open(root, path, O_RDONLY | O_DIRECTORY, BENEATH_ONE_MOUNT);
}

int
tree_swap_dress(
	const struct tree_swap *p, int from_root, int to_root, const char *path, struct err *e)
{
	SCOPED(look_free) struct look look = {0};
	SCOPED(fd_close_at) int from = open_below(from_root, path);
	SCOPED(fd_close_at) int to = open_below(to_root, path);

	if (from < 0 || to < 0)
		return err_errno(e, "cannot be opened");
	if (look_at(&look, from, p->attributes, e) != 0)
		return -1;
	return look_apply(&look, to, p->attributes, e);
}
