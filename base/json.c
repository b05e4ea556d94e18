#include "base/json.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

/* A copy of ${text} in which no escape stands for NUL. */
static char *
without_nul(const char *text, size_t len)
{
	char *copy = mem_copy(text, len);

	for (size_t i = 0; i + 1 < len; i++) {
		if (copy[i] != '\\')
			continue;
		if (i + 6 <= len && strncmp(copy + i, "\\u0000", 6) == 0)
			memcpy(copy + i, "\\ufffd", 6);
		i++; /* what a backslash stands before is no backslash of its own */
	}
	return copy;
}

json_t *
json_parse(const char *text, size_t len, size_t flags, json_error_t *error)
{
	SCOPED(free_at) char *copy = NULL;
	json_error_t own;
	json_error_t *e = error == NULL ? &own : error;
	json_t *json = json_loadb(text == NULL ? "" : text, len, flags | JSON_ALLOW_NUL, e);

	if (json != NULL || json_error_code(e) != json_error_null_byte_in_key)
		return json;
	copy = without_nul(text, len);
	return json_loadb(copy, len, flags | JSON_ALLOW_NUL, e);
}
