/* Goal: every field that anything reads of an archive's documents is what it should be, or the
 * archive is refused, naming the field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/scope.h"
#include "jobs/content/shapes.h"

#define ID "c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeeabcd"

static const char *const sound[] = {
	[SHAPE_MANIFEST] =
		"{'format': 1, 'made_by': 'x', 'id': 'i', 'created_at': 't', 'incomplete': false,"
		" 'engine': {'host': 'h', 'version': '1'},"
		" 'plan': {'containers': {'names': ['*'], 'labels': ['a=b']}, 'host_paths': ['/a'],"
		"   'exclude': ['*.log'], 'keep': {'daily': 7, 'manual': true}, 'unknown': {'any': "
		"[1, null]}},"
		" 'containers': [{'name': 'web', 'id': '" ID "', 'image': 'sha256:" ID "',"
		"   'state': 'running', 'health': ''}],"
		" 'images': [{'id': 'sha256:" ID "', 'file': 'images/x.tar', 'tags': ['a:1'],"
		"   'layers': ['sha256:x']}],"
		" 'networks': ['front'],"
		" 'volumes': [{'Name': 'data', 'Driver': 'local', 'Labels': {'a.b': 'c'},"
		"   'Options': null, 'Status': {'any': 1}}],"
		" 'sources': [{'kind': 'volume', 'name': 'data', 'path': '', 'prefix': "
		"'volumes/data',"
		"   'file': false}],"
		" 'warnings': ['w'], 'omitted': [{'kind': 'k', 'name': 'n', 'reason': 'r',"
		"   'advice': null}], 'omitted_total': 1}",
	[SHAPE_INSPECT] =
		"{'Id': '" ID "', 'Name': '/web', 'Image': 'sha256:x', 'State': {'Running': true,"
		"   'Health': {'Status': 'healthy'}},"
		" 'Config': {'Env': ['a=b'], 'Cmd': ['x'], 'Entrypoint': 'text', 'Labels':"
		"   {'com.docker.compose.project': 'p', 'a[]': 'x', 'b{}': 'y'}, 'Volumes': {'/v': "
		"{}},"
		"   'Healthcheck': {'Test': ['CMD', 'x'], 'Interval': 1}},"
		" 'HostConfig': {'Binds': ['/a:/b'], 'Links': null, 'NetworkMode': 'default',"
		"   'PortBindings': {'80/tcp': [{'HostIp': '', 'HostPort': '80'}], '81/tcp': null},"
		"   'LogConfig': {'Type': 'json-file', 'Config': {'max-size': '1m'}},"
		"   'Ulimits': [{'Name': 'nofile', 'Soft': 1, 'Hard': 2}], 'NanoCpus': 1.5e9,"
		"   'Mounts': [{'Type': 'volume', 'Source': 's', 'Target': '/t'}], 'Memory': 0},"
		" 'Mounts': [{'Type': 'bind', 'Source': '/a', 'Destination': '/b', 'RW': true}],"
		" 'NetworkSettings': {'Networks': {'front.net': {'Aliases': ['a'], 'IPAMConfig':"
		"   {'IPv4Address': '10.0.0.2'}, 'DriverOpts': null}}}}",
	[SHAPE_NETWORK] =
		"{'Name': 'front', 'Driver': 'bridge', 'Internal': false, 'Options': {'a.b': 'c'},"
		" 'Labels': {}, 'IPAM': {'Driver': 'default', 'Config': [{'Subnet': '10.0.0.0/8',"
		"   'AuxiliaryAddresses': {'a': '10.0.0.5'}}]}, 'Containers': {'x': {'any': [1]}}}",
};

static json_t *
parse(enum shape shape)
{
	char text[4096];

	(void)snprintf(text, sizeof(text), "%s", sound[shape]);
	for (char *at = text; *at != '\0'; at++)
		*at = *at == '\'' ? '"' : *at;
	return json_loads(text, 0, NULL);
}

static void
test_sound(void **state)
{
	struct err e;

	(void)state;
	for (enum shape shape = SHAPE_MANIFEST; shape <= SHAPE_NETWORK; shape++) {
		SCOPED(json_decref_at) json_t *json = parse(shape);

		assert_non_null(json);
		if (shapes_check(json, shape, "a/member", &e) != 0)
			fail_msg("%s", e.text);
	}
}

static const struct {
	enum shape shape;
	const char *path, *value, *told;
} bad[] = {
	{SHAPE_MANIFEST, "plan/exclude", "[1]",
		"\"plan.exclude[0]\" is a whole number, and should be a text"},
	{SHAPE_MANIFEST, "plan/exclude", "['a', null]", "\"plan.exclude[1]\" is null"},
	{SHAPE_MANIFEST, "plan/exclude", "{}", "\"plan.exclude\" is an object"},
	{SHAPE_MANIFEST, "plan/containers/names", "[[]]", "\"plan.containers.names[0]\" is a list"},
	{SHAPE_MANIFEST, "plan/keep", "{'daily': []}", "\"plan.keep.daily\""},
	{SHAPE_MANIFEST, "plan", "[]", "\"plan\" is a list"},
	{SHAPE_MANIFEST, "containers", "[1]", "\"containers[0]\""},
	{SHAPE_MANIFEST, "containers", "[{}]", "\"containers[0].name\" is missing"},
	{SHAPE_MANIFEST, "images", "[{'id': 'x', 'file': 'y', 'tags': [null]}]",
		"\"images[0].tags[0]\""},
	{SHAPE_MANIFEST, "networks", "[{}]", "\"networks[0]\""},
	{SHAPE_MANIFEST, "volumes", "[{'Name': 'x', 'Options': {'o': 1}}]",
		"\"volumes[0].Options.o\""},
	{SHAPE_MANIFEST, "volumes", "[{'Name': 'x', 'Labels': []}]", "\"volumes[0].Labels\""},
	{SHAPE_MANIFEST, "volumes", "{'Name': 'x'}", "\"volumes\" is an object"},
	{SHAPE_MANIFEST, "sources", "[{'kind': 1}]", "\"sources[0].name\" is missing"},
	{SHAPE_MANIFEST, "sources",
		"[{'kind': 'bind', 'name': '/a', 'prefix': 'binds/a', 'place': {'real': '/a', "
		"'links': [1], 'above': []}}]",
		"\"sources[0].place.links[0]\""},
	{SHAPE_MANIFEST, "sources",
		"[{'kind': 'bind', 'name': '/a', 'prefix': 'binds/a', 'place': {'links': [], "
		"'above': []}}]",
		"\"sources[0].place.real\" is missing"},
	{SHAPE_MANIFEST, "warnings", "[{}]", "\"warnings[0]\""},
	{SHAPE_MANIFEST, "format", "'1'", "\"format\" is a text"},
	{SHAPE_MANIFEST, "engine", "{'host': null}", "\"engine.host\""},
	{SHAPE_MANIFEST, "omitted", "[null]", "\"omitted[0]\""},
	{SHAPE_INSPECT, "Name", "1", "\"Name\""},
	{SHAPE_INSPECT, "HostConfig", "[]", "\"HostConfig\""},
	{SHAPE_INSPECT, "HostConfig/Binds", "[1]", "\"HostConfig.Binds[0]\""},
	{SHAPE_INSPECT, "HostConfig/PortBindings", "{'80/tcp': [null]}",
		"\"HostConfig.PortBindings.80/tcp[0]\""},
	{SHAPE_INSPECT, "HostConfig/PortBindings", "{'80/tcp': [{'HostIp': 1}]}",
		"HostIp\" is a whole number"},
	{SHAPE_INSPECT, "HostConfig/LogConfig/Config", "{'a': {}}",
		"\"HostConfig.LogConfig.Config.a\""},
	{SHAPE_INSPECT, "Config/Labels", "{'a.b': 1}", "\"Config.Labels.a.b\""},
	{SHAPE_INSPECT, "Config/Labels", "{'a[]': 1}", "\"Config.Labels.a[]\""},
	{SHAPE_INSPECT, "Config/Env", "'a=b'", "\"Config.Env\""},
	{SHAPE_INSPECT, "Mounts", "[[]]", "\"Mounts[0]\""},
	{SHAPE_INSPECT, "Mounts", "[{'Type': null}]", "\"Mounts[0].Type\""},
	{SHAPE_INSPECT, "NetworkSettings/Networks", "{'x': []}", "\"NetworkSettings.Networks.x\""},
	{SHAPE_INSPECT, "NetworkSettings/Networks", "{'x.y': {'Aliases': [1]}}",
		"Networks.x.y.Aliases[0]\""},
	{SHAPE_NETWORK, "Options", "{'a': 1}", "\"Options.a\""},
	{SHAPE_NETWORK, "IPAM/Config", "[{'Subnet': 1}]", "\"IPAM.Config[0].Subnet\""},
	{SHAPE_NETWORK, "IPAM/Config", "{}", "\"IPAM.Config\""},
	{SHAPE_NETWORK, "Name", "null", "\"Name\""},
};

static json_t *
value_of(const char *text)
{
	char copy[256];

	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (char *at = copy; *at != '\0'; at++)
		*at = *at == '\'' ? '"' : *at;
	return json_loads(copy, JSON_DECODE_ANY, NULL);
}

static void
put(json_t *json, const char *path, json_t *value)
{
	char copy[128];
	char *at = copy, *slash;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	while ((slash = strchr(at, '/')) != NULL) {
		*slash = '\0';
		json = json_object_get(json, at);
		at = slash + 1;
	}
	assert_int_equal(json_object_set_new(json, at, value), 0);
}

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		SCOPED(json_decref_at) json_t *json = parse(bad[i].shape);
		struct err e;

		put(json, bad[i].path, value_of(bad[i].value));
		assert_int_equal(shapes_check(json, bad[i].shape, "a/member", &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
		if (strstr(e.text, bad[i].told) == NULL || strstr(e.text, "a/member") == NULL)
			fail_msg("%s: %s", bad[i].told, e.text);
	}
}

static void
test_what_is_no_object(void **state)
{
	static const char *const texts[] = {"[]", "1", "null", "true", "'x'", "[[]]", "1.5"};
	struct err e;

	(void)state;
	for (enum shape shape = SHAPE_MANIFEST; shape <= SHAPE_NETWORK; shape++)
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			SCOPED(json_decref_at) json_t *json = value_of(texts[i]);

			assert_int_equal(shapes_check(json, shape, "m", &e), -1);
		}
}

/* Whatever is nested is no reason to run out of stack. */
static void
test_nested(void **state)
{
	SCOPED(json_decref_at) json_t *json = parse(SHAPE_INSPECT);
	json_t *deep = json_array();
	struct err e;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		json_t *next = i % 2 == 0 ? json_array() : json_object();

		if (i % 2 == 0)
			(void)json_array_append_new(next, deep);
		else
			(void)json_object_set_new(next, "key that is not short", deep);
		deep = next;
	}
	put(json, "Unknown", deep);
	assert_int_equal(shapes_check(json, SHAPE_INSPECT, "m", &e), -1);
	assert_non_null(strstr(e.text, "nested too deep"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_what_is_no_object),
		cmocka_unit_test(test_nested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
