/* dockerctl prune, lock, unlock, name. */
#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/scope.h"
#include "cli/amount.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/paint.h"
#include "cli/units.h"
#include "cli/watch.h"

static void
print_kept(const json_t *kept)
{
	const json_t *backup, *reason;
	char when[UNITS_TEXT];
	size_t i, k;

	json_array_foreach (kept, i, backup) {
		say("keep    %s  %s ", client_text(backup, "id"),
			units_minute(client_text(backup, "created_at"), when));
		json_array_foreach (json_object_get(backup, "reasons"), k, reason) {
			say(" %s", json_string_value(reason));
		}
		(void)putchar('\n');
	}
}

static void
print_removed(const json_t *removed)
{
	const json_t *backup;
	char when[UNITS_TEXT];
	size_t i;

	json_array_foreach (removed, i, backup) {
		say("remove  %s  %s\n", client_text(backup, "id"),
			units_minute(client_text(backup, "created_at"), when));
	}
}

const char *
prune_destroys(const struct arguments *a)
{
	return a->dry_run ? NULL : "removes backups for good";
}

/* Show which would go, and ask.  0: yes, -1: no, or it cannot be told. */
static int
retention_agreed(struct client *c, const json_t *body, struct err *e)
{
	SCOPED(json_decref_at) json_t *dry = json_copy((json_t *)(uintptr_t)body);
	SCOPED(json_decref_at) json_t *result = NULL;
	SCOPED(free_at) char *host = ask_host(c);
	SCOPED(free_at) char *question = NULL;
	const json_t *removed;

	(void)json_object_set_new(dry, "dry_run", json_true());
	if (client_call(c, "POST", "/prune", dry, &result, e) != 0)
		return -1;
	removed = json_object_get(result, "removed");
	if (json_array_size(removed) == 0)
		return 0;
	print_removed(removed);
	(void)fflush(stdout);
	question = mem_format("Remove %zu %s, which no rule keeps, from the store of %s for good?",
		json_array_size(removed), json_array_size(removed) == 1 ? "backup" : "backups",
		host);
	return ask(question) ? 0 : err_set(e, ERR_CANCELLED, "nothing was done");
}

int
command_prune(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = json_pack("{s:b}", "dry_run", (int)a->dry_run);
	SCOPED(json_decref_at) json_t *result = NULL;
	json_t *keep;
	const json_t *removed;

	if (a->keep != NULL) {
		if (amount_keep(a->keep, &keep, e) != 0)
			return -1;
		(void)json_object_set_new(body, "keep", keep);
	}
	if (prune_destroys(a) != NULL && !a->yes && retention_agreed(c, body, e) != 0)
		return -1;
	if (client_call(c, "POST", "/prune", body, &result, e) != 0)
		return -1;
	if (a->json) {
		watch_json(result);
		return 0;
	}
	removed = json_object_get(result, "removed");
	print_kept(json_object_get(result, "kept"));
	print_removed(removed);
	say("%s%zu %s %s.%s\n", a->dry_run ? "Dry run: " : "", json_array_size(removed),
		json_array_size(removed) == 1 ? "backup" : "backups",
		a->dry_run ? "would be removed" : "removed",
		a->dry_run ? " Nothing was changed." : "");
	return 0;
}

/* Change the backup as ${body} says; ${told} of it, for people. */
static int
retention_change(struct client *c, const struct arguments *a, const json_t *body, const char *told,
	struct err *e)
{
	SCOPED(json_decref_at) json_t *backup = NULL;
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *path = NULL;

	if (client_find_backup(c, a->words[0], &id, e) != 0)
		return -1;
	path = mem_format("/backups/%s", id);
	if (client_call(c, "PATCH", path, body, &backup, e) != 0)
		return -1;
	if (a->json)
		watch_json(backup);
	else
		say("Backup %s is %s.\n", id, told);
	return 0;
}

static int
set_locked(struct client *c, const struct arguments *a, bool locked, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = json_pack("{s:b}", "locked", (int)locked);

	return retention_change(c, a, body, locked ? "locked" : "unlocked", e);
}

int
command_name(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = json_pack("{s:s?}", "name", a->words[1]);

	if (body == NULL)
		return err_set(e, ERR_INVALID, "a name is UTF-8");
	return retention_change(c, a, body, a->words[1] == NULL ? "without a name" : "named", e);
}

int
command_lock(struct client *c, const struct arguments *a, struct err *e)
{
	return set_locked(c, a, true, e);
}

int
command_unlock(struct client *c, const struct arguments *a, struct err *e)
{
	return set_locked(c, a, false, e);
}
