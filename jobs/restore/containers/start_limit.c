#include "jobs/restore/containers/start_limit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "jobs/operations/inspect.h"

/* What an engine takes where a health check gives nothing: docker's defaults. */
enum { INTERVAL_MS = 30 * 1000, TIMEOUT_MS = 30 * 1000, RETRIES = 3, RETRIES_MAX = 1000 };
enum { NS_PER_MS = 1000 * 1000, LOOP_MS = 15 * 1000, LOG_KEPT = 5 };

int64_t
start_limit_time_ms(const char *text)
{
	struct tm tm = {0};
	int fraction = 0, hours = 0, minutes = 0, at = 0;
	char sign = 'Z';

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		    &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &at) != 6)
		return -1;
	text += at;
	if (*text == '.') {
		const size_t digits = strspn(++text, "0123456789");

		for (size_t i = 0; i < 3; i++)
			fraction = fraction * 10 + (i < digits ? text[i] - '0' : 0);
		text += digits;
	}
	if (*text != 'Z' && sscanf(text, "%c%2d:%2d", &sign, &hours, &minutes) != 3)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	const int64_t offset_s = ((int64_t)hours * 60 + minutes) * 60;
	return ((int64_t)timegm(&tm) + (sign == '+'	     ? -offset_s
					       : sign == '-' ? offset_s
							     : 0)) *
		       1000 +
	       fraction;
}

/* Nanoseconds at ${key} in milliseconds; ${otherwise} if there are none. */
static int64_t
duration_ms(const json_t *check, const char *key, int64_t otherwise)
{
	const int64_t ms = json_integer_value(json_object_get(check, key)) / NS_PER_MS;

	if (ms <= 0)
		return otherwise;
	return ms < START_LIMIT_MAX_MS ? ms : START_LIMIT_MAX_MS;
}

/* From its start to the first success; 0 if the log, of the last probes, does not go back so far.
 */
static int64_t
took_ms(const json_t *inspect)
{
	const json_t *log = json_object_get(
		json_object_get(json_object_get(inspect, "State"), "Health"), "Log");
	const int64_t started = start_limit_time_ms(json_text(inspect, "State", "StartedAt"));
	bool complete = json_array_size(log) < LOG_KEPT;
	const json_t *probe;
	size_t i;

	json_array_foreach (log, i, probe) {
		const int64_t end = start_limit_time_ms(json_text(probe, "End", NULL));

		if (json_integer_value(json_object_get(probe, "ExitCode")) != 0)
			complete = true; /* what follows is its first success, or after a failure */
		else
			return complete && started > 0 && end > started ? end - started : 0;
	}
	return 0;
}

int64_t
start_limit_ms(const json_t *inspect)
{
	const json_t *check = json_object_get(json_object_get(inspect, "Config"), "Healthcheck");
	const int64_t took = took_ms(inspect);
	int64_t retries = json_integer_value(json_object_get(check, "Retries"));
	int64_t ms = 0;

	if (retries <= 0 || retries > RETRIES_MAX)
		retries = retries <= 0 ? RETRIES : RETRIES_MAX;
	if (json_is_object(check))
		ms = duration_ms(check, "StartPeriod", 0) +
		     (retries + 1) * (duration_ms(check, "Interval", INTERVAL_MS) +
					     duration_ms(check, "Timeout", TIMEOUT_MS));
	if (took < START_LIMIT_MAX_MS && ms < 2 * took)
		ms = 2 * took;
	if (ms < START_LIMIT_MIN_MS)
		return START_LIMIT_MIN_MS;
	return ms < START_LIMIT_MAX_MS ? ms : START_LIMIT_MAX_MS;
}

bool
start_limit_comes_again(const json_t *inspect)
{
	const json_t *host = json_object_get(inspect, "HostConfig");
	const char *policy = json_text(host, "RestartPolicy", "Name");

	return policy[0] != '\0' && strcmp(policy, "no") != 0;
}

bool
start_limit_looped(const json_t *inspect, const char *created_at)
{
	const int64_t started = start_limit_time_ms(json_text(inspect, "State", "StartedAt"));
	const int64_t taken = start_limit_time_ms(created_at);

	if (json_truth(inspect, "State", "Restarting"))
		return true;
	return json_integer_value(json_object_get(inspect, "RestartCount")) > 0 && started > 0 &&
	       taken - started < LOOP_MS;
}
