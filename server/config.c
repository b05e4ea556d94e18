#include "server/config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

static const char prefix[] = "FUEL_BACKUP_";

static const struct option {
	const char *name;
	size_t offset;
	const char *preset;
} options[] = {
	{"FUEL_BACKUP_STORE", offsetof(struct config, store), "/var/backup/fuel"},
	{"FUEL_BACKUP_LISTEN", offsetof(struct config, listen), "127.0.0.1:8088"},
	{"FUEL_BACKUP_PLAN", offsetof(struct config, plan), NULL},
	{"FUEL_BACKUP_TOKEN", offsetof(struct config, token), NULL},
	{"FUEL_BACKUP_TOKEN_FILE", offsetof(struct config, token_file), NULL},
	{"FUEL_BACKUP_KEY_FILE", offsetof(struct config, key_file), NULL},
	{"FUEL_BACKUP_PASSPHRASE_FILE", offsetof(struct config, passphrase_file), NULL},
	{"FUEL_BACKUP_FREEZER", offsetof(struct config, freezer), "docker"},
	{"DOCKER_HOST", offsetof(struct config, docker_host), NULL},
};
enum { OPTION_COUNT = sizeof(options) / sizeof(options[0]) };

/* A shorter freeze than 100 ms would never end in a backup; over ten minutes it guards nothing. */
static const struct number {
	const char *name;
	size_t offset;
	const char *before; /* what stands before the number */
	int64_t min, max, preset;
	bool zero; /* "0" is allowed: none */
	const char *what;
} numbers[] = {
	{"FUEL_BACKUP_MAX_FREEZE_MS", offsetof(struct config, max_freeze_ms), "", 100, 600000,
		10000, false, "milliseconds, 100 to 600000"},
	{"FUEL_BACKUP_REREAD", offsetof(struct config, reread), "1/", 1, 1000000, 1000, true,
		"0 or a fraction 1/N, N up to 1000000"},
	{"FUEL_BACKUP_LIVE_MIB_S", offsetof(struct config, live_mib_s), "", 1, 1000000, 0, true,
		"0 (no limit) or MiB a second, up to 1000000"},
	{"FUEL_BACKUP_SCRUB_DAYS", offsetof(struct config, scrub_days), "", 1, 3650, 0, true,
		"0 (never) or days, up to 3650"},
};
enum { NUMBER_COUNT = sizeof(numbers) / sizeof(numbers[0]) };

static char **
field(struct config *c, const struct option *o)
{
	return (char **)(void *)((char *)c + o->offset);
}

static int64_t *
number_field(struct config *c, const struct number *n)
{
	return (int64_t *)(void *)((char *)c + n->offset);
}

static int
set_number(struct config *c, const struct number *n, const char *value, struct err *e)
{
	const size_t len = strlen(n->before);
	int64_t *to = number_field(c, n);
	char *end = NULL;

	if (value[0] == '\0')
		return 0; /* as it is set already */
	*to = 0;
	if (strcmp(value, "0") == 0 && n->zero)
		return 0;
	if (strncmp(value, n->before, len) == 0 && value[len] >= '0' && value[len] <= '9')
		*to = strtoll(value + len, &end, 10);
	if (end != NULL && *end == '\0' && *to >= n->min && *to <= n->max)
		return 0;
	return err_set(e, ERR_INVALID, "%s is %s", n->name, n->what);
}

static int
set_log(struct config *c, const char *value, struct err *e)
{
	c->log_json = strcmp(value, "json") == 0;
	if (c->log_json || strcmp(value, "text") == 0)
		return 0;
	return err_set(e, ERR_INVALID, "FUEL_BACKUP_LOG is \"text\" or \"json\"");
}

static int
take(struct config *c, const char *variable, struct err *e)
{
	const char *value = strchr(variable, '=');
	const size_t len = value == NULL ? 0 : (size_t)(value - variable);

	if (value == NULL)
		return 0;
	value++;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (strlen(options[i].name) == len &&
			strncmp(variable, options[i].name, len) == 0) {
			free(*field(c, &options[i]));
			*field(c, &options[i]) = value[0] == '\0' ? NULL : mem_string(value);
			return 0;
		}
	for (size_t i = 0; i < NUMBER_COUNT; i++)
		if (strlen(numbers[i].name) == len && strncmp(variable, numbers[i].name, len) == 0)
			return set_number(c, &numbers[i], value, e);
	if (strncmp(variable, "FUEL_BACKUP_LOG=", 16) == 0)
		return set_log(c, value, e);
	if (strncmp(variable, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	return err_set(e, ERR_INVALID,
		"unknown variable %.*s; known are FUEL_BACKUP_STORE, _LISTEN, _PLAN, _TOKEN, "
		"_TOKEN_FILE, _KEY_FILE, _PASSPHRASE_FILE, _LOG, _FREEZER, _MAX_FREEZE_MS, "
		"_REREAD, _LIVE_MIB_S, "
		"_SCRUB_DAYS and "
		"DOCKER_HOST",
		(int)len, variable);
}

int
config_load(char *const *environment, struct config **ret_config, struct err *e)
{
	SCOPED(config_free_at) struct config *c = mem_new(sizeof(*c));

	for (size_t i = 0; i < NUMBER_COUNT; i++)
		*number_field(c, &numbers[i]) = numbers[i].preset;
	for (char *const *v = environment; *v != NULL; v++)
		if (take(c, *v, e) != 0)
			return -1;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (*field(c, &options[i]) == NULL && options[i].preset != NULL)
			*field(c, &options[i]) = mem_string(options[i].preset);
	if (c->store[0] != '/')
		return err_set(e, ERR_INVALID, "FUEL_BACKUP_STORE must be an absolute path");
	if (strcmp(c->freezer, "docker") != 0 && strcmp(c->freezer, "cgroup") != 0)
		return err_set(e, ERR_INVALID, "FUEL_BACKUP_FREEZER is \"docker\" or \"cgroup\"");
	if (c->token != NULL && c->token_file != NULL)
		return err_set(e, ERR_INVALID,
			"FUEL_BACKUP_TOKEN and FUEL_BACKUP_TOKEN_FILE exclude each other");
	if (c->key_file != NULL && c->passphrase_file != NULL)
		return err_set(e, ERR_INVALID,
			"FUEL_BACKUP_KEY_FILE and FUEL_BACKUP_PASSPHRASE_FILE exclude each other");
	if (c->token_file == NULL)
		c->token_file = mem_format("%s/token", c->store);
	*ret_config = TAKE(c);
	return 0;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		free(*field(c, &options[i]));
	free(c);
}

void
config_free_at(struct config **c)
{
	config_free(*c);
}

void
config_print(const struct config *c, FILE *to)
{
	(void)fprintf(to,
		"FUEL_BACKUP_STORE=%s\nFUEL_BACKUP_LISTEN=%s\nFUEL_BACKUP_PLAN=%s\n"
		"FUEL_BACKUP_TOKEN=%s\nFUEL_BACKUP_TOKEN_FILE=%s\nFUEL_BACKUP_KEY_FILE=%s\n"
		"FUEL_BACKUP_PASSPHRASE_FILE=%s\nFUEL_BACKUP_LOG=%s\n"
		"FUEL_BACKUP_FREEZER=%s\nFUEL_BACKUP_MAX_FREEZE_MS=%lld\n"
		"FUEL_BACKUP_REREAD=%s%lld\nFUEL_BACKUP_LIVE_MIB_S=%lld\n"
		"FUEL_BACKUP_SCRUB_DAYS=%lld\nDOCKER_HOST=%s\n",
		c->store, c->listen, c->plan == NULL ? "" : c->plan,
		c->token == NULL ? "" : "(set)", c->token_file,
		c->key_file == NULL ? "" : c->key_file,
		c->passphrase_file == NULL ? "" : c->passphrase_file, c->log_json ? "json" : "text",
		c->freezer, (long long)c->max_freeze_ms, c->reread == 0 ? "" : "1/",
		(long long)c->reread, (long long)c->live_mib_s, (long long)c->scrub_days,
		c->docker_host == NULL ? "unix:///var/run/docker.sock" : c->docker_host);
}
