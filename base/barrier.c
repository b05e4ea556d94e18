#include "base/barrier.h"

#include "base/mem.h"

#ifdef FB_BARRIERS
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/scope.h"

enum { LOOK_US = 2000 };

void
barrier(const char *name)
{
	const char *folder = getenv("FB_BARRIERS");
	SCOPED(free_at) char *path = folder == NULL ? NULL : mem_format("%s/%s", folder, name);
	SCOPED(free_at) char *reached = folder == NULL ? NULL : mem_format("%s.reached", path);

	if (path == NULL || access(path, F_OK) != 0)
		return;
	SCOPED(fd_close_at) int fd = open(reached, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (access(path, F_OK) == 0)
		(void)usleep(LOOK_US);
}
#endif
