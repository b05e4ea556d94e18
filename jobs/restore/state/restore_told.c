/* What a restore tells: warnings, what cannot be put back any more, and why something is not back.
 */
#include <stdarg.h>
#include <string.h>

#include "base/log.h"
#include "base/scope.h"
#include "base/text.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/state/restore_state.h"

const char *
restore_id(const struct restore *r)
{
	return r->id;
}

void
restore_warn(struct restore *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)json_array_append_new(r->warnings, text_json_format(format, args));
	va_end(args);
}

/* Each try finds the same: it is told once. */
static bool
is_told(const json_t *left, const char *name, const json_t *reason)
{
	const json_t *item;
	size_t i;

	json_array_foreach (left, i, item) {
		if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0 &&
			json_equal(json_object_get(item, "reason"), reason))
			return true;
	}
	return false;
}

void
restore_left(struct restore *r, const char *kind, const char *name, const char *format, ...)
{
	SCOPED(json_decref_at) json_t *reason = NULL;
	va_list args;

	va_start(args, format);
	reason = text_json_format(format, args);
	va_end(args);
	if (is_told(r->left, name, reason))
		return;
	log_error("restore %s: %s %s: %s", restore_id(r), kind, name, json_string_value(reason));
	if (r->left != NULL)
		(void)json_array_append_new(r->left,
			json_pack("{s:s, s:s, s:O}", "kind", kind, "name", name, "reason", reason));
}

void
restore_trouble(struct restore *r, const char *kind, const char *name, const struct err *e)
{
	if (r->trouble.code != ERR_NONE)
		return;
	r->trouble = *e;
	(void)err_prefix(&r->trouble, "%s %s is not back", kind, name);
}

void
restore_tell_left_out(struct restore *r)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(r->contents->manifest, "omitted"), i, one) {
		restore_warn(r, "the backup left out the %s %s (%s): it stays as it is",
			json_text(one, "kind", NULL), json_text(one, "name", NULL),
			json_text(one, "reason", NULL));
	}
}
