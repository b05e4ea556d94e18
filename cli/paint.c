#include "cli/paint.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"

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

	for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
		const bool high_control = at[0] == 0xC2 && at[1] >= 0x80 && at[1] < 0xA0;

		if ((*at < 0x20 && !(lines && *at == '\n')) || *at == 0x7F) {
			columns += fprintf(to, "\\x%02x", *at);
		} else if (high_control) {
			columns += fprintf(to, "\\x%02x\\x%02x", at[0], at[1]);
			at++;
		} else {
			(void)putc(*at, to);
			columns += (*at & 0xC0) != 0x80;
		}
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
