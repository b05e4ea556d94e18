#include "jobs/keep.h"

#include <string.h>
#include <time.h>

static const char *const names[KEEP_RULES] = {
	"last", "hourly", "daily", "weekly", "monthly", "yearly"};

static const int64_t HOUR_S = 3600, DAY_S = 86400, WEEK_DAYS = 7;

const char *
keep_name(enum keep_rule rule)
{
	return names[rule];
}

static int
rule_named(const char *name)
{
	int rule = 0;

	while (rule < KEEP_RULES && strcmp(names[rule], name) != 0)
		rule++;
	return rule;
}

int
keep_parse(const json_t *document, struct keep *ret_keep, struct err *e)
{
	json_t *fields = (json_t *)(uintptr_t)document; /* jansson's iterator takes no const */
	struct keep k = {0};
	const char *key;
	json_t *value;
	int total = 0;

	if (!json_is_object(document))
		return err_set(e, ERR_INVALID, "\"keep\" must be an object");
	json_object_foreach (fields, key, value) {
		const int rule = rule_named(key);
		const json_int_t n = json_integer_value(value);

		if (rule == KEEP_RULES)
			return err_set(e, ERR_INVALID,
				"keep: unknown field \"%.64s\"; known are: last, hourly, daily, "
				"weekly, monthly, yearly",
				key);
		if (!json_is_integer(value) || n < 0 || n > KEEP_MAX)
			return err_set(
				e, ERR_INVALID, "keep: \"%s\" is a number, 0 to %d", key, KEEP_MAX);
		k.count[rule] = (int)n;
		total += (int)n;
	}
	if (total == 0)
		return err_set(e, ERR_INVALID,
			"keep: at least one of its numbers must be above 0, or nothing would be "
			"kept");
	*ret_keep = k;
	return 0;
}

/* Rounds down, also before 1970. */
static int64_t
whole(int64_t value, int64_t by)
{
	return value / by - (value % by < 0 ? 1 : 0);
}

/* The number of the period in which ${time_s} is; larger ones are later. */
static int64_t
period(enum keep_rule rule, int64_t time_s)
{
	const time_t t = (time_t)time_s;
	struct tm tm;

	if (rule == KEEP_HOURLY)
		return whole(time_s, HOUR_S);
	if (rule == KEEP_DAILY)
		return whole(time_s, DAY_S);
	if (rule == KEEP_WEEKLY) /* 1970 began on a Thursday, three days after its Monday */
		return whole(whole(time_s, DAY_S) + 3, WEEK_DAYS);
	(void)gmtime_r(&t, &tm);
	return rule == KEEP_MONTHLY ? tm.tm_year * INT64_C(12) + tm.tm_mon : tm.tm_year;
}

static void
rule_judge(enum keep_rule rule, int left, const int64_t *times_s, size_t count, unsigned *ret_rules)
{
	int64_t last = 0;

	for (size_t i = 0; i < count && left > 0; i++) {
		const int64_t now = rule == KEEP_LAST ? (int64_t)i : period(rule, times_s[i]);

		if (i > 0 && now == last)
			continue;
		ret_rules[i] |= 1U << rule;
		last = now;
		left--;
	}
}

void
keep_judge(const struct keep *k, const int64_t *times_s, size_t count, unsigned *ret_rules)
{
	memset(ret_rules, 0, count * sizeof(*ret_rules));
	for (int rule = 0; rule < KEEP_RULES; rule++)
		rule_judge((enum keep_rule)rule, k->count[rule], times_s, count, ret_rules);
}
