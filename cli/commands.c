#include "cli/commands.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "cli/fetch.h"
#include "cli/paint.h"
#include "cli/watch.h"

bool
command_confirmed(const struct arguments *a, const char *question)
{
	char answer[8];

	if (a->yes || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return true;
	say("%s [y/N] ", question);
	(void)fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] | 32) == 'y';
}

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
		return err_prefix(e, "Backup failed!");
	watch_warnings(json_object_get(backup, "warnings"));
	watch_omitted(backup);
	const bool partial = strcmp(client_text(backup, "state"), "partial") == 0;

	if (a->words[0] != NULL && fetch_archive(c, backup, a->words[0], &path, e) != 0)
		return err_prefix(e, "The backup is in the store, but could not be written out");
	if (a->json) {
		if (path != NULL)
			(void)json_object_set_new(backup, "file", json_string(path));
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

/* RFC 3339 as local time, to the minute. */
static const char *
local_time(const char *text, char to[32])
{
	struct tm tm = {0};
	time_t when;

	(void)strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	when = timegm(&tm);
	(void)localtime_r(&when, &tm);
	(void)strftime(to, 32, "%F %H:%M", &tm);
	return to;
}

/* What is true of a backup, a letter each: locked, verified, proven, damaged. */
static const char *
marks(const json_t *backup, char to[5])
{
	(void)snprintf(to, 5, "%s%s%s%s",
		json_is_true(json_object_get(backup, "locked")) ? "L" : "-",
		json_is_string(json_object_get(backup, "verified_at")) ? "V" : "-",
		json_is_string(json_object_get(backup, "proven_at")) ? "P" : "-",
		json_is_true(json_object_get(backup, "damaged")) ? "D" : "-");
	return to;
}

/* 80 columns, and the name. */
static void
print_row(const json_t *backup)
{
	char when[32], size[SIZE_TEXT], freeze[32] = "-", letters[5];
	const json_t *ms = json_object_get(backup, "freeze_ms");
	const char *name = client_text(backup, "name");

	if (json_is_integer(ms))
		(void)snprintf(
			freeze, sizeof(freeze), "%lld ms", (long long)json_integer_value(ms));
	say("%-24s  %-16s  ", client_text(backup, "id"),
		local_time(client_text(backup, "created_at"), when));
	paint(stdout, paint_state(client_text(backup, "state")), 8, client_text(backup, "state"));
	say("  %9s  %8s  %4s%s", freeze,
		watch_size(json_integer_value(json_object_get(backup, "size_bytes")), size),
		marks(backup, letters), name[0] == '\0' ? "" : "  ");
	paint(stdout, PAINT_NONE, 0, name);
	(void)putchar('\n');
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
	say("%-24s  %-16s  %-8s  %9s  %8s  LVPD\n", "ID", "MADE", "STATE", "FREEZE", "SIZE");
	json_array_foreach (list, i, backup) {
		print_row(backup);
	}
	return 0;
}

int
command_show(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *backup = NULL;

	if (client_get_backup(c, a->words[0], &backup, e) != 0)
		return -1;
	watch_json(backup);
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

int
command_delete(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *path = NULL;

	if (client_find_backup(c, a->words[0], &id, e) != 0)
		return -1;
	if (!command_confirmed(a, "Delete this backup for good?"))
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
