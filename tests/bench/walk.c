/* Goal: the yardstick of every walk.  walk PATH...: open each folder relative to its parent, statx
 * each entry relative to its folder, one thread; prints "entries microseconds". */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static unsigned long entries;

static int
walk(int parent, const char *name)
{
	const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	struct statx state;

	if (dir == NULL) {
		perror(name);
		return -1;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (statx(fd, entry->d_name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME,
			    &state) != 0)
			continue; /* it went away: writers may be at work */
		entries++;
		if (S_ISDIR(state.stx_mode))
			(void)walk(fd, entry->d_name);
	}
	return closedir(dir);
}

int
main(int argc, char **argv)
{
	struct timespec from;
	struct timespec to;
	int status = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 1; i < argc; i++)
		if (walk(AT_FDCWD, argv[i]) != 0)
			status = 1;
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%lu %ld\n", entries,
		(to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000);
	return status;
}
