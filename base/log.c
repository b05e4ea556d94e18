#include "base/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/scope.h"
#include "base/text.h"

static bool as_json;
static const char *const levels[] = {"debug", "info", "warn", "error"};

enum { LINE_MAX_BYTES = 2048 };

void
log_json(bool json)
{
	as_json = json;
}

/* Control characters would let text from outside forge a line, or give orders to a terminal. */
static void
quote(char *text)
{
	size_t len;

	for (; *text != '\0'; text += len)
		if (text_harm(text, &len) != 0)
			memset(text, '?', len);
}

static const char *
ascii(char *text)
{
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	return text;
}

static void
print_json(const char *time, enum log_level level, char *text)
{
	SCOPED(json_decref_at)
	json_t *line =
		json_pack("{s:s, s:s, s:s}", "time", time, "level", levels[level], "message", text);
	SCOPED(free_at) char *dump = NULL;

	if (line == NULL) /* not UTF-8 */
		line = json_pack("{s:s, s:s, s:s}", "time", time, "level", levels[level], "message",
			ascii(text));
	dump = json_dumps(line, JSON_COMPACT);
	if (dump != NULL)
		(void)fprintf(stderr, "%s\n", dump);
}

/* logfmt: key=value, the message always quoted, as Go's %q has it for what is left of it here. */
static void
print_logfmt(const char *time, enum log_level level, const char *text)
{
	char quoted[2 * LINE_MAX_BYTES];
	size_t len = 0;

	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			quoted[len++] = '\\';
		quoted[len++] = *text;
	}
	quoted[len] = '\0';
	(void)fprintf(stderr, "time=%s level=%s message=\"%s\"\n", time, levels[level], quoted);
}

void
log_line(enum log_level level, const char *format, ...)
{
	char text[LINE_MAX_BYTES], time[CLOCK_TEXT_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	quote(text);
	(void)clock_text(clock_real_ns(), time);
	if (as_json) {
		print_json(time, level, text);
		return;
	}
	print_logfmt(time, level, text);
}
