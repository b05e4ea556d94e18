#include "cli/fold.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"

enum {
	COLUMNS_MIN = 40
}; /* of a narrower terminal nothing is folded: it would be a column of words */

/* How many columns ${to} has; 0: it is no terminal, or does not tell. */
static size_t
columns(FILE *to)
{
	struct winsize size;

	if (ioctl(fileno(to), TIOCGWINSZ, &size) != 0 || size.ws_col < COLUMNS_MIN)
		return 0;
	return size.ws_col;
}

/* How much of ${text} stands on a line of ${room} columns: up to a blank that is not in brackets.
 */
static size_t
piece(const char *text, size_t room)
{
	size_t end = 0;
	int open = 0;

	for (size_t i = 0; i <= room; i++) {
		if (text[i] == '\0')
			return i;
		open += (text[i] == '[') - (text[i] == ']');
		if (text[i] == ' ' && i > 0 && text[i - 1] != ' ' && open == 0)
			end = i;
	}
	return end > 0 ? end : strlen(text);
}

void
fold(FILE *to, int indent, const char *format, ...)
{
	SCOPED(free_at) char *text = NULL;
	const size_t width = columns(to);
	const char *at;
	size_t len;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	at = text;
	len = width == 0 ? strlen(at) : piece(at, width);
	(void)fwrite(at, 1, len, to);
	(void)putc('\n', to);
	for (at += len; *at != '\0'; at += len) {
		at += strspn(at, " ");
		len = piece(at, width - (size_t)indent);
		(void)fprintf(to, "%*s%.*s\n", indent, "", (int)len, at);
	}
}
