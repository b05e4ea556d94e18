/* Goal: each variable is taken within its limits, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/scope.h"
#include "server/config.h"

/* The configuration that one variable gives. */
static struct config *
load(const char *variable)
{
	SCOPED(free_at) char *copy = mem_string(variable);
	char *const environment[] = {copy, NULL};
	struct config *c = NULL;
	struct err e;

	assert_int_equal(config_load(environment, &c, &e), 0);
	return c;
}

static void
refuse(const char *variable, const char *what)
{
	SCOPED(free_at) char *copy = mem_string(variable);
	char *const environment[] = {copy, NULL};
	struct config *c = NULL;
	struct err e;

	assert_int_equal(config_load(environment, &c, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.text, what));
}

static void
test_presets(void **state)
{
	SCOPED(config_free_at) struct config *c = load("PATH=/bin");

	(void)state;
	assert_string_equal(c->store, "/var/backup/fuel");
	assert_string_equal(c->freezer, "auto");
	assert_int_equal(c->max_freeze_ms, 10000);
	assert_int_equal(c->reread, 1000);
	assert_int_equal(c->live_mib_s, 0);
}

static void
test_numbers(void **state)
{
	static const char *const good[] = {"FUEL_BACKUP_MAX_FREEZE_MS=100",
		"FUEL_BACKUP_MAX_FREEZE_MS=600000", "FUEL_BACKUP_REREAD=1/1",
		"FUEL_BACKUP_REREAD=0", "FUEL_BACKUP_REREAD=1/1000000", "FUEL_BACKUP_LIVE_MIB_S=0",
		"FUEL_BACKUP_LIVE_MIB_S=1000000", "FUEL_BACKUP_MAX_FREEZE_MS="};
	static const int64_t values[][3] = {{100, 1000, 0}, {600000, 1000, 0}, {10000, 1, 0},
		{10000, 0, 0}, {10000, 1000000, 0}, {10000, 1000, 0}, {10000, 1000, 1000000},
		{10000, 1000, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		SCOPED(config_free_at) struct config *c = load(good[i]);

		assert_int_equal(c->max_freeze_ms, values[i][0]);
		assert_int_equal(c->reread, values[i][1]);
		assert_int_equal(c->live_mib_s, values[i][2]);
	}
}

static void
test_refusals(void **state)
{
	static const char *const bad[] = {"FUEL_BACKUP_MAX_FREEZE_MS=0",
		"FUEL_BACKUP_MAX_FREEZE_MS=99", "FUEL_BACKUP_MAX_FREEZE_MS=600001",
		"FUEL_BACKUP_MAX_FREEZE_MS=5s", "FUEL_BACKUP_MAX_FREEZE_MS=-1",
		"FUEL_BACKUP_MAX_FREEZE_MS=99999999999999999999", "FUEL_BACKUP_REREAD=1000",
		"FUEL_BACKUP_REREAD=1/0", "FUEL_BACKUP_REREAD=1/1000001", "FUEL_BACKUP_REREAD=2/3",
		"FUEL_BACKUP_REREAD=1/", "FUEL_BACKUP_LIVE_MIB_S=1.5",
		"FUEL_BACKUP_LIVE_MIB_S=1000001", "FUEL_BACKUP_FREEZER=podman",
		"FUEL_BACKUP_LOG=xml", "FUEL_BACKUP_STORE=relative", "FUEL_BACKUP_STROE=/x"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char name[64];
		const size_t len = strcspn(bad[i], "=");

		memcpy(name, bad[i], len);
		name[len] = '\0';
		refuse(bad[i], name);
	}
}

static void
test_secrets(void **state)
{
	char key[] = "FUEL_BACKUP_KEY_FILE=/k", phrase[] = "FUEL_BACKUP_PASSPHRASE_FILE=/p";
	char *const both[] = {key, phrase, NULL};
	SCOPED(config_free_at) struct config *c = load(key);
	SCOPED(config_free_at) struct config *d = load(phrase);
	struct config *none = NULL;
	struct err e;

	(void)state;
	assert_string_equal(c->key_file, "/k");
	assert_null(c->passphrase_file);
	assert_string_equal(d->passphrase_file, "/p");
	assert_int_equal(config_load(both, &none, &e), -1);
	assert_non_null(strstr(e.text, "exclude each other"));
	refuse("FUEL_BACKUP_PASSPHRASE=secret", "_PASSPHRASE_FILE"); /* a file only */
	refuse("FUEL_BACKUP_KEY=secret", "_KEY_FILE");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
