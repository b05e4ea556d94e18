#include "engine/lender/tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"

static const char head[] = "tmpfs:"; /* paths begin with a slash */

/* A container's cgroup has a line for each hierarchy. */
enum { CGROUP_TEXT_MAX = 64 * 1024 };

char *
tmpfs_word(int pid, const char *holder, const char *path)
{
	return mem_format("%s%d:%s:%s", head, pid, holder, path);
}

bool
tmpfs_is_word(const char *text)
{
	return strncmp(text, head, strlen(head)) == 0;
}

/* Whether the process ${pid} is of the container ${holder}: its number may be another's by now. */
static bool
is_of(const char *holder, size_t len, int pid)
{
	SCOPED(free_at) char *path = mem_format("/proc/%d/cgroup", pid);
	SCOPED(free_at) char *id = mem_copy(holder, len);
	SCOPED(free_at) char *text = mem_new(CGROUP_TEXT_MAX + 1);
	SCOPED(file_close_at) FILE *file = fopen(path, "re");

	return file != NULL && fread(text, 1, CGROUP_TEXT_MAX, file) > 0 &&
	       strstr(text, id) != NULL;
}

int
tmpfs_open(const char *word, struct err *e)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	char *rest;
	const int pid = (int)strtol(word + strlen(head), &rest, 10);
	const char *holder = *rest == ':' ? rest + 1 : "";
	const char *path = strchr(holder, ':');
	SCOPED(free_at) char *root = mem_format("/proc/%d/root", pid);
	struct statfs fs;

	if (path == NULL || pid <= 0)
		return err_set(e, ERR_INVALID, "%.200s names no tmpfs", word);
	path++;
	SCOPED(fd_close_at) int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0)
		return err_errno(e, "tmpfs %s: the container's files", path);
	/* After it was opened: the root is that of the process that is judged. */
	if (!is_of(holder, (size_t)(path - 1 - holder), pid))
		return err_set(e, ERR_UNREADABLE, "tmpfs %s: its container has ended", path);
	SCOPED(fd_close_at)
	int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	if (fd < 0)
		return err_errno(e, "tmpfs %s", path);
	if (fstatfs(fd, &fs) != 0 || fs.f_type != TMPFS_MAGIC)
		return err_set(e, ERR_UNREADABLE, "tmpfs %s: there is none", path);
	return TAKE_FD(fd);
}
