/* Goal: what sets one engine apart from another is read off what it tells of itself: Docker, Podman
 * before and from version 5, rootless, with ids that are mapped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "engine/traits.h"

static struct traits
traits_from(const char *version, const char *info)
{
	SCOPED(json_decref_at) json_t *first = json_loads(version, 0, NULL);
	SCOPED(json_decref_at) json_t *second = json_loads(info, 0, NULL);
	struct traits t;

	assert_non_null(first);
	assert_non_null(second);
	traits_of(first, second, &t);
	return t;
}

static const char docker[] =
	"{\"Components\": [{\"Name\": \"Engine\", \"Version\": \"28.5.2\"},"
	" {\"Name\": \"containerd\", \"Version\": \"1.7\"}], \"ApiVersion\": \"1.51\"}";

static void
test_docker(void **state)
{
	const struct traits t = traits_from(docker,
		"{\"SecurityOptions\": [\"name=seccomp,profile=builtin\", \"name=apparmor\"]}");

	(void)state;
	assert_false(t.podman || t.rootless || t.remapped || t.labels);
	assert_false(t.makes_missing_sources || t.takes_all_networks || t.hides_host_root);
	assert_true(t.updates_policy && t.tells_questions);
}

static void
test_podman_4(void **state)
{
	const struct traits t = traits_from("{\"Components\": [{\"Name\": \"Podman Engine\", "
					    "\"Version\": \"4.3.1\"}]}",
		"{\"SecurityOptions\": [\"name=seccomp,profile=default\"], \"Rootless\": false}");

	(void)state;
	assert_true(t.podman && t.makes_missing_sources && t.takes_all_networks && t.labels);
	assert_int_equal(t.podman_version, 403);
	assert_false(t.updates_policy || t.tells_questions || t.rootless || t.hides_host_root);
}

static void
test_podman_5_rootless(void **state)
{
	const struct traits t = traits_from("{\"Components\": [{\"Name\": \"Podman Engine\", "
					    "\"Version\": \"5.4.2\"}]}",
		"{\"SecurityOptions\": [\"name=rootless\"], \"Rootless\": true}");

	(void)state;
	assert_int_equal(t.podman_version, 504);
	assert_true(t.updates_policy && t.rootless && t.hides_host_root);
}

static void
test_docker_of_a_user(void **state)
{
	const struct traits t = traits_from(docker,
		"{\"SecurityOptions\": [\"name=seccomp,profile=builtin\", \"name=rootless\"]}");

	(void)state;
	assert_true(t.rootless && t.hides_host_root);
	assert_false(t.podman || t.makes_missing_sources || t.remapped);
}

static void
test_remapped(void **state)
{
	const struct traits t =
		traits_from(docker, "{\"SecurityOptions\": [\"name=userns\"], \"DockerRootDir\": "
				    "\"/var/lib/docker/100000.200000\"}");
	const struct traits other =
		traits_from(docker, "{\"SecurityOptions\": [\"name=usernsx\", \"userns\"]}");

	(void)state;
	assert_true(t.remapped);
	assert_int_equal(t.uid_base, 100000);
	assert_int_equal(t.gid_base, 200000);
	assert_int_equal(other.uid_base, 0);
	assert_false(t.rootless || t.hides_host_root);
	assert_false(other.remapped);
}

static void
test_nothing_told(void **state)
{
	const struct traits t = traits_from("{\"Components\": 7}", "{\"SecurityOptions\": [1]}");

	(void)state;
	assert_false(t.podman || t.rootless || t.remapped);
	assert_true(t.updates_policy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_docker),
		cmocka_unit_test(test_podman_4),
		cmocka_unit_test(test_podman_5_rootless),
		cmocka_unit_test(test_docker_of_a_user),
		cmocka_unit_test(test_remapped),
		cmocka_unit_test(test_nothing_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
