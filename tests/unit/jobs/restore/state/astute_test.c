/* Goal: the network's settings of an astute.yaml are read and compared, and nothing else of it is
 * told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "jobs/restore/state/astute.h"

static json_t *
settings(const char *text)
{
	return astute_settings(text, strlen(text));
}

static void
assert_settings(const char *yaml, const char *expected)
{
	SCOPED(json_decref_at) json_t *got = settings(yaml);
	SCOPED(json_decref_at) json_t *wanted = json_loads(expected, 0, NULL);

	assert_non_null(wanted);
	if (!json_equal(got, wanted))
		fail_msg("%s", json_dumps(got, JSON_INDENT(1)));
}

static void
test_settings(void **state)
{
	(void)state;
	assert_settings("# made by fuelmenu\n"
			"ADMIN_NETWORK:\n"
			"  dhcp_gateway: 10.20.0.2\n"
			"  dhcp_pool_end: \"10.20.0.254\" # the last\n"
			"  interface: 'eth0'\n"
			"  mac: 64:43:7b:5a:f4:1d\r\n"
			"\n"
			"DNS_DOMAIN: domain.tld\n"
			"DNS_UPSTREAM: \"\"\n"
			"NTP1:\n"
			"- 0.fuel.pool.ntp.org\n"
			"- 1.fuel.pool.ntp.org\n"
			"'HOSTNAME': fuel#1\n"
			"postgres:\n"
			"  password: secret\n"
			"  HOSTNAME: inner\n"
			"FUEL_ACCESS: {user: admin, password: admin}\n"
			"TEST_DNS: www.google.com",
		"{\"ADMIN_NETWORK.dhcp_gateway\": \"10.20.0.2\","
		" \"ADMIN_NETWORK.dhcp_pool_end\": \"10.20.0.254\","
		" \"ADMIN_NETWORK.interface\": \"eth0\","
		" \"ADMIN_NETWORK.mac\": \"64:43:7b:5a:f4:1d\", \"DNS_DOMAIN\": \"domain.tld\","
		" \"NTP1\": \"0.fuel.pool.ntp.org, 1.fuel.pool.ntp.org\", \"HOSTNAME\": \"fuel#1\","
		" \"TEST_DNS\": \"www.google.com\"}");
}

static void
test_what_is_no_yaml(void **state)
{
	static const char odd[] = "NTP1: a\0NTP2: b\n";

	(void)state;
	assert_settings("", "{}");
	assert_settings("\n\n   \n:\n: x\n-\n- \n- x\n\t:\n", "{}");
	assert_settings("NTP1", "{}");
	assert_settings("NTP1:", "{}");
	assert_settings("NTP1: \"open", "{\"NTP1\": \"open\"}");
	assert_settings("NTP1: \xff\xfe\nNTP2: b", "{\"NTP2\": \"b\"}");
	SCOPED(json_decref_at) json_t *cut = astute_settings(odd, sizeof(odd) - 1);
	assert_int_equal(json_object_size(cut), 1);
}

static void
test_differences(void **state)
{
	SCOPED(json_decref_at)
	json_t *backup = settings("ADMIN_NETWORK:\n  ipaddress: 10.20.0.2\n  size: 256\nNTP1: a\n");
	SCOPED(json_decref_at)
	json_t *host = settings("NTP2: b\nADMIN_NETWORK:\n  ipaddress: 10.20.0.3\n  size: 256\n");
	SCOPED(json_decref_at) json_t *got = astute_differences(backup, host);
	SCOPED(json_decref_at) json_t *none = astute_differences(backup, backup);
	SCOPED(json_decref_at)
	json_t *wanted =
		json_loads("[{\"key\": \"ADMIN_NETWORK.ipaddress\", \"backup\": \"10.20.0.2\","
			   " \"host\": \"10.20.0.3\"},"
			   " {\"key\": \"NTP1\", \"backup\": \"a\", \"host\": null},"
			   " {\"key\": \"NTP2\", \"backup\": null, \"host\": \"b\"}]",
			0, NULL);

	(void)state;
	assert_true(json_equal(got, wanted));
	assert_int_equal(json_array_size(none), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_what_is_no_yaml),
		cmocka_unit_test(test_differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
