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
#include "engine/cgroups.h"

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

static struct cgroups *
open_and_find(int expected, const char *expected_missing)
{
	static const char *const ids[] = {ID_A, ID_B, ID_C};
	struct cgroups *c = NULL;
	const char *missing = NULL;
	struct err e;

	assert_int_equal(cgroups_open(top, &c, &e), 0);
	assert_int_equal(cgroups_find(c, ids, 3, &missing, &e), expected);
	if (expected_missing == NULL)
		assert_null(missing);
	else
		assert_string_equal(missing, expected_missing);
	return c;
}

static void
test_version_1(void **state)
{
	struct cgroups *c;
	struct err e;

	(void)state;
	make("freezer/docker/" ID_A, "freezer.state", "THAWED");
	make("freezer/machine.slice/libpod-" ID_B ".scope", "freezer.state", "THAWED");
	make("freezer/kubepods/burstable/pod1/" ID_C, "freezer.state", "THAWED");
	make("freezer/docker/other", "freezer.state", "THAWED");
	make("freezer/docker/docker-" ID_A "x.scope", "freezer.state", "THAWED");
	c = open_and_find(3, NULL);
	assert_int_equal(cgroups_freeze(c, &e), 0);
	check("freezer/docker/" ID_A, "freezer.state", "FROZEN");
	check("freezer/machine.slice/libpod-" ID_B ".scope", "freezer.state", "FROZEN");
	check("freezer/kubepods/burstable/pod1/" ID_C, "freezer.state", "FROZEN");
	check("freezer/docker/other", "freezer.state", "THAWED");
	check("freezer/docker/docker-" ID_A "x.scope", "freezer.state", "THAWED");
	assert_int_equal(cgroups_thaw(c, &e), 0);
	check("freezer/docker/" ID_A, "freezer.state", "THAWED");
	cgroups_close(c);
}

static void
test_version_2(void **state)
{
	struct cgroups *c;
	struct err e;

	(void)state;
	make(".", "cgroup.controllers", "cpu memory");
	make("system.slice/docker-" ID_A ".scope", "cgroup.freeze", "0");
	make("system.slice/docker-" ID_A ".scope", "cgroup.events", "populated 1\\nfrozen 1\\n");
	make("docker/" ID_C, "cgroup.freeze", "0");
	make("docker/" ID_C, "cgroup.events", "populated 1\\nfrozen 1\\n");
	c = open_and_find(2, ID_B);
	assert_int_equal(cgroups_freeze(c, &e), 0);
	check("system.slice/docker-" ID_A ".scope", "cgroup.freeze", "1");
	check("docker/" ID_C, "cgroup.freeze", "1");
	assert_int_equal(cgroups_thaw(c, &e), 0);
	check("docker/" ID_C, "cgroup.freeze", "0");
	cgroups_close(c);
}

/* One that does not come to a stand is told, and can be thawed; one that has gone stands still. */
static void
test_stubborn_and_gone(void **state)
{
	SCOPED(free_at) char *remove = mem_format("rm -r %s/docker/" ID_B, top);
	struct cgroups *c;
	struct err e;

	(void)state;
	make(".", "cgroup.controllers", "");
	for (const char *const *id = (const char *const[]){ID_A, ID_B, ID_C, NULL}; *id != NULL;
		id++) {
		SCOPED(free_at) char *folder = mem_format("docker/%s", *id);

		make(folder, "cgroup.freeze", "0");
		make(folder, "cgroup.events",
			strcmp(*id, ID_C) == 0 ? "frozen 0\\n" : "frozen 1\\n");
	}
	c = open_and_find(3, NULL);
	assert_int_equal(system(remove), 0);
	assert_int_equal(cgroups_freeze(c, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_int_equal(cgroups_thaw(c, &e), 0);
	check("docker/" ID_A, "cgroup.freeze", "0");
	cgroups_close(c);
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
		cmocka_unit_test_setup_teardown(test_stubborn_and_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
