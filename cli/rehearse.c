/* dockerctl rehearse. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "cli/watch.h"

static void
print_container(const json_t *container)
{
	const json_t *check = json_object_get(container, "check");
	const json_t *ms = json_object_get(container, "started_ms");

	(void)printf("%-6s  %-32s  %-8s",
		json_is_true(json_object_get(container, "ok")) ? "ok" : "FAILED",
		client_text(container, "name"), client_text(container, "state"));
	if (json_is_integer(ms))
		(void)printf("  up in %lld ms", (long long)json_integer_value(ms));
	if (json_is_object(check))
		(void)printf("  check: exit code %lld",
			(long long)json_integer_value(json_object_get(check, "exit_code")));
	(void)putchar('\n');
	if (client_text(container, "error")[0] != '\0')
		(void)printf("        %s\n", client_text(container, "error"));
	if (client_text(container, "logs")[0] != '\0')
		(void)printf("        its last lines:\n%s\n", client_text(container, "logs"));
}

static void
print_verdict(const json_t *verdict)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(verdict, "containers"), i, item) {
		print_container(item);
	}
	json_array_foreach (json_object_get(verdict, "unproven"), i, item) {
		const char *container = client_text(item, "container");

		(void)printf("not proven: %s%s%s\n", container, container[0] == '\0' ? "" : ": ",
			client_text(item, "what"));
	}
}

int
command_rehearse(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *operation = NULL;
	SCOPED(json_decref_at) json_t *done = NULL;
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *path = NULL;
	const json_t *verdict;
	int status;

	if (client_find_backup(c, a->word, &id, e) != 0)
		return -1;
	path = mem_format("/backups/%s/rehearse", id);
	if (client_call(c, "POST", path, NULL, &operation, e) != 0)
		return -1;
	if (a->no_wait) {
		(void)printf("Rehearsal started. Follow it at %s/operations/%s\n", client_url(c),
			client_text(operation, "id"));
		return 0;
	}
	status = watch_operation(c, operation, &done, e);
	verdict = json_object_get(done, "result");
	print_verdict(verdict);
	if (status != 0)
		return err_prefix(e, "Rehearsal failed!");
	(void)printf("Backup %s is proven restorable at %s\n", id, client_text(verdict, "at"));
	return 0;
}
