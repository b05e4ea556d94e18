#include "cli/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

const char *
units_duration(int64_t ms, char text[UNITS_TEXT])
{
	const long long s = (long long)(ms + 500) / 1000;

	if (ms < 1000)
		(void)snprintf(text, UNITS_TEXT, "%lld ms", (long long)ms);
	else if (ms < 60 * 1000)
		(void)snprintf(text, UNITS_TEXT, "%.1f s", (double)ms / 1000);
	else if (s < 3600)
		(void)snprintf(text, UNITS_TEXT, "%lld min %lld s", s / 60, s % 60);
	else
		(void)snprintf(text, UNITS_TEXT, "%lld h %lld min", s / 3600, s / 60 % 60);
	return text;
}

/* In this terminal's zone; false if ${rfc3339} is no time, which then stands in ${text}. */
static bool
local(const char *rfc3339, struct tm *ret_tm, char text[UNITS_TEXT])
{
	struct tm tm = {0};
	time_t when;

	if (strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm) == NULL) {
		(void)snprintf(text, UNITS_TEXT, "%s", rfc3339);
		return false;
	}
	when = timegm(&tm);
	return localtime_r(&when, ret_tm) != NULL;
}

const char *
units_time(const char *rfc3339, char text[UNITS_TEXT])
{
	struct tm tm;

	if (local(rfc3339, &tm, text))
		(void)strftime(text, UNITS_TEXT, "%F %T %Z", &tm);
	return text;
}

const char *
units_minute(const char *rfc3339, char text[UNITS_TEXT])
{
	struct tm tm;

	if (local(rfc3339, &tm, text))
		(void)strftime(text, UNITS_TEXT, "%F %H:%M", &tm);
	return text;
}
