#ifndef JOBS_KEEP_H
#define JOBS_KEEP_H

#include <jansson.h>
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
};

/* "last", "hourly", … */
const char *keep_name(enum keep_rule rule);

/**
 * keep_parse(document, ret_keep, e):
 * From an object of the rules' names, each 0..KEEP_MAX, at least one above 0: so the newest backup
 * always stays.  ERR_INVALID.
 */
int keep_parse(const json_t *document, struct keep *ret_keep, struct err *e);

/**
 * keep_judge(k, times_s, count, ret_rules):
 * Pure.  ${times_s}: seconds since 1970, newest first.  In ${ret_rules}, for each backup, the rules
 * that keep it: the bit 1 << rule; 0: none.
 */
void keep_judge(const struct keep *k, const int64_t *times_s, size_t count, unsigned *ret_rules);

#endif
