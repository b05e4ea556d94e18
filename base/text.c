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

/* The character of UTF-8 at ${at}, of ${*ret_len} bytes; 0: there is none (RFC 3629, section 4). */
static unsigned
text_decode(const unsigned char *at, size_t *ret_len)
{
	static const struct {
		unsigned char mask, lead;
		unsigned least;
	} forms[] = {{0x80, 0, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};

	for (size_t more = 0; more < sizeof(forms) / sizeof(forms[0]); more++) {
		unsigned c = at[0] & (unsigned char)~forms[more].mask;

		if ((at[0] & forms[more].mask) != forms[more].lead)
			continue;
		for (size_t i = 1; i <= more; i++) {
			if ((at[i] & 0xC0) != 0x80)
				return 0;
			c = c << 6 | (at[i] & 0x3F);
		}
		*ret_len = more + 1;
		return c < forms[more].least || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ? 0 : c;
	}
	return 0;
}

unsigned
text_harm(const char *text, size_t *ret_len)
{
	static const struct {
		unsigned first, last;
	} harms[] = {{0, 0x1F}, {0x7F, 0x9F}, {0x61C, 0x61C}, {0x200B, 0x200B}, {0x200E, 0x200F},
		{0x2028, 0x202E}, {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB},
		{0xE0000, 0xE007F}};
	const unsigned char *at = (const unsigned char *)text;
	const unsigned c = text_decode(at, ret_len);

	if (c == 0) {
		*ret_len = 1;
		return *at;
	}
	for (size_t i = 0; i < sizeof(harms) / sizeof(harms[0]); i++)
		if (c >= harms[i].first && c <= harms[i].last)
			return c;
	return 0;
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
