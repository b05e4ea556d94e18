/* Goal: what is another one than was compared is told, whether or not it was due to be compared
 * again anyway; a staging that relied on it begins anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "archive/restore/member_index.h"
#include "archive/restore/tree_diff.h"
#include "archive/tar/reader.h"

/* In memory everything is compared again, for nothing tells that it did not change; elsewhere what
 * is as old as this is not. */
static const char *const places[] = {"/dev/shm/fb-again-XXXXXX", "/var/tmp/fb-again-XXXXXX"};

static void
run(const char *format, ...)
{
	char *command = NULL;
	va_list args;

	va_start(args, format);
	assert_true(vasprintf(&command, format, args) > 0);
	va_end(args);
	assert_int_equal(system(command), 0);
	free(command);
}

static ssize_t
read_fd(void *ctx, void *data, size_t size, struct err *e)
{
	(void)e;
	return read(*(int *)ctx, data, size);
}

/* Compare all members, or, as a restore does it, those that may have changed. */
static void
compare(struct tree_diff *d, const char *top, bool again)
{
	char tar[64];
	const struct member *m;
	struct reader *r = NULL;
	struct err e;
	int more;

	(void)snprintf(tar, sizeof(tar), "%s/tar", top);
	int fd = open(tar, O_RDONLY | O_CLOEXEC);

	assert_int_equal(reader_open((struct source){read_fd, &fd}, &r, &e), 0);
	while ((more = reader_next(r, &m, &e)) > 0) {
		const struct member_index *l = tree_diff_ledger(d);
		const uint32_t number = tree_diff_number(d, m->path);

		if (again && (l->entries[number].flags & MEMBER_INDEX_AGAIN) == 0)
			continue;
		if (tree_diff_member(d, m, r, &e) != 0)
			fail_msg("%s", e.text);
	}
	assert_int_equal(more, 0);
	reader_close(r);
	(void)close(fd);
}

static uint32_t
flags_of(struct tree_diff *d, const char *path)
{
	const struct member_index *l = tree_diff_ledger(d);
	const uint32_t number = member_index_find(l, path, strlen(path));

	assert_int_not_equal(number, MEMBER_INDEX_NONE);
	return l->entries[number].flags;
}

static void
survey(struct tree_diff *d)
{
	struct err e;

	if (tree_diff_survey(d, &e) != 0)
		fail_msg("%s", e.text);
}

static void
change(const char *place, const char *command, const char *lost)
{
	char top[64], root[72];
	struct tree_diff *d = NULL;
	struct err e;

	(void)snprintf(top, sizeof(top), "%s", place);
	assert_non_null(mkdtemp(top));
	run("cd %s; mkdir -p v/kind v/other; echo x >v/kind/file; echo y >v/other/file; "
	    "tar --format=posix -cf tar v; touch v/kind v/other; sleep 0.1",
		top);
	(void)snprintf(root, sizeof(root), "%s/v", top);
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct tree_diff_options options = {.tree = {.root_fd = fd, .prefix = "v"}};

	if (tree_diff_open(&options, &d, &e) != 0)
		fail_msg("%s", e.text);
	compare(d, top, false);
	survey(d);
	assert_int_equal(flags_of(d, "kind") & (MEMBER_INDEX_STAYS | MEMBER_INDEX_DRESS),
		MEMBER_INDEX_STAYS | MEMBER_INDEX_DRESS);
	assert_int_equal(flags_of(d, "kind/file") & MEMBER_INDEX_STAYS, MEMBER_INDEX_STAYS);
	run("cd %s/v; %s", top, command);
	survey(d);
	compare(d, top, true);
	member_index_settle(tree_diff_ledger(d));
	assert_int_equal(
		flags_of(d, lost) & (MEMBER_INDEX_STAYS | MEMBER_INDEX_LOST), MEMBER_INDEX_LOST);
	assert_int_equal(flags_of(d, "other") & (MEMBER_INDEX_STAYS | MEMBER_INDEX_LOST),
		MEMBER_INDEX_STAYS);
	tree_diff_close(d);
	(void)close(fd);
	run("rm -rf %s", top);
}

static void
test_folder_becomes_a_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++)
		change(places[i], "rm -r kind; echo z >kind", "kind");
}

static void
test_folder_becomes_a_link(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++)
		change(places[i], "rm -r kind; ln -s other kind", "kind");
}

static void
test_folder_vanishes(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++)
		change(places[i], "rm -r kind", "kind");
}

/* No time of a file tells that the folder above is another one now. */
static void
test_folders_change_places(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++)
		change(places[i], "mv kind was; mv other kind; mv was other", "kind/file");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folder_becomes_a_file),
		cmocka_unit_test(test_folder_becomes_a_link),
		cmocka_unit_test(test_folder_vanishes),
		cmocka_unit_test(test_folders_change_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
