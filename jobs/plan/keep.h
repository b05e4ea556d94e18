#ifndef JOBS_PLAN_KEEP_H
#define JOBS_PLAN_KEEP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Which of a plan's backups are kept (docs/retention.md).  `last` keeps the newest N; each of the
 * others keeps, of the last N periods in which there is a backup, the newest one.  Periods are
 * those of UTC; weeks begin on Monday.  A rule knows nothing of the others: a backup stays if any
 * keeps it.  The meaning is that of restic's `forget --keep-*`, but for its sparing the oldest
 * backup of all while a rule is not used up.
 */
enum keep_rule {
	KEEP_LAST,
	KEEP_HOURLY,
	KEEP_DAILY,
	KEEP_WEEKLY,
	KEEP_MONTHLY,
	KEEP_YEARLY,
	KEEP_RULES
};

enum { KEEP_MAX = 100000 };

struct keep {
	int count[KEEP_RULES]; /* 0: the rule keeps nothing */
	bool manual;	       /* the rules are also for what somebody asked for */
};

/* "last", "hourly", … */
const char *keep_name(enum keep_rule rule);

/**
 * keep_parse(document, ret_keep, e):
 * From an object of the rules' names, each 0..KEEP_MAX, and perhaps "manual": true; at least one
 * number is above 0: so the newest backup always stays.  ERR_INVALID.
 */
int keep_parse(const json_t *document, struct keep *ret_keep, struct err *e);

/**
 * keep_doubt(times_s, count, now_s, ret_doubtful):
 * Pure.  ${times_s}: of backups in the order in which they were made, the newest first.  In
 * ${ret_doubtful}, for each, whether its time cannot be trusted: it is still to come at ${now_s},
 * or it is none of the longest run of times that agree with that order.  Such a one is counted by
 * no rule and removed by none.
 */
void keep_doubt(const int64_t *times_s, size_t count, int64_t now_s, bool *ret_doubtful);

/**
 * keep_judge(k, times_s, count, ret_rules):
 * Pure.  ${times_s}: seconds since 1970, newest first.  In ${ret_rules}, for each backup, the rules
 * that keep it: the bit 1 << rule; 0: none.
 */
void keep_judge(const struct keep *k, const int64_t *times_s, size_t count, unsigned *ret_rules);

#endif
