/* dockerctl prune, lock, unlock, name. */
#include <stdio.h>

#include "base/mem.h"
#include "base/scope.h"
#include "cli/amount.h"
#include "cli/commands.h"
#include "cli/paint.h"
#include "cli/watch.h"

static void
print_kept(const json_t *kept)
{
	const json_t *backup, *reason;
	size_t i, k;

	json_array_foreach (kept, i, backup) {
		say("keep    %s  %s ", client_text(backup, "id"),
			client_text(backup, "created_at"));
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
	size_t i;

	json_array_foreach (removed, i, backup) {
		say("remove  %s  %s\n", client_text(backup, "id"),
			client_text(backup, "created_at"));
	}
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
	if (!a->dry_run &&
		!command_confirmed(a, "Remove the backups that are not to be kept, for good? "
				      "(--dry-run shows which)"))
		return err_set(e, ERR_CANCELLED, "nothing was done");
	if (client_call(c, "POST", "/prune", body, &result, e) != 0)
		return -1;
	if (a->json) {
		watch_json(result);
		return 0;
	}
	removed = json_object_get(result, "removed");
	print_kept(json_object_get(result, "kept"));
	print_removed(removed);
	say("%zu backups %s.\n", json_array_size(removed),
		a->dry_run ? "would be removed" : "were removed");
	return 0;
}

/* Change the backup as ${body} says; ${told} of it, for people. */
static int
change(struct client *c, const struct arguments *a, const json_t *body, const char *told,
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

	return change(c, a, body, locked ? "locked" : "unlocked", e);
}

int
command_name(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = json_pack("{s:s?}", "name", a->words[1]);

	if (body == NULL)
		return err_set(e, ERR_INVALID, "a name is UTF-8");
	return change(c, a, body, a->words[1] == NULL ? "without a name" : "named", e);
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
