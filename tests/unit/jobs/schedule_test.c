/* Goal: schedules are parsed strictly, and come when a model that asks minute by minute says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/scope.h"
#include "jobs/schedule.h"

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
		"{\"cron\": \"1.5 * * * *\"}", "{\"cron\": \"@daily\"}",
		"{\"cron\": \"0 0 30 2 *\"}", "{\"cron\": \"99999999999 * * * *\"}",
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_times),
		cmocka_unit_test(test_against_the_model),
		cmocka_unit_test(test_every),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
