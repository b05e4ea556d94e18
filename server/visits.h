#ifndef SERVER_VISITS_H
#define SERVER_VISITS_H

#include <stdint.h>

/*
 * How often each route was answered with each status.  What is counted is the route's pattern,
 * never the path that was asked for, so that nobody outside chooses how much is kept.  Thread-safe.
 */
struct visits;

/* At most so many pairs of route and status; what comes beyond is counted as "other". */
enum { VISITS_MAX = 512 };

struct visits *visits_new(void);
void visits_free(struct visits *v); /* NULL: nothing */

/* ${method} and ${pattern} are borrowed for ever; a pattern of NULL: no route. */
void visits_count(struct visits *v, const char *method, const char *pattern, int status);

struct visit {
	const char *method, *pattern;
	int status; /* 0: "other" */
	int64_t count;
};

/* What was counted: a new array, the caller's to free; how many to ${ret_count}. */
struct visit *visits_list(struct visits *v, int *ret_count);

#endif
