/* fuel-backupd rebuild: a store's catalogue from its packs, or a whole store from a copy. */
#include "server/main_rebuild.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "jobs/copies/destination.h"
#include "jobs/copies/packs/copy_rebuild.h"
#include "server/main_keys.h"
#include "store/open/rebuild.h"

static const char usage[] =
	"usage: fuel-backupd rebuild        make the store's catalogue from its packs alone; the\n"
	"                                   old one is kept\n"
	"       fuel-backupd rebuild --from URL|FILE [FIELD=VALUE …] [--backup ID|latest] "
	"[--store ID]\n"
	"                                   make the store from a copy of it\n"
	"\n"
	"URL and FIELDs are those of PUT /destinations/{name}, such as "
	"key_file=/secrets/id_ed25519\n"
	"or access_key_file=/secrets/access; FILE, an absolute path, has them as JSON.  --backup\n"
	"fetches one backup, --store chooses one of several stores that are copied there.\n"
	"FUEL_BACKUP_STORE names the store, in which none may be yet; an encrypted one is opened "
	"by\n"
	"FUEL_BACKUP_KEY_FILE or FUEL_BACKUP_PASSPHRASE_FILE.  The service must not run.  What "
	"was\n"
	"cut off is gone on with by the same command.  All of it: docs/copies.md.\n";

static int
fail(const struct err *e)
{
	(void)fprintf(stderr, "fuel-backupd: %s\n", e->text);
	return 1;
}

static int
rebuild_here(const struct config *c, const struct store_options *options)
{
	struct rebuild_totals t;
	struct err e;

	if (rebuild_run(c->store, options, &t, &e) != 0)
		return fail(&e);
	(void)printf("%" PRId64 " backups, %" PRId64 " of them damaged; %" PRId64
		     " chunks in %" PRId64 " packs; %" PRId64 " deletions; %" PRId64
		     " damaged records\n",
		t.backups, t.backups_damaged, t.chunks, t.packs, t.deletions, t.records_damaged);
	return 0;
}

/* What the arguments say. */
struct rebuild_arguments {
	json_t *settings; /* of the destination */
	const char *store, *backup;
};

static void
arguments_free_at(struct rebuild_arguments *a)
{
	json_decref(a->settings);
}

static int
from_set(struct rebuild_arguments *a, const char *from, struct err *e)
{
	json_error_t at;

	if (from[0] != '/')
		return json_object_set_new(a->settings, "url", json_string(from)) == 0
			       ? 0
			       : err_set(e, ERR_INVALID, "--from: the URL is no text");
	SCOPED(json_decref_at) json_t *file = json_load_file(from, JSON_REJECT_DUPLICATES, &at);
	if (!json_is_object(file))
		return err_set(e, ERR_INVALID, "--from %s: %s", from,
			file == NULL ? at.text : "it is no JSON object");
	return json_object_update(a->settings, file);
}

static int
field_set(struct rebuild_arguments *a, const char *text, struct err *e)
{
	const char *equals = strchr(text, '=');

	if (equals == NULL || text[0] == '-')
		return err_set(e, ERR_INVALID, "unknown argument \"%.100s\"\n%s", text, usage);
	SCOPED(free_at) char *name = strndup(text, (size_t)(equals - text));
	const bool number = strcmp(name, "rate_mib_s") == 0;
	json_t *value =
		number ? json_integer(strtoll(equals + 1, NULL, 10)) : json_string(equals + 1);
	if (json_object_set_new(a->settings, name, value) != 0)
		return err_set(e, ERR_INVALID, "\"%.100s\" is no text", text);
	return 0;
}

static int
arguments_parse(struct rebuild_arguments *a, int argc, char **argv, struct err *e)
{
	for (int i = 0; i < argc; i++) {
		const char *word = argv[i];
		const bool from = strcmp(word, "--from") == 0;
		const bool store = strcmp(word, "--store") == 0;
		const bool backup = strcmp(word, "--backup") == 0;
		if (!from && !store && !backup) {
			if (field_set(a, word, e) != 0)
				return -1;
			continue;
		}
		if (++i == argc)
			return err_set(e, ERR_INVALID, "%s: what it is is missing", word);
		if (store)
			a->store = argv[i];
		else if (backup)
			a->backup = argv[i];
		else if (from_set(a, argv[i], e) != 0)
			return -1;
	}
	return destination_check(a->settings, e);
}

static void
faults_print(const json_t *faults)
{
	const json_t *fault;
	size_t i;

	json_array_foreach (faults, i, fault)
		(void)fprintf(stderr, "fuel-backupd: backup %s: %s\n",
			json_string_value(json_object_get(fault, "backup")),
			json_string_value(json_object_get(fault, "error")));
}

static int
rebuild_from(const struct config *c, const struct store_options *options, int argc, char **argv)
{
	SCOPED(arguments_free_at) struct rebuild_arguments a = {.settings = json_object()};
	SCOPED(transfer_close_at) struct transfer *t = NULL;
	struct copy_rebuild_totals totals = {0};
	struct err e;

	if (arguments_parse(&a, argc, argv, &e) != 0) {
		(void)fail(&e);
		return 2;
	}
	if (destination_open(a.settings, NULL, &t, &e) != 0)
		return fail(&e);
	const struct copy_rebuild_request request = {.transfer = t,
		.store = a.store,
		.backup = a.backup,
		.path = c->store,
		.options = options};
	const int result = copy_rebuild_run(&request, &totals, &e);
	SCOPED(json_decref_at) json_t *faults = totals.faults;
	faults_print(faults);
	if (result != 0)
		return fail(&e);
	(void)printf("%" PRId64 " backups from the copy of the store %s: %" PRId64
		     " packs, %" PRId64 " bytes fetched; %zu backups are not whole\n",
		totals.backups, totals.store, totals.packs, totals.bytes, json_array_size(faults));
	return json_array_size(faults) == 0 ? 0 : 1;
}

int
main_rebuild(const struct config *c, int argc, char **argv)
{
	SCOPED(secret_wipe) struct secret secret = {0};
	const struct store_options options = {.secret = &secret};
	struct err e;

	if (argc > 0 && (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0)) {
		(void)fputs(usage, stdout);
		return 0;
	}
	(void)umask(0077);
	const int given = main_secret(c, &secret, &e);
	if (given < 0)
		return fail(&e);
	if (argc == 0)
		return rebuild_here(c, given == 1 ? &options : NULL);
	return rebuild_from(c, given == 1 ? &options : NULL, argc, argv);
}
