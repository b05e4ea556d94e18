/* Goal: of /proc/net it is told what surely is in the way of a port, and nothing else. */
#include "tests/unit/trees.h"

#include <arpa/inet.h>
#include <fcntl.h>

#include "base/scope.h"
#include "jobs/restore/host_sockets.h"

static const char tcp[] =
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
	"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
	"   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
	"   2: 0100007F:0051 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0\n";
static const char tcp6[] =
	"  sl  local_address                         remote_address                        st\n"
	"   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A\n"
	"   1: 0000000000000000FFFF00000100007F:01BC 00000000000000000000000000000000:0000 0A\n"
	"   2: 00000000000000000000000001000000:01BD 00000000000000000000000000000000:0000 0A\n";
static const char udp[] =
	"   0: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0\n"
	"   1: 00000000:0036 0100007F:0001 01 00000000:00000000 00:00000000 00000000     0\n"
	"garbage\n   3: 00:1 : 0A\n";

static void
test_taken(void **state)
{
	static const struct {
		bool udp;
		const char *address;
		uint16_t port;
		bool taken;
	} cases[] = {
		{false, "", 8080, true},
		{false, "127.0.0.1", 8080, true},
		{false, "0.0.0.0", 8080, true},
		{false, "192.0.2.1", 8080, false},
		{false, "::", 8080, false},
		{true, "127.0.0.1", 8080, false},
		{false, "192.0.2.1", 80, true},
		{false, "127.0.0.1", 81, false}, /* a connection */
		{false, "", 443, true},
		{false, "::1", 443, true},
		{false, "127.0.0.1", 443, false}, /* who knows */
		{false, "127.0.0.1", 444, true},  /* mapped */
		{false, "::1", 445, true},
		{false, "::2", 445, false},
		{true, "", 53, true},
		{true, "10.0.0.1", 53, true},
		{true, "", 54, false}, /* connected */
		{false, "no address", 80, false},
	};
	SCOPED(host_sockets_free) struct host_sockets s = {0};

	(void)state;
	host_sockets_parse(&s, tcp, false, AF_INET);
	host_sockets_parse(&s, tcp6, false, AF_INET6);
	host_sockets_parse(&s, udp, true, AF_INET);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (host_sockets_taken(&s, cases[i].udp, cases[i].address, cases[i].port) !=
			cases[i].taken)
			fail_msg("%s:%u", cases[i].address, cases[i].port);
}

static void
test_of_this_machine(void **state)
{
	SCOPED(host_sockets_free) struct host_sockets s = {0};
	SCOPED(fd_close_at) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	SCOPED(fd_close_at) int empty = open("/proc/self/task", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	host_sockets_read(root, &s);
	assert_false(host_sockets_lack_interface(&s, "lo"));
	assert_true(host_sockets_lack_interface(&s, "nosuch0"));
	assert_true(host_sockets_lack_interface(&s, "l"));
	host_sockets_free(&s);
	host_sockets_read(empty, &s); /* nothing is known: nobody is refused */
	assert_int_equal(s.count, 0);
	assert_false(host_sockets_lack_interface(&s, "nosuch0"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_of_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
