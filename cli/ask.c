#include "cli/ask.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"
#include "cli/paint.h"

/* So many names are shown before "and n more". */
enum { NAMES_SHOWN = 12, NAMES_BYTES = 4096, ANSWER_BYTES = 16 };

bool
ask_possible(void)
{
	return isatty(STDIN_FILENO) && (isatty(STDERR_FILENO) || isatty(STDOUT_FILENO));
}

bool
ask(const char *text)
{
	FILE *to = isatty(STDERR_FILENO) ? stderr : stdout;
	char answer[ANSWER_BYTES];

	paint(to, PAINT_NONE, -1, text);
	(void)fprintf(to, " [y/N] ");
	(void)fflush(to);
	return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] | 32) == 'y';
}

char *
ask_host(struct client *c)
{
	SCOPED(json_decref_at) json_t *health = NULL;
	struct err ignored;

	if (client_call(c, "GET", "/health", NULL, &health, &ignored) != 0 ||
		!json_is_string(json_object_get(health, "host")))
		return mem_string("the service's host");
	return mem_string(client_text(health, "host"));
}

/* The first few of ${list}, each a text, or an object with a name. */
static char *
first_few(const json_t *list)
{
	struct buf text = BUF_INIT(NAMES_BYTES);
	const size_t count = json_array_size(list);
	size_t shown = 0;

	while (shown < count && shown < NAMES_SHOWN) {
		const json_t *one = json_array_get(list, shown);
		const char *name =
			json_is_string(one) ? json_string_value(one) : client_text(one, "name");

		if (buf_format(&text, "%s%s", shown == 0 ? "" : ", ", name) != 0)
			break;
		shown++;
	}
	if (shown < count)
		(void)buf_format(&text, " and %zu more", count - shown);
	return buf_take(&text);
}

char *
ask_names(const json_t *containers)
{
	return first_few(containers);
}

char *
ask_texts(const json_t *texts)
{
	return first_few(texts);
}
