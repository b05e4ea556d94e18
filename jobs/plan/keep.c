#include "jobs/plan/keep.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/scope.h"

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

		if (strcmp(key, "manual") == 0) {
			if (!json_is_boolean(value))
				return err_set(e, ERR_INVALID, "keep: \"manual\" is true or false");
			k.manual = json_is_true(value);
			continue;
		}
		if (rule == KEEP_RULES)
			return err_set(e, ERR_INVALID,
				"keep: unknown field \"%.64s\"; known are: last, hourly, daily, "
				"weekly, monthly, yearly, manual",
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

/* The longest run of times that never grow: by patience sorting, in n log n (Fredman 1975). */
struct keep_run {
	const int64_t *times_s;
	size_t *tails;	/* [k]: the last of the best run of k + 1 */
	size_t *before; /* [i]: which one comes before i in its run; itself: none */
	size_t length;
};

/* Put backup ${i} behind the longest run that it can follow. */
static void
run_add(struct keep_run *r, size_t i)
{
	size_t from = 0, to = r->length; /* the first run whose last time is before this one's */

	while (from < to) {
		const size_t middle = from + (to - from) / 2;

		if (r->times_s[r->tails[middle]] >= r->times_s[i])
			from = middle + 1;
		else
			to = middle;
	}
	r->tails[from] = i;
	r->before[i] = from == 0 ? i : r->tails[from - 1];
	if (from == r->length)
		r->length++;
}

void
keep_doubt(const int64_t *times_s, size_t count, int64_t now_s, bool *ret_doubtful)
{
	SCOPED(free_at) size_t *tails = mem_array(NULL, count + 1, sizeof(*tails));
	SCOPED(free_at) size_t *before = mem_array(NULL, count + 1, sizeof(*before));
	struct keep_run r = {times_s, tails, before, 0};

	for (size_t i = 0; i < count; i++) {
		ret_doubtful[i] = true;
		if (times_s[i] <= now_s)
			run_add(&r, i);
	}
	if (r.length == 0)
		return;
	size_t i = tails[r.length - 1];
	while (ret_doubtful[i]) {
		ret_doubtful[i] = false;
		i = before[i];
	}
}
