#include "cli/commands.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "cli/fetch.h"
#include "cli/import.h"
#include "cli/outlook.h"
#include "cli/watch.h"

/* The record of the backup that ${text} means. */
static int
get_backup(struct client *c, const char *text, json_t **ret_backup, struct err *e)
{
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *path = NULL;

	if (client_find_backup(c, text, &id, e) != 0)
		return -1;
	path = mem_format("/backups/%s", id);
	return client_call(c, "GET", path, NULL, ret_backup, e);
}

static void
print_json(const json_t *json)
{
	(void)json_dumpf(json, stdout, JSON_INDENT(2));
	(void)putchar('\n');
}

bool
command_confirmed(const struct arguments *a, const char *question)
{
	char answer[8];

	if (a->yes || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return true;
	(void)printf("%s [y/N] ", question);
	(void)fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] | 32) == 'y';
}

static void
print_warnings(const json_t *warnings)
{
	const json_t *warning;
	size_t i;

	json_array_foreach (warnings, i, warning) {
		(void)fprintf(stderr, "warning: %s\n", json_string_value(warning));
	}
}

static int
check_dest(const char *dest, struct err *e)
{
	struct stat st;

	if (dest == NULL || (stat(dest, &st) == 0 && S_ISDIR(st.st_mode)))
		return 0;
	return err_set(e, ERR_INVALID, "%s is no folder; make it first", dest);
}

int
command_backup(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *operation = NULL;
	SCOPED(json_decref_at) json_t *done = NULL;
	SCOPED(json_decref_at) json_t *backup = NULL;
	SCOPED(free_at) char *path = NULL;

	if (check_dest(a->word, e) != 0 ||
		client_call(c, "POST", "/backups", NULL, &operation, e) != 0)
		return -1;
	if (a->no_wait) {
		(void)printf("Backup started. Follow it at %s/operations/%s\n", client_url(c),
			client_text(operation, "id"));
		return 0;
	}
	if (watch_operation(c, operation, &done, e) != 0 ||
		get_backup(c, client_text(done, "backup"), &backup, e) != 0)
		return err_prefix(e, "Backup failed!");
	print_warnings(json_object_get(backup, "warnings"));
	if (a->word != NULL && fetch_archive(c, backup, a->word, &path, e) != 0)
		return err_prefix(e, "The backup is in the store, but could not be written out");
	if (path == NULL)
		path = mem_format(
			"%s/backups/%s/archive", client_url(c), client_text(backup, "id"));
	(void)printf("Backup complete. File is available at %s\n", path);
	return 0;
}

int
command_restore(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *backup = NULL;
	SCOPED(json_decref_at) json_t *operation = NULL;
	SCOPED(json_decref_at) json_t *done = NULL;
	SCOPED(json_decref_at)
	json_t *body =
		json_pack("{s:b, s:b}", "host_paths", !a->no_host_paths, "astute", (int)a->astute);
	SCOPED(free_at) char *path = NULL;
	struct stat st;

	if (stat(a->word, &st) == 0 && S_ISREG(st.st_mode)
			? import_file(c, a->word, a->devices, &backup, e) != 0
			: get_backup(c, a->word, &backup, e) != 0)
		return -1;
	print_warnings(json_object_get(backup, "warnings"));
	if (!a->dry_run &&
		!command_confirmed(
			a, "The containers of the backup are stopped and overwritten. Go on?"))
		return err_set(e, ERR_CANCELLED, "nothing was done");
	if (a->dry_run)
		(void)json_object_set_new(body, "dry_run", json_true());
	path = mem_format("/backups/%s/restore", client_text(backup, "id"));
	if (client_call(c, "POST", path, body, &operation, e) != 0)
		return -1;
	if (a->no_wait) {
		(void)printf("Restore started. Follow it at %s/operations/%s\n", client_url(c),
			client_text(operation, "id"));
		return 0;
	}
	if (watch_operation(c, operation, &done, e) != 0)
		return err_prefix(e, "Restore failed!");
	print_warnings(json_object_get(json_object_get(done, "result"), "warnings"));
	if (a->dry_run) {
		outlook_print(json_object_get(done, "result"));
		return 0;
	}
	(void)printf("Restore complete. The stack is as it was at %s\n",
		client_text(backup, "created_at"));
	return 0;
}

/* RFC 3339 as local time. */
static const char *
local_time(const char *text, char to[32])
{
	struct tm tm = {0};
	time_t when;

	(void)strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	when = timegm(&tm);
	(void)localtime_r(&when, &tm);
	(void)strftime(to, 32, "%F %T", &tm);
	return to;
}

static void
print_row(const json_t *backup)
{
	char when[32], size[SIZE_TEXT], download[SIZE_TEXT], freeze[32] = "-";
	const json_t *ms = json_object_get(backup, "freeze_ms");

	if (json_is_integer(ms))
		(void)snprintf(
			freeze, sizeof(freeze), "%lld ms", (long long)json_integer_value(ms));
	(void)printf("%-24s  %-19s  %-8s  %10zu  %9s  %10s  %10s\n", client_text(backup, "id"),
		local_time(client_text(backup, "created_at"), when), client_text(backup, "state"),
		json_array_size(json_object_get(backup, "containers")), freeze,
		watch_size(json_integer_value(json_object_get(backup, "size_bytes")), size),
		watch_size(json_integer_value(json_object_get(backup, "archive_bytes")), download));
}

int
command_list(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *page = NULL;
	const json_t *list, *backup;
	size_t i;

	if (client_call(c, "GET", "/backups?limit=1000", NULL, &page, e) != 0)
		return -1;
	list = json_object_get(page, "backups");
	if (a->json) {
		print_json(list);
		return 0;
	}
	if (json_array_size(list) == 0) {
		(void)printf("There is no backup yet; `dockerctl backup` makes one.\n");
		return 0;
	}
	(void)printf("%-24s  %-19s  %-8s  %10s  %9s  %10s  %10s\n", "ID", "MADE", "STATE",
		"CONTAINERS", "FREEZE", "SIZE", "DOWNLOAD");
	json_array_foreach (list, i, backup) {
		print_row(backup);
	}
	return 0;
}

int
command_show(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *backup = NULL;

	if (get_backup(c, a->word, &backup, e) != 0)
		return -1;
	print_json(backup);
	return 0;
}

int
command_download(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *backup = NULL;
	SCOPED(free_at) char *path = NULL;

	if (get_backup(c, a->word, &backup, e) != 0)
		return -1;
	if (strcmp(client_text(backup, "state"), "complete") != 0)
		return err_set(e, ERR_CONFLICT, "backup %s is %s", client_text(backup, "id"),
			client_text(backup, "state"));
	if (fetch_archive(c, backup, a->dest == NULL ? "." : a->dest, &path, e) != 0)
		return -1;
	(void)printf("File is available at %s\n", path);
	return 0;
}

int
command_delete(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *path = NULL;

	if (client_find_backup(c, a->word, &id, e) != 0)
		return -1;
	if (!command_confirmed(a, "Delete this backup for good?"))
		return err_set(e, ERR_CANCELLED, "nothing was done");
	path = mem_format("/backups/%s", id);
	if (client_call(c, "DELETE", path, NULL, NULL, e) != 0)
		return -1;
	(void)printf("Backup %s is deleted.\n", id);
	return 0;
}

int
command_verify(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *operation = NULL;
	SCOPED(json_decref_at) json_t *done = NULL;
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *path = NULL;

	if (client_find_backup(c, a->word, &id, e) != 0)
		return -1;
	path = mem_format("/backups/%s/verify", id);
	if (client_call(c, "POST", path, NULL, &operation, e) != 0 ||
		watch_operation(c, operation, &done, e) != 0)
		return -1;
	(void)printf("Backup %s is whole.\n", id);
	return 0;
}

int
command_sweep(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *operation = NULL;
	SCOPED(json_decref_at) json_t *done = NULL;
	const json_t *result;
	char size[SIZE_TEXT];

	if (client_call(c, "POST", "/sweep", NULL, &operation, e) != 0)
		return -1;
	if (a->no_wait) {
		(void)printf("Sweep started. Follow it at %s/operations/%s\n", client_url(c),
			client_text(operation, "id"));
		return 0;
	}
	if (watch_operation(c, operation, &done, e) != 0)
		return err_prefix(e, "Sweep failed!");
	result = json_object_get(done, "result");
	if (json_integer_value(json_object_get(result, "chunks_damaged")) > 0)
		(void)fprintf(stderr,
			"warning: %lld damaged chunks were found, and %lld backups need them: "
			"`dockerctl list --json` shows which are damaged\n",
			(long long)json_integer_value(json_object_get(result, "chunks_damaged")),
			(long long)json_integer_value(json_object_get(result, "backups_damaged")));
	(void)printf("Sweep complete. %s are free again.\n",
		watch_size(json_integer_value(json_object_get(result, "freed_bytes")), size));
	return 0;
}

int
command_scrub(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *operation = NULL;
	SCOPED(json_decref_at) json_t *done = NULL;
	const json_t *result;
	char size[SIZE_TEXT];

	if (client_call(c, "POST", "/scrub", NULL, &operation, e) != 0)
		return -1;
	if (a->no_wait) {
		(void)printf("Scrub started. Follow it at %s/operations/%s\n", client_url(c),
			client_text(operation, "id"));
		return 0;
	}
	if (watch_operation(c, operation, &done, e) != 0)
		return err_prefix(e, "Scrub failed!");
	result = json_object_get(done, "result");
	(void)printf("Scrub complete. %s were read, all that backups need is whole.\n",
		watch_size(json_integer_value(json_object_get(result, "bytes")), size));
	return 0;
}
