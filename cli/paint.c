#include "cli/paint.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/text.h"

static const char *const codes[] = {
	[PAINT_GOOD] = "\033[32m",
	[PAINT_WARNING] = "\033[33m",
	[PAINT_BAD] = "\033[31m",
	[PAINT_FOLDER] = "\033[34m",
};

static bool
coloured(FILE *to)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(fileno(to)) && (no == NULL || no[0] == '\0') && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

/* Print ${text}; how many columns it took, a character of UTF-8 being one. */
static int
print_safe(FILE *to, const char *text, bool lines)
{
	int columns = 0;

	size_t len;

	for (const char *at = text; *at != '\0'; at += len) {
		if (text_harm(at, &len) == 0 || (lines && *at == '\n')) {
			columns++;
			(void)fwrite(at, 1, len, to);
			continue;
		}
		for (size_t i = 0; i < len; i++)
			columns += fprintf(to, "\\x%02x", (unsigned char)at[i]);
	}
	return columns;
}

void
paint(FILE *to, enum paint colour, int width, const char *text)
{
	const bool on = colour != PAINT_NONE && coloured(to);
	int columns;

	if (on)
		(void)fputs(codes[colour], to);
	columns = print_safe(to, text, width < 0);
	if (on)
		(void)fputs("\033[0m", to);
	for (; columns < width; columns++)
		(void)putc(' ', to);
}

void
say(const char *format, ...)
{
	SCOPED(free_at) char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	(void)print_safe(stdout, text, true);
}

void
paint_json(FILE *to, const json_t *json)
{
	SCOPED(free_at) char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);
	size_t len;

	for (const char *at = text == NULL ? "null" : text; *at != '\0'; at += len) {
		const unsigned c = *at == '\n' ? 0 : text_harm(at, &len);

		if (*at == '\n')
			len = 1;
		if (c == 0)
			(void)fwrite(at, 1, len, to);
		else if (c < 0x10000)
			(void)fprintf(to, "\\u%04x", c);
		else
			(void)fprintf(to, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10),
				0xDC00 + (c & 0x3FF));
	}
	(void)putc('\n', to);
}

void
paint_line(FILE *to, const char *format, ...)
{
	SCOPED(free_at) char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	(void)print_safe(to, text, false);
	(void)putc('\n', to);
}

enum paint
paint_state(const char *state)
{
	if (strcmp(state, "complete") == 0 || strcmp(state, "succeeded") == 0 ||
		strcmp(state, "ok") == 0)
		return PAINT_GOOD;
	if (strcmp(state, "running") == 0 || strcmp(state, "queued") == 0)
		return PAINT_NONE;
	return strcmp(state, "cancelled") == 0 || strcmp(state, "partial") == 0 ? PAINT_WARNING
										: PAINT_BAD;
}
