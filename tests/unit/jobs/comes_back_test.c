/* Goal: what the writer takes comes back: of random trees of what a file system can hold, every
 * member is taken by the reader and by the import's rules, and is extracted as it was; what is not
 * in the archive was told, for that entry alone.  FB_SEED: the first case; FB_CASES: how many;
 * FB_TREES: the folder that they are made in. */
#include "tests/unit/odd_pair.h"
#include "tests/unit/odd_trees.h"

#include <sys/mman.h>

#include "archive/restore/extract.h"
#include "archive/write/resegment.h"
#include "archive/write/segments.h"
#include "jobs/import/import_rules.h"

enum { CASES = 2000, HELD = 12 * 1024 * 1024 };

struct world {
	struct odd_pair pair;
	int tar;
	struct buf held; /* headers of the present member */
	bool in_member;
	struct resegment *recut;
	int64_t recut_bytes, tree_bytes;
	int members; /* of all cases */
};

/* ---- writing ---- */

static int
write_begin(void *ctx, const struct segment *s, struct err *e)
{
	(void)ctx;
	(void)s;
	(void)e;
	return 0;
}

static int
write_data(void *ctx, const void *data, size_t len, struct err *e)
{
	struct world *w = ctx;

	(void)e;
	w->tree_bytes += (int64_t)len;
	return write(w->tar, data, len) == (ssize_t)len ? 0 : -1;
}

static int
write_end(void *ctx, const struct segment *s, bool stable, struct err *e)
{
	(void)ctx;
	(void)s;
	(void)stable;
	(void)e;
	return 0;
}

static int
write_notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	struct world *w = ctx;

	(void)e;
	if (n == SEGMENT_VANISHED || n == SEGMENT_CHANGED || n == SEGMENT_MOUNT)
		fail_msg(
			"seed %llu: %s: notice %d", (unsigned long long)w->pair.seed, path, (int)n);
	assert_true(w->pair.told_count < ODD_TOLD_MAX);
	w->pair.told[w->pair.told_count++] = mem_string(path);
	return 0;
}

static void
write_tree(struct world *w, int root)
{
	static const char end[MEMBER_END_SIZE];
	const struct segment_sink sink = {.begin = write_begin,
		.data = write_data,
		.end = write_end,
		.notice = write_notice,
		.ctx = w};
	const struct tree t = {.root_fd = root, .prefix = "tree", .layer = w->pair.layer};
	struct err e;

	if (segments_walk(&t, &sink, &e) != 0)
		fail_msg("seed %llu: the writer: %s", (unsigned long long)w->pair.seed, e.text);
	assert_int_equal(write(w->tar, end, sizeof(end)), sizeof(end));
	assert_int_equal(lseek(w->tar, 0, SEEK_SET), 0);
}

/* ---- reading, as an import does, and as a restore does ---- */

static ssize_t
read_tar(void *ctx, void *data, size_t size, struct err *e)
{
	(void)e;
	return read(*(int *)ctx, data, size);
}

static int
cut_begin(void *ctx, enum segment_kind kind, bool whole, struct err *e)
{
	(void)kind;
	(void)whole;
	(void)e;
	(void)ctx;
	return 0;
}

static int
cut_data(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)data;
	(void)e;
	((struct world *)ctx)->recut_bytes += (int64_t)len;
	return 0;
}

static int
cut_end(void *ctx, struct err *e)
{
	(void)ctx;
	(void)e;
	return 0;
}

static int
pass(void *ctx, const void *data, size_t len, struct err *e)
{
	struct world *w = ctx;

	return w->in_member ? resegment_data(w->recut, data, len, e) : buf_add(&w->held, data, len);
}

static int
note_opaque(void *ctx, const char *path, struct err *e)
{
	(void)ctx;
	return err_set(e, ERR_INTERNAL, "%s is no opaque folder", path);
}

static void
come_in(struct world *w, bool file, struct err *e)
{
	SCOPED(reader_close_at) struct reader *r = NULL;
	struct promise tree = {.kind = PROMISE_TREE,
		.path = (char[]){"tree"},
		.layer = w->pair.layer,
		.file = file};
	const struct expected expected = {.list = &tree, .count = 1};
	SCOPED(import_rules_free_at)
	struct rules *c =
		import_rules_new(&expected, &(struct import_rules_options){.devices = true});
	const struct resegment_sink sink = {cut_begin, cut_data, cut_end, w};
	const struct promise *p;
	const struct member *m;
	const void *data;
	int64_t offset;
	size_t len;
	int more;

	w->recut = resegment_new(&sink);
	assert_int_equal(reader_open((struct source){.read = read_tar, .ctx = &w->tar}, &r, e), 0);
	reader_tap(r, &(struct sink){.write = pass, .ctx = w});
	for (;;) {
		buf_clear(&w->held);
		w->in_member = false;
		if ((more = reader_next(r, &m, e)) <= 0)
			break;
		w->members++;
		if (import_rules_member(c, m, &p, e) < 0 ||
			resegment_member(w->recut, m, w->held.data, w->held.len, e) != 0)
			fail_msg("seed %llu: the import: %s", (unsigned long long)w->pair.seed,
				e->text);
		w->in_member = true;
		while ((more = reader_block(r, &data, &len, &offset, e)) > 0)
			;
		if (more < 0 || reader_skip(r, e) != 0)
			break;
	}
	if (more < 0 || import_rules_end(c, e) != 0 || resegment_end(w->recut, e) != 0)
		fail_msg("seed %llu: the reader: %s", (unsigned long long)w->pair.seed, e->text);
	resegment_free_at(&w->recut);
	assert_int_equal(w->recut_bytes, w->tree_bytes);
}

static void
restore_file(struct world *w, int file, struct err *e)
{
	SCOPED(reader_close_at) struct reader *r = NULL;
	const struct member *m;

	assert_int_equal(lseek(w->tar, 0, SEEK_SET), 0);
	assert_int_equal(reader_open((struct source){.read = read_tar, .ctx = &w->tar}, &r, e), 0);
	assert_int_equal(reader_next(r, &m, e), 1);
	if (extract_over_file(file, m, r, e) != 0)
		fail_msg("seed %llu: the restore: %s", (unsigned long long)w->pair.seed, e->text);
}

static void
restore(struct world *w, int root, struct err *e)
{
	SCOPED(reader_close_at) struct reader *r = NULL;
	SCOPED(extract_close_at) struct extract *x = NULL;
	struct small_file_writer *scribe = w->pair.seed % 2 == 0 ? small_file_writer_new() : NULL;
	const struct extract_options options = {
		.prefix = "tree", .layer = w->pair.layer, .opaque = note_opaque, .scribe = scribe};
	const struct member *m;
	int more;

	assert_int_equal(lseek(w->tar, 0, SEEK_SET), 0);
	assert_int_equal(reader_open((struct source){.read = read_tar, .ctx = &w->tar}, &r, e), 0);
	assert_int_equal(extract_open(root, &options, &x, e), 0);
	while ((more = reader_next(r, &m, e)) > 0)
		if (extract_member(x, m, r, e) != 0)
			break;
	if (more != 0 || extract_finish(x, e) != 0)
		fail_msg("seed %llu: the restore: %s", (unsigned long long)w->pair.seed, e->text);
	small_file_writer_free(scribe);
}

/* ---- cases ---- */

static void
case_clear(struct world *w)
{
	while (w->pair.told_count > 0)
		free(w->pair.told[--w->pair.told_count]);
	buf_clear(&w->held);
	w->pair.inode_count = 0;
	w->recut_bytes = w->tree_bytes = 0;
	assert_int_equal(ftruncate(w->tar, 0), 0);
	assert_int_equal(lseek(w->tar, 0, SEEK_SET), 0);
}

static int
folder_in(int dir, const char *name)
{
	assert_int_equal(mkdirat(dir, name, 0700), 0);
	const int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* A source that is a single file: a bind of one. */
static void
one_file(struct world *w, int top, struct odd_tree *t)
{
	struct err e = {.code = ERR_NONE};

	for (int i = 0; i < 2; i++)
		(void)close(openat(
			top, i == 0 ? "a" : "b", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	SCOPED(fd_close_at) int content = openat(top, "a", O_WRONLY | O_CLOEXEC);

	odd_content(t, content);
	odd_dress(t, top, "a");
	SCOPED(fd_close_at) int from = openat(top, "a", O_PATH | O_CLOEXEC);
	SCOPED(fd_close_at) int to = openat(top, "b", O_PATH | O_CLOEXEC);

	assert_int_equal(renameat(top, "a", top, "b.is"), 0);
	write_tree(w, from);
	assert_int_equal(renameat(top, "b.is", top, "a"), 0);
	if (w->pair.told_count == 0) {
		come_in(w, true, &e);
		restore_file(w, to, &e);
		assert_int_equal(mkdirat(top, "to", 0700), 0);
		SCOPED(fd_close_at) int dir = openat(top, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_int_equal(renameat(top, "b", dir, "a"), 0);
		odd_same_entry(&w->pair, top, dir, "a", "tree");
	}
	odd_clear(top);
}

static void
one_case(struct world *w, int top, uint64_t seed)
{
	struct odd_tree t = {.random = seed};
	struct err e = {.code = ERR_NONE};

	w->pair.seed = seed;
	t.layer = w->pair.layer = seed % 3 == 0;
	case_clear(w);
	if (seed % 20 == 1) {
		one_file(w, top, &t);
		return;
	}
	SCOPED(fd_close_at) int from = folder_in(top, "from");
	SCOPED(fd_close_at) int to = folder_in(top, "to");

	odd_make(&t, from);
	write_tree(w, from);
	come_in(w, false, &e);
	restore(w, to, &e);
	odd_same_entry(&w->pair, from, to, ".", "tree");
	odd_same_folders(&w->pair, from, to, "tree");
	odd_clear(top);
}

static uint64_t
number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void
test_comes_back(void **state)
{
	const uint64_t first = number_of("FB_SEED", 1), cases = number_of("FB_CASES", CASES);
	const char *in = getenv("FB_TREES");
	SCOPED(free_at)
	char *folder = mem_format("%s/fb-back-XXXXXX", in == NULL ? "/dev/shm" : in);
	struct world w = {.tar = memfd_create("tar", MFD_CLOEXEC), .held = BUF_INIT(HELD)};

	(void)state;
	assert_non_null(mkdtemp(folder));
	SCOPED(fd_close_at) int top = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (uint64_t i = 0; i < cases; i++)
		one_case(&w, top, first + i);
	case_clear(&w);
	buf_free(&w.held);
	print_message("%llu trees, %d entries, %d members\n", (unsigned long long)cases,
		w.pair.entries, w.members);
	assert_true(cases < 100 || w.pair.entries > (int)cases * 4); /* they are no empty trees */
	assert_int_equal(rmdir(folder), 0);
	(void)close(w.tar);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_comes_back)};

	if (geteuid() != 0) {
		(void)fprintf(stderr, "run this as root: owners and devices are part of it\n");
		return 1;
	}
	(void)umask(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
