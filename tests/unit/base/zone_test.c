/* Goal: a zone's clocks show what libc's show, at any time of any zone; and what is no zone is
 * refused. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/zone.h"
#include "base/zone_rule.h"

/* xorshift64 (Marsaglia 2003), so that a failure can be repeated. */
static uint64_t state = 88172645463325252U;

static int64_t
draw(int64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (int64_t)(state % (uint64_t)below);
}

static int64_t
libc_offset(int64_t utc_s)
{
	const time_t t = (time_t)utc_s;
	struct tm tm;

	(void)localtime_r(&t, &tm);
	return tm.tm_gmtoff;
}

static int64_t
at(const char *text)
{
	struct tm tm = {0};

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return (int64_t)timegm(&tm);
}

/* Three hundred years: in the table, and behind it where the rule alone is left. */
static void
compare(const char *name, const char *from)
{
	enum { TURNS = 400 };
	struct err e;
	const struct zone *z = zone_named(name, &e);

	if (z == NULL)
		fail_msg("%s: %s", name, e.text);
	assert_int_equal(setenv("TZ", name, 1), 0);
	tzset();
	for (int i = 0; i < TURNS; i++) {
		const int64_t t = at(from) + draw(INT64_C(300) * 365 * 86400);

		if (zone_offset(z, t) != libc_offset(t))
			fail_msg("%s at %lld: %lld, libc %lld", name, (long long)t,
				(long long)zone_offset(z, t), (long long)libc_offset(t));
	}
}

/* All that are installed; of the folders below, the continents. */
static int
compare_folder(const char *folder)
{
	SCOPED(free_at)
	char *path = mem_format("/usr/share/zoneinfo/%s", folder);
	DIR *dir = opendir(path);
	int count = 0;

	if (dir == NULL)
		return 0;
	for (struct dirent *one = readdir(dir); one != NULL; one = readdir(dir)) {
		SCOPED(free_at)
		char *name =
			mem_format("%s%s%s", folder, folder[0] == '\0' ? "" : "/", one->d_name);
		SCOPED(free_at) char *place = mem_format("/usr/share/zoneinfo/%s", name);
		struct stat st;

		if (one->d_name[0] < 'A' || one->d_name[0] > 'Z' || stat(place, &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			count += compare_folder(name);
		} else {
			compare(name, "1900-01-01 00:00:00");
			count++;
		}
	}
	(void)closedir(dir);
	return count;
}

static void
test_all_zones(void **context)
{
	(void)context;
	assert_in_range(compare_folder(""), 300, 1000);
}

/* The rules alone, as TZ may have them. */
static void
test_rules(void **context)
{
	static const char *const names[] = {"UTC0", "CET-1CEST,M3.5.0,M10.5.0/3",
		"EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
		"<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", "IST-2IDT,M3.4.4/26,M10.5.0",
		"XXX-3:15YYY,J60/0,J300/23:59:59", "XXX3YYY2,59/2,299/2", "ABC+12:30"};

	(void)context;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		compare(names[i], "1972-01-01 00:00:00"); /* libc has no rules before 1971 */
}

static void
test_what_clocks_show(void **context)
{
	static const struct {
		const char *zone, *local;
		int count;
		const char *first, *second; /* UTC */
	} cases[] = {
		{"Europe/Berlin", "2026-06-01 12:00:00", 1, "2026-06-01 10:00:00", NULL},
		{"Europe/Berlin", "2026-03-29 01:59:59", 1, "2026-03-29 00:59:59", NULL},
		{"Europe/Berlin", "2026-03-29 02:30:00", 0, "2026-03-29 01:00:00", NULL},
		{"Europe/Berlin", "2026-03-29 03:00:00", 1, "2026-03-29 01:00:00", NULL},
		{"Europe/Berlin", "2026-10-25 02:30:00", 2, "2026-10-25 00:30:00",
			"2026-10-25 01:30:00"},
		{"Australia/Lord_Howe", "2026-10-04 02:10:00", 0, "2026-10-03 15:30:00", NULL},
		{"Australia/Lord_Howe", "2026-04-05 01:45:00", 2, "2026-04-04 14:45:00",
			"2026-04-04 15:15:00"},
		{"Asia/Kolkata", "2026-01-01 05:30:00", 1, "2026-01-01 00:00:00", NULL},
		{"Pacific/Apia", "2011-12-30 12:00:00", 0, "2011-12-30 10:00:00", NULL},
		{"America/Havana", "2026-03-08 00:30:00", 0, "2026-03-08 05:00:00", NULL},
		{"Europe/Berlin", "2080-03-31 02:30:00", 0, "2080-03-31 01:00:00", NULL},
	};

	(void)context;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err e;
		const struct zone *z = zone_named(cases[i].zone, &e);
		int64_t instants[2] = {0, 0};

		assert_non_null(z);
		const int count = zone_instants(z, at(cases[i].local), instants);
		if (count != cases[i].count || instants[0] != at(cases[i].first) ||
			(count == 2 && instants[1] != at(cases[i].second)))
			fail_msg("%s %s: %d, %lld", cases[i].zone, cases[i].local, count,
				(long long)instants[0]);
	}
}

static void
test_what_is_none(void **context)
{
	static const char *const names[] = {"", "Europe/Nowhere", "Europe", "../../etc/passwd",
		"/etc/localtime", "Europe//Berlin", "Europe/Berlin/", "zone.tab", "berlin",
		"CET-1CEST", "CET-1CEST,M13.1.0,M10.5.0", "CET-1CEST,M3.5.0", "A1", "CET-200",
		"\xff"};

	(void)context;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct err e;

		if (zone_named(names[i], &e) != NULL)
			fail_msg("\"%s\" is taken for a zone", names[i]);
		assert_int_equal(e.code, ERR_INVALID);
		assert_non_null(strstr(e.text, "time zone"));
	}
}

/* Cut off anywhere, and with any byte changed: read, or refused, and never past its end. */
static void
test_broken_files(void **context)
{
	SCOPED(fd_close_at)
	int fd = open("/usr/share/zoneinfo/Europe/Berlin", O_RDONLY | O_CLOEXEC);
	char whole[8192];
	const ssize_t len = read(fd, whole, sizeof(whole));
	struct err e;

	(void)context;
	assert_in_range(len, 500, sizeof(whole) - 1);
	for (size_t cut = 0; cut < (size_t)len; cut++) {
		SCOPED(free_at) char *part = malloc(cut == 0 ? 1 : cut);

		memcpy(part, whole, cut);
		assert_null(zone_decode("x", part, cut, &e));
		assert_int_equal(e.code, ERR_INVALID);
	}
	for (size_t i = 0; i < (size_t)len; i++) {
		SCOPED(free_at) char *copy = malloc((size_t)len);

		memcpy(copy, whole, (size_t)len);
		copy[i] = (char)(copy[i] ^ (1 << draw(8)));
		struct zone *z = zone_decode("x", copy, (size_t)len, &e);
		if (z != NULL) {
			int64_t instants[2];

			for (int turn = 0; turn < 20; turn++)
				(void)zone_instants(z, draw(INT64_C(4000000000)), instants);
		}
		zone_free(z);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_zones),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_what_clocks_show),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_broken_files),
	};

	return cmocka_run_group_tests_name("zone", tests, NULL, NULL);
}
