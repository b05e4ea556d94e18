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
	{"DOCKER_HOST", offsetof(struct config, docker_host), NULL},
};
enum { OPTION_COUNT = sizeof(options) / sizeof(options[0]) };

static char **
field(struct config *c, const struct option *o)
{
	return (char **)(void *)((char *)c + o->offset);
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
	if (strncmp(variable, "FUEL_BACKUP_LOG=", 16) == 0)
		return set_log(c, value, e);
	if (strncmp(variable, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	return err_set(e, ERR_INVALID,
		"unknown variable %.*s; known are FUEL_BACKUP_STORE, _LISTEN, _PLAN, _TOKEN, "
		"_TOKEN_FILE, _LOG and DOCKER_HOST",
		(int)len, variable);
}

int
config_load(char *const *environment, struct config **ret_config, struct err *e)
{
	SCOPED(config_free_at) struct config *c = mem_new(sizeof(*c));

	for (char *const *v = environment; *v != NULL; v++)
		if (take(c, *v, e) != 0)
			return -1;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (*field(c, &options[i]) == NULL && options[i].preset != NULL)
			*field(c, &options[i]) = mem_string(options[i].preset);
	if (c->store[0] != '/')
		return err_set(e, ERR_INVALID, "FUEL_BACKUP_STORE must be an absolute path");
	if (c->token != NULL && c->token_file != NULL)
		return err_set(e, ERR_INVALID,
			"FUEL_BACKUP_TOKEN and FUEL_BACKUP_TOKEN_FILE exclude each other");
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
		"FUEL_BACKUP_TOKEN=%s\nFUEL_BACKUP_TOKEN_FILE=%s\nFUEL_BACKUP_LOG=%s\n"
		"DOCKER_HOST=%s\n",
		c->store, c->listen, c->plan == NULL ? "" : c->plan,
		c->token == NULL ? "" : "(set)", c->token_file, c->log_json ? "json" : "text",
		c->docker_host == NULL ? "unix:///var/run/docker.sock" : c->docker_host);
}
