#include "cli/commands.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/scope.h"
#include "cli/ask.h"
#include "cli/fetch.h"
#include "cli/paint.h"
#include "cli/units.h"
#include "cli/watch.h"

enum { MARKS_TEXT = 6 };

static int
check_dest(const char *dest, struct err *e)
{
	struct stat st;

	if (dest == NULL || (stat(dest, &st) == 0 && S_ISDIR(st.st_mode)))
		return 0;
	return err_set(e, ERR_INVALID, "%s is no folder; make it first", dest);
}

/* The plan in the file ${path}; "-" is standard input. */
static int
read_plan(const char *path, json_t **ret_plan, struct err *e)
{
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
	json_error_t fault;

	*ret_plan = strcmp(path, "-") == 0 ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &fault)
					   : json_load_file(path, JSON_REJECT_DUPLICATES, &fault);
	if (*ret_plan == NULL && fault.line < 1)
		return err_set(e, ERR_INVALID, "--plan: %s", fault.text);
	if (*ret_plan == NULL)
		return err_set(
			e, ERR_INVALID, "--plan: %s, line %d: %s", name, fault.line, fault.text);
	if (!json_is_object(*ret_plan))
		return err_set(e, ERR_INVALID, "--plan: %s: a plan is a JSON object", name);
	return 0;
}

/* What the plan's retention removed after the backup. */
static void
tell_removed(const json_t *result)
{
	const json_t *removed = json_object_get(result, "removed"), *one;
	char when[UNITS_TEXT];
	size_t i;

	json_array_foreach (removed, i, one) {
		say("Removed by the plan's retention: %s of %s\n", client_text(one, "id"),
			units_minute(client_text(one, "created_at"), when));
	}
}

int
command_backup(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *plan = NULL;
	SCOPED(json_decref_at) json_t *done = NULL;
	SCOPED(json_decref_at) json_t *backup = NULL;
	SCOPED(free_at) char *path = NULL;

	if (check_dest(a->words[0], e) != 0 ||
		(a->plan != NULL && read_plan(a->plan, &plan, e) != 0))
		return -1;
	if (a->force && plan == NULL)
		plan = json_object();
	if (a->force)
		(void)json_object_set_new(plan, "force", json_true());
	if (watch_work(c, a, &(struct work){"Backup", "/backups", plan}, &done, e) != 0)
		return -1;
	if (done == NULL)
		return 0;
	if (client_get_backup(c, client_text(done, "backup"), &backup, e) != 0)
		return err_prefix(e, "The backup is made, but could not be looked at");
	watch_warnings(json_object_get(backup, "warnings"));
	watch_omitted(backup);
	if (!a->json)
		tell_removed(json_object_get(done, "result"));
	const bool partial = strcmp(client_text(backup, "state"), "partial") == 0;

	if (a->words[0] != NULL && fetch_archive(c, backup, a->words[0], &path, e) != 0)
		return err_prefix(e, "The backup is in the store, but could not be written out");
	if (a->json) {
		if (path != NULL)
			(void)json_object_set_new(backup, "file", json_string(path));
		if (json_object_get(json_object_get(done, "result"), "removed") != NULL)
			(void)json_object_set(backup, "removed",
				json_object_get(json_object_get(done, "result"), "removed"));
		watch_json(backup);
		return partial ? COMMAND_PARTIAL : 0;
	}
	if (path == NULL)
		path = mem_format(
			"%s/backups/%s/archive", client_url(c), client_text(backup, "id"));
	say("Backup %s. File is available at %s\n",
		partial ? "partial: what stands above is not in it" : "complete", path);
	return partial ? COMMAND_PARTIAL : 0;
}

/* What is true of a backup, a letter each: locked, verified, proven, damaged, of a time to come. */
static const char *
marks(const json_t *backup, char to[MARKS_TEXT])
{
	const bool damaged = json_is_true(json_object_get(backup, "damaged"));
	/* what is damaged is neither, whatever was found before */
	const bool verified = !damaged && json_is_string(json_object_get(backup, "verified_at"));
	const bool proven = !damaged && json_is_string(json_object_get(backup, "proven_at"));

	(void)snprintf(to, MARKS_TEXT, "%c%c%c%c%c",
		json_is_true(json_object_get(backup, "locked")) ? 'L' : '-', verified ? 'V' : '-',
		proven ? 'P' : '-', damaged ? 'D' : '-',
		json_is_true(json_object_get(backup, "future")) ? 'F' : '-');
	return to;
}

/* 80 columns, and the name. */
static void
print_row(const json_t *backup)
{
	char when[UNITS_TEXT], size[SIZE_TEXT], freeze[32] = "-", letters[MARKS_TEXT];
	const json_t *ms = json_object_get(backup, "freeze_ms");
	const char *name = client_text(backup, "name");

	if (json_is_integer(ms))
		(void)snprintf(
			freeze, sizeof(freeze), "%lld ms", (long long)json_integer_value(ms));
	say("%-24s  %-16s  ", client_text(backup, "id"),
		units_minute(client_text(backup, "created_at"), when));
	paint(stdout, paint_state(client_text(backup, "state")), 8, client_text(backup, "state"));
	say("  %9s  %8s  %5s%s", freeze,
		watch_size(json_integer_value(json_object_get(backup, "size_bytes")), size),
		marks(backup, letters), name[0] == '\0' ? "" : "  ");
	paint(stdout, PAINT_NONE, 0, name);
	(void)putchar('\n');
}

/* Whether all containers are in a backup of the last day; nothing if that cannot be told now. */
static void
tell_coverage(struct client *c)
{
	SCOPED(json_decref_at) json_t *coverage = NULL;
	const json_t *missing;
	struct err ignored;

	if (client_call(c, "GET", "/coverage", NULL, &coverage, &ignored) != 0)
		return;
	const long long count =
		(long long)json_integer_value(json_object_get(coverage, "containers"));
	missing = json_object_get(coverage, "missing");
	if (json_array_size(missing) > 0) {
		SCOPED(free_at) char *names = ask_texts(missing);
		SCOPED(free_at)
		char *text = mem_format(
			"Not in any backup of the last day: %s (%zu of %lld containers).", names,
			json_array_size(missing), count);

		paint(stdout, PAINT_WARNING, 0, text);
		(void)putchar('\n');
	} else if (count > 0) {
		say("All %lld containers are in a backup of the last day.\n", count);
	}
}

int
command_list(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *backup;
	size_t i;

	if (client_pages(c, "/backups", "backups", &list, e) != 0)
		return -1;
	if (a->json) {
		watch_json(list);
		return 0;
	}
	if (json_array_size(list) == 0) {
		say("There is no backup yet; `dockerctl backup` makes one.\n");
		return 0;
	}
	say("%-24s  %-16s  %-8s  %9s  %8s  LVPDF\n", "ID", "MADE", "STATE", "FREEZE", "SIZE");
	json_array_foreach (list, i, backup) {
		print_row(backup);
	}
	tell_coverage(c);
	return 0;
}

int
command_download(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *backup = NULL;
	SCOPED(free_at) char *path = NULL;

	if (client_get_backup(c, a->words[0], &backup, e) != 0)
		return -1;
	if (!client_readable(backup))
		return err_set(e, ERR_CONFLICT, "backup %s is %s", client_text(backup, "id"),
			client_text(backup, "state"));
	if ((a->tar ? fetch_tar : fetch_archive)(
		    c, backup, a->words[1] == NULL ? "." : a->words[1], &path, e) != 0)
		return -1;
	if (a->json) {
		SCOPED(json_decref_at)
		json_t *told =
			json_pack("{s:s, s:s}", "backup", client_text(backup, "id"), "file", path);

		watch_json(told);
	} else {
		say("File is available at %s\n", path);
	}
	return 0;
}

static bool
delete_agreed(struct client *c, const json_t *backup)
{
	SCOPED(free_at) char *host = ask_host(c);
	SCOPED(free_at) char *names = ask_names(json_object_get(backup, "containers"));
	const char *name = client_text(backup, "name");
	char when[UNITS_TEXT];
	SCOPED(free_at)
	char *text =
		mem_format("In the store of %s\nbackup %s%s%s\nof %s, with the containers\n  %s\n"
			   "It cannot be had back. Delete it?",
			host, client_text(backup, "id"), name[0] == '\0' ? "" : ", ", name,
			units_time(client_text(backup, "created_at"), when),
			names[0] == '\0' ? "(none)" : names);

	return ask(text);
}

int
command_delete(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *backup = NULL;
	SCOPED(free_at) char *path = NULL;
	const char *id;

	if (client_get_backup(c, a->words[0], &backup, e) != 0)
		return -1;
	id = client_text(backup, "id");
	if (!a->yes && !delete_agreed(c, backup))
		return err_set(e, ERR_CANCELLED, "nothing was done");
	path = mem_format("/backups/%s", id);
	if (client_call(c, "DELETE", path, NULL, NULL, e) != 0)
		return -1;
	if (a->json)
		say("{\"deleted\": \"%s\"}\n", id);
	else
		say("Backup %s is deleted.\n", id);
	return 0;
}

int
command_verify(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *done = NULL;
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *path = NULL;

	if (client_find_backup(c, a->words[0], &id, e) != 0)
		return -1;
	path = mem_format("/backups/%s/verify", id);
	if (watch_work(c, a, &(struct work){"Verification", path, NULL}, &done, e) != 0)
		return -1;
	if (done != NULL && a->json)
		watch_json(done);
	else if (done != NULL)
		say("Backup %s is whole.\n", id);
	return 0;
}

int
command_sweep(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *done = NULL;
	const json_t *result;
	char size[SIZE_TEXT];

	if (watch_work(c, a, &(struct work){"Sweep", "/sweep", NULL}, &done, e) != 0)
		return -1;
	if (done == NULL)
		return 0;
	if (a->json) {
		watch_json(done);
		return 0;
	}
	result = json_object_get(done, "result");
	if (json_integer_value(json_object_get(result, "chunks_damaged")) > 0)
		(void)fprintf(stderr,
			"warning: %lld damaged chunks were found, and %lld backups need them: "
			"`dockerctl list --json` shows which are damaged\n",
			(long long)json_integer_value(json_object_get(result, "chunks_damaged")),
			(long long)json_integer_value(json_object_get(result, "backups_damaged")));
	say("Sweep complete. %s are free again.\n",
		watch_size(json_integer_value(json_object_get(result, "freed_bytes")), size));
	return 0;
}

int
command_scrub(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *done = NULL;
	const json_t *result;
	char size[SIZE_TEXT];

	if (watch_work(c, a, &(struct work){"Scrub", "/scrub", NULL}, &done, e) != 0)
		return -1;
	if (done == NULL)
		return 0;
	if (a->json) {
		watch_json(done);
		return 0;
	}
	result = json_object_get(done, "result");
	say("Scrub complete. %s were read, all that backups need is whole.\n",
		watch_size(json_integer_value(json_object_get(result, "bytes")), size));
	return 0;
}
