#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

json_t *
text_json(const char *text)
{
	json_t *json = json_string(text);
	SCOPED(free_at) char *escaped = NULL;
	char *to;

	if (json != NULL)
		return json;
	to = escaped = mem_new(4 * strlen(text) + 1);
	for (const char *at = text; *at != '\0'; at++)
		to += (unsigned char)*at < 0x80 ? sprintf(to, "%c", *at)
						: sprintf(to, "\\x%02x", (unsigned char)*at);
	return json_string(escaped);
}

json_t *
text_json_format(const char *format, va_list args)
{
	char *text = NULL;
	json_t *json;

	if (vasprintf(&text, format, args) < 0)
		return json_string(format);
	json = text_json(text);
	free(text);
	return json;
}

char *
text_percent(const char *path)
{
	char *text = mem_new(3 * strlen(path) + 1);
	char *to = text;

	for (; *path != '\0'; path++) {
		const unsigned char c = (unsigned char)*path;

		if (c < 0x80 && (isalnum(c) || strchr("-._~/", c) != NULL))
			*to++ = *path;
		else
			to += sprintf(to, "%%%02X", c);
	}
	return text;
}
