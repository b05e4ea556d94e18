#include "archive/restore/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/disk/beneath.h"
#include "archive/disk/remove_tree.h"
#include "archive/tar/names.h"
#include "base/mem.h"
#include "base/scope.h"

int
merge_remove(int dir_fd, const char *name, struct err *e)
{
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	return errno == EISDIR || errno == EPERM ? remove_tree(dir_fd, name, e)
						 : err_errno(e, "%s", name);
}

int
merge_member(struct member_index *folders, int dir_fd, const char *name, const char *path,
	enum member_type type, struct err *e)
{
	struct stat st;

	if (type == MEMBER_DIR) {
		(void)member_index_put(folders, path);
		return 0;
	}
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
		return 0;
	return remove_tree(dir_fd, name, e);
}

int
merge_purge(const struct member_index *folders, int root_fd, const char *path, struct err *e)
{
	SCOPED(fd_close_at)
	int fd =
		beneath_open(root_fd, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, BENEATH_ONE_MOUNT);
	SCOPED(names_free) struct names names = {0};

	if (fd < 0)
		return err_errno(e, "%s", path);
	if (names_read(fd, false, &names, e) != 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		const char *name = names.list[i].text;
		SCOPED(free_at)
		char *below = path[0] == '\0' ? mem_string(name) : mem_format("%s/%s", path, name);
		const bool stays =
			member_index_find(folders, below, strlen(below)) != MEMBER_INDEX_NONE;
		const int status =
			stays ? merge_purge(folders, root_fd, below, e) : merge_remove(fd, name, e);

		if (status != 0)
			return err_prefix(e, "%s", below);
	}
	return 0;
}
