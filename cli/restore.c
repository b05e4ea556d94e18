/* dockerctl restore. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"
#include "cli/amount.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/import.h"
#include "cli/outlook.h"
#include "cli/paint.h"
#include "cli/units.h"
#include "cli/watch.h"

enum { QUESTION_BYTES = 4096 };

/* Which list of the API's `only` the part is in, and its name there. */
static const char *
restore_list_of(const char *part, const char **ret_name)
{
	static const struct {
		const char *head, *list;
	} heads[] = {
		{"containers/", "containers"}, {"services/", "services"}, {"volumes/", "volumes"}};

	*ret_name = part;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		const size_t len = strlen(heads[i].head);

		if (strncmp(part, heads[i].head, len) != 0 || strchr(part + len, '/') != NULL)
			continue;
		*ret_name = part + len;
		return heads[i].list;
	}
	return part[0] == '/' ? "host_paths" : "files";
}

/* What of a backup ${parts} mean, as the API has it. */
static int
only_json(const char *const *parts, json_t **ret_only, struct err *e)
{
	SCOPED(json_decref_at) json_t *only = json_object();

	for (; *parts != NULL; parts++) {
		const char *name;
		const char *key = restore_list_of(*parts, &name);
		json_t *list = json_object_get(only, key);

		if (list == NULL) {
			list = json_array();
			(void)json_object_set_new(only, key, list);
		}
		if (json_array_append_new(list, json_string(name)) != 0)
			return err_set(e, ERR_INVALID, "a part's name is UTF-8");
	}
	*ret_only = TAKE(only);
	return 0;
}

static int
request_of(const struct arguments *a, json_t **ret_body, struct err *e)
{
	SCOPED(json_decref_at)
	json_t *body =
		json_pack("{s:b, s:b}", "host_paths", !a->no_host_paths, "astute", (int)a->astute);
	json_t *only;
	int64_t from;

	if (a->only[0] != NULL) {
		if (only_json(a->only, &only, e) != 0)
			return -1;
		(void)json_object_set_new(body, "only", only);
	}
	if (a->as != NULL && json_object_set_new(body, "as", json_string(a->as)) != 0)
		return err_set(e, ERR_INVALID, "a new name is UTF-8");
	if (a->dry_run)
		(void)json_object_set_new(body, "dry_run", json_true());
	if (a->entries_from != NULL) {
		if (amount_count(a->entries_from, &from, e) != 0)
			return -1;
		(void)json_object_set_new(body, "entries_from", json_integer(from));
	}
	if (a->tags)
		(void)json_object_set_new(body, "tags", json_true());
	if (a->networks)
		(void)json_object_set_new(body, "networks", json_true());
	if (a->force)
		(void)json_object_set_new(body, "force", json_true());
	*ret_body = TAKE(body);
	return 0;
}

/* The parts in one line; the caller's. */
static char *
parts_text(const char *const *parts)
{
	struct buf text = BUF_INIT(QUESTION_BYTES);

	for (size_t i = 0; parts[i] != NULL; i++)
		if (buf_format(&text, "%s%s", i == 0 ? "" : ", ", parts[i]) != 0)
			break; /* longer than anybody reads */
	return buf_take(&text);
}

static void
print_beside(const json_t *result, bool dry)
{
	char size[SIZE_TEXT];

	paint_line(stdout, "%s%s as %s: %lld entries, %s%s",
		dry ? "Dry run: would restore " : "Restored ", client_text(result, "part"),
		client_text(result, "as"),
		(long long)json_integer_value(json_object_get(result, "entries")),
		watch_size(json_integer_value(json_object_get(result, "bytes")), size),
		dry ? ". Nothing was changed." : "");
}

static void
print_done(const struct arguments *a, const json_t *backup, const json_t *done)
{
	const json_t *result = json_object_get(done, "result");
	char when[UNITS_TEXT];

	watch_warnings(json_object_get(result, "warnings"));
	if (a->json)
		watch_json(done);
	else if (a->as != NULL)
		print_beside(result, a->dry_run);
	else if (a->dry_run)
		outlook_print(result);
	else if (a->only[0] != NULL)
		say("Restore complete. What was asked for is as it was at %s\n",
			units_time(client_text(backup, "created_at"), when));
	else
		say("Restore complete. The stack is as it was at %s\n",
			units_time(client_text(backup, "created_at"), when));
}

const char *
restore_destroys(const struct arguments *a)
{
	return a->dry_run || a->as != NULL ? NULL : "overwrites containers and data of the host";
}

/* Host, backup, time, containers, and the question. */
static bool
restore_agreed(struct client *c, const struct arguments *a, const json_t *backup)
{
	SCOPED(free_at) char *host = ask_host(c);
	SCOPED(free_at) char *names = ask_names(json_object_get(backup, "containers"));
	SCOPED(free_at) char *parts = a->only[0] == NULL ? NULL : parts_text(a->only);
	const char *name = client_text(backup, "name");
	const char *what = names[0] == '\0' ? "host paths" : "containers ";
	char when[UNITS_TEXT];

	if (parts != NULL)
		what = "only ";
	SCOPED(free_at)
	char *text = mem_format("On the host %s\nbackup %s%s%s\nof %s takes the place of what is "
				"there:\n  %s%s\nContainers that differ are stopped, and what was "
				"made since is gone.\nGo on?",
		host, client_text(backup, "id"), name[0] == '\0' ? "" : ", ", name,
		units_time(client_text(backup, "created_at"), when), what,
		parts != NULL ? parts : names);

	return ask(text);
}

int
command_restore(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *backup = NULL;
	SCOPED(json_decref_at) json_t *body = NULL;
	SCOPED(json_decref_at) json_t *done = NULL;
	SCOPED(free_at) char *path = NULL;
	struct stat st;

	if (request_of(a, &body, e) != 0)
		return -1;
	if (stat(a->words[0], &st) == 0 && S_ISREG(st.st_mode)
			? import_file(c, a->words[0], a->devices, &backup, e) != 0
			: client_get_backup(c, a->words[0], &backup, e) != 0)
		return -1;
	watch_warnings(json_object_get(backup, "warnings"));
	if (restore_destroys(a) != NULL && !a->yes && !restore_agreed(c, a, backup))
		return err_set(e, ERR_CANCELLED, "nothing was done");
	path = mem_format("/backups/%s/restore", client_text(backup, "id"));
	if (!a->dry_run)
		(void)json_object_set(body, "confirm", json_object_get(backup, "id"));
	if (watch_work(c, a, &(struct work){a->dry_run ? "Dry run" : "Restore", path, body}, &done,
		    e) != 0)
		return -1;
	if (done != NULL)
		print_done(a, backup, done);
	return 0;
}
