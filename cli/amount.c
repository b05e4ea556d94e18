#include "cli/amount.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

enum { DIGITS_MAX = 9, BYTES_DIGITS_MAX = 15 };

/* The number at the beginning of ${text}, of 1 to ${max} digits; how many it has, else 0. */
static size_t
amount_digits(const char *text, size_t max, int64_t *ret)
{
	const size_t len = strspn(text, "0123456789");
	int64_t number = 0;

	if (len == 0 || len > max)
		return 0;
	for (size_t i = 0; i < len; i++)
		number = number * 10 + (text[i] - '0');
	*ret = number;
	return len;
}

int
amount_count(const char *text, int64_t *ret_count, struct err *e)
{
	int64_t count;
	const size_t len = amount_digits(text, DIGITS_MAX, &count);

	if (len == 0 || text[len] != '\0')
		return err_set(
			e, ERR_INVALID, "\"%.64s\" is no whole number of up to 9 digits", text);
	*ret_count = count;
	return 0;
}

int
amount_size(const char *text, int64_t *ret_bytes, struct err *e)
{
	static const char units[] = "KMGT";
	int64_t bytes;
	const size_t len = amount_digits(text, BYTES_DIGITS_MAX, &bytes);
	const char *unit = text + len;
	const char *known = *unit == '\0' ? NULL : strchr(units, *unit);

	if (known != NULL)
		unit += strcmp(unit + 1, "iB") == 0 ? 3 : 1;
	if (len == 0 || *unit != '\0')
		return err_set(e, ERR_INVALID,
			"\"%.64s\" is no size: write bytes, or as 512M or 2G", text);
	for (const char *at = known; at != NULL && at >= units; at--) {
		if (bytes > INT64_MAX / 1024)
			return err_set(e, ERR_INVALID, "\"%.64s\" is too large a size", text);
		bytes *= 1024;
	}
	*ret_bytes = bytes;
	return 0;
}

static int
add_rule(json_t *keep, const char *rule, struct err *e)
{
	static const char *const names[] = {
		"last", "hourly", "daily", "weekly", "monthly", "yearly"};
	const size_t len = strcspn(rule, "=");
	int64_t count;

	if (strcmp(rule, "manual") == 0) /* no number: the rules are for these, too */
		return json_object_set_new(keep, rule, json_true());
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) != len || strncmp(names[i], rule, len) != 0)
			continue;
		if (rule[len] == '\0')
			return err_set(e, ERR_INVALID, "how many? Write %s=7", names[i]);
		if (json_object_get(keep, names[i]) != NULL)
			return err_set(e, ERR_INVALID, "%s is there twice", names[i]);
		if (amount_count(rule + len + 1, &count, e) != 0)
			return err_prefix(e, "%s", names[i]);
		return json_object_set_new(keep, names[i], json_integer(count));
	}
	return err_set(e, ERR_INVALID,
		"there is no rule \"%.*s\"; known are last, hourly, daily, weekly, monthly, "
		"yearly, "
		"manual, as daily=7,weekly=5",
		(int)(len < 64 ? len : 64), rule);
}

int
amount_keep(const char *text, json_t **ret_keep, struct err *e)
{
	SCOPED(json_decref_at) json_t *keep = json_object();

	for (const char *at = text;; at++) {
		const size_t len = strcspn(at, ",");
		SCOPED(free_at) char *rule = mem_copy(at, len);

		if (add_rule(keep, rule, e) != 0)
			return -1;
		at += len;
		if (*at == '\0')
			break;
	}
	*ret_keep = TAKE(keep);
	return 0;
}
