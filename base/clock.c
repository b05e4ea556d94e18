#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static const int64_t NS_PER_S = 1000000000;
static const int64_t NS_PER_MS = 1000000;

static int64_t
read_ns(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t
clock_real_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

int64_t
clock_mono_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

int64_t
clock_boot_ns(void)
{
	return read_ns(CLOCK_BOOTTIME);
}

int64_t
clock_since_ms(int64_t since_ns)
{
	return (clock_mono_ns() - since_ns) / NS_PER_MS;
}

const char *
clock_text(int64_t real_ns, char text[CLOCK_TEXT_SIZE])
{
	const time_t seconds = (time_t)(real_ns / NS_PER_S);
	struct tm tm;
	size_t used;

	(void)gmtime_r(&seconds, &tm);
	used = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + used, CLOCK_TEXT_SIZE - used, ".%03uZ",
		(unsigned)(real_ns % NS_PER_S / NS_PER_MS) % 1000U);
	return text;
}
