/* Goal: a container's cgroup is found under the names that engines give it, in both versions, and
 * its freezer is written.  Folders stand in for the kernel's; tests/engine/freeze_test.py has the
 * real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/cgroups.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static char top[32];

static int
setup(void **state)
{
	(void)state;
	(void)strcpy(top, "/tmp/fb-cgroups-XXXXXX");
	return mkdtemp(top) == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	SCOPED(free_at) char *command = mem_format("rm -rf %s", top);

	(void)state;
	return system(command);
}

static void
make(const char *folder, const char *file, const char *text)
{
	SCOPED(free_at)
	char *command = mem_format(
		"mkdir -p %s/%s && printf '%s' >%s/%s/%s", top, folder, text, top, folder, file);

	assert_int_equal(system(command), 0);
}

static void
check(const char *folder, const char *file, const char *expected)
{
	SCOPED(free_at) char *path = mem_format("%s/%s/%s", top, folder, file);
	SCOPED(file_close_at) FILE *f = fopen(path, "re");
	char text[32] = "";

	assert_non_null(f);
	(void)!fread(text, 1, sizeof(text) - 1, f);
	assert_string_equal(text, expected);
}

static const char *const ids[] = {ID_A, ID_B, ID_C};

static struct cgroups *
open_and_find(int expected)
{
	struct cgroups *c = NULL;
	struct err e;

	assert_int_equal(cgroups_open(top, &c, &e), 0);
	assert_int_equal(cgroups_find(c, ids, 3, &e), expected);
	return c;
}

static void
set_all(const struct cgroups *c, bool frozen)
{
	struct err e;

	for (size_t i = 0; i < 3; i++)
		if (cgroups_has(c, i))
			assert_int_equal(cgroups_set(c, i, frozen, &e), 0);
}

static void
test_version_1(void **state)
{
	struct cgroups *c;

	(void)state;
	make("freezer/docker/" ID_A, "freezer.state", "THAWED");
	make("freezer/machine.slice/libpod-" ID_B ".scope", "freezer.state", "THAWED");
	make("freezer/machine.slice/libpod-conmon-" ID_C ".scope", "freezer.state", "THAWED");
	make("freezer/kubepods/burstable/pod1/" ID_C, "freezer.state", "THAWED");
	make("freezer/docker/other", "freezer.state", "THAWED");
	make("freezer/docker/docker-" ID_A "x.scope", "freezer.state", "THAWED");
	c = open_and_find(3);
	set_all(c, true);
	check("freezer/docker/" ID_A, "freezer.state", "FROZEN");
	check("freezer/machine.slice/libpod-" ID_B ".scope", "freezer.state", "FROZEN");
	check("freezer/kubepods/burstable/pod1/" ID_C, "freezer.state", "FROZEN");
	check("freezer/machine.slice/libpod-conmon-" ID_C ".scope", "freezer.state", "THAWED");
	check("freezer/docker/other", "freezer.state", "THAWED");
	check("freezer/docker/docker-" ID_A "x.scope", "freezer.state", "THAWED");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(cgroups_state(c, i), CGROUP_FROZEN);
		assert_int_equal(cgroups_is_set(c, i), 1);
	}
	set_all(c, false);
	check("freezer/docker/" ID_A, "freezer.state", "THAWED");
	assert_int_equal(cgroups_state(c, 0), CGROUP_RUNS);
	assert_int_equal(cgroups_is_set(c, 0), 0);
	make("freezer/docker/" ID_A, "freezer.state", "FREEZING");
	assert_int_equal(cgroups_state(c, 0), CGROUP_FREEZING);
	cgroups_close(c);
}

static void
test_version_2(void **state)
{
	struct cgroups *c;

	(void)state;
	make(".", "cgroup.controllers", "cpu memory");
	make("system.slice/docker-" ID_A ".scope", "cgroup.freeze", "0");
	make("system.slice/docker-" ID_A ".scope", "cgroup.events", "populated 1\\nfrozen 1\\n");
	make("machine.slice/libpod-" ID_C, "cgroup.freeze", "0");
	make("machine.slice/libpod-" ID_C, "cgroup.events", "populated 1\\nfrozen 0\\n");
	c = open_and_find(2);
	assert_true(cgroups_unified(c));
	assert_false(cgroups_has(c, 1));
	set_all(c, true);
	check("system.slice/docker-" ID_A ".scope", "cgroup.freeze", "1");
	check("machine.slice/libpod-" ID_C, "cgroup.freeze", "1");
	assert_int_equal(cgroups_state(c, 0), CGROUP_FROZEN);
	assert_int_equal(cgroups_state(c, 1), CGROUP_UNKNOWN);
	assert_int_equal(
		cgroups_state(c, 2), CGROUP_RUNS); /* the switch is on, and it still runs */
	assert_int_equal(cgroups_is_set(c, 2), 1);
	set_all(c, false);
	check("machine.slice/libpod-" ID_C, "cgroup.freeze", "0");
	cgroups_close(c);
}

static int
again(void *ctx, struct err *e)
{
	int *asked = ctx;

	(void)e;
	return ++*asked < 3;
}

/* Who waits switches it on again only if he is told to. */
static void
test_not_wanted_any_more(void **state)
{
	struct cgroups *c;
	struct err e;
	int asked = 0;

	(void)state;
	make("freezer/docker/" ID_A, "freezer.state", "THAWED");
	c = open_and_find(1);
	assert_int_equal(cgroups_await(c, 0, 10000, again, &asked, &e), 0);
	assert_int_equal(asked, 3);
	check("freezer/docker/" ID_A, "freezer.state", "THAWED");
	cgroups_close(c);
}

/* One that does not come to a stand is told.  A freezer that cannot be written is none. */
static void
test_stubborn(void **state)
{
	struct cgroups *c;
	struct err e;
	int asked = 0;

	(void)state;
	make(".", "cgroup.controllers", "");
	make("docker/" ID_A, "cgroup.freeze", "0");
	make("docker/" ID_A, "cgroup.events", "frozen 1\\n");
	make("docker/" ID_B, "cgroup.events", "frozen 1\\n");
	make("docker/" ID_C, "cgroup.freeze", "0");
	make("docker/" ID_C, "cgroup.events", "frozen 0\\n");
	c = open_and_find(2);
	assert_int_equal(cgroups_await(c, 0, 100, again, &asked, &e), 0);
	assert_int_equal(cgroups_await(c, 2, 100, again, &asked, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	cgroups_close(c);
}

/* Another process was lent the descriptors. */
static void
test_adopted(void **state)
{
	struct cgroups *c, *lent = cgroups_new(false, 3);
	int fds[CGROUP_FDS];

	(void)state;
	make("freezer/docker/" ID_B, "freezer.state", "THAWED");
	c = open_and_find(1);
	for (int i = 0; i < CGROUP_FDS; i++)
		fds[i] = dup(cgroups_fds(c, 1)[i]);
	cgroups_close(c);
	cgroups_adopt(lent, 1, fds);
	assert_false(cgroups_has(lent, 0));
	set_all(lent, true);
	check("freezer/docker/" ID_B, "freezer.state", "FROZEN");
	assert_int_equal(cgroups_state(lent, 1), CGROUP_FROZEN);
	assert_int_equal(cgroups_state(lent, 2), CGROUP_UNKNOWN);
	assert_int_equal(cgroups_state(NULL, 0), CGROUP_UNKNOWN);
	cgroups_close(lent);
}

static void
test_none(void **state)
{
	struct cgroups *c = NULL;
	struct err e;

	(void)state;
	assert_int_equal(cgroups_open(top, &c, &e), -1);
	assert_int_equal(e.code, ERR_UNSUPPORTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_version_1, setup, teardown),
		cmocka_unit_test_setup_teardown(test_version_2, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stubborn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_wanted_any_more, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adopted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
