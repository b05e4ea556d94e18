#include "base/zone_rule.h"

#include <stddef.h>
#include <string.h>

static const int64_t HOUR_S = 3600, DAY_S = 86400;

enum { NAME_MIN = 3, HOURS_MAX = 167 };

/* The number at ${*at}, up to ${max}, which then stands behind it; -1 if there is none. */
static int64_t
number_take(const char **at, int64_t max)
{
	int64_t value = 0;

	if (**at < '0' || **at > '9')
		return -1;
	for (; **at >= '0' && **at <= '9'; (*at)++) {
		value = 10 * value + (**at - '0');
		if (value > max)
			return -1;
	}
	return value;
}

/* `[+-]hh[:mm[:ss]]` in seconds.  0 or -1. */
static int
length_take(const char **at, int64_t *ret_s)
{
	static const int64_t units[] = {3600, 60, 1};
	const int64_t sign = **at == '-' ? -1 : 1;
	int64_t total = 0;

	if (**at == '-' || **at == '+')
		(*at)++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		const int64_t value = number_take(at, i == 0 ? HOURS_MAX : 59);

		if (value < 0)
			return -1;
		total += value * units[i];
		if (**at != ':')
			break;
		(*at)++;
	}
	*ret_s = sign * total;
	return 0;
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A name: letters, or anything in angle brackets.  0 or -1. */
static int
name_take(const char **at)
{
	size_t len = 0;

	if (**at == '<') {
		const char *end = strchr(*at, '>');

		if (end == NULL || end - *at <= NAME_MIN)
			return -1;
		*at = end + 1;
		return 0;
	}
	while (is_letter((*at)[len]))
		len++;
	*at += len;
	return len < NAME_MIN ? -1 : 0;
}

/* `m.w.d` behind an M: month, week (5: the last), weekday.  0 or -1. */
static int
month_take(const char **at, struct zone_day *d)
{
	static const int64_t most[] = {12, 5, 6};
	int64_t values[3];

	for (size_t i = 0; i < 3; i++) {
		if (i > 0 && *(*at)++ != '.')
			return -1;
		values[i] = number_take(at, most[i]);
		if (values[i] < (i < 2 ? 1 : 0))
			return -1;
	}
	d->kind = ZONE_MONTH_WEEK_DAY;
	d->month = (int)values[0];
	d->week = (int)values[1];
	d->day = (int)values[2];
	return 0;
}

/* `Mm.w.d`, `Jn` or `n`, perhaps with `/time`.  0 or -1. */
static int
day_take(const char **at, struct zone_day *d)
{
	d->time_s = 2 * HOUR_S;
	if (**at == 'M') {
		(*at)++;
		if (month_take(at, d) != 0)
			return -1;
	} else {
		const bool julian = **at == 'J';

		if (julian)
			(*at)++;
		const int64_t day = number_take(at, 365);
		if (day < (julian ? 1 : 0))
			return -1;
		d->kind = julian ? ZONE_JULIAN : ZONE_DAY_OF_YEAR;
		d->day = (int)day;
	}
	if (**at != '/')
		return 0;
	(*at)++;
	return length_take(at, &d->time_s);
}

int
zone_rule_parse(const char *text, struct zone_rule *ret_rule)
{
	struct zone_rule r = {0};
	const char *at = text;
	int64_t west_s;

	if (name_take(&at) != 0 || length_take(&at, &west_s) != 0)
		return -1;
	r.standard_s = -west_s;
	if (*at == '\0') {
		*ret_rule = r;
		return 0;
	}
	if (name_take(&at) != 0)
		return -1;
	r.has_summer = true;
	r.summer_s = r.standard_s + HOUR_S;
	if (*at != ',') {
		if (length_take(&at, &west_s) != 0)
			return -1;
		r.summer_s = -west_s;
	}
	if (*at++ != ',' || day_take(&at, &r.begin) != 0)
		return -1;
	if (*at++ != ',' || day_take(&at, &r.end) != 0 || *at != '\0')
		return -1;
	*ret_rule = r;
	return 0;
}

static bool
is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970-01-01 to the first of that month (Hinnant, "chrono-compatible date algorithms").
 */
static int64_t
days_of(int64_t year, int month)
{
	const int64_t y = month <= 2 ? year - 1 : year;
	const int64_t era = (y >= 0 ? y : y - 399) / 400;
	const int64_t of_era = y - era * 400;
	const int64_t day = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + day - 719468;
}

static int64_t
year_of(int64_t local_s)
{
	const int64_t days = local_s / DAY_S - (local_s % DAY_S < 0 ? 1 : 0);
	int64_t year = 1970 + days / 366;

	while (days_of(year + 1, 1) <= days)
		year++;
	while (days_of(year, 1) > days)
		year--;
	return year;
}

/* The day of that year, counted from 1970-01-01. */
static int64_t
day_in(const struct zone_day *d, int64_t year)
{
	const int64_t first = days_of(year, d->kind == ZONE_MONTH_WEEK_DAY ? d->month : 1);

	if (d->kind == ZONE_DAY_OF_YEAR)
		return first + d->day;
	if (d->kind == ZONE_JULIAN) /* 29 February is never counted */
		return first + d->day - 1 + (is_leap(year) && d->day >= 60 ? 1 : 0);
	/* 1970 began on a Thursday */
	const int64_t weekday = ((first + 4) % 7 + 7) % 7;
	const int64_t next = d->month == 12 ? days_of(year + 1, 1) : days_of(year, d->month + 1);
	int64_t day = first + (d->day - weekday + 7) % 7 + 7 * (int64_t)(d->week - 1);

	while (day >= next)
		day -= 7;
	return day;
}

int64_t
zone_rule_offset(const struct zone_rule *r, int64_t utc_s)
{
	if (!r->has_summer)
		return r->standard_s;
	const int64_t year = year_of(utc_s + r->standard_s);
	const int64_t begin_s = day_in(&r->begin, year) * DAY_S + r->begin.time_s - r->standard_s;
	const int64_t end_s = day_in(&r->end, year) * DAY_S + r->end.time_s - r->summer_s;
	const bool summer = begin_s < end_s ? utc_s >= begin_s && utc_s < end_s
					    : utc_s >= begin_s || utc_s < end_s;

	return summer ? r->summer_s : r->standard_s;
}
