/* Goal: what is here under a name of the backup is told by the fields that count, and by no others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/scope.h"
#include "jobs/restore/containers/differing.h"

static void
check(const char *kind, json_t *recorded, json_t *present, const char *expected)
{
	SCOPED(json_decref_at) json_t *a = recorded;
	SCOPED(json_decref_at) json_t *b = present;
	SCOPED(json_decref_at) json_t *fields = differing_fields(kind, a, b);
	SCOPED(free_at) char *text = json_dumps(fields, JSON_COMPACT);

	assert_non_null(a);
	assert_non_null(b);
	assert_string_equal(text, expected);
}

static void
test_networks(void **state)
{
	(void)state;
	check("network", json_object(), json_object(), "[]");
	check("network",
		json_pack("{s:s, s:n, s:b, s:{}, s:s}", "Driver", "bridge", "Options", "Internal",
			0, "Labels", "Id", "a"),
		json_pack("{s:s, s:{}, s:s, s:s}", "Driver", "bridge", "Options", "Id", "b",
			"Created", "now"),
		"[]");
	check("network", json_pack("{s:s, s:b}", "Driver", "bridge", "Internal", 1),
		json_pack("{s:s, s:{s:s}}", "Driver", "macvlan", "Labels", "a", "b"),
		"[\"Driver\",\"Internal\",\"Labels\"]");
}

static void
test_addresses(void **state)
{
	(void)state;
	/* A gateway that nobody chose is told by newer engines only. */
	check("network",
		json_pack("{s:{s:s, s:[{s:s}]}}", "IPAM", "Driver", "default", "Config", "Subnet",
			"10.0.0.0/24"),
		json_pack("{s:{s:s, s:n, s:[{s:s, s:s}]}}", "IPAM", "Driver", "default", "Options",
			"Config", "Subnet", "10.0.0.0/24", "Gateway", "10.0.0.1"),
		"[]");
	check("network",
		json_pack("{s:{s:[{s:s, s:s}]}}", "IPAM", "Config", "Subnet", "10.0.0.0/24",
			"Gateway", "10.0.0.2"),
		json_pack("{s:{s:[{s:s, s:s}]}}", "IPAM", "Config", "Subnet", "10.0.0.0/24",
			"Gateway", "10.0.0.1"),
		"[\"IPAM\"]");
	check("network", json_pack("{s:{s:[{s:s}]}}", "IPAM", "Config", "Subnet", "10.0.0.0/24"),
		json_pack("{s:{s:[{s:s}, {s:s}]}}", "IPAM", "Config", "Subnet", "10.0.0.0/24",
			"Subnet", "fd00::/64"),
		"[\"IPAM\"]");
}

static void
test_volumes(void **state)
{
	(void)state;
	check("volume",
		json_pack("{s:s, s:n, s:n, s:s}", "Driver", "local", "Labels", "Options",
			"Mountpoint", "/a"),
		json_pack("{s:s, s:{}, s:s}", "Driver", "local", "Options", "Mountpoint", "/b"),
		"[]");
	check("volume", json_pack("{s:{s:s}}", "Options", "device", "/a"),
		json_pack("{s:{s:s}}", "Options", "device", "/b"), "[\"Options\"]");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_volumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
