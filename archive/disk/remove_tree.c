#include "archive/disk/remove_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "archive/disk/beneath.h"
#include "archive/tar/names.h"
#include "base/mem.h"
#include "base/scope.h"

struct remove_tree {
	int top_fd; /* deeper folders are moved up to here */
	size_t moved;
	bool again;
};

static int remove_dir(
	struct remove_tree *d, int parent, const char *name, int depth, struct err *e);

/* Up to the top, under a name that an earlier try, which was cut off, has not left there. */
static int
lift(struct remove_tree *d, int dir, const char *name, struct err *e)
{
	for (;;) {
		SCOPED(free_at) char *up = mem_format(".deep-%zu", d->moved++);

		if (renameat2(dir, name, d->top_fd, up, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return err_errno(e, "%s", name);
	}
}

static int
remove_entry(struct remove_tree *d, int dir, const struct name *entry, int depth, struct err *e)
{
	if (entry->type != DT_DIR) {
		if (unlinkat(dir, entry->text, 0) == 0 || errno == ENOENT)
			return 0;
		if (errno != EISDIR)
			return err_errno(e, "%s", entry->text);
	}
	if (depth < REMOVE_TREE_DEPTH)
		return remove_dir(d, dir, entry->text, depth + 1, e);
	d->again = true;
	return lift(d, dir, entry->text, e);
}

static int
remove_entries(struct remove_tree *d, int dir, int depth, struct err *e)
{
	struct names names = {0};
	int status = names_read(dir, false, &names, e);

	for (size_t i = 0; status == 0 && i < names.count; i++)
		status = remove_entry(d, dir, &names.list[i], depth, e);
	names_free(&names);
	return status;
}

static int
remove_dir(struct remove_tree *d, int parent, const char *name, int depth, struct err *e)
{
	SCOPED(fd_close_at)
	int dir = beneath_open(parent, name, O_RDONLY | O_DIRECTORY, BENEATH_ONE_MOUNT);

	if (dir < 0 && errno == EXDEV)
		return err_set(e, ERR_CONFLICT,
			"%s is a mount inside of old data, which is not removed: unmount it", name);
	if (dir < 0)
		return errno == ENOENT ? 0 : err_errno(e, "%s", name);
	if (remove_entries(d, dir, depth, e) != 0)
		return -1;
	return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT
		       ? 0
		       : err_errno(e, "%s", name);
}

int
remove_tree(int dir_fd, const char *name, struct err *e)
{
	SCOPED(fd_close_at)
	int top = beneath_open(dir_fd, name, O_RDONLY | O_DIRECTORY, BENEATH_ONE_MOUNT);
	struct remove_tree d = {.top_fd = top};

	if (top < 0)
		return errno == ENOENT ? 0 : err_errno(e, "%s", name);
	do {
		d.again = false;
		if (remove_entries(&d, top, 1, e) != 0)
			return -1;
	} while (d.again);
	return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 ? 0 : err_errno(e, "%s", name);
}
