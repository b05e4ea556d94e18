/* Goal: who has no SYS_ADMIN neither sees nor sets attributes trusted.*: what a backup has of them
 * is no error and no difference, and is told. */
#include "tests/unit/trees.h"

#include <linux/capability.h>
#include <sys/syscall.h>

#include "archive/disk/attributes.h"

static char path[64];

static int
setup(void **state)
{
	(void)state;
	(void)strcpy(path, "/var/tmp/fb-trusted-XXXXXX");
	const int fd = mkstemp(path);

	assert_true(fd >= 0);
	(void)close(fd);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static void
with_admin(bool wanted)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	if (wanted)
		data[0].effective |= 1u << CAP_SYS_ADMIN;
	else
		data[0].effective &= ~(1u << CAP_SYS_ADMIN);
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
	assert_int_equal(attributes_see_trusted(), wanted);
}

static const struct member_xattr both[] = {{"trusted.note", "x", 1}, {"user.note", "y", 1}};
static const struct member member = {
	.path = "f", .type = MEMBER_FILE, .mode = 0600, .xattrs = both, .xattr_count = 2};

/* Give the file what the member has; whether it then is the same. */
static bool
apply(void)
{
	SCOPED(fd_close_at) int fd = open(path, O_RDWR | O_CLOEXEC);
	struct attributes a;
	struct place place;
	struct err e;

	place_open(&place, fd);
	if (attributes_apply(&place, &member, &e) != 0)
		fail_msg("%s", e.text);
	attributes_init(&a);
	assert_int_equal(attributes_read(&a, &place, false, &e), 0);
	const bool same = attributes_equal(&a, &member);

	attributes_free(&a);
	return same;
}

static void
test_with_it(void **state)
{
	char value[8];

	(void)state;
	(void)attributes_missed();
	assert_true(apply());
	assert_int_equal(getxattr(path, "trusted.note", value, sizeof(value)), 1);
	assert_false(attributes_missed());
}

static void
test_without_it(void **state)
{
	char value[8];

	(void)state;
	with_admin(false);
	const bool same = apply();

	with_admin(true);
	assert_true(same);
	assert_true(attributes_missed());
	assert_false(attributes_missed());
	assert_int_equal(getxattr(path, "user.note", value, sizeof(value)), 1);
	assert_int_equal(getxattr(path, "trusted.note", value, sizeof(value)), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_with_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_it, setup, teardown),
	};

	if (geteuid() != 0) {
		(void)fprintf(stderr, "run this as root: capabilities are part of it\n");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
