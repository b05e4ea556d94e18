#include "server/exposition.h"

#include <math.h>

/* 2^53: below it each integer is exact in a double. */
static const double EXACT = 9007199254740992.0;

void
exposition_family(struct exposition *x, const char *name, const char *type, const char *help)
{
	x->name = name;
	(void)buf_format(&x->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
add_escaped(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"')
			(void)buf_add(b, "\\", 1);
		if (*text == '\n')
			(void)buf_text(b, "\\n");
		else
			(void)buf_add(b, text, 1);
	}
}

void
exposition_sample(struct exposition *x, const char *const *labels, double value)
{
	(void)buf_text(&x->text, x->name);
	for (size_t i = 0; labels != NULL && labels[i] != NULL; i += 2) {
		(void)buf_format(&x->text, "%s%s=\"", i == 0 ? "{" : ",", labels[i]);
		add_escaped(&x->text, labels[i + 1]);
		(void)buf_text(&x->text, "\"");
	}
	if (labels != NULL && labels[0] != NULL)
		(void)buf_text(&x->text, "}");
	if (fabs(value) < EXACT && trunc(value) >= value && trunc(value) <= value)
		(void)buf_format(&x->text, " %lld\n", (long long)value);
	else
		(void)buf_format(&x->text, " %.17g\n", value);
}
