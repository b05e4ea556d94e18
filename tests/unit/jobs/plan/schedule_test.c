/* Goal: schedules are parsed strictly, and come when a model that asks minute by minute says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/scope.h"
#include "jobs/plan/schedule.h"

/* xorshift64 (Marsaglia 2003), so that a failure can be repeated. */
static uint64_t state = 88172645463325252U;

static int
draw(int below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (int)(state % (uint64_t)below);
}

static struct schedule
cron(const char *text)
{
	SCOPED(json_decref_at) json_t *document = json_pack("{s:s}", "cron", text);
	struct schedule s;
	struct err e;

	if (schedule_parse(document, &s, &e) != 0)
		fail_msg("%s: %s", text, e.text);
	return s;
}

static int64_t
at(const char *text)
{
	struct tm tm = {0};

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
	return (int64_t)timegm(&tm);
}

static void
test_known_times(void **context)
{
	static const struct {
		const char *cron, *after, *next;
	} cases[] = {
		{"15 3 * * *", "2026-11-23 03:14", "2026-11-23 03:15"},
		{"15 3 * * *", "2026-11-23 03:15", "2026-11-24 03:15"},
		{"*/20 * * * *", "2026-11-23 23:40", "2026-11-24 00:00"},
		{"0 0 29 2 *", "2096-02-29 00:00", "2104-02-29 00:00"},
		{"0 0 31 * *", "2026-03-31 00:00", "2026-05-31 00:00"},
		{"0 12 * * mon", "2026-11-23 12:00", "2026-11-30 12:00"},
		{"0 12 * * 7", "2026-11-23 12:00", "2026-11-29 12:00"},
		{"0 12 * * Sat,SUN", "2026-11-23 12:00", "2026-11-28 12:00"},
		{"0 0 1 * fri", "2026-11-23 12:00", "2026-11-27 00:00"}, /* either */
		{"0 0 1 * fri", "2026-11-28 12:00", "2026-12-01 00:00"},
		{"0 0 */2 * fri", "2026-11-27 00:00", "2026-12-11 00:00"}, /* both: crontab(5) */
		{"59 23 31 dec *", "2026-11-23 12:00", "2026-12-31 23:59"},
		{"5-7,30 1-3/2 * jan-mar *", "2026-12-01 00:00", "2027-01-01 01:05"},
		{"50/5 * * * *", "2026-12-01 00:51", "2026-12-01 00:55"},
	};

	(void)context;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct schedule s = cron(cases[i].cron);
		if (schedule_next(&s, at(cases[i].after)) != at(cases[i].next))
			fail_msg("%s after %s", cases[i].cron, cases[i].after);
	}
}

/* A random field, and as a table what it means: made together, so nothing is parsed here. */
static void
field_draw(char *text, bool *meant, int min, int max)
{
	char item[32];
	const int items = draw(3) + 1;

	text[0] = '\0';
	memset(meant, 0, 64 * sizeof(*meant));
	for (int i = 0; i < items; i++) {
		int first = min + draw(max - min + 1), last = first, step = 1;
		switch (draw(i == 0 ? 5 : 4)) {
		case 0:
		case 1:
			(void)snprintf(item, sizeof(item), "%d", first);
			break;
		case 2:
			last = first + draw(max - first + 1);
			(void)snprintf(item, sizeof(item), "%d-%d", first, last);
			break;
		case 3:
			last = first + draw(max - first + 1);
			step = 1 + draw(5);
			(void)snprintf(item, sizeof(item), "%d-%d/%d", first, last, step);
			break;
		default:
			first = min;
			last = max;
			step = 1 + draw(7);
			(void)snprintf(item, sizeof(item), step == 1 ? "*" : "*/%d", step);
		}
		for (int v = first; v <= last; v += step)
			meant[v] = true;
		(void)strcat(text, i == 0 ? "" : ",");
		(void)strcat(text, item);
	}
}

struct model {
	char text[5][100];
	bool meant[5][64];
};

static bool
fits(const struct model *m, int64_t time_s)
{
	const time_t t = (time_t)time_s;
	struct tm tm;

	(void)gmtime_r(&t, &tm);
	const bool day = m->meant[2][tm.tm_mday], weekday = m->meant[4][tm.tm_wday];
	const bool either = m->text[2][0] != '*' && m->text[4][0] != '*';
	return m->meant[0][tm.tm_min] && m->meant[1][tm.tm_hour] && m->meant[3][tm.tm_mon + 1] &&
	       (either ? day || weekday : day && weekday);
}

static void
test_against_the_model(void **context)
{
	static const int mins[] = {0, 0, 1, 1, 0}, maxs[] = {59, 23, 31, 12, 6};
	enum { TURNS = 3000, MINUTES = 40 * 1440 };

	(void)context;
	for (int turn = 0; turn < TURNS; turn++) {
		struct model m;
		char text[600];
		for (int f = 0; f < 5; f++)
			if (f >= 2 && draw(2) == 0) { /* or most would not come for months */
				(void)strcpy(m.text[f], "*");
				memset(m.meant[f], 1, sizeof(m.meant[f]));
			} else {
				field_draw(m.text[f], m.meant[f], mins[f], maxs[f]);
			}
		(void)snprintf(text, sizeof(text), "%s %s  %s %s %s", m.text[0], m.text[1],
			m.text[2], m.text[3], m.text[4]);
		SCOPED(json_decref_at) json_t *document = json_pack("{s:s}", "cron", text);
		struct schedule s;
		struct err e;
		if (schedule_parse(document, &s, &e) != 0) {
			assert_non_null(strstr(e.text, "never comes"));
			continue;
		}
		const int64_t from = draw(2000000000);
		int64_t t = from - from % 60 + 60;
		for (int i = 0; i < MINUTES && !fits(&m, t); i++)
			t += 60;
		const int64_t next = schedule_next(&s, from);
		if (fits(&m, t) ? next != t : next <= t)
			fail_msg("%s after %lld: %lld, not %lld", text, (long long)from,
				(long long)next, (long long)t);
	}
}

static void
test_every(void **context)
{
	SCOPED(json_decref_at)
	json_t *document = json_pack("{s:s, s:s}", "every", "6h", "jitter", "10m");
	struct schedule s;
	struct err e;

	(void)context;
	assert_int_equal(schedule_parse(document, &s, &e), 0);
	assert_int_equal(s.jitter_s, 600);
	assert_int_equal(schedule_next(&s, at("2026-11-23 05:59")), at("2026-11-23 06:00"));
	assert_int_equal(schedule_next(&s, at("2026-11-23 06:00")), at("2026-11-23 12:00"));
	assert_int_equal(schedule_next(&s, at("2026-11-23 23:00")), at("2026-11-24 00:00"));
}

/* ${count}: runs from ${from} on (UTC), of which the first ones are at ${times}. */
struct day {
	const char *zone, *cron, *from, *to;
	int count;
	const char *times[4];
};

static void
runs_are(const struct day *d)
{
	SCOPED(json_decref_at)
	json_t *document = json_pack("{s:s, s:s}", "cron", d->cron, "timezone", d->zone);
	int64_t t = at(d->from) - 1;
	struct schedule s;
	struct err e;
	int count = 0;

	if (schedule_parse(document, &s, &e) != 0)
		fail_msg("%s: %s", d->zone, e.text);
	for (;;) {
		const int64_t next = schedule_next(&s, t);

		assert_true(next > t);
		if (next >= at(d->to))
			break;
		if (count < 4 && d->times[count] != NULL && next != at(d->times[count]))
			fail_msg("%s %s: run %d at %lld, not %s", d->zone, d->cron, count,
				(long long)next, d->times[count]);
		count++;
		t = next;
	}
	if (count != d->count)
		fail_msg("%s %s from %s: %d runs", d->zone, d->cron, d->from, count);
}

/* The days on which clocks are changed, from local midnight to local midnight. */
static void
test_changes_of_the_clock(void **context)
{
	static const struct day days[] = {
		/* forward, from 02:00 to 03:00 */
		{"Europe/Berlin", "30 2 * * *", "2026-03-28 23:00", "2026-03-29 22:00", 1,
			{"2026-03-29 01:00"}},
		{"Europe/Berlin", "15 3 * * *", "2026-03-28 23:00", "2026-03-29 22:00", 1,
			{"2026-03-29 01:15"}},
		{"Europe/Berlin", "@daily", "2026-03-28 23:00", "2026-03-29 22:00", 1,
			{"2026-03-28 23:00"}},
		{"Europe/Berlin", "@hourly", "2026-03-28 23:00", "2026-03-29 22:00", 23, {NULL}},
		{"Europe/Berlin", "*/20 2 * * *", "2026-03-28 23:00", "2026-03-29 22:00", 1,
			{"2026-03-29 01:00"}},
		{"Europe/Berlin", "*/30 * * * *", "2026-03-28 23:00", "2026-03-29 22:00", 46,
			{NULL}},
		/* back, from 03:00 to 02:00 */
		{"Europe/Berlin", "30 2 * * *", "2026-10-24 22:00", "2026-10-25 23:00", 1,
			{"2026-10-25 00:30"}},
		{"Europe/Berlin", "0 3 * * *", "2026-10-24 22:00", "2026-10-25 23:00", 1,
			{"2026-10-25 02:00"}},
		{"Europe/Berlin", "@hourly", "2026-10-24 22:00", "2026-10-25 23:00", 25, {NULL}},
		{"Europe/Berlin", "*/15 2 * * *", "2026-10-24 22:00", "2026-10-25 23:00", 4,
			{"2026-10-25 00:00"}},
		{"America/New_York", "30 2 * * *", "2026-03-08 05:00", "2026-03-09 04:00", 1,
			{"2026-03-08 07:00"}},
		{"America/New_York", "30 1 * * *", "2026-11-01 04:00", "2026-11-02 05:00", 1,
			{"2026-11-01 05:30"}},
		/* by half an hour */
		{"Australia/Lord_Howe", "15 2 * * *", "2026-10-03 13:30", "2026-10-04 13:00", 1,
			{"2026-10-03 15:30"}},
		{"Australia/Lord_Howe", "45 1 * * *", "2026-04-04 13:00", "2026-04-05 13:30", 1,
			{"2026-04-04 14:45"}},
		{"Australia/Lord_Howe", "0 2 * * *", "2026-04-04 13:00", "2026-04-05 13:30", 1,
			{"2026-04-04 15:30"}},
		/* at midnight, forward and back; and a day that there was not */
		{"America/Havana", "15 0 * * *", "2026-03-08 05:00", "2026-03-09 04:00", 1,
			{"2026-03-08 05:00"}},
		{"America/Havana", "15 0 * * *", "2026-11-01 04:00", "2026-11-02 05:00", 1,
			{"2026-11-01 04:15"}},
		{"Pacific/Apia", "0 12 * * *", "2011-12-29 10:00", "2011-12-31 10:00", 3,
			{"2011-12-29 22:00", "2011-12-30 10:00", "2011-12-30 22:00"}},
		/* no change at all */
		{"Asia/Kolkata", "15 3 * * *", "2026-03-28 18:30", "2026-03-29 18:30", 1,
			{"2026-03-28 21:45"}},
		{"UTC", "15 3 * * *", "2026-03-29 00:00", "2026-03-30 00:00", 1,
			{"2026-03-29 03:15"}},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "30 2 * * *", "2026-03-28 23:00", "2026-03-29 22:00",
			1, {"2026-03-29 01:00"}},
		{"Europe/Berlin", "@weekly", "2026-03-22 23:00", "2026-03-29 22:00", 1,
			{"2026-03-28 23:00"}},
		{"Europe/Berlin", "@monthly", "2026-01-01 00:00", "2026-12-31 00:00", 11,
			{"2026-01-31 23:00", "2026-02-28 23:00", "2026-03-31 22:00"}},
		{"Europe/Berlin", "0 0 * * mon", "2026-03-23 00:00", "2026-03-31 00:00", 1,
			{"2026-03-29 22:00"}},
	};

	(void)context;
	for (size_t i = 0; i < sizeof(days) / sizeof(*days); i++)
		runs_are(&days[i]);
}

/* What is meant once a day comes once in each day of eight years, in zones of all kinds. */
static void
test_once_a_day(void **context)
{
	static const char *const zones[] = {"Europe/Berlin", "America/New_York", "Europe/London",
		"Australia/Lord_Howe", "America/St_Johns", "America/Havana", "Africa/Casablanca",
		"Asia/Tehran", "Pacific/Chatham", "America/Nuuk", "Asia/Gaza", "UTC"};
	static const char *const crons[] = {
		"30 2 * * *", "0 0 * * *", "45 1 * * *", "59 23 * * *", "0 3 * * *", "10 0 * * *"};

	(void)context;
	for (size_t z = 0; z < sizeof(zones) / sizeof(*zones); z++)
		for (size_t c = 0; c < sizeof(crons) / sizeof(*crons); c++)
			runs_are(&(struct day){zones[z], crons[c], "2024-01-01 12:00",
				"2031-12-31 12:00", 8 * 365 + 1, {NULL}});
}

/* TZ is what a schedule goes by that names no zone itself. */
static void
test_the_services_zone(void **context)
{
	(void)context;
	assert_int_equal(setenv("TZ", "Europe/Berlin", 1), 0);
	struct schedule s = cron("15 3 * * *");
	assert_int_equal(schedule_next(&s, at("2026-07-01 00:00")), at("2026-07-01 01:15"));
	assert_int_equal(setenv("TZ", ":Asia/Tokyo", 1), 0);
	s = cron("15 3 * * *");
	assert_int_equal(schedule_next(&s, at("2026-07-01 00:00")), at("2026-07-01 18:15"));
	assert_int_equal(setenv("TZ", "Nowhere/At_all", 1), 0);
	SCOPED(json_decref_at) json_t *document = json_pack("{s:s}", "cron", "@daily");
	struct err e;
	assert_int_equal(schedule_parse(document, &s, &e), -1);
	assert_non_null(strstr(e.text, "TZ"));
	assert_int_equal(unsetenv("TZ"), 0);
}

/* A time that was noted while the clock was ahead cannot be the next one. */
static void
test_plausible(void **context)
{
	const struct schedule s = cron("15 3 * * *");
	const int64_t now = at("2026-07-01 12:00"), next = at("2026-07-02 03:15");

	(void)context;
	assert_true(schedule_plausible(&s, next, now));
	assert_true(schedule_plausible(&s, now - 1, now)); /* it is due */
	assert_false(schedule_plausible(&s, next + 86400, now));
	assert_false(schedule_plausible(&s, next + 400 * 86400, now));
	struct schedule late = s;
	late.jitter_s = 600;
	assert_true(schedule_plausible(&late, next + 600, now));
	assert_false(schedule_plausible(&late, next + 601, now));
	assert_true(schedule_plausible(&late, next + 600, next + 10)); /* it is late by chance */
}

static void
test_wrong(void **context)
{
	static const char *const wrong[] = {"{}", "[]", "{\"cron\": 1}", "{\"cron\": \"\"}",
		"{\"cron\": \"* * * *\"}", "{\"cron\": \"* * * * * *\"}",
		"{\"cron\": \"60 * * * *\"}", "{\"cron\": \"* 24 * * *\"}",
		"{\"cron\": \"* * 0 * *\"}", "{\"cron\": \"* * 32 * *\"}",
		"{\"cron\": \"* * * 13 *\"}", "{\"cron\": \"* * * * 8\"}",
		"{\"cron\": \"* * * * monday\"}", "{\"cron\": \"5-3 * * * *\"}",
		"{\"cron\": \"*/0 * * * *\"}", "{\"cron\": \"*/ * * * *\"}",
		"{\"cron\": \"1, * * * *\"}", "{\"cron\": \",1 * * * *\"}",
		"{\"cron\": \"1-,2 * * * *\"}", "{\"cron\": \"-1 * * * *\"}",
		"{\"cron\": \"1.5 * * * *\"}", "{\"cron\": \"@dayly\"}", "{\"cron\": \"@\"}",
		"{\"cron\": \"@daily \"}", "{\"cron\": \"@reboot\"}",
		"{\"cron\": \"@daily\", \"timezone\": \"Europe/Nowhere\"}",
		"{\"cron\": \"@daily\", \"timezone\": 1}",
		"{\"cron\": \"@daily\", \"timezone\": \"\"}",
		"{\"cron\": \"@daily\", \"timezone\": \"../passwd\"}",
		"{\"every\": \"1h\", \"timezone\": \"UTC\"}", "{\"cron\": \"0 0 30 2 *\"}",
		"{\"cron\": \"99999999999 * * * *\"}",
		"{\"cron\": \"* * * * *\", \"every\": \"1h\"}", "{\"every\": \"59s\"}",
		"{\"every\": \"367d\"}", "{\"every\": \"6\"}", "{\"every\": \"h\"}",
		"{\"every\": \"6x\"}", "{\"every\": \"6hh\"}", "{\"every\": \"-6h\"}",
		"{\"every\": 6}", "{\"every\": \"99999999999w\"}",
		"{\"every\": \"1h\", \"jitter\": \"1h\"}",
		"{\"every\": \"7d\", \"jitter\": \"25h\"}", "{\"jitter\": \"1h\"}",
		"{\"every\": \"1h\", \"tz\": \"UTC\"}", "{\"crom\": \"* * * * *\"}"};

	(void)context;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		SCOPED(json_decref_at) json_t *document = json_loads(wrong[i], 0, NULL);
		struct schedule s;
		struct err e;

		assert_non_null(document);
		if (schedule_parse(document, &s, &e) == 0)
			fail_msg("%s is taken", wrong[i]);
		assert_int_equal(e.code, ERR_INVALID);
		assert_non_null(strstr(e.text, "schedule"));
	}
}

int
main(void)
{
	(void)unsetenv("TZ"); /* or all of these are of another zone */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_times),
		cmocka_unit_test(test_against_the_model),
		cmocka_unit_test(test_every),
		cmocka_unit_test(test_changes_of_the_clock),
		cmocka_unit_test(test_once_a_day),
		cmocka_unit_test(test_the_services_zone),
		cmocka_unit_test(test_plausible),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
