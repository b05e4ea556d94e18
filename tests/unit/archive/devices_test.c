/* Goal: who lives in a user namespace, as an engine without root does, can make no device files,
 * and knows; the host's root can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive/disk/devices.h"
#include "base/userns.h"

/* Each in a process of its own, for the answer is kept. */
static int
asked(int (*ask)(void))
{
	const pid_t child = fork();
	int status = -1;

	if (child == 0)
		_exit(ask());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

enum { CAN = 1, FIRST = 2, SKIPPED = 4 };

static int
answers(void)
{
	return (devices_can_be_made() ? CAN : 0) | (userns_is_first() ? FIRST : 0);
}

static int
answers_in_namespace(void)
{
	const char map[] = "0 0 1\n";

	if (unshare(CLONE_NEWUSER) != 0)
		return SKIPPED;
	const int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, map, sizeof(map) - 1) < 0)
		return SKIPPED;
	(void)close(fd);
	return answers();
}

/* What the kernel itself says. */
static int
can_make(void)
{
	char name[] = "/tmp/fuel-backup-device-XXXXXX";
	const int made = mkdtemp(name) == NULL ? -1 : chdir(name);
	const int status = made != 0 ? -1 : mknod("null", S_IFCHR | 0600, makedev(1, 3));

	(void)unlink("null");
	(void)rmdir(name);
	return status == 0;
}

static void
test_here(void **state)
{
	(void)state;
	assert_int_equal((asked(answers) & CAN) != 0, asked(can_make));
}

static void
test_in_a_namespace(void **state)
{
	const int told = asked(answers_in_namespace);

	(void)state;
	if (told == SKIPPED)
		skip();
	assert_int_equal(told, 0);
}

static void
test_missed(void **state)
{
	(void)state;
	assert_false(devices_missed());
	devices_miss();
	assert_true(devices_missed());
	assert_false(devices_missed());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_here),
		cmocka_unit_test(test_in_a_namespace),
		cmocka_unit_test(test_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
