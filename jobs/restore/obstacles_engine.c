/* Obstacles: what this engine, or the machine that it runs on, refuses of a container or a network
 * that is made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/networks.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/host_sockets.h"
#include "jobs/restore/obstacles_internal.h"
#include "jobs/restore/state/selection.h"

/* Of NanoCpus. */
static const int64_t CPU = 1000000000;

/* Versions of the API that know of these mounts. */
enum { API_SUBPATH = 145, API_IMAGE_MOUNTS = 148 };

/* A list of numbers of the kernel, "0-3,8" (cpuset(7)): whether ${number} is in it. */
static bool
list_has(const char *list, unsigned long number)
{
	while (*list != '\0') {
		char *end;
		const unsigned long from = strtoul(list, &end, 10);
		const unsigned long to = *end == '-' ? strtoul(end + 1, &end, 10) : from;

		if (number >= from && number <= to)
			return true;
		if (end == list)
			return false;
		list = end + strspn(end, ",\n ");
	}
	return false;
}

/* The first number of ${wanted} that is not in ${there}; -1: all are, or it cannot be told. */
static long
first_missing(const char *wanted, const char *there)
{
	while (*wanted != '\0' && there[0] != '\0') {
		char *end;
		const unsigned long from = strtoul(wanted, &end, 10);
		const unsigned long to = *end == '-' ? strtoul(end + 1, &end, 10) : from;

		if (end == wanted)
			return -1;
		if (!list_has(there, from))
			return (long)from;
		if (!list_has(there, to))
			return (long)to;
		wanted = end + strspn(end, ",\n ");
	}
	return -1;
}

/* Processors and memory nodes are the machine's, in a container as well. */
static void
read_list(const char *path, char *list, size_t size)
{
	SCOPED(file_close_at) FILE *file = fopen(path, "re");

	if (file == NULL || fgets(list, (int)size, file) == NULL)
		list[0] = '\0';
}

static void
check_processors(struct obstacles *o, const struct restore_container *item, const json_t *host)
{
	const int64_t here = json_integer_value(json_object_get(o->info, "NCPU"));
	const int64_t wanted = json_integer_value(json_object_get(host, "NanoCpus"));
	static const struct {
		const char *key, *path, *what;
	} sets[] = {
		{"CpusetCpus", "/sys/devices/system/cpu/possible", "processor"},
		{"CpusetMems", "/sys/devices/system/node/possible", "memory node"},
	};

	if (here > 0 && wanted > here * CPU)
		obstacles_add(o, item->name, "it wants %g processors, and this host has %lld",
			(double)wanted / (double)CPU, (long long)here);
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		char there[1024];
		long missing;

		read_list(sets[i].path, there, sizeof(there));
		missing = first_missing(json_text(host, sets[i].key, NULL), there);
		if (missing >= 0)
			obstacles_add(o, item->name, "it wants %s %ld, which this host has not",
				sets[i].what, missing);
	}
}

/* A plugin is listed with its tag, and may be called without. */
static bool
has_log_driver(const json_t *drivers, const char *name)
{
	const size_t len = strlen(name);
	const json_t *driver;
	size_t i;

	json_array_foreach (drivers, i, driver) {
		const char *text = json_is_string(driver) ? json_string_value(driver) : "";

		if (strncmp(text, name, len) == 0 && (text[len] == '\0' || text[len] == ':'))
			return true;
	}
	return false;
}

/* Docker's word for Podman's driver, which Podman itself says too, and the other way round
 * (recreate_dialect.c). */
static const char *
other_name(const char *name)
{
	if (strcmp(name, "json-file") == 0)
		return "k8s-file";
	return strcmp(name, "k8s-file") == 0 ? "json-file" : name;
}

static void
check_log_driver(struct obstacles *o, const struct restore_container *item, const json_t *host)
{
	const json_t *drivers = json_object_get(json_object_get(o->info, "Plugins"), "Log");
	const char *name = json_text(host, "LogConfig", "Type");

	if (name[0] != '\0' && strcmp(name, "none") != 0 && json_array_size(drivers) > 0 &&
		!has_log_driver(drivers, name) && !has_log_driver(drivers, other_name(name)))
		obstacles_add(o, item->name, "this engine has no log driver \"%s\"", name);
}

static const char *
status_of(const json_t *info, const char *key)
{
	const json_t *pair;
	size_t i;

	json_array_foreach (json_object_get(info, "DriverStatus"), i, pair) {
		const char *name = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (name != NULL && value != NULL && strcmp(name, key) == 0)
			return value;
	}
	return "";
}

static void
check_storage(struct obstacles *o, const struct restore_container *item, const json_t *host)
{
	const char *below = status_of(o->info, "Backing Filesystem");

	if (json_object_size(json_object_get(host, "StorageOpt")) > 0 &&
		strcmp(json_text(o->info, "Driver", NULL), "overlay2") == 0 && below[0] != '\0' &&
		strcmp(below, "xfs") != 0)
		obstacles_add(o, item->name,
			"its layer has a size of its own (--storage-opt), which this engine can "
			"give only on xfs, and has %s",
			below);
}

static void
check_cgroup(struct obstacles *o, const struct restore_container *item, const json_t *host)
{
	const char *parent = json_text(host, "CgroupParent", NULL);
	const size_t len = strlen(parent);

	if (len > 0 && strcmp(json_text(o->info, "CgroupDriver", NULL), "systemd") == 0 &&
		(len < 6 || strcmp(parent + len - 6, ".slice") != 0))
		obstacles_add(o, item->name,
			"its cgroup's parent is %s, and here, where systemd has them, that has to "
			"be a slice",
			parent);
}

/* An older engine would refuse the one, and mount another folder for the other. */
static void
check_mounts(struct obstacles *o, const struct restore_container *item, const json_t *host)
{
	const json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(host, "Mounts"), i, mount) {
		const char *target = json_text(mount, "Target", NULL);

		if (o->api < API_IMAGE_MOUNTS &&
			strcmp(json_text(mount, "Type", NULL), "image") == 0)
			obstacles_add(o, item->name,
				"it mounts an image at %s, which this engine cannot", target);
		if (o->api < API_SUBPATH && json_text(mount, "VolumeOptions", "Subpath")[0] != '\0')
			obstacles_add(o, item->name,
				"it mounts a folder of a volume at %s, which this engine cannot",
				target);
	}
}

int
obstacles_engine(struct obstacles *o, struct err *e)
{
	static void (*const all[])(
		struct obstacles * o, const struct restore_container *item, const json_t *host) = {
		check_processors, check_log_driver, check_storage, check_cgroup, check_mounts};
	const struct restore *r = o->restore;

	o->api = engine_api(r->request->engine, e);
	if (o->api < 0)
		return -1;
	for (size_t i = 0; i < r->count; i++)
		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
			if (obstacles_is_made(&r->items[i]))
				all[k](o, &r->items[i],
					json_object_get(r->items[i].inspect, "HostConfig"));
	return 0;
}

/* ---- networks that are made ---- */

static const char bridge_name[] = "com.docker.network.bridge.name";

/* A macvlan's parent; of one with a dot that is not there the engine makes it, on the rest. */
static void
check_parent(struct obstacles *o, const char *name, const json_t *recorded,
	const struct host_sockets *host)
{
	const char *driver = json_text(recorded, "Driver", NULL);
	const char *parent = json_text(recorded, "Options", "parent");
	SCOPED(free_at) char *base = mem_copy(parent, strcspn(parent, ".:"));

	if (parent[0] == '\0' || (strcmp(driver, "macvlan") != 0 && strcmp(driver, "ipvlan") != 0))
		return;
	if (host_sockets_lack_interface(host, parent) && host_sockets_lack_interface(host, base))
		obstacles_add(o, name, "its parent %s is no interface of this host", parent);
}

static void
check_bridge(struct obstacles *o, const char *name, const json_t *recorded)
{
	const char *bridge = json_text(recorded, "Options", bridge_name);
	const json_t *network;
	size_t i;

	json_array_foreach (o->networks, i, network) {
		if (bridge[0] != '\0' && strcmp(json_text(network, "Name", NULL), name) != 0 &&
			strcmp(json_text(network, "Options", bridge_name), bridge) == 0)
			obstacles_add(o, name, "its bridge %s is that of the network %s now",
				bridge, json_text(network, "Name", NULL));
	}
}

int
obstacles_interfaces(struct obstacles *o, struct err *e)
{
	const struct restore *r = o->restore;
	const char *name;
	json_t *recorded;

	json_object_foreach (r->contents->networks, name, recorded) {
		SCOPED(json_decref_at) json_t *present = NULL;

		if (!selection_network(r->selection, name) || networks_predefined(name))
			continue;
		const int stays = obstacles_network_stays(o, name, &present, e);

		if (stays < 0)
			return -1;
		if (stays > 0)
			continue;
		check_parent(o, name, recorded, &o->host);
		check_bridge(o, name, recorded);
	}
	return 0;
}
