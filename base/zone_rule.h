#ifndef BASE_ZONE_RULE_H
#define BASE_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

/* The yearly rule behind a zone's table, in the form of POSIX's TZ: "CET-1CEST,M3.5.0,M10.5.0/3".
 */
enum zone_day_kind { ZONE_MONTH_WEEK_DAY, ZONE_JULIAN, ZONE_DAY_OF_YEAR };

struct zone_day {
	enum zone_day_kind kind;
	int month, week, day; /* of the others `day` alone */
	int64_t time_s;	      /* of that day, as its clocks show it before */
};

struct zone_rule {
	int64_t standard_s, summer_s; /* ahead of UTC */
	bool has_summer;
	struct zone_day begin, end; /* of summer */
};

/* Returns 0; -1 if ${text} is none. */
int zone_rule_parse(const char *text, struct zone_rule *ret_rule);

/* Seconds ahead of UTC at ${utc_s}. */
int64_t zone_rule_offset(const struct zone_rule *r, int64_t utc_s);

#endif
