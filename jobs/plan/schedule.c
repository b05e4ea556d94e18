#include "jobs/plan/schedule.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const int64_t MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400;

/* 29 February is away for eight years around a century that is no leap year. */
enum { SEARCH_DAYS = 9 * 366, CRON_TEXT_MAX = 256 };

static const char *const months[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct {
	const char *name;
	int min, max;
	const char *const *names; /* of min, min + 1, … */
} fields[CRON_FIELDS] = {
	[CRON_MINUTE] = {"minute", 0, 59, NULL},
	[CRON_HOUR] = {"hour", 0, 23, NULL},
	[CRON_DAY] = {"day", 1, 31, NULL},
	[CRON_MONTH] = {"month", 1, 12, months},
	[CRON_WEEKDAY] = {"weekday", 0, 7, weekdays}, /* 7 is Sunday, too */
};

/* What these stand for. */
static const struct {
	const char *name, *cron;
} shorts[] = {{"@hourly", "0 * * * *"}, {"@daily", "0 0 * * *"}, {"@midnight", "0 0 * * *"},
	{"@weekly", "0 0 * * 0"}, {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"}};

/* A number or a name at ${*at}, which then stands behind it; -1 if it is none. */
static int
value_take(enum schedule_field f, const char **at)
{
	char *end = NULL;

	for (int i = 0; fields[f].names != NULL && fields[f].names[i] != NULL; i++)
		if (strncasecmp(*at, fields[f].names[i], 3) == 0) {
			*at += 3;
			return fields[f].min + i;
		}
	if (**at < '0' || **at > '9')
		return -1;
	const long value = strtol(*at, &end, 10);
	*at = end;
	return value < fields[f].min || value > fields[f].max ? -1 : (int)value;
}

/* `*`, `a`, `a-b`, each perhaps with `/step`; `a/step` goes to the end.  0 or -1. */
static int
item_take(enum schedule_field f, const char **at, uint64_t *bits)
{
	int first = fields[f].min, last = fields[f].max;
	long step = 1;
	bool range = true;

	if (f == CRON_WEEKDAY)
		last = 6;
	if (**at == '*') {
		(*at)++;
	} else {
		first = value_take(f, at);
		range = **at == '-';
		if (range)
			(*at)++;
		if (range || **at != '/')
			last = range ? value_take(f, at) : first;
	}
	if (**at == '/') {
		char *end = NULL;
		const char *digits = ++*at;
		step = *digits < '0' || *digits > '9' ? 0 : strtol(digits, &end, 10);
		*at = end == NULL ? digits : end;
	}
	if (first < 0 || last < first || step < 1 || step > fields[f].max)
		return -1;
	for (int i = first; i <= last; i += (int)step)
		*bits |= UINT64_C(1) << (f == CRON_WEEKDAY ? i % 7 : i);
	return 0;
}

static int
field_take(enum schedule_field f, const char **at, uint64_t *bits)
{
	*bits = 0;
	for (;; (*at)++) {
		if (item_take(f, at, bits) != 0)
			return -1;
		if (**at != ',')
			return **at == ' ' || **at == '\0' ? 0 : -1;
	}
}

static const char *
spelled_out(const char *text)
{
	for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++)
		if (strcmp(shorts[i].name, text) == 0)
			return shorts[i].cron;
	return text;
}

static int
cron_parse(const char *text, struct schedule *s, struct err *e)
{
	const char *at = spelled_out(text);

	if (*at == '@')
		return err_set(e, ERR_INVALID,
			"schedule: there is no cron \"%.64s\"; there are @hourly, @daily, @weekly, "
			"@monthly and @yearly, or five fields, as \"15 3 * * mon-fri\"",
			text);
	for (int f = 0; f < CRON_FIELDS; f++) {
		at += strspn(at, " ");
		if (f == CRON_HOUR)
			s->any_hour = *at == '*';
		if (f == CRON_DAY)
			s->any_day = *at == '*';
		if (f == CRON_WEEKDAY)
			s->any_weekday = *at == '*';
		if (field_take((enum schedule_field)f, &at, &s->cron[f]) != 0)
			return err_set(e, ERR_INVALID,
				"schedule: the field %s of cron \"%.64s\" is wrong; it has the "
				"five "
				"fields minute, hour, day, month, weekday, as \"15 3 * * mon-fri\"",
				fields[f].name, text);
	}
	if (at[strspn(at, " ")] != '\0')
		return err_set(
			e, ERR_INVALID, "schedule: cron \"%.64s\" has more than five fields", text);
	return 0;
}

static int
length_parse(const char *name, const json_t *value, int64_t min_s, int64_t max_s, int64_t *ret_s,
	struct err *e)
{
	static const char letters[] = "smhdw";
	static const int64_t units[] = {1, 60, 3600, 86400, 604800};
	const char *text = json_string_value(value);
	const char *unit = NULL;
	char *end = NULL;

	if (text != NULL && text[0] >= '0' && text[0] <= '9' && strlen(text) <= 10) {
		*ret_s = strtoll(text, &end, 10);
		unit = *end == '\0' ? NULL : strchr(letters, *end);
	}
	if (unit != NULL && end[1] == '\0') {
		*ret_s *= units[unit - letters];
		if (*ret_s >= min_s && *ret_s <= max_s)
			return 0;
	}
	return err_set(e, ERR_INVALID,
		"schedule: \"%s\" is a number and s, m, h, d or w, as \"6h\": %lld s to %lld s",
		name, (long long)min_s, (long long)max_s);
}

static int
cron_check(const json_t *cron, struct schedule *s, struct err *e)
{
	const char *text = json_string_value(cron);

	if (text == NULL || json_string_length(cron) > CRON_TEXT_MAX ||
		strlen(text) != json_string_length(cron))
		return err_set(e, ERR_INVALID, "schedule: \"cron\" is a text of up to %d bytes",
			CRON_TEXT_MAX);
	if (cron_parse(text, s, e) != 0)
		return -1;
	if (schedule_next(s, 0) >= 0)
		return 0;
	return err_set(e, ERR_INVALID, "schedule: cron \"%.64s\" never comes", text);
}

/* Whose clocks are meant. */
static int
zone_choose(const json_t *timezone, struct schedule *s, struct err *e)
{
	const char *name = json_string_value(timezone);
	const char *environment = getenv("TZ"); /* nobody sets it while the service runs */

	if (timezone != NULL && (name == NULL || strlen(name) != json_string_length(timezone)))
		return err_set(e, ERR_INVALID,
			"schedule: \"timezone\" is the name of a time zone, as \"Europe/Berlin\"");
	if (name == NULL)
		name = environment == NULL || environment[0] == '\0' ? "UTC" : environment;
	if (timezone == NULL && name[0] == ':') /* POSIX: a name, and no rule */
		name++;
	s->zone = zone_named(name, e);
	return s->zone != NULL ? 0 : err_prefix(e, timezone != NULL ? "schedule" : "schedule: TZ");
}

static int
fields_check(const json_t *document, struct err *e)
{
	static const char *const known[] = {"cron", "every", "jitter", "timezone"};
	size_t found = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		found += json_object_get(document, known[i]) != NULL;
	if (json_is_object(document) && json_object_size(document) == found)
		return 0;
	return err_set(e, ERR_INVALID,
		"schedule: an object whose fields may be: cron, every, jitter, timezone");
}

int
schedule_parse(const json_t *document, struct schedule *ret_schedule, struct err *e)
{
	const json_t *cron = json_object_get(document, "cron");
	const json_t *every = json_object_get(document, "every");
	const json_t *jitter = json_object_get(document, "jitter");
	const json_t *timezone = json_object_get(document, "timezone");
	struct schedule s = {0};

	if (fields_check(document, e) != 0)
		return -1;
	if ((cron != NULL) == (every != NULL))
		return err_set(e, ERR_INVALID, "schedule: it has either \"cron\" or \"every\"");
	if (every != NULL && timezone != NULL)
		return err_set(e, ERR_INVALID,
			"schedule: \"timezone\" is for \"cron\"; \"every\" is counted from 1970 "
			"on, "
			"in UTC");
	if (cron != NULL && zone_choose(timezone, &s, e) != 0)
		return -1;
	if (every != NULL ? length_parse("every", every, MINUTE_S, 366 * DAY_S, &s.every_s, e) != 0
			  : cron_check(cron, &s, e) != 0)
		return -1;
	const int64_t most = every != NULL && s.every_s <= DAY_S ? s.every_s - 1 : DAY_S;
	if (jitter != NULL && length_parse("jitter", jitter, 0, most, &s.jitter_s, e) != 0)
		return -1;
	*ret_schedule = s;
	return 0;
}

static bool
schedule_has(const struct schedule *s, enum schedule_field f, int value)
{
	return (s->cron[f] >> value & 1) != 0;
}

static bool
day_fits(const struct schedule *s, const struct tm *tm)
{
	const bool day = schedule_has(s, CRON_DAY, tm->tm_mday);
	const bool weekday = schedule_has(s, CRON_WEEKDAY, tm->tm_wday);

	if (!schedule_has(s, CRON_MONTH, tm->tm_mon + 1))
		return false;
	return s->any_day || s->any_weekday ? day && weekday : day || weekday;
}

/* The earlier one of both, -1: none. */
static int64_t
earlier(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

/* The first instant behind ${after_s} at which the clocks show ${local_s} and that counts; -1. */
static int64_t
instant_of(const struct schedule *s, int64_t local_s, int64_t after_s)
{
	int64_t instants[2];
	const int count = zone_instants(s->zone, local_s, instants);

	if (instants[0] > after_s)
		return instants[0];
	return count == 2 && s->any_hour && instants[1] > after_s ? instants[1] : -1;
}

/* The first time of the day that begins at ${day_s} of the zone's calendar, behind ${after_s}; -1:
 * none, or it is no such day. */
static int64_t
time_of_day(const struct schedule *s, int64_t day_s, int64_t after_s)
{
	const time_t t = (time_t)day_s;
	int64_t found = -1;
	struct tm tm;

	(void)gmtime_r(&t, &tm);
	if (!day_fits(s, &tm))
		return -1;
	for (int hour = 0; hour < 24; hour++)
		for (int minute = 0; minute < 60 && schedule_has(s, CRON_HOUR, hour); minute++)
			if (schedule_has(s, CRON_MINUTE, minute))
				found = earlier(found,
					instant_of(s, day_s + hour * HOUR_S + minute * MINUTE_S,
						after_s));
	return found;
}

int64_t
schedule_next(const struct schedule *s, int64_t after_s)
{
	if (s->every_s > 0)
		return (after_s / s->every_s + 1) * s->every_s;
	const int64_t local_s = after_s + zone_offset(s->zone, after_s);
	int64_t day_s = local_s - local_s % DAY_S - DAY_S;

	for (int day = 0; day < SEARCH_DAYS; day++, day_s += DAY_S) {
		const int64_t found = time_of_day(s, day_s, after_s);

		/* where clocks are put back over midnight a day's last times come after the next
		 * one's first */
		if (found >= 0)
			return earlier(found, time_of_day(s, day_s + DAY_S, after_s));
	}
	return -1;
}

bool
schedule_plausible(const struct schedule *s, int64_t next_s, int64_t now_s)
{
	return next_s <= schedule_next(s, now_s) + s->jitter_s;
}
