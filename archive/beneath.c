#include "archive/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
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
	SCOPED(free_at) char *dir = mem_string(path);

	for (char *at = dir; *at != '\0'; at++)
		if (at[1] == '/' || at[1] == '\0') {
			const char next = at[1];

			at[1] = '\0';
			(void)mkdirat(root_fd, dir, 0700);
			at[1] = next;
		}
}
