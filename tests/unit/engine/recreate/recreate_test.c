/* Goal: what an inspect says becomes what makes the same container again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "engine/recreate/recreate.h"

static const char inspect_text[] =
	"{'Id': '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',"
	" 'Name': '/web', 'Image': 'sha256:aa',"
	" 'Config': {'Hostname': '0123456789ab', 'Image': 'nginx:1', 'Env': ['A=1'],"
	"   'Labels': {'x': 'y'}, 'Volumes': {'/anon': {}}},"
	" 'HostConfig': {'NetworkMode': 'front', 'Binds': ['/srv:/srv:ro'],"
	"   'Mounts': [{'Type': 'volume', 'Target': '/m'}],"
	"   'MaskedPaths': ['/proc/acpi'], 'RestartPolicy': {'Name': 'always'}},"
	" 'Mounts': [{'Type': 'bind', 'Source': '/srv', 'Destination': '/srv', 'RW': false},"
	"   {'Type': 'volume', 'Name': 'v1', 'Destination': '/anon', 'RW': true},"
	"   {'Type': 'volume', 'Name': 'v2', 'Destination': '/m', 'RW': true}],"
	" 'NetworkSettings': {'Networks': {"
	"   'front': {'IPAMConfig': {'IPv4Address': '10.1.0.9'}, 'Aliases': ['www', "
	"'0123456789ab'],"
	"     'IPAddress': '10.1.0.9', 'MacAddress': '02:42:0a:01:00:09', 'NetworkID': 'n1'},"
	"   'back': {'Aliases': ['api', '0123456789ab'], 'IPAddress': '10.2.0.5'}}}}";

static json_t *
parse(const char *text)
{
	SCOPED(free_at) char *copy = strdup(text);
	json_t *json;

	for (char *at = copy; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	json = json_loads(copy, 0, NULL);
	assert_non_null(json);
	return json;
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

#define assert_text(json, path, text)                                                              \
	assert_string_equal(json_string_value(at(json, path)) == NULL                              \
				    ? "(none)"                                                     \
				    : json_string_value(at(json, path)),                           \
		text)

struct made {
	json_t *inspect, *body, *connects;
};

static struct made
make(const char *text, struct recreate_options options)
{
	struct made m = {.inspect = parse(text)};
	struct err e;

	if (recreate_body(m.inspect, &options, &m.body, &m.connects, &e) != 0)
		fail_msg("%s", e.text);
	return m;
}

static void
made_free(struct made *m)
{
	json_decref(m->inspect);
	json_decref(m->body);
	json_decref(m->connects);
}

static void
test_old_engine(void **state)
{
	SCOPED(made_free)
	struct made m = make(inspect_text,
		(struct recreate_options){.api = 141, .same_version = true, .image = "sha256:aa"});

	(void)state;
	assert_null(at(m.body, "Hostname"));
	assert_text(m.body, "Image", "sha256:aa");
	assert_text(m.body, "Env/0", "A=1");
	assert_text(m.body, "HostConfig/Binds/0", "/srv:/srv:ro");
	assert_text(m.body, "HostConfig/Binds/1", "v1:/anon");
	assert_int_equal(json_array_size(at(m.body, "HostConfig/Binds")), 2);
	assert_text(m.body, "HostConfig/Mounts/0/Source", "v2");
	assert_text(m.body, "HostConfig/MaskedPaths/0", "/proc/acpi");
	assert_text(m.body, "HostConfig/RestartPolicy/Name", "always");
	assert_text(m.body, "NetworkingConfig/EndpointsConfig/front/IPAMConfig/IPv4Address",
		"10.1.0.9");
	assert_text(m.body, "NetworkingConfig/EndpointsConfig/front/Aliases/0", "www");
	assert_int_equal(
		json_array_size(at(m.body, "NetworkingConfig/EndpointsConfig/front/Aliases")), 1);
	assert_null(at(m.body, "NetworkingConfig/EndpointsConfig/front/MacAddress"));
	assert_null(at(m.body, "NetworkingConfig/EndpointsConfig/front/IPAddress"));
	assert_null(at(m.body, "NetworkingConfig/EndpointsConfig/back"));
	assert_int_equal(json_array_size(m.connects), 1);
	assert_text(m.connects, "0/network", "back");
	assert_text(m.connects, "0/endpoint/Aliases/0", "api");
}

static void
test_new_engine(void **state)
{
	SCOPED(made_free)
	struct made m = make(inspect_text, (struct recreate_options){.api = 147});

	(void)state;
	assert_text(m.body, "Image", "nginx:1");
	assert_null(at(m.body, "HostConfig/MaskedPaths"));
	assert_int_equal(json_array_size(m.connects), 0);
	assert_text(m.body, "NetworkingConfig/EndpointsConfig/back/Aliases/0", "api");
}

static const char *
new_id(void *ctx, const char *id)
{
	(void)ctx;
	return strcmp(id, "old") == 0 ? "new" : NULL;
}

static void
test_shared_network(void **state)
{
	static const char text[] =
		"{'Id': 'ff', 'Name': '/side', 'Config': {'Hostname': 'h', 'ExposedPorts': {}},"
		" 'HostConfig': {'NetworkMode': 'container:old', 'PidMode': 'container:old'},"
		" 'NetworkSettings': {'Networks': {}}}";
	const struct recreate_options options = {.api = 141, .container = new_id};
	SCOPED(made_free) struct made m = make(text, options);
	SCOPED(json_decref_at) json_t *lost = parse(text);
	json_t *body = NULL, *connects = NULL;
	struct err e;

	(void)state;
	assert_text(m.body, "HostConfig/NetworkMode", "container:new");
	assert_text(m.body, "HostConfig/PidMode", "container:new");
	assert_null(at(m.body, "Hostname"));
	assert_null(at(m.body, "ExposedPorts"));
	(void)json_object_set_new(
		json_object_get(lost, "HostConfig"), "IpcMode", json_string("container:gone"));
	assert_int_equal(recreate_body(lost, &options, &body, &connects, &e), 0);
	assert_text(body, "HostConfig/IpcMode", "private");
	json_decref(body);
	json_decref(connects);
}

static const json_t *
lender(void *ctx, const char *ref)
{
	return strncmp(ref, "old", 3) == 0 ? ctx : NULL;
}

static const char *
network(void *ctx, const char *ref)
{
	(void)ctx;
	return strcmp(ref, "abcdef") == 0 ? "front" : NULL;
}

/* Of volumes-from what is lent is no own one; what is gone is bound by its names. */
static void
test_borrowed(void **state)
{
	static const char text[] =
		"{'Id': 'ff', 'Name': '/b', 'Config': {'Volumes': {'/own/': {}}},"
		" 'HostConfig': {'NetworkMode': 'none', 'VolumesFrom': ['old:ro', 'gone']},"
		" 'Mounts': [{'Type': 'volume', 'Name': 'v1', 'Destination': '/lent', 'RW': false},"
		"  {'Type': 'volume', 'Name': 'v2', 'Destination': '/own', 'RW': true},"
		"  {'Type': 'bind', 'Source': '/srv', 'Destination': '/bound', 'RW': true}]}";
	SCOPED(json_decref_at)
	json_t *owner = parse("{'Mounts': [{'Name': 'v1', 'Destination': '/lent'}]}");
	SCOPED(json_decref_at) json_t *left = json_array();
	SCOPED(json_decref_at) json_t *kept = parse(text);
	struct recreate_options options = {
		.api = 141, .container = new_id, .lender = lender, .ctx = owner, .left_out = left};
	SCOPED(made_free) struct made m = make(text, options);
	json_t *body = NULL, *connects = NULL;
	struct err e;

	(void)state;
	assert_text(m.body, "HostConfig/VolumesFrom/0", "new:ro");
	assert_int_equal(json_array_size(at(m.body, "HostConfig/VolumesFrom")), 1);
	assert_int_equal(json_array_size(left), 1);
	assert_text(m.body, "HostConfig/Binds/0", "v1:/lent:ro");
	assert_text(m.body, "HostConfig/Binds/1", "v2:/own");
	assert_text(m.body, "HostConfig/Binds/2", "/srv:/bound");
	(void)json_array_remove(
		json_object_get(json_object_get(kept, "HostConfig"), "VolumesFrom"), 1);
	assert_int_equal(recreate_body(kept, &options, &body, &connects, &e), 0);
	assert_text(body, "HostConfig/Binds/0", "v2:/own");
	assert_int_equal(json_array_size(at(body, "HostConfig/Binds")), 1);
	json_decref(body);
	json_decref(connects);
}

/* Written in an odd way, and the same place. */
static void
test_places(void **state)
{
	static const char text[] =
		"{'Id': 'ff', 'Name': '/b', 'Config': {},"
		" 'HostConfig': {'Binds': ['v1:/data/', 'v2:/x//./y/../z:ro', '/anon'],"
		"  'Mounts': [{'Type': 'volume', 'Target': '/m/'}]},"
		" 'Mounts': [{'Type': 'volume', 'Name': 'v1', 'Destination': '/data', 'RW': true},"
		"  {'Type': 'volume', 'Name': 'v2', 'Destination': '/x/z', 'RW': false},"
		"  {'Type': 'volume', 'Name': 'v3', 'Destination': '/anon', 'RW': true},"
		"  {'Type': 'volume', 'Name': 'v4', 'Destination': '/m', 'RW': true},"
		"  {'Type': 'volume', 'Name': 'v5', 'Destination': '/a:b', 'RW': false}]}";
	SCOPED(made_free) struct made m = make(text, (struct recreate_options){.api = 141});

	(void)state;
	assert_int_equal(json_array_size(at(m.body, "HostConfig/Binds")), 3);
	assert_text(m.body, "HostConfig/Binds/2", "v3:/anon");
	assert_text(m.body, "HostConfig/Mounts/0/Source", "v4");
	assert_text(m.body, "HostConfig/Mounts/1/Source", "v5");
	assert_text(m.body, "HostConfig/Mounts/1/Target", "/a:b");
	assert_true(json_is_true(at(m.body, "HostConfig/Mounts/1/ReadOnly")));
	assert_text(m.body, "Entrypoint/0", "");
}

/* By the beginning of its id; and disconnected from what it was made with. */
static void
test_networks(void **state)
{
	static const char by_id[] =
		"{'Id': 'ff', 'Name': '/b', 'Config': {}, 'HostConfig': {'NetworkMode': 'abcdef'},"
		" 'NetworkSettings': {'Networks': {'abcdef': {'NetworkID': 'abcdef0123', "
		"'Aliases': ['x']},"
		"  'front': {'NetworkID': 'abcdef0123', 'Aliases': ['x']}}}}";
	static const char created[] =
		"{'Id': 'ff', 'Name': '/b', 'Config': {}, 'HostConfig': {'NetworkMode': 'abcdef'},"
		" 'NetworkSettings': {'Networks': {'abcdef': {'NetworkID': '', 'Aliases': "
		"['x']}}}}";
	static const char left[] =
		"{'Id': 'ff', 'Name': '/b', 'Config': {}, 'HostConfig': {'NetworkMode': 'default'},"
		" 'NetworkSettings': {'Networks': {'back': {'NetworkID': '77'}}}}";
	const struct recreate_options options = {.api = 141, .network = network};
	SCOPED(made_free) struct made a = make(by_id, (struct recreate_options){.api = 141});
	SCOPED(made_free) struct made b = make(created, options);
	SCOPED(made_free) struct made c = make(left, options);

	(void)state;
	assert_text(a.body, "HostConfig/NetworkMode", "front");
	assert_int_equal(json_object_size(at(a.body, "NetworkingConfig/EndpointsConfig")), 1);
	assert_text(a.body, "NetworkingConfig/EndpointsConfig/front/Aliases/0", "x");
	assert_int_equal(json_array_size(a.connects), 0);
	assert_text(b.body, "NetworkingConfig/EndpointsConfig/front/Aliases/0", "x");
	assert_text(c.connects, "0/network", "bridge");
	assert_null(at(c.connects, "0/endpoint"));
	assert_text(c.connects, "1/network", "back");
	assert_non_null(at(c.connects, "1/endpoint"));
}

static void
test_equal(void **state)
{
	SCOPED(json_decref_at) json_t *a = parse(inspect_text);
	SCOPED(json_decref_at) json_t *b = json_deep_copy(a);
	json_t *front = json_object_get(
		json_object_get(json_object_get(b, "NetworkSettings"), "Networks"), "front");

	(void)state;
	(void)json_object_set_new(front, "MacAddress", json_string("02:42:0a:01:00:77"));
	(void)json_object_set_new(front, "NetworkID", json_string("n2"));
	(void)json_object_set_new(json_object_get(b, "HostConfig"), "CapAdd", json_null());
	assert_true(recreate_equal(a, NULL, b, NULL));
	(void)json_object_set_new(
		json_object_get(a, "HostConfig"), "Links", parse("['/db:/web/db', '/mq:/web/mq']"));
	(void)json_object_set_new(
		json_object_get(b, "HostConfig"), "Links", parse("['/mq:/web/mq', '/db:/web/db']"));
	assert_true(recreate_equal(a, NULL, b, NULL)); /* the engine tells them in any order */
	(void)json_object_set_new(
		json_object_get(b, "HostConfig"), "Links", parse("['/mq:/web/mq', '/x:/web/db']"));
	assert_false(recreate_equal(a, NULL, b, NULL));
	(void)json_object_del(json_object_get(a, "HostConfig"), "Links");
	(void)json_object_del(json_object_get(b, "HostConfig"), "Links");
	assert_true(recreate_equal(a, NULL, b, NULL));
	(void)json_array_append_new(
		json_object_get(json_object_get(b, "Config"), "Env"), json_string("B=2"));
	assert_false(recreate_equal(a, NULL, b, NULL));
}

/* An archive from elsewhere may say anything: found by fuzzing. */
static void
test_binds_that_are_no_texts(void **state)
{
	static const char text[] =
		"{'Id': 'ff', 'Name': '/odd', 'Config': {}, 'HostConfig': {'Binds': [null, 7, "
		"'x']},"
		" 'Mounts': [{'Type': 'volume', 'Name': 'v', 'Destination': '/v', 'RW': true}]}";
	const struct recreate_options options = {.api = 141};
	SCOPED(made_free) struct made m = make(text, options);

	(void)state;
	assert_text(m.body, "HostConfig/Binds/3", "v:/v");
}

/* What Podman 4.3.1 says of a container that has two networks, limits and half a processor. */
static const char podman_text[] =
	"{'Id': '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',"
	" 'Name': '/web', 'Config': {'Hostname': '0123456789ab', 'Image': 'localhost/web:latest',"
	"   'Env': ['HOSTNAME=0123456789ab', 'container=podman', 'KEY=value', 'TERM=xterm']},"
	" 'HostConfig': {'NetworkMode': 'bridge', 'PidMode': 'private', 'UTSMode': 'private',"
	"   'Runtime': 'oci', 'NanoCpus': 500000000, 'CpuPeriod': 100000, 'CpuQuota': 50000,"
	"   'LogConfig': {'Type': 'k8s-file'},"
	"   'Ulimits': [{'Name': 'RLIMIT_NOFILE', 'Hard': 9, 'Soft': 8}]},"
	" 'NetworkSettings': {'Networks': {"
	"   'front': {'Aliases': ['www', '0123456789ab'], 'NetworkID': 'front'},"
	"   'front2': {'Aliases': [], 'NetworkID': 'front2'}}}}";

static void
test_podman(void **state)
{
	const struct traits traits = {.podman = true, .takes_all_networks = true};
	SCOPED(made_free)
	struct made m = make(podman_text, (struct recreate_options){.api = 141, .traits = &traits});

	(void)state;
	assert_text(m.body, "HostConfig/Ulimits/0/Name", "nofile");
	assert_int_equal(json_array_size(at(m.body, "Env")), 2);
	assert_text(m.body, "Env/0", "KEY=value");
	assert_null(at(m.body, "HostConfig/Runtime"));
	assert_null(at(m.body, "HostConfig/CpuQuota"));
	assert_text(m.body, "HostConfig/PidMode", "private");
	assert_text(m.body, "HostConfig/LogConfig/Type", "k8s-file");
	assert_text(m.body, "NetworkingConfig/EndpointsConfig/front/Aliases/0", "www");
	assert_non_null(at(m.body, "NetworkingConfig/EndpointsConfig/front2"));
	/* The default network, of which it does not know, is left by itself. */
	assert_int_equal(json_array_size(at(m.connects, "")), 1);
	assert_null(at(m.connects, "0/endpoint"));
}

static void
test_podman_to_docker(void **state)
{
	SCOPED(json_decref_at) json_t *left_out = json_array();
	SCOPED(made_free)
	struct made m =
		make(podman_text, (struct recreate_options){.api = 141, .left_out = left_out});

	(void)state;
	assert_text(m.body, "HostConfig/Ulimits/0/Name", "nofile");
	assert_null(at(m.body, "HostConfig/PidMode"));
	assert_null(at(m.body, "HostConfig/UTSMode"));
	assert_text(m.body, "HostConfig/LogConfig/Type", "json-file");
	assert_null(at(m.body, "NetworkingConfig/EndpointsConfig/front"));
	assert_int_equal(json_array_size(m.connects), 3);
	assert_text(m.connects, "0/network", "bridge");
	assert_text(m.connects, "1/network", "front");
	assert_int_equal(json_array_size(left_out), 0);

	json_object_set_new(json_object_get(m.inspect, "HostConfig"), "NetworkMode",
		json_string("slirp4netns:mtu=1500"));
	const struct recreate_options options = {.api = 141, .left_out = left_out};
	json_t *body = NULL, *connects = NULL;
	struct err e;

	assert_int_equal(recreate_body(m.inspect, &options, &body, &connects, &e), 0);
	assert_text(body, "HostConfig/NetworkMode", "default");
	assert_int_equal(json_array_size(left_out), 1);
	json_decref(body);
	json_decref(connects);
}

static void
test_order_of_variables(void **state)
{
	SCOPED(json_decref_at) json_t *a = parse(podman_text);
	SCOPED(json_decref_at) json_t *b = json_deep_copy(a);
	json_t *env = json_object_get(json_object_get(b, "Config"), "Env");

	(void)state;
	(void)json_array_insert(env, 0, json_array_get(env, 3));
	(void)json_array_remove(env, 4);
	assert_false(json_equal(a, b));
	assert_true(recreate_equal(a, NULL, b, NULL));
	(void)json_array_set_new(env, 3, json_string("KEY=other"));
	assert_false(recreate_equal(a, NULL, b, NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_old_engine),
		cmocka_unit_test(test_new_engine),
		cmocka_unit_test(test_shared_network),
		cmocka_unit_test(test_borrowed),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_binds_that_are_no_texts),
		cmocka_unit_test(test_podman),
		cmocka_unit_test(test_podman_to_docker),
		cmocka_unit_test(test_order_of_variables),
	};

	return cmocka_run_group_tests_name("recreate", tests, NULL, NULL);
}
