#include "server/config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"

static const char prefix[] = "FUEL_BACKUP_";

/* Of a secret that stands in a file. */
enum { SECRET_MAX = 4096 };

static const struct config_option {
	const char *name;
	size_t offset;
	const char *preset;
	bool secret; /* never printed */
} options[] = {
	{"FUEL_BACKUP_STORE", offsetof(struct config, store), "/var/backup/fuel", false},
	{"FUEL_BACKUP_LISTEN", offsetof(struct config, listen), "127.0.0.1:8088", false},
	{"FUEL_BACKUP_PLAN", offsetof(struct config, plan), NULL, false},
	{"FUEL_BACKUP_TOKEN", offsetof(struct config, token), NULL, true},
	{"FUEL_BACKUP_TOKEN_FILE", offsetof(struct config, token_file), NULL, false},
	{"FUEL_BACKUP_KEY_FILE", offsetof(struct config, key_file), NULL, false},
	{"FUEL_BACKUP_PASSPHRASE_FILE", offsetof(struct config, passphrase_file), NULL, false},
	{"FUEL_BACKUP_LOG", offsetof(struct config, log), "text", false},
	{"FUEL_BACKUP_FREEZER", offsetof(struct config, freezer), "auto", false},
	{"FUEL_BACKUP_METRICS_TOKEN", offsetof(struct config, metrics_token), NULL, true},
	{"FUEL_BACKUP_METRICS_TOKEN_FILE", offsetof(struct config, metrics_token_file), NULL,
		false},
	{"FUEL_BACKUP_ORIGINS", offsetof(struct config, origins), NULL, false},
	{"FUEL_BACKUP_AUTH", offsetof(struct config, auth), "token", false},
	{"FUEL_BACKUP_KEYSTONE_URL", offsetof(struct config, keystone_url), NULL, false},
	{"FUEL_BACKUP_KEYSTONE_USER", offsetof(struct config, keystone_user), NULL, false},
	{"FUEL_BACKUP_KEYSTONE_PASSWORD", offsetof(struct config, keystone_password), NULL, true},
	{"FUEL_BACKUP_KEYSTONE_PASSWORD_FILE", offsetof(struct config, keystone_password_file),
		NULL, false},
	{"FUEL_BACKUP_KEYSTONE_PROJECT", offsetof(struct config, keystone_project), "services",
		false},
	{"FUEL_BACKUP_NAILGUN", offsetof(struct config, nailgun), NULL, false},
	{"FUEL_BACKUP_NOTIFY_URL", offsetof(struct config, notify_url), NULL, true},
	{"FUEL_BACKUP_NOTIFY_URL_FILE", offsetof(struct config, notify_url_file), NULL, false},
	{"FUEL_BACKUP_NOTIFY_FORMAT", offsetof(struct config, notify_format), "json", false},
	{"FUEL_BACKUP_NOTIFY_ON", offsetof(struct config, notify_on),
		"success,partial,failure,damaged,overdue", false},
	{"DOCKER_HOST", offsetof(struct config, docker_host), NULL, false},
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
	{"FUEL_BACKUP_OVERDUE_HOURS", offsetof(struct config, overdue_hours), "", 1, 87600, 0, true,
		"0 (by the schedule alone) or hours, up to 87600"},
};
enum { NUMBER_COUNT = sizeof(numbers) / sizeof(numbers[0]) };

static char **
field(struct config *c, const struct config_option *o)
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

/* Fails: it is not known.  The text names all that are, so that a misspelling is seen. */
static int
config_refuse(const char *variable, size_t len, struct err *e)
{
	SCOPED(buf_free) struct buf known = BUF_INIT(ERR_TEXT_MAX);

	for (size_t i = 0; i < OPTION_COUNT; i++)
		(void)buf_format(&known, " %s",
			options[i].name + (strncmp(options[i].name, prefix, sizeof(prefix) - 1) == 0
							  ? sizeof(prefix) - 2
							  : 0));
	for (size_t i = 0; i < NUMBER_COUNT; i++)
		(void)buf_format(&known, " %s", numbers[i].name + sizeof(prefix) - 2);
	return err_set(e, ERR_INVALID, "unknown variable %.*s; known are FUEL_BACKUP and:%s",
		len > 100 ? 100 : (int)len, variable, known.data);
}

/* What dockerctl (`…_URL`, `…_PORT`) and the scripts of dev/ go by.  They often stand in the same
 * environment, and say nothing to the service. */
static bool
is_of_others(const char *variable, size_t len)
{
	static const char *const others[] = {"URL", "PORT", "CACHE", "PULL"};
	const size_t head = sizeof(prefix) - 1;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (head + strlen(others[i]) == len &&
			strncmp(variable + head, others[i], len - head) == 0)
			return true;
	return false;
}

static int
config_take(struct config *c, const char *variable, struct err *e)
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
	if (strncmp(variable, prefix, sizeof(prefix) - 1) != 0 || is_of_others(variable, len))
		return 0;
	return config_refuse(variable, len, e);
}

/* A secret that stands in a file: its first line.  Not both. */
static int
read_secret(const char *name, char **secret, const char *path, struct err *e)
{
	char line[SECRET_MAX + 2] = "";

	if (path == NULL)
		return 0;
	if (*secret != NULL)
		return err_set(e, ERR_INVALID, "%s and %s_FILE exclude each other", name, name);
	SCOPED(file_close_at) FILE *from = fopen(path, "re");
	if (from == NULL)
		return err_errno(e, "%s_FILE: %s", name, path);
	if (fgets(line, sizeof(line), from) == NULL || line[strcspn(line, "\r\n")] == '\0')
		return err_set(e, ERR_INVALID,
			"%s_FILE: the first line of %s must be a text of 1 to %d bytes", name, path,
			SECRET_MAX);
	line[strcspn(line, "\r\n")] = '\0';
	*secret = mem_string(line);
	return 0;
}

static int
read_secrets(struct config *c, struct err *e)
{
	if (read_secret("FUEL_BACKUP_METRICS_TOKEN", &c->metrics_token, c->metrics_token_file, e) !=
			0 ||
		read_secret("FUEL_BACKUP_KEYSTONE_PASSWORD", &c->keystone_password,
			c->keystone_password_file, e) != 0)
		return -1;
	return read_secret("FUEL_BACKUP_NOTIFY_URL", &c->notify_url, c->notify_url_file, e);
}

static int
config_one_of(
	const char *name, const char *value, const char *first, const char *second, struct err *e)
{
	if (strcmp(value, first) == 0 || strcmp(value, second) == 0)
		return 0;
	return err_set(e, ERR_INVALID, "%s is \"%s\" or \"%s\"", name, first, second);
}

static int
check_freezer(const char *name, struct err *e)
{
	if (strcmp(name, "auto") == 0 || strcmp(name, "docker") == 0 || strcmp(name, "cgroup") == 0)
		return 0;
	return err_set(e, ERR_INVALID, "FUEL_BACKUP_FREEZER is \"auto\", \"docker\" or \"cgroup\"");
}

static int
config_check(struct config *c, struct err *e)
{
	if (c->store[0] != '/')
		return err_set(e, ERR_INVALID, "FUEL_BACKUP_STORE must be an absolute path");
	if (config_one_of("FUEL_BACKUP_LOG", c->log, "text", "json", e) != 0 ||
		check_freezer(c->freezer, e) != 0 ||
		config_one_of("FUEL_BACKUP_AUTH", c->auth, "token", "keystone", e) != 0 ||
		config_one_of("FUEL_BACKUP_NOTIFY_FORMAT", c->notify_format, "json", "text", e) !=
			0)
		return -1;
	if (c->token != NULL && c->token_file != NULL)
		return err_set(e, ERR_INVALID,
			"FUEL_BACKUP_TOKEN and FUEL_BACKUP_TOKEN_FILE exclude each other");
	if (c->key_file != NULL && c->passphrase_file != NULL)
		return err_set(e, ERR_INVALID,
			"FUEL_BACKUP_KEY_FILE and FUEL_BACKUP_PASSPHRASE_FILE exclude each other");
	c->log_json = strcmp(c->log, "json") == 0;
	c->auth_keystone = strcmp(c->auth, "keystone") == 0;
	if (c->auth_keystone && c->keystone_url == NULL)
		return err_set(e, ERR_INVALID,
			"FUEL_BACKUP_AUTH=keystone wants FUEL_BACKUP_KEYSTONE_URL, as "
			"http://10.20.0.2:5000/v3");
	if ((c->keystone_user == NULL) != (c->keystone_password == NULL))
		return err_set(e, ERR_INVALID,
			"FUEL_BACKUP_KEYSTONE_USER and FUEL_BACKUP_KEYSTONE_PASSWORD belong "
			"together");
	if (c->token_file == NULL)
		c->token_file = mem_format("%s/token", c->store);
	return 0;
}

int
config_load(char *const *environment, struct config **ret_config, struct err *e)
{
	SCOPED(config_free_at) struct config *c = mem_new(sizeof(*c));

	for (size_t i = 0; i < NUMBER_COUNT; i++)
		*number_field(c, &numbers[i]) = numbers[i].preset;
	for (char *const *v = environment; *v != NULL; v++)
		if (config_take(c, *v, e) != 0)
			return -1;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (*field(c, &options[i]) == NULL && options[i].preset != NULL)
			*field(c, &options[i]) = mem_string(options[i].preset);
	if (read_secrets(c, e) != 0 || config_check(c, e) != 0)
		return -1;
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
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const char *value = *field((struct config *)(uintptr_t)c, &options[i]);
		const bool engine = options[i].offset == offsetof(struct config, docker_host);

		if (value == NULL)
			value = engine ? "unix:///var/run/docker.sock" : "";
		(void)fprintf(to, "%s=%s\n", options[i].name,
			options[i].secret && value[0] != '\0' ? "(set)" : value);
	}
	for (size_t i = 0; i < NUMBER_COUNT; i++) {
		const int64_t value = *number_field((struct config *)(uintptr_t)c, &numbers[i]);

		(void)fprintf(to, "%s=%s%lld\n", numbers[i].name,
			value == 0 ? "" : numbers[i].before, (long long)value);
	}
}
