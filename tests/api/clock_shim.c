/* The clock of a program that is started with this in LD_PRELOAD: ahead by as many seconds as the
 * file that FB_CLOCK_FILE names says, at each look. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long
ahead_s(void)
{
	const char *path = getenv("FB_CLOCK_FILE");
	FILE *from = path == NULL ? NULL : fopen(path, "re");
	long seconds = 0;

	if (from == NULL)
		return 0;
	if (fscanf(from, "%ld", &seconds) != 1)
		seconds = 0;
	(void)fclose(from);
	return seconds;
}

int
clock_gettime(clockid_t id, struct timespec *t)
{
	const int result = (int)syscall(SYS_clock_gettime, id, t);

	if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		t->tv_sec += ahead_s();
	return result;
}

time_t
time(time_t *to)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	if (to != NULL)
		*to = t.tv_sec;
	return t.tv_sec;
}
