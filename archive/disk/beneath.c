#include "archive/disk/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"

/* A race with a rename may give EAGAIN (openat2(2)); more often than this it is no accident. */
enum { RETRIES_MAX = 64 };

static int
open_hop(int dir_fd, const char *path, int flags, enum beneath_reach reach)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
	};
	long fd = -1;

	if (reach == BENEATH_ONE_MOUNT)
		how.resolve |= RESOLVE_NO_XDEV;
	for (int i = 0; i < RETRIES_MAX; i++) {
		fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return (int)fd;
}

/* Length of the longest run of whole parts of ${path} that the kernel takes at once. */
static size_t
hop_length(const char *path, size_t len)
{
	size_t at = PATH_MAX - 1;

	if (len < PATH_MAX)
		return len;
	while (at > 0 && path[at] != '/')
		at--;
	return at;
}

int
beneath_open(int root_fd, const char *path, int flags, enum beneath_reach reach)
{
	SCOPED(fd_close_at) int dir = -1;
	char hop[PATH_MAX];
	size_t len = strlen(path), take;

	if (len == 0)
		return open_hop(root_fd, ".", flags, reach);
	while (len >= PATH_MAX) {
		int next;

		if ((take = hop_length(path, len)) == 0) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(hop, path, take);
		hop[take] = '\0';
		next = open_hop(dir < 0 ? root_fd : dir, hop, O_PATH | O_DIRECTORY, reach);
		if (next < 0)
			return -1;
		fd_close_at(&dir);
		dir = next;
		path += take + 1;
		len -= take + 1;
	}
	return open_hop(dir < 0 ? root_fd : dir, path, flags, reach);
}

void
beneath_make(int root_fd, const char *path)
{
	SCOPED(fd_close_at)
	int dir = beneath_open(root_fd, "", O_PATH | O_DIRECTORY, BENEATH_ONE_MOUNT);

	while (dir >= 0 && *path != '\0') {
		const size_t len = strcspn(path, "/");
		SCOPED(free_at) char *name = mem_copy(path, len);
		const int above = dir;

		/* A name in a folder that is open: no link can lead away from it. */
		(void)mkdirat(above, name, 0700);
		dir = beneath_open(above, name, O_PATH | O_DIRECTORY, BENEATH_ONE_MOUNT);
		(void)close(above);
		path += len + (path[len] == '/');
	}
}

int
beneath_file(int dir_fd, const char *name, int flags)
{
	SCOPED(fd_close_at) int itself = beneath_open(dir_fd, name, O_PATH, BENEATH_ONE_MOUNT);
	char path[64];
	struct stat st;

	if (itself < 0 || fstat(itself, &st) != 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = ESTALE;
		return -1;
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", itself);
	return open(path, flags | O_CLOEXEC);
}
