/* Goal: of the kernel's table of mounts the overlays are told with their paths as they are, and
 * nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/overlays.h"

static void
parse(const char *text, int want, const char *want_point, const char *want_upper)
{
	SCOPED(free_at) char *line = mem_string(text);
	SCOPED(free_at) char *point = NULL;
	SCOPED(free_at) char *upper = NULL;

	assert_int_equal(overlays_parse(line, &point, &upper), want);
	if (want == 0)
		return;
	assert_string_equal(point, want_point);
	assert_string_equal(upper, want_upper);
}

static void
test_lines(void **context)
{
	(void)context;
	parse("612 598 0:61 / /source/0/overlayfs/4d2f rw,relatime - overlay overlay "
	      "rw,lowerdir=/c/3/fs:/c/1/fs,upperdir=/c/12/fs,workdir=/c/12/work,index=off\n",
		1, "/source/0/overlayfs/4d2f", "/c/12/fs");
	parse("612 598 0:61 / /a\\040b rw shared:7 master:1 - overlay none "
	      "rw,lowerdir=/l,upperdir=/with\\040space\\134x\n",
		1, "/a b", "/with space\\x");
	parse("612 598 0:61 / / rw - overlay overlay rw,lowerdir=/a:/b\n", 0, NULL, NULL);
	parse("612 598 0:61 / / rw - ext4 /dev/upperdir=x rw\n", 0, NULL, NULL);
	parse("upperdir= - overlay ", 0, NULL, NULL);
	parse("", 0, NULL, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
