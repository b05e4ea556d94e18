/* The values of a Swarm's secrets: no manager tells them, but tasks have them as files in memory.
 */
#include <fcntl.h>
#include <fnmatch.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender.h"
#include "engine/swarm.h"
#include "jobs/sources/inventory_internal.h"

/* Source: swarmkit, MaxSecretSize. */
enum { SECRET_MAX = 500 * 1024 };

struct secrets {
	struct inventory *inventory;
	struct engine *engine;
	const struct self *self;
	const char *run_path;
};

/* Where the secret ${name} is in the tasks of a service; the caller's, NULL: nowhere. */
static char *
path_in(const json_t *service, const char *name)
{
	const json_t *template = json_object_get(json_object_get(service, "Spec"), "TaskTemplate");
	const json_t *container = json_object_get(template, "ContainerSpec"), *one;
	size_t i;

	json_array_foreach (json_object_get(container, "Secrets"), i, one) {
		const char *file = json_text(one, "File", "Name");

		if (strcmp(json_text(one, "SecretName", NULL), name) == 0 && file[0] != '\0')
			return file[0] == '/' ? mem_string(file)
					      : mem_format("/run/secrets/%s", file);
	}
	return NULL;
}

static int
lend(const struct secrets *s, const json_t *container, const char *path, struct lender **ret_lender,
	struct err *e)
{
	const struct lender_root root = {.path = path,
		.holder = json_text(container, "Id", NULL),
		.pid = (int)json_integer_value(
			json_object_get(json_object_get(container, "State"), "Pid"))};
	const struct lender_options options = {.engine = s->engine,
		.self = s->self,
		.run_path = s->run_path,
		.name = "fuel-backup-lender-secrets",
		.roots = &root,
		.count = 1};

	return lender_open(&options, ret_lender, e);
}

/* As text: a secret may be any bytes. */
static json_t *
read_value(int fd)
{
	SCOPED(free_at) unsigned char *data = mem_new(SECRET_MAX + 1);
	SCOPED(free_at) unsigned char *text = mem_new((SECRET_MAX + 3) / 3 * 4 + 1);
	char path[64];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	SCOPED(fd_close_at) int file = open(path, O_RDONLY | O_CLOEXEC);

	len = file < 0 ? -1 : read(file, data, SECRET_MAX + 1);
	if (len < 0 || len > SECRET_MAX)
		return NULL;
	(void)EVP_EncodeBlock(text, data, (int)len);
	OPENSSL_cleanse(data, SECRET_MAX + 1);
	return json_string((const char *)text);
}

/* From a task of ${service} that runs here; NULL: none shows it. */
static json_t *
value_from(const struct secrets *s, const json_t *service, const char *name)
{
	SCOPED(free_at) char *path = path_in(service, name);
	const json_t *container;
	size_t i;

	json_array_foreach (path == NULL ? NULL : s->inventory->containers, i, container) {
		const char *of = container_service(container);
		SCOPED(lender_close_at) struct lender *lender = NULL;
		struct err ignored;

		if (of == NULL || strcmp(of, swarm_name(service)) != 0 ||
			!json_truth(container, "State", "Running") ||
			lend(s, container, path, &lender, &ignored) != 0)
			continue;
		return read_value(lender_fd(lender, 0));
	}
	return NULL;
}

static bool
is_excluded(const struct inventory *v, const char *name)
{
	SCOPED(free_at) char *path = mem_format("swarm/secrets/%s", name);

	for (char **p = v->excludes->patterns; p != NULL && *p != NULL; p++)
		if (fnmatch(*p, path, 0) == 0)
			return true;
	return false;
}

void
inventory_take_secrets(
	struct inventory *v, struct engine *g, const struct self *self, const char *run_path)
{
	const struct secrets s = {v, g, self, run_path};
	json_t *secret;
	const json_t *service;
	size_t i, k;

	json_array_foreach (json_object_get(v->swarm, "secrets"), i, secret) {
		const char *name = swarm_name(secret);
		json_t *value = NULL;

		json_array_foreach (json_object_get(v->swarm, "services"), k, service) {
			if (value == NULL && !is_excluded(v, name))
				value = value_from(&s, service, name);
		}
		if (value == NULL)
			inventory_warn(v,
				"the value of the Swarm secret %s is not in the backup: %s", name,
				is_excluded(v, name) ? "the plan excludes it"
						     : "no task that runs here shows it");
		else
			(void)json_object_set_new(secret, "value", value);
	}
}
