/*
 * What engines say in words of their own, and what they take: Podman's inspect names limits, modes
 * and variables otherwise than a create wants them, its own or Docker's.
 */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/recreate/recreate_internal.h"

/* "RLIMIT_NOFILE" is "nofile". */
static void
name_limits(json_t *host)
{
	static const char prefix[] = "RLIMIT_";
	const json_t *limit;
	size_t i;

	json_array_foreach (json_object_get(host, "Ulimits"), i, limit) {
		const char *name = recreate_text(limit, "Name");

		if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
			continue;
		SCOPED(free_at) char *lower = mem_string(name + sizeof(prefix) - 1);

		for (char *at = lower; *at != '\0'; at++)
			*at = (char)tolower((unsigned char)*at);
		(void)json_object_set_new((json_t *)(uintptr_t)limit, "Name", json_string(lower));
	}
}

/* What Podman puts into each environment by itself: the name of the old container would stay. */
static bool
is_made_up(const json_t *inspect, const char *variable)
{
	const char *id = recreate_text(inspect, "Id");

	if (strcmp(variable, "container=podman") == 0)
		return true;
	return strncmp(variable, "HOSTNAME=", 9) == 0 &&
	       strlen(variable + 9) == RECREATE_SHORT_ID &&
	       strncmp(variable + 9, id, RECREATE_SHORT_ID) == 0;
}

static void
drop_made_up(json_t *body, const json_t *inspect)
{
	json_t *env = json_object_get(body, "Env");

	for (size_t i = json_array_size(env); i-- > 0;) {
		const char *variable = json_string_value(json_array_get(env, i));

		if (variable != NULL && is_made_up(inspect, variable))
			(void)json_array_remove(env, i);
	}
}

/* "oci" is what Podman calls its default; of a share of processors it tells both forms. */
static void
drop_derived(json_t *host)
{
	if (strcmp(recreate_text(host, "Runtime"), "oci") == 0)
		(void)json_object_del(host, "Runtime");
	if (json_integer_value(json_object_get(host, "NanoCpus")) == 0)
		return;
	(void)json_object_del(host, "CpuPeriod");
	(void)json_object_del(host, "CpuQuota");
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* What Docker has no word for, as the nearest that it has. */
static void
speak_docker(json_t *host, const struct recreate_options *o)
{
	static const char *const modes[] = {"PidMode", "UTSMode", "UsernsMode"};
	json_t *log = json_object_get(host, "LogConfig");
	const char *driver = recreate_text(log, "Type");
	const char *network = recreate_text(host, "NetworkMode");

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(recreate_text(host, modes[i]), "private") == 0)
			(void)json_object_del(host, modes[i]);
	if (begins(driver, "passthrough")) {
		recreate_leave_out(o, "log driver \"%.32s\": Docker has none", driver);
		(void)json_object_del(host, "LogConfig");
	} else if (strcmp(driver, "k8s-file") == 0) {
		(void)json_object_set_new(log, "Type", json_string("json-file"));
	}
	if (begins(network, "slirp4netns") || begins(network, "pasta")) {
		recreate_leave_out(
			o, "network mode \"%.64s\": it is in the default network", network);
		(void)json_object_set_new(host, "NetworkMode", json_string("default"));
	}
}

void
recreate_dialect(json_t *body, const json_t *inspect, const struct recreate_options *o)
{
	json_t *host = json_object_get(body, "HostConfig");

	name_limits(host);
	drop_made_up(body, inspect);
	drop_derived(host);
	if (o->traits == NULL || !o->traits->podman)
		speak_docker(host, o);
}
