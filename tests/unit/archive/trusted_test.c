/* Goal: who has no SYS_ADMIN neither sees nor sets attributes trusted.*: a keeper does, and without
 * one what a backup has of them is no error and no difference, and is told. */
#include "tests/unit/trees.h"

#include <linux/capability.h>
#include <sys/syscall.h>

#include "archive/disk/attributes.h"
#include "base/trusted.h"

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

/* Give the file what the member has; whether it then is the same, by these attributes. */
static bool
apply_and_read(int wanted)
{
	SCOPED(fd_close_at) int fd = open(path, O_RDWR | O_CLOEXEC);
	struct attributes a;
	struct place place;
	struct err e;

	place_open(&place, fd);
	if (attributes_apply(&place, &member, &e) != 0)
		fail_msg("%s", e.text);
	attributes_init(&a);
	assert_int_equal(attributes_read(&a, &place, wanted, &e), 0);
	const bool same = attributes_equal(&a, &member);

	attributes_free(&a);
	return same;
}

static bool
apply(void)
{
	return apply_and_read(0);
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

/* ---- a keeper, which has SYS_ADMIN ---- */

static int
keeper_any(void *ctx, int dir_fd, struct err *e)
{
	(void)ctx, (void)dir_fd, (void)e;
	return 1;
}

static int
keeper_get(void *ctx, int fd, const char *name, struct buf *records, struct err *e)
{
	char list[1024], value[64];
	ssize_t len;

	(void)ctx, (void)e;
	assert_string_equal(name, "");
	with_admin(true);
	len = flistxattr(fd, list, sizeof(list));
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(list + at) + 1) {
		const ssize_t size = fgetxattr(fd, list + at, value, sizeof(value));

		if (strncmp(list + at, "trusted.", 8) == 0)
			assert_int_equal(
				trusted_record(records, list + at, value, (size_t)size), 0);
	}
	with_admin(false);
	return 0;
}

static int refuses; /* as one in a user namespace does */

static int
keeper_set(void *ctx, int fd, const char *name, const void *value, size_t len, struct err *e)
{
	(void)ctx, (void)e;
	if (refuses)
		return 0;
	with_admin(true);
	assert_int_equal(
		value == NULL ? fremovexattr(fd, name) : fsetxattr(fd, name, value, len, 0), 0);
	with_admin(false);
	return 1;
}

static const struct trusted_keeper keeper = {keeper_any, keeper_get, keeper_set, NULL};

static void
test_by_a_keeper(void **state)
{
	char value[8];

	(void)state;
	(void)attributes_missed();
	with_admin(false);
	trusted_lend(&keeper);
	const bool same = apply_and_read(ATTRIBUTES_TRUSTED);
	const bool missed = attributes_missed();

	refuses = 1;
	const bool refused = apply_and_read(ATTRIBUTES_TRUSTED) && attributes_missed();

	refuses = 0;
	trusted_end(&keeper);
	assert_false(trusted_kept());
	with_admin(true);
	assert_true(same);
	assert_false(missed);
	assert_true(refused);
	assert_int_equal(getxattr(path, "trusted.note", value, sizeof(value)), 1);
}

/* What a member does not have goes, if all is known of it; overlay's marks only where they count.
 */
static void
test_removed_by_a_keeper(void **state)
{
	static const struct {
		int flags;
		bool other, mark; /* stay */
	} cases[] = {
		{0, true, true},
		{ATTRIBUTES_TRUSTED | ATTRIBUTES_LAYER, false, true},
		{ATTRIBUTES_TRUSTED | ATTRIBUTES_MARKS, false, false},
	};
	char value[8];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		SCOPED(fd_close_at) int fd = open(path, O_RDWR | O_CLOEXEC);
		struct place place;
		struct err e;

		assert_int_equal(setxattr(path, "trusted.other", "1", 1, 0), 0);
		assert_int_equal(setxattr(path, "trusted.overlay.origin", "2", 1, 0), 0);
		place_open(&place, fd);
		with_admin(false);
		trusted_lend(&keeper);
		const int status = attributes_apply_all(&place, &member, cases[i].flags, &e);

		trusted_end(&keeper);
		with_admin(true);
		assert_int_equal(status, 0);
		assert_int_equal(
			getxattr(path, "trusted.other", value, sizeof(value)) == 1, cases[i].other);
		assert_int_equal(
			getxattr(path, "trusted.overlay.origin", value, sizeof(value)) == 1,
			cases[i].mark);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_with_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_by_a_keeper, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed_by_a_keeper, setup, teardown),
	};

	if (geteuid() != 0) {
		(void)fprintf(stderr, "run this as root: capabilities are part of it\n");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
