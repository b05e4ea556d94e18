#include "jobs/operations/host_facts.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"

static const int64_t SECOND_NS = 1000000000, MS_NS = 1000000;

struct host_facts {
	pthread_mutex_t mutex;
	char name[HOST_NAME_SIZE];
	bool clock_known;
	int64_t ahead_ns;
};

struct host_facts *
host_facts_new(void)
{
	struct host_facts *f = mem_new(sizeof(*f));

	(void)pthread_mutex_init(&f->mutex, NULL);
	return f;
}

void
host_facts_free(struct host_facts *f)
{
	if (f == NULL)
		return;
	(void)pthread_mutex_destroy(&f->mutex);
	free(f);
}

/* Nanoseconds of RFC 3339 with any fraction and zone; false if ${text} is no such time. */
static bool
time_read(const char *text, int64_t *ret_ns)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t part_ns = 0, unit_ns = SECOND_NS / 10;
	int hours = 0, minutes = 0;

	if (rest == NULL)
		return false;
	if (*rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit_ns /= 10)
			part_ns += (*rest - '0') * unit_ns;
	const int sign = *rest == '-' ? -1 : 1;
	if (*rest != 'Z' && sscanf(rest, "%*1[+-]%2d:%2d", &hours, &minutes) != 2)
		return false;
	*ret_ns =
		((int64_t)timegm(&tm) - sign * (hours * 3600 + minutes * 60)) * SECOND_NS + part_ns;
	return true;
}

bool
host_clock(const json_t *info, int64_t before_ns, int64_t after_ns, int64_t *ret_ahead_ns)
{
	int64_t then_ns;

	if (!time_read(json_text(info, "SystemTime", NULL), &then_ns))
		return false;
	*ret_ahead_ns = then_ns - (before_ns + (after_ns - before_ns) / 2);
	if (llabs(*ret_ahead_ns) < HOST_CLOCK_SLACK_NS + (after_ns - before_ns) / 2)
		*ret_ahead_ns = 0;
	return true;
}

int
host_facts_ask(struct host_facts *f, struct engine *engine, struct err *e)
{
	SCOPED(json_decref_at) json_t *info = NULL;
	const int64_t before_ns = clock_real_ns();
	int64_t ahead_ns = 0;

	if (engine_info(engine, &info, e) != 0)
		return -1;
	const bool known = host_clock(info, before_ns, clock_real_ns(), &ahead_ns);
	(void)pthread_mutex_lock(&f->mutex);
	const bool differed = f->ahead_ns != 0;
	(void)snprintf(f->name, sizeof(f->name), "%s", json_text(info, "Name", NULL));
	f->clock_known = known;
	f->ahead_ns = ahead_ns;
	(void)pthread_mutex_unlock(&f->mutex);
	if (ahead_ns != 0 && !differed)
		log_warn("the engine's clock is %lld s %s this service's: set both right, or times "
			 "in "
			 "lists, schedules and retention mislead",
			llabs(ahead_ns) / SECOND_NS, ahead_ns > 0 ? "ahead of" : "behind");
	return 0;
}

const char *
host_facts_name(struct host_facts *f, char name[HOST_NAME_SIZE])
{
	LOCKED(&f->mutex);

	memcpy(name, f->name, HOST_NAME_SIZE);
	return name;
}

bool
host_facts_clock(struct host_facts *f, int64_t *ret_ahead_ms)
{
	LOCKED(&f->mutex);

	*ret_ahead_ms = f->ahead_ns / MS_NS;
	return f->clock_known;
}
