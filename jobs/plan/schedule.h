#ifndef JOBS_PLAN_SCHEDULE_H
#define JOBS_PLAN_SCHEDULE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/zone.h"

/*
 * When a plan is to be carried out by itself (docs/schedule.md); the pure part.  Times are in
 * seconds since 1970.
 *
 * Cron's fields are those of a zone's clocks.  Where they are put forward, what falls into the gap
 * comes at the moment of the change; where they are put back, what they show twice comes the first
 * time, and both times only if the field hour begins with `*`.  So what is meant once a day comes
 * once on each day.
 */
enum schedule_field { CRON_MINUTE, CRON_HOUR, CRON_DAY, CRON_MONTH, CRON_WEEKDAY, CRON_FIELDS };

struct schedule {
	int64_t every_s;	    /* 0: by cron */
	uint64_t cron[CRON_FIELDS]; /* bit n: the value n is meant; weekdays from 0, Sunday */
	bool any_hour, any_day, any_weekday; /* the field begins with `*` */
	const struct zone *zone;	     /* whose clocks cron means */
	int64_t jitter_s;		     /* a run begins up to so much later */
};

/**
 * schedule_parse(document, ret_schedule, e):
 * {"cron": "15 3 * * *"} or {"every": "6h"}, and perhaps "jitter": "10m"; for cron also "timezone":
 * "Europe/Berlin", else that of the environment's TZ, else UTC.  Cron: five fields of
 * lists, ranges, steps and (months, weekdays) names, as crontab(5) has them, or "@daily" and the
 * like; day and weekday, if both are restricted, mean either.  A length is a number and s, m, h, d
 * or w: `every` 1 minute to 366 days, `jitter` up to a day and less than `every`.  ERR_INVALID,
 * also if no time matches.
 */
int schedule_parse(const json_t *document, struct schedule *ret_schedule, struct err *e);

/**
 * schedule_next(s, after_s):
 * The first time behind ${after_s} (0…), without jitter.  `every` counts from 1970-01-01 00:00, so
 * 6h means 00:00, 06:00, 12:00 and 18:00.  -1 if there is none within nine years.
 */
int64_t schedule_next(const struct schedule *s, int64_t after_s);

/* Whether ${next_s}, noted earlier as the next time, may still be it at ${now_s}: not if the clock
 * was ahead when it was noted. */
bool schedule_plausible(const struct schedule *s, int64_t next_s, int64_t now_s);

#endif
