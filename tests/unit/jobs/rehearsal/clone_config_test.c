/* Goal: a clone's body has what the container needs, and nothing that leads out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "jobs/rehearsal/clone_config.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* The recorded container: all of Config, HostConfig, Mounts and Networks of a case go into it. */
static const char frame[] = "{'Id': '" ID "', 'Name': '/web', 'Image': 'sha256:aa',"
			    " 'Config': {%s}, 'HostConfig': {%s}, 'Mounts': [%s],"
			    " 'NetworkSettings': {'Networks': {%s}}}";

static json_t *
parse(const char *text)
{
	SCOPED(free_at) char *copy = strdup(text);
	json_t *json;

	for (char *at = copy; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	json = json_loads(copy, JSON_DECODE_ANY, NULL);
	assert_non_null(json);
	return json;
}

static const char *
named(void *ctx, const char *id)
{
	(void)ctx;
	return strcmp(id, "db") == 0 || strncmp(id, "fedcba987654", 12) == 0 ? "db" : NULL;
}

struct made {
	json_t *inspect, *body, *connects, *unproven, *volumes, *binds;
};

static struct made
make(const char *config, const char *host, const char *mounts, const char *networks)
{
	SCOPED(free_at) char *text = malloc(8192);
	struct made m = {.unproven = json_array(),
		.volumes = parse("{'data': 'rehearsal-R-volume-data'}"),
		.binds = parse("{'/srv': {'volume': 'rehearsal-R-bind-0'},"
			       " '/etc/conf': {'file': '/engine/v/_data/file'}}")};
	const struct clone_config_options options = {.id = "R",
		.store = "/store",
		.api = 141,
		.memory_bytes = 1000,
		.cpus = "1",
		.holder = "holder",
		.volumes = m.volumes,
		.binds = m.binds,
		.container = named};
	struct err e;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(text, 8192, frame, config, host, mounts, networks);
#pragma GCC diagnostic pop
	m.inspect = parse(text);
	if (clone_config_body(m.inspect, &options, m.unproven, &m.body, &m.connects, &e) != 0)
		fail_msg("%s", e.text);
	return m;
}

static void
made_free(struct made *m)
{
	json_decref(m->inspect);
	json_decref(m->body);
	json_decref(m->connects);
	json_decref(m->unproven);
	json_decref(m->volumes);
	json_decref(m->binds);
}

static const json_t *
at(const json_t *json, const char *path)
{
	SCOPED(free_at) char *copy = strdup(path);
	char *rest = NULL;

	for (char *key = strtok_r(copy, "/", &rest); key != NULL; key = strtok_r(NULL, "/", &rest))
		json = json_is_array(json) ? json_array_get(json, (size_t)atoi(key))
					   : json_object_get(json, key);
	return json;
}

static void
expect(const json_t *json, const char *path, const char *expected)
{
	SCOPED(json_decref_at) json_t *value = parse(expected);
	SCOPED(free_at) char *found = json_dumps(at(json, path), JSON_ENCODE_ANY | JSON_COMPACT);

	if (!json_equal(at(json, path), value))
		fail_msg("%s is %s, not %s", path, found == NULL ? "(none)" : found, expected);
}

static bool
told(const json_t *unproven, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach (unproven, i, item) {
		if (strstr(json_string_value(json_object_get(item, "what")), text) != NULL)
			return true;
	}
	return false;
}

/* Each field is not in the clone's HostConfig as it was, and is told of by a text (NULL: need not
 * be).  The value `gone` means that the clone has no such field, or an empty one. */
static const struct {
	const char *host;  /* recorded */
	const char *field; /* of the clone */
	const char *value; /* what it is then; NULL: not there */
	const char *told;
} hostile[] = {
	{"'Privileged': true", "Privileged", NULL, "privileged mode"},
	{"'CapAdd': ['SYS_ADMIN']", "CapAdd", NULL, "SYS_ADMIN"},
	{"'Devices': [{'PathOnHost': '/dev/sda'}]", "Devices", NULL, "/dev/sda"},
	{"'DeviceCgroupRules': ['a *:* rwm']", "DeviceCgroupRules", NULL, "*:*"},
	{"'DeviceRequests': [{'Count': -1}]", "DeviceRequests", NULL, "GPU"},
	{"'PidMode': 'host'", "PidMode", NULL, "PidMode"},
	{"'IpcMode': 'host'", "IpcMode", NULL, "IpcMode"},
	{"'UTSMode': 'host'", "UTSMode", NULL, "UTSMode"},
	{"'UsernsMode': 'host'", "UsernsMode", NULL, "UsernsMode"},
	{"'CgroupnsMode': 'host'", "CgroupnsMode", NULL, NULL},
	{"'CgroupParent': '/top'", "CgroupParent", NULL, "/top"},
	{"'SecurityOpt': ['seccomp=unconfined', 'no-new-privileges']", "SecurityOpt",
		"['no-new-privileges']", "seccomp=unconfined"},
	{"'MaskedPaths': [], 'ReadonlyPaths': []", "MaskedPaths", NULL, "unmasked"},
	{"'Runtime': 'evil'", "Runtime", NULL, "evil"},
	{"'Sysctls': {'net.x': '1', 'kernel.shmmax': '2'}, 'NetworkMode': 'host'", "Sysctls",
		"{'kernel.shmmax': '2'}", "net.x"},
	{"'Ulimits': [{'Name': 'rtprio', 'Hard': 99}, {'Name': 'nofile', 'Hard': 9}]", "Ulimits",
		"[{'Name': 'nofile', 'Hard': 9}]", "rtprio"},
	{"'PortBindings': {'80/tcp': [{'HostPort': '80'}]}", "PortBindings", NULL, "80/tcp"},
	{"'PublishAllPorts': true", "PublishAllPorts", NULL, "published ports"},
	{"'Binds': ['/:/host'], 'VolumesFrom': ['x']", "Binds", "[]", NULL},
	{"'Binds': ['/:/host'], 'VolumesFrom': ['x']", "VolumesFrom", NULL, NULL},
	{"'Mounts': [{'Type': 'bind', 'Source': '/', 'Target': '/host'},"
	 " {'Type': 'tmpfs', 'Target': '/t', 'Evil': 1}]",
		"Mounts", "[{'Type': 'tmpfs', 'Target': '/t'}]", NULL},
	{"'RestartPolicy': {'Name': 'always'}", "RestartPolicy", "{'Name': 'no'}", NULL},
	{"'AutoRemove': true", "AutoRemove", NULL, NULL},
	{"'OomKillDisable': true, 'OomScoreAdj': -1000", "OomScoreAdj", "500", "OOM"},
	{"'Memory': 2097152, 'MemorySwap': -1", "MemorySwap", "1000", "memory limit"},
	{"'PidsLimit': -1", "PidsLimit", "4096", NULL},
	{"'CpusetCpus': '0-9', 'CpuShares': 4096", "CpusetCpus", "'1'", NULL},
	{"'LogConfig': {'Type': 'syslog', 'Config': {'syslog-address': 'tcp://10.0.0.1'}}",
		"LogConfig/Type", "'json-file'", "syslog"},
	{"'Dns': ['10.0.0.1']", "Dns", "['127.0.0.1']", NULL},
	{"'InventedLater': {'host': true}", "InventedLater", NULL, "InventedLater"},
	{"'NetworkMode': 'host'", "NetworkMode", "'container:holder'", "the host's network"},
	{"'NetworkMode': 'container:gone'", "NetworkMode", "'none'", "not in the backup"},
	{"'NetworkMode': 'container:fedcba9876543210'", "NetworkMode", "'container:rehearsal-R-db'",
		NULL},
	{"'PidMode': 'container:db'", "PidMode", "'container:rehearsal-R-db'", NULL},
	{"'IpcMode': 'container:db'", "IpcMode", "'container:rehearsal-R-db'", NULL},
	{"'IpcMode': 'shareable'", "IpcMode", "'shareable'", NULL},
	{"'ReadonlyRootfs': true, 'CapDrop': ['ALL']", "ReadonlyRootfs", "true", NULL},
};

static void
test_powers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct made m = make("'Cmd': ['x']", hostile[i].host, "", "");
		const json_t *host = json_object_get(m.body, "HostConfig");

		if (hostile[i].value != NULL)
			expect(host, hostile[i].field, hostile[i].value);
		else if (at(host, hostile[i].field) != NULL)
			fail_msg("%s: the clone has it", hostile[i].host);
		if (hostile[i].told != NULL && !told(m.unproven, hostile[i].told))
			fail_msg("%s: it is not told", hostile[i].host);
		made_free(&m);
	}
}

static void
test_mounts(void **state)
{
	(void)state;
	struct made m = make("", "",
		"{'Type': 'volume', 'Name': 'data', 'Destination': '/d', 'RW': true},"
		"{'Type': 'bind', 'Source': '/srv', 'Destination': '/s', 'RW': false},"
		"{'Type': 'bind', 'Source': '/etc/conf', 'Destination': '/c', 'RW': false},"
		"{'Type': 'bind', 'Source': '/', 'Destination': '/host', 'RW': true},"
		"{'Type': 'bind', 'Source': '/srv/../etc', 'Destination': '/e', 'RW': true},"
		"{'Type': 'volume', 'Name': 'other', 'Destination': '/o', 'RW': true},"
		"{'Type': 'cluster', 'Name': 'c', 'Destination': '/k', 'RW': true}",
		"");

	expect(m.body, "HostConfig/Mounts",
		"[{'Type': 'volume', 'Source': 'rehearsal-R-volume-data', 'Target': '/d',"
		" 'ReadOnly': false, 'VolumeOptions': {'NoCopy': true}},"
		"{'Type': 'volume', 'Source': 'rehearsal-R-bind-0', 'Target': '/s', 'ReadOnly': "
		"true,"
		" 'VolumeOptions': {'NoCopy': true}}]");
	expect(m.body, "HostConfig/Binds", "['/engine/v/_data/file:/c:ro']");
	assert_true(told(m.unproven, "/ of the host at /host"));
	assert_true(told(m.unproven, "/srv/../etc"));
	assert_true(told(m.unproven, "volume other"));
	assert_true(told(m.unproven, "type cluster"));
	made_free(&m);
}

static void
test_networks(void **state)
{
	(void)state;
	struct made m = make("'Hostname': '0123456789ab'",
		"'NetworkMode': 'front', 'Links': ['/gone:/web/gone']", "",
		"'front': {'IPAMConfig': {'IPv4Address': '10.1.0.9'}, 'Aliases': ['www', "
		"'0123456789ab'], 'Links': ['db:database', 'lost:l'], 'MacAddress': "
		"'02:42:ac:11:0:2',"
		" 'DriverOpts': {'x': 'y'}}, 'back': {'Aliases': ['api']}");

	expect(m.body, "HostConfig/NetworkMode", "'rehearsal-R-front'");
	expect(m.body, "NetworkingConfig/EndpointsConfig",
		"{'rehearsal-R-front': {'Aliases': ['web', 'www'],"
		" 'Links': ['rehearsal-R-db:database']}}");
	expect(m.connects, "0/network", "'rehearsal-R-back'");
	expect(m.connects, "0/endpoint/Aliases", "['web', 'api']");
	assert_true(told(m.unproven, "10.1.0.9"));
	assert_true(told(m.unproven, "link lost:l"));
	assert_null(at(m.body, "Hostname"));
	made_free(&m);
}

static void
test_default_bridge_has_its_links(void **state)
{
	(void)state;
	struct made m = make(
		"", "'NetworkMode': 'default', 'Links': ['/db:/web/database']", "", "'bridge': {}");

	expect(m.body, "NetworkingConfig/EndpointsConfig/rehearsal-R-bridge/Links",
		"['rehearsal-R-db:database']");
	made_free(&m);
}

static void
test_labels(void **state)
{
	(void)state;
	struct made m = make("'Labels': {'traefik.enable': 'true', 'fuel-backup.rehearsal': 'x'},"
			     "'Image': 'nginx:1', 'Env': ['A=1'], 'MacAddress': '02:42:0:0:0:1'",
		"", "", "");

	expect(m.body, "Labels",
		"{'fuel-backup.rehearsal': 'R', 'fuel-backup.store': '/store',"
		" 'fuel-backup.exclude': 'true'}");
	expect(m.body, "Image", "'sha256:aa'");
	expect(m.body, "Env", "['A=1']");
	assert_null(at(m.body, "MacAddress"));
	made_free(&m);
}

static void
test_an_inspect_that_is_none(void **state)
{
	(void)state;
	SCOPED(json_decref_at) json_t *unproven = json_array();
	SCOPED(json_decref_at) json_t *inspect = parse("{'Name': '/x', 'Config': 3}");
	const struct clone_config_options options = {.id = "R", .store = "/", .container = named};
	json_t *body = NULL, *connects = NULL;
	struct err e;

	assert_int_equal(clone_config_body(inspect, &options, unproven, &body, &connects, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_powers),
		cmocka_unit_test(test_mounts), cmocka_unit_test(test_networks),
		cmocka_unit_test(test_default_bridge_has_its_links), cmocka_unit_test(test_labels),
		cmocka_unit_test(test_an_inspect_that_is_none)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
