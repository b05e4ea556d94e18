#include "base/text.h"

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
