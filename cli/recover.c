/* dockerctl recover. */
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/paint.h"
#include "cli/watch.h"

static void
print_left(const json_t *last)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(last, "left"), i, item) {
		paint_line(stdout, "  %s %s: %s", client_text(item, "kind"),
			client_text(item, "name"), client_text(item, "reason"));
	}
}

static void
print_pending(const json_t *state)
{
	const json_t *restore = json_object_get(state, "restore");
	const json_t *error = json_object_get(state, "error");
	const json_t *name;
	size_t i;

	if (json_is_object(restore))
		paint_line(stdout, "Restore %s of backup %s was cut off at %s.",
			client_text(restore, "operation"), client_text(restore, "backup"),
			client_text(state, "since"));
	else
		(void)printf("A restore was cut off, and its note cannot be read.\n");
	json_array_foreach (json_object_get(restore, "containers"), i, name) {
		paint_line(stdout, "  container %s", json_string_value(name));
	}
	if (strcmp(client_text(state, "phase"), "watching") == 0)
		(void)printf("All is put back, and is seen to stay up.\n");
	if (json_is_object(error))
		paint_line(stdout, "Not put right yet: %s", client_text(error, "detail"));
}

static void
print_last(const json_t *last)
{
	if (!json_is_object(last)) {
		(void)printf("Nothing is pending.\n");
		return;
	}
	paint_line(stdout, "Nothing is pending. Restore %s, which had been cut off, was %s at %s.",
		client_text(json_object_get(last, "restore"), "operation"),
		client_text(last, "outcome"), client_text(last, "ended_at"));
	print_left(last);
}

const char *
recover_destroys(const struct arguments *a)
{
	return a->abandon ? "gives up what could still be put back" : NULL;
}

int
command_recover(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *state = NULL;
	SCOPED(json_decref_at) json_t *before = NULL;
	SCOPED(json_decref_at) json_t *body = json_pack("{s:b}", "abandon", (int)a->abandon);

	if (client_call(c, "GET", "/recovery", NULL, &before, e) != 0)
		return -1;
	if (a->abandon && !a->json && json_is_true(json_object_get(before, "pending")))
		print_pending(before);
	if (a->abandon && !a->yes && !ask("It is not undone then. Go on?"))
		return err_set(e, ERR_CANCELLED, "nothing was done");
	if (!a->abandon && !json_is_true(json_object_get(before, "pending")))
		state = json_incref(before);
	else if (client_call(c, "POST", "/recovery", body, &state, e) != 0)
		return -1;
	if (a->json)
		watch_json(state);
	else if (json_is_true(json_object_get(state, "pending")))
		print_pending(state);
	else
		print_last(json_object_get(state, "last"));
	if (!json_is_true(json_object_get(state, "pending")) ||
		!json_is_object(json_object_get(state, "error")))
		return 0;
	return err_set(e, ERR_ENGINE,
		"not all is put right; it is tried again by itself (--abandon gives it up)");
}
