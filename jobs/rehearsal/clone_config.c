#include "jobs/rehearsal/clone_config.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/recreate/recreate.h"
#include "jobs/operations/inspect.h"
#include "jobs/rehearsal/clone_context.h"

/* Of all processors' time a clone gets an eighth of what a container of the host gets, it is the
 * first to go when memory is short, and a bomb of processes ends at its own limit. */
enum { CPU_SHARES = 128, OOM_SCORE = 500, PIDS_MAX = 4096 };

/* All else that stands in Config is left out: labels, by which others would take it for the real
 * one; generated addresses; anonymous volumes, which are in Mounts. */
static const char *const config_kept[] = {"User", "Env", "Cmd", "Entrypoint", "WorkingDir",
	"Healthcheck", "ExposedPorts", "Hostname", "Domainname", "StopSignal", "StopTimeout", "Tty",
	"OpenStdin", "StdinOnce", "Shell", "ArgsEscaped", "NetworkDisabled", NULL};

static const char *const host_kept[] = {
	"CapDrop", "GroupAdd", "Init", "ReadonlyRootfs", "ShmSize", "Tmpfs", "ExtraHosts", NULL};

/* Left out, and of no account: how it is limited, kept alive and logged, or mapped elsewhere. */
static const char *const host_dropped[] = {"AutoRemove", "Binds", "BlkioDeviceReadBps",
	"BlkioDeviceReadIOps", "BlkioDeviceWriteBps", "BlkioDeviceWriteIOps", "BlkioWeight",
	"BlkioWeightDevice", "Cgroup", "CgroupnsMode", "ConsoleSize", "ContainerIDFile", "CpuCount",
	"CpuPercent", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime",
	"CpuShares", "CpusetCpus", "CpusetMems", "Dns", "DnsOptions", "DnsSearch",
	"IOMaximumBandwidth", "IOMaximumIOps", "Isolation", "KernelMemory", "KernelMemoryTCP",
	"Links", "MemoryReservation", "MemorySwap", "MemorySwappiness", "Mounts", "NanoCpus",
	"OomScoreAdj", "PidsLimit", "ReadonlyPaths", "RestartPolicy", "VolumesFrom", NULL};

char *
clone_config_name(const char *id, const char *name)
{
	return mem_format("rehearsal-%s-%s", id, name);
}

json_t *
clone_config_labels(const char *id, const char *store)
{
	return json_pack("{s:s, s:s, s:s}", CLONE_CONFIG_LABEL, id, CLONE_CONFIG_STORE_LABEL, store,
		"fuel-backup.exclude", "true");
}

static bool
listed(const char *const *list, const char *name)
{
	while (*list != NULL && strcmp(*list, name) != 0)
		list++;
	return *list != NULL;
}

static json_t *
clone_config_pick(const json_t *object, const char *const *keys)
{
	json_t *result = json_object();

	for (; *keys != NULL; keys++) {
		json_t *value = json_object_get(object, *keys);

		if (value != NULL && !json_is_null(value))
			(void)json_object_set_new(result, *keys, json_deep_copy(value));
	}
	return result;
}

/* ---- mounts ---- */

static void
clone_config_add_volume(const struct clone_context *m, const json_t *mount, const char *volume)
{
	(void)json_array_append_new(json_object_get(m->host, "Mounts"),
		json_pack("{s:s, s:s, s:s, s:b, s:{s:b}}", "Type", "volume", "Source", volume,
			"Target", json_text(mount, "Destination", NULL), "ReadOnly",
			!json_truth(mount, "RW", NULL), "VolumeOptions", "NoCopy", 1));
}

/* Of the engine's own folder of a volume that we filled: the one file in it. */
static void
clone_config_add_file(const struct clone_context *m, const json_t *mount, const char *path)
{
	(void)json_array_append_new(json_object_get(m->host, "Binds"),
		json_sprintf("%s:%s%s", path, json_text(mount, "Destination", NULL),
			json_truth(mount, "RW", NULL) ? "" : ":ro"));
}

static void
map_mount(const struct clone_context *m, const json_t *mount)
{
	const char *type = json_text(mount, "Type", NULL), *to;
	const char *source = json_text(mount, "Source", NULL);
	const char *name = json_text(mount, "Name", NULL);
	const char *at = json_text(mount, "Destination", NULL);

	if (strcmp(type, "tmpfs") == 0)
		return; /* by HostConfig */
	if (strcmp(type, "volume") == 0) {
		to = json_string_value(json_object_get(m->options->volumes, name));
		if (to != NULL)
			clone_config_add_volume(m, mount, to);
		else
			clone_context_lose(
				m, "volume %s at %s: the backup does not have it", name, at);
		return;
	}
	if (strcmp(type, "bind") != 0) {
		clone_context_lose(m, "a mount of type %s at %s", type, at);
		return;
	}
	const json_t *bind = json_object_get(m->options->binds, source);
	const char *volume = json_text(bind, "volume", NULL), *file = json_text(bind, "file", NULL);
	if (volume[0] != '\0')
		clone_config_add_volume(m, mount, volume);
	else if (file[0] != '\0' && strchr(at, ':') == NULL)
		clone_config_add_file(m, mount, file);
	else
		clone_context_lose(
			m, "%s of the host at %s: the backup does not have it", source, at);
}

static void
map_mounts(const struct clone_context *m)
{
	const json_t *mount;
	size_t i;

	(void)json_object_set_new(m->host, "Mounts", json_array());
	(void)json_object_set_new(m->host, "Binds", json_array());
	json_array_foreach (json_object_get(m->inspect, "Mounts"), i, mount) {
		map_mount(m, mount);
	}
	json_array_foreach (json_object_get(clone_context_host(m), "Mounts"), i, mount) {
		if (strcmp(json_text(mount, "Type", NULL), "tmpfs") != 0)
			continue;
		json_t *tmpfs = json_pack(
			"{s:s, s:s}", "Type", "tmpfs", "Target", json_text(mount, "Target", NULL));
		json_t *options = json_object_get(mount, "TmpfsOptions");
		if (json_is_object(options))
			(void)json_object_set(tmpfs, "TmpfsOptions", options);
		(void)json_array_append_new(json_object_get(m->host, "Mounts"), tmpfs);
	}
}

/* ---- what it may do ---- */

/* Each field that was handled by name; the others are handled as unknown ones. */
static const char *const host_named[] = {"PidMode", "IpcMode", "UTSMode", "UsernsMode",
	"NetworkMode", "SecurityOpt", "Sysctls", "Ulimits", "LogConfig", "Memory", "MaskedPaths",
	"Runtime", NULL};

/* In words, for those that are seen often. */
static const char *
words(const char *field)
{
	static const char *const known[][2] = {{"Privileged", "privileged mode"},
		{"CapAdd", "added capabilities"}, {"Devices", "devices of the host"},
		{"DeviceCgroupRules", "rules for devices"},
		{"DeviceRequests", "requested devices (GPUs)"}, {"PortBindings", "published ports"},
		{"PublishAllPorts", "published ports, all of them"},
		{"CgroupParent", "a cgroup of the host"}, {"VolumeDriver", "a volume driver"},
		{"StorageOpt", "options of the storage driver"},
		{"OomKillDisable", "protection from the OOM killer"}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i][0], field) == 0)
			return known[i][1];
	return "HostConfig";
}

/* Everything that is neither kept nor known to be of no account is left out by name. */
static void
lose_rest(const struct clone_context *m)
{
	const char *field;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)clone_context_host(m), field, value) {
		SCOPED(free_at) char *text = NULL;

		if (clone_context_is_empty(value) || listed(host_kept, field) ||
			listed(host_dropped, field) || listed(host_named, field))
			continue;
		text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		clone_context_lose(m, "%s: %s %.200s", words(field), field, text);
	}
	if (strcmp(json_text(clone_context_host(m), "Runtime", NULL), "") != 0 &&
		strncmp(json_text(clone_context_host(m), "Runtime", NULL), "runc", 4) != 0)
		clone_context_lose(m, "its runtime %s: it runs with the engine's own",
			json_text(clone_context_host(m), "Runtime", NULL));
	value = json_object_get(clone_context_host(m), "MaskedPaths");
	if (json_is_array(value) && json_array_size(value) == 0 &&
		!json_truth(clone_context_host(m), "Privileged", NULL))
		clone_context_lose(m, "unmasked paths of /proc and /sys");
}

static void
map_security(const struct clone_context *m)
{
	json_t *kept = json_array();
	const json_t *option;
	size_t i;

	json_array_foreach (json_object_get(clone_context_host(m), "SecurityOpt"), i, option) {
		const char *text = json_is_string(option) ? json_string_value(option) : "";

		if (strcmp(text, "no-new-privileges") == 0 ||
			strcmp(text, "no-new-privileges:true") == 0 ||
			strcmp(text, "no-new-privileges=true") == 0)
			(void)json_array_append_new(kept, json_string(text));
		else
			clone_context_lose(m, "security option %.80s", text);
	}
	(void)json_object_set_new(m->host, "SecurityOpt", kept);
}

/* Those of the network only in a network of its own. */
static void
map_sysctls(const struct clone_context *m)
{
	const char *mode = json_text(clone_context_host(m), "NetworkMode", NULL);
	json_t *kept = json_object();
	const char *name;
	json_t *value;

	json_object_foreach (json_object_get(clone_context_host(m), "Sysctls"), name, value) {
		if (!clone_context_own_network(mode) && strncmp(name, "net.", 4) == 0)
			clone_context_lose(m, "sysctl %s", name);
		else
			(void)json_object_set(kept, name, value);
	}
	(void)json_object_set_new(m->host, "Sysctls", kept);
}

/* Without those that let a process push others off the processors. */
static void
map_ulimits(const struct clone_context *m)
{
	json_t *kept = json_array();
	json_t *limit;
	size_t i;

	json_array_foreach (json_object_get(clone_context_host(m), "Ulimits"), i, limit) {
		const char *name = json_text(limit, "Name", NULL);

		if (strcasecmp(name, "rtprio") == 0 || strcasecmp(name, "nice") == 0)
			clone_context_lose(m, "ulimit %s", name);
		else
			(void)json_array_append(kept, limit);
	}
	(void)json_object_set_new(m->host, "Ulimits", kept);
}

/* Of names the engine knows those of the clones; the clone's own loopback is to answer all others,
 * or else the engine would carry the questions outside. */
static void
clone_config_set_names(const struct clone_context *m)
{
	const char *mode = json_text(m->host, "NetworkMode", NULL);

	if (strncmp(mode, "container:", 10) != 0) {
		(void)json_object_set_new(m->host, "Dns", json_pack("[s]", "127.0.0.1"));
		return;
	}
	/* The engine refuses both for who shares another's network. */
	if (!clone_context_is_empty(json_object_get(m->host, "ExtraHosts")))
		clone_context_lose(m, "its own host names (ExtraHosts)");
	(void)json_object_del(m->host, "ExtraHosts");
}

static const struct {
	unsigned which;
	const char *info, *key, *too, *what;
} limit_rows[] = {{CLONE_CONFIG_NO_MEMORY, "MemoryLimit", "Memory", "MemorySwap", "memory"},
	{CLONE_CONFIG_NO_CPUS, "CPUSet", "CpusetCpus", NULL, "processors"},
	{CLONE_CONFIG_NO_SHARES, "CPUShares", "CpuShares", NULL, "share of the processors"},
	{CLONE_CONFIG_NO_PIDS, "PidsLimit", "PidsLimit", NULL, "number of processes"}};

enum { LIMIT_ROWS = sizeof(limit_rows) / sizeof(limit_rows[0]) };

unsigned
clone_config_unlimited(const json_t *info)
{
	unsigned none = 0;

	for (size_t i = 0; i < LIMIT_ROWS; i++)
		if (json_is_false(json_object_get(info, limit_rows[i].info)))
			none |= limit_rows[i].which;
	/* Podman says yes to processes whatever the kernel has; one without the other is not made.
	 */
	return (none & CLONE_CONFIG_NO_MEMORY) != 0 ? none | CLONE_CONFIG_NO_PIDS : none;
}

static void
drop_unlimited(const struct clone_context *m, json_t *limits)
{
	for (size_t i = 0; i < LIMIT_ROWS; i++) {
		if ((m->options->unlimited & limit_rows[i].which) == 0)
			continue;
		clone_context_lose(
			m, "a limit of its %s, which this engine cannot set", limit_rows[i].what);
		(void)json_object_del(limits, limit_rows[i].key);
		if (limit_rows[i].too != NULL)
			(void)json_object_del(limits, limit_rows[i].too);
	}
}

static void
clone_config_set_limits(const struct clone_context *m)
{
	const json_int_t memory =
		json_integer_value(json_object_get(clone_context_host(m), "Memory"));
	const json_int_t pids =
		json_integer_value(json_object_get(clone_context_host(m), "PidsLimit"));
	const char *driver = json_text(clone_context_host(m), "LogConfig", "Type");

	if (memory > m->options->memory_bytes)
		clone_context_lose(m, "its memory limit of %lld MiB: it had %lld MiB",
			(long long)memory >> 20, (long long)m->options->memory_bytes >> 20);
	if (driver[0] != '\0' && strcmp(driver, "json-file") != 0 && strcmp(driver, "local") != 0 &&
		strcmp(driver, "none") != 0)
		clone_context_lose(m, "its log driver %s", driver);
	json_t *limits = json_pack("{s:I, s:I, s:s, s:i, s:i, s:I, s:{s:s}, s:{s:s, s:{s:s, s:s}}, "
				   "}",
		"Memory", (json_int_t)m->options->memory_bytes, "MemorySwap",
		(json_int_t)m->options->memory_bytes, "CpusetCpus", m->options->cpus, "CpuShares",
		CPU_SHARES, "OomScoreAdj", OOM_SCORE, "PidsLimit",
		pids > 0 && pids < PIDS_MAX ? pids : (json_int_t)PIDS_MAX, "RestartPolicy", "Name",
		"no", "LogConfig", "Type", "json-file", "Config", "max-size", "8m", "max-file",
		"1");
	drop_unlimited(m, limits);
	(void)json_object_update(m->host, limits);
	json_decref(limits);
}

/* A clone is on the networks that were made for it, and leaves none. */
static void
drop_leavings(json_t *connects)
{
	for (size_t i = json_array_size(connects); i-- > 0;)
		if (json_object_get(json_array_get(connects, i), "endpoint") == NULL)
			(void)json_array_remove(connects, i);
}

int
clone_config_body(const json_t *inspect, const struct clone_config_options *options,
	json_t *unproven, json_t **ret_body, json_t **ret_connects, struct err *e)
{
	const struct recreate_options recreate = {.api = options->api, .same_version = true};
	struct clone_context m = {.inspect = inspect,
		.name = container_name(inspect),
		.options = options,
		.unproven = unproven};
	SCOPED(json_decref_at) json_t *copy = NULL;
	json_t *config, *networks;

	if (!json_is_object(json_object_get(inspect, "Config")) ||
		!json_is_object(clone_context_host(&m)) || m.name[0] == '\0')
		return err_set(e, ERR_INVALID, "the inspect has no Name, Config or HostConfig");
	config = clone_config_pick(json_object_get(inspect, "Config"), config_kept);
	(void)json_object_set_new(config, "Image",
		json_string(options->image == NULL ? json_text(inspect, "Image", NULL)
						   : options->image));
	(void)json_object_set_new(
		config, "Labels", clone_config_labels(options->id, options->store));
	m.host = clone_config_pick(clone_context_host(&m), host_kept);
	clone_context_namespaces(&m);
	networks = clone_context_networks(&m);
	map_mounts(&m);
	map_security(&m);
	map_sysctls(&m);
	map_ulimits(&m);
	lose_rest(&m);
	clone_config_set_names(&m);
	clone_config_set_limits(&m);
	copy = json_pack("{s:s, s:s, s:o, s:o, s:{s:o}}", "Id", json_text(inspect, "Id", NULL),
		"Name", json_text(inspect, "Name", NULL), "Config", config, "HostConfig", m.host,
		"NetworkSettings", "Networks", networks);
	if (recreate_body(copy, &recreate, ret_body, ret_connects, e) != 0)
		return -1;
	drop_leavings(*ret_connects);
	return 0;
}
