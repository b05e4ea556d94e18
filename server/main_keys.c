/* fuel-backupd keys: who may open an encrypted store. */
#include "server/main_keys.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "store/keys/keyring.h"

static const char usage[] =
	"usage: fuel-backupd keys [list]                       list the key slots\n"
	"       fuel-backupd keys check                        does the configured secret open "
	"it?\n"
	"       fuel-backupd keys add passphrase FILE [LABEL]  one more: a pass phrase,\n"
	"       fuel-backupd keys add key FILE [LABEL]         or a key file\n"
	"       fuel-backupd keys change passphrase FILE       instead of the configured secret\n"
	"       fuel-backupd keys change key FILE\n"
	"       fuel-backupd keys remove NUMBER                a slot; not the configured "
	"secret's\n"
	"       fuel-backupd keys recovery                     one more: a recovery key, to be "
	"printed\n"
	"\n"
	"FUEL_BACKUP_STORE names the store, and FUEL_BACKUP_KEY_FILE or "
	"FUEL_BACKUP_PASSPHRASE_FILE\n"
	"a secret that opens it.  The service may run meanwhile; it looks at its next start.\n"
	"All of it: docs/security.md.\n";

int
main_secret(const struct config *c, struct secret *ret_secret, struct err *e)
{
	const bool key = c->key_file != NULL;
	const char *path = key ? c->key_file : c->passphrase_file;

	if (path == NULL)
		return 0;
	if (secret_read(path, key ? SECRET_KEYFILE : SECRET_PASSPHRASE, ret_secret, e) != 0)
		return err_prefix(
			e, "%s", key ? "FUEL_BACKUP_KEY_FILE" : "FUEL_BACKUP_PASSPHRASE_FILE");
	return 1;
}

/* What a verb is given. */
struct main_keys_call {
	const char *store;
	const struct secret *secret; /* NULL: none is configured */
	int argc;
	char **argv;
};

static int
list(const struct main_keys_call *c, struct err *e)
{
	SCOPED(json_decref_at) json_t *slots = NULL;
	json_t *slot;
	size_t i;

	if (keyring_list(c->store, &slots, e) != 0)
		return -1;
	(void)printf("%-4s  %-8s  %-30s  %s\n", "SLOT", "KIND", "MADE", "LABEL");
	json_array_foreach (slots, i, slot)
		(void)printf("%-4zu  %-8s  %-30s  %s\n", i + 1,
			json_string_value(json_object_get(slot, "kind")),
			json_string_value(json_object_get(slot, "created_at")),
			json_string_value(json_object_get(slot, "label")));
	return 0;
}

static int
main_keys_check(const struct main_keys_call *c, struct err *e)
{
	const int number = keyring_check(c->store, c->secret, e);

	if (number > 0)
		(void)printf("the configured secret opens slot %d\n", number);
	return number;
}

/* The secret that `add` and `change` name: KIND FILE. */
static int
secret_take(const struct main_keys_call *c, struct secret *ret_secret, struct err *e)
{
	const bool key = strcmp(c->argv[0], "key") == 0;

	if (!key && strcmp(c->argv[0], "passphrase") != 0)
		return err_set(
			e, ERR_INVALID, "\"%s\" is neither \"passphrase\" nor \"key\"", c->argv[0]);
	return secret_read(c->argv[1], key ? SECRET_KEYFILE : SECRET_PASSPHRASE, ret_secret, e);
}

static int
main_keys_add(const struct main_keys_call *c, struct err *e)
{
	SCOPED(secret_wipe) struct secret added = {0};
	const struct keyring_options options = {
		.secret = c->secret, .added = &added, .label = c->argc > 2 ? c->argv[2] : ""};

	if (secret_take(c, &added, e) != 0)
		return -1;
	const int number = keyring_add(c->store, &options, e);
	if (number > 0)
		(void)printf("slot %d is new\n", number);
	return number;
}

static int
main_keys_change(const struct main_keys_call *c, struct err *e)
{
	SCOPED(secret_wipe) struct secret added = {0};
	const struct keyring_options options = {.secret = c->secret, .added = &added, .label = ""};

	if (secret_take(c, &added, e) != 0)
		return -1;
	const int number = keyring_change(c->store, &options, e);
	if (number > 0)
		(void)printf("slot %d has the new secret, and the old one opens it no more: the "
			     "service must have the new one before its next start\n",
			number);
	return number;
}

static int
take_away(const struct main_keys_call *c, struct err *e)
{
	char *end = NULL;
	const unsigned long number = strtoul(c->argv[0], &end, 10);

	if (c->argv[0][0] < '0' || c->argv[0][0] > '9' || *end != '\0')
		return err_set(e, ERR_INVALID, "\"%s\" is no slot's number", c->argv[0]);
	if (keyring_remove(c->store, c->secret, number, e) != 0)
		return -1;
	(void)printf("slot %lu is gone; those behind it have moved up\n", number);
	return 0;
}

static int
recovery(const struct main_keys_call *c, struct err *e)
{
	char text[RECOVERY_TEXT_SIZE];
	const int number = keyring_recovery(c->store, c->secret, text, e);

	if (number < 0)
		return -1;
	(void)fprintf(stderr,
		"Slot %d is new.  This is its recovery key, shown this once: print it, keep it "
		"away "
		"from the store.\nIt is given in a file, in place of a pass phrase.\n\n",
		number);
	const bool shown = printf("%s\n", text) > 0 && fflush(stdout) == 0;
	OPENSSL_cleanse(text, sizeof(text));
	return shown ? 0
		     : err_errno(e, "it could not be shown: remove slot %d, and try again", number);
}

static const struct verb {
	const char *name;
	int (*run)(const struct main_keys_call *c, struct err *e);
	int min, max; /* arguments */
} verbs[] = {{"list", list, 0, 0}, {"check", main_keys_check, 0, 0}, {"add", main_keys_add, 2, 3},
	{"change", main_keys_change, 2, 2}, {"remove", take_away, 1, 1},
	{"recovery", recovery, 0, 0}};

static int
run(const struct verb *v, const struct config *config, int argc, char **argv)
{
	SCOPED(secret_wipe) struct secret secret = {0};
	struct main_keys_call c = {.store = config->store, .argc = argc, .argv = argv};
	struct err e;
	int given = 0;

	(void)umask(0077);
	if (v->run != list)
		given = main_secret(config, &secret, &e);
	c.secret = given == 1 ? &secret : NULL;
	if (given >= 0 && v->run(&c, &e) >= 0)
		return 0;
	(void)fprintf(stderr, "fuel-backupd: %s\n", e.text);
	return 1;
}

int
main_keys(const struct config *c, int argc, char **argv)
{
	const char *name = argc < 1 ? "list" : argv[0];

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		const int given = argc < 1 ? 0 : argc - 1;
		if (strcmp(verbs[i].name, name) == 0 && given >= verbs[i].min &&
			given <= verbs[i].max)
			return run(&verbs[i], c, given, argv + 1);
	}
	const bool help = argc == 1 && strcmp(name, "help") == 0;
	(void)fputs(usage, help ? stdout : stderr);
	return help ? 0 : 2;
}
