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

static void
exposition_add_value(struct buf *b, double value)
{
	if (fabs(value) < EXACT && trunc(value) >= value && trunc(value) <= value)
		(void)buf_format(b, " %lld\n", (long long)value);
	else
		(void)buf_format(b, " %.17g\n", value);
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
	exposition_add_value(&x->text, value);
}

void
exposition_histogram(
	struct exposition *x, const char *name, const char *help, const struct histogram *h)
{
	int64_t below = 0;

	exposition_family(x, name, "histogram", help);
	for (int i = 0; i <= h->count; i++) {
		below += h->values[i];
		(void)buf_format(&x->text, "%s_bucket{le=\"", name);
		if (i < h->count)
			(void)buf_format(&x->text, "%g", h->bounds[i]);
		else
			(void)buf_text(&x->text, "+Inf");
		(void)buf_format(&x->text, "\"} %lld\n", (long long)below);
	}
	(void)buf_format(&x->text, "%s_sum", name);
	exposition_add_value(&x->text, h->sum);
	(void)buf_format(&x->text, "%s_count %lld\n", name, (long long)below);
}
