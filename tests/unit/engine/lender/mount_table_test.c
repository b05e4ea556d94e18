/* Goal: the kernel's table of mounts is told with paths as they are, and of overlays their upper
 * directories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "engine/lender/mount_table.h"

static void
parse(const char *line, int want, const char *want_point, const char *want_type,
	const char *want_upper)
{
	SCOPED(free_at) char *point = NULL;
	SCOPED(free_at) char *type = NULL;
	SCOPED(free_at) char *upper = NULL;

	assert_int_equal(mount_table_parse(line, &point, &type, &upper), want);
	if (want == 0)
		return;
	assert_string_equal(point, want_point);
	assert_string_equal(type, want_type);
	assert_string_equal(upper, want_upper);
}

static void
test_lines(void **context)
{
	(void)context;
	parse("612 598 0:61 / /source/0/overlayfs/4d2f rw,relatime - overlay overlay "
	      "rw,lowerdir=/c/3/fs:/c/1/fs,upperdir=/c/12/fs,workdir=/c/12/work,index=off\n",
		1, "/source/0/overlayfs/4d2f", "overlay", "/c/12/fs");
	parse("612 598 0:61 / /a\\040b rw shared:7 master:1 - overlay none "
	      "rw,lowerdir=/l,upperdir=/with\\040space\\134x\n",
		1, "/a b", "overlay", "/with space\\x");
	parse("612 598 0:61 / / rw - overlay overlay rw,lowerdir=/a:/b\n", 1, "/", "overlay", "");
	parse("612 598 8:1 /x /y rw - ext4 /dev/upperdir=x rw\n", 1, "/y", "ext4", "");
	parse("612 598 0:9 / /n rw - nfs4 server:/x rw,addr=192.0.2.1", 1, "/n", "nfs4", "");
	parse("upperdir= - overlay ", 0, NULL, NULL, NULL);
	parse("1 2 3 4", 0, NULL, NULL, NULL);
	parse("", 0, NULL, NULL, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
