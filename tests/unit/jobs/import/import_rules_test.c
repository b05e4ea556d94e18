/* Goal: what a walk of ours makes comes in; all that a hostile archive could do instead is refused,
 * by its own rule. */
#include "tests/unit/random_trees.h"
#include "tests/unit/walk_to_fd.h"

#include <limits.h>
#include <sys/mman.h>

#include "archive/tar/reader.h"
#include "archive/write/segments.h"
#include "base/id.h"
#include "jobs/import/import_rules.h"

/* What the manifest expected, in this order. */
static struct promise promised[] = {{.kind = PROMISE_TEXT, .path = (char[]){"RESTORE.txt"}},
	{.kind = PROMISE_TREE, .path = (char[]){"layers/c"}, .layer = true},
	{.kind = PROMISE_TREE, .path = (char[]){"volumes/v"}},
	{.kind = PROMISE_TREE, .path = (char[]){"host/srv"}},
	{.kind = PROMISE_TREE, .path = (char[]){"host/srv/in"}},
	{.kind = PROMISE_TREE, .path = (char[]){"host/etc/hosts"}, .file = true}};

enum { PROMISED = sizeof(promised) / sizeof(*promised), MEMBERS_MAX = 16, RANDOM_MAX = 512 };

#define TEXT "fRESTORE.txt"
#define LAYER TEXT, "dlayers/c"
#define VOLUME LAYER, "dvolumes/v"
#define REST "dhost/srv", "dhost/srv/in", "fhost/etc/hosts"

/*
 * A member: its type (f, d, h, l, p, c, b), its path, then what there is of |link, #xattr, +size,
 * @minor (of major 0), and ~ if it is sparse.
 */
struct archive {
	const char *members[MEMBERS_MAX];
	const char *error; /* part of it; NULL: all is well */
	bool devices, incomplete;
};

static const struct archive archives[] = {
	{.members = {VOLUME, REST}},
	{.members = {VOLUME, "dvolumes/v/a", "dvolumes/v/a/b", "dvolumes/v/a.b", "fvolumes/v/a/z",
		 "lvolumes/v/a.b/l|/etc/passwd", "pvolumes/v/b", "hvolumes/v/c|volumes/v/b", REST}},

	/* 1: all that is promised, in its order, and no more */
	{.members = {"dlayers/c"}, .error = "layers/c where RESTORE.txt should come"},
	{.members = {LAYER, "dhost/srv"}, .error = "host/srv where volumes/v should come"},
	{.members = {VOLUME, "dhost/srv", "dhost/srv/in"}, .error = "host/etc/hosts stands in"},
	{.members = {VOLUME, "dhost/srv", "fhost/etc/hosts"},
		.error = "host/etc/hosts where host/srv/in should come"},
	{.members = {VOLUME, REST, "fmore"}, .error = "more is in the archive without standing in"},
	{.members = {VOLUME, "fvolumes/vx"}, .error = "volumes/vx where host/srv should come"},
	{.members = {VOLUME, "dvolumes/v"}, .error = "volumes/v is in the archive twice"},
	{.members = {TEXT, TEXT}, .error = "RESTORE.txt where layers/c should come"},
	{.members = {"dRESTORE.txt"}, .error = "RESTORE.txt is no plain file"},
	{.members = {"fRESTORE.txt~"}, .error = "RESTORE.txt is no plain file"},
	{.members = {"fRESTORE.txt#user.x"}, .error = "RESTORE.txt is no plain file"},
	{.members = {"lRESTORE.txt|/etc/passwd"}, .error = "RESTORE.txt is no plain file"},
	{.members = {TEXT, "flayers/c"}, .error = "layers/c should be a folder"},
	{.members = {TEXT, "llayers/c|/"}, .error = "layers/c should be a folder"},
	{.members = {VOLUME, "dhost/srv", "dhost/srv/in", "dhost/etc/hosts"},
		.error = "host/etc/hosts should be a file"},
	{.members = {VOLUME, REST, "fhost/etc/hosts/below"},
		.error = "host/etc/hosts/below is in the archive twice, or out of order"},
	{.members = {TEXT}, .incomplete = true},
	{.members = {TEXT, "dvolumes/v", "fhost/etc/hosts"}, .incomplete = true},
	{.members = {NULL}, .error = "RESTORE.txt stands in", .incomplete = true},

	/* a source within another one: there it is a tree of its own, or was in the other one */
	{.members = {VOLUME, "dhost/srv", "dhost/srv/in", "dhost/srv/in/x", "fhost/etc/hosts"}},

	/* 2: folders first, then the rest, sorted */
	{.members = {VOLUME, "fvolumes/v/a", "dvolumes/v/b"}, .error = "volumes/v/b is in"},
	{.members = {VOLUME, "dvolumes/v/b", "dvolumes/v/a"}, .error = "out of order"},
	{.members = {VOLUME, "dvolumes/v/a.b", "dvolumes/v/a"}, .error = "out of order"},
	{.members = {VOLUME, "dvolumes/v/a", "dvolumes/v/a.b", "dvolumes/v/a/b"},
		.error = "volumes/v/a/b is in the archive twice, or out of order"},
	{.members = {VOLUME, "fvolumes/v/b", "fvolumes/v/a"}, .error = "out of order"},
	{.members = {VOLUME, "fvolumes/v/a", "lvolumes/v/a|x"}, .error = "twice"},
	{.members = {VOLUME, "dvolumes/v/a", "dvolumes/v/a"}, .error = "twice"},
	{.members = {VOLUME, "dvolumes/v/a", "fvolumes/v/a"},
		.error = "a folder of the archive as"},
	{.members = {LAYER, "flayers/c/.wh.a", "flayers/c/a"}, .error = "twice"},
	{.members = {LAYER, "dlayers/c/a", "flayers/c/.wh.a"},
		.error = "layers/c/.wh.a is a folder of the archive as well"},

	/* 3: below folders of the archive only */
	{.members = {VOLUME, "lvolumes/v/a|/etc", "fvolumes/v/a/passwd"},
		.error = "volumes/v/a/passwd: its folder is none"},
	{.members = {VOLUME, "fvolumes/v/a", "fvolumes/v/a/b"}, .error = "its folder is none"},
	{.members = {VOLUME, "fvolumes/v/none/b"}, .error = "its folder is none"},
	{.members = {VOLUME, "dvolumes/v/none/b"}, .error = "its folder is none"},

	/* 4: hard links */
	{.members = {VOLUME, "hvolumes/v/a|volumes/v/b"},
		.error = "volumes/v/a is a hard link to volumes/v/b, which is no file"},
	{.members = {VOLUME, "dvolumes/v/a", "hvolumes/v/b|volumes/v/a"}, .error = "no file of"},
	{.members = {LAYER, "flayers/c/f", "dvolumes/v", "hvolumes/v/b|layers/c/f"},
		.error = "no file of"},
	{.members = {VOLUME, "hvolumes/v/b|RESTORE.txt"}, .error = "no file of the same tree"},
	{.members = {VOLUME, "fvolumes/v/a", "hvolumes/v/b|volumes/v/b"}, .error = "no file of"},
	{.members = {LAYER, "flayers/c/.wh.a", "hlayers/c/b|layers/c/.wh.a"},
		.error = "no file of"},

	/* 5: devices and marks */
	{.members = {VOLUME, "bvolumes/v/disk@1"}, .error = "outside of a container's layer"},
	{.members = {VOLUME, "cvolumes/v/null@3"}, .error = "?devices=true"},
	{.members = {VOLUME, "bvolumes/v/disk@1", REST}, .devices = true},
	{.members = {VOLUME, "cvolumes/v/gone@0", REST}},
	{.members = {LAYER, "clayers/c/null@3", "dvolumes/v", REST}},
	{.members = {LAYER, "clayers/c/gone@0"}, .error = "overlay takes for a deletion"},
	{.members = {LAYER, "dlayers/c/d", "flayers/c/d/.wh..wh..opq", "flayers/c/d/.wh.a",
		 "flayers/c/d/b", "dvolumes/v", REST}},
	{.members = {LAYER, "flayers/c/.wh.a+1"}, .error = "marks nothing as deleted"},
	{.members = {LAYER, "flayers/c/.wh.a~"}, .error = "marks nothing as deleted"},
	{.members = {LAYER, "flayers/c/.wh.a#user.x"}, .error = "marks nothing as deleted"},
	{.members = {LAYER, "llayers/c/.wh.a|b"}, .error = "marks nothing as deleted"},
	{.members = {LAYER, "flayers/c/.wh."}, .error = "marks nothing as deleted"},
	{.members = {LAYER, "flayers/c/.wh.."}, .error = "marks nothing as deleted"},
	{.members = {LAYER, "flayers/c/.wh..."}, .error = "marks nothing as deleted"},
	{.members = {LAYER, "flayers/c/.wh..wh.a"}, .error = "marks nothing as deleted"},
	{.members = {LAYER, "dlayers/c/.wh.a"}, .error = "is a folder that marks a deletion"},
	{.members = {VOLUME, "dvolumes/v/.wh.d", "fvolumes/v/.wh.a+5", REST}},

	/* 6: what is overlay's, and ours */
	{.members = {LAYER, "dlayers/c/d#trusted.overlay.opaque"}, .error = "only overlay itself"},
	{.members = {LAYER, "flayers/c/f#trusted.overlay.redirect"},
		.error = "layers/c/f has the attribute trusted.overlay.redirect"},
	/* of an engine inside */
	{.members = {VOLUME, "fvolumes/v/f#trusted.overlay.redirect", REST}},
	{.members = {TEXT, "dlayers/c#trusted.overlay.opaque"}, .error = "only overlay itself"},
	{.members = {LAYER, "flayers/c/f#user.overlay.whiteout"}, .error = "only overlay itself"},
	{.members = {VOLUME, "fvolumes/v/f#user.overlay.whiteout", REST}},
	{.members = {VOLUME, "dvolumes/v/.fuel-backup-x"}, .error = "a restore needs this name"},
	{.members = {LAYER, "flayers/c/.fuel-backup-x"}, .error = "a restore needs this name"},
	{.members = {VOLUME, "dvolumes/v/a", "fvolumes/v/a/.fuel-backup-x", REST}},
};

static enum member_type
type_of(char c)
{
	static const char letters[] = "fhlcbdp";
	static const enum member_type types[] = {MEMBER_FILE, MEMBER_LINK, MEMBER_SYMLINK,
		MEMBER_CHAR, MEMBER_BLOCK, MEMBER_DIR, MEMBER_FIFO};

	assert_non_null(strchr(letters, c));
	return types[strchr(letters, c) - letters];
}

/* Its strings are pieces of ${text}. */
static struct member
parse(char *text, struct member_xattr *x)
{
	struct member m = {.type = type_of(text[0]), .path = text + 1};

	for (char *at = text + strcspn(text, "|#+@~"), mark; (mark = *at) != '\0';
		at += 1 + strcspn(at + 1, "|#+@~")) {
		*at = '\0';
		if (mark == '|')
			m.link = at + 1;
		if (mark == '+')
			m.size = at[1] - '0';
		if (mark == '@')
			m.minor = (unsigned)(at[1] - '0');
		m.sparse = m.sparse || mark == '~';
		if (mark != '#')
			continue;
		*x = (struct member_xattr){.name = at + 1, .value = "y", .len = 1};
		m.xattrs = x;
		m.xattr_count = 1;
	}
	return m;
}

static int
judge(const struct archive *a, struct err *e)
{
	const struct expected expected = {
		.list = promised, .count = PROMISED, .incomplete = a->incomplete};
	SCOPED(import_rules_free_at)
	struct rules *c =
		import_rules_new(&expected, &(struct import_rules_options){.devices = a->devices});

	for (size_t i = 0; i < MEMBERS_MAX && a->members[i] != NULL; i++) {
		SCOPED(free_at) char *text = mem_string(a->members[i]);
		struct member_xattr x;
		const struct member m = parse(text, &x);
		const struct promise *p = NULL;

		if (import_rules_member(c, &m, &p, e) < 0)
			return a->members[i + 1] == NULL ? -1 : -2;
		assert_non_null(p);
	}
	return import_rules_end(c, e);
}

/* Refused at its last member, or at the end. */
static void
test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(archives) / sizeof(*archives); i++) {
		const struct archive *a = &archives[i];
		struct err e = {0};
		const int got = judge(a, &e);

		if (a->error == NULL ? got != 0 : got != -1 || strstr(e.text, a->error) == NULL)
			fail_msg("archive %zu: %d, \"%s\" instead of \"%s\"", i, got,
				got == 0 ? "" : e.text, a->error == NULL ? "" : a->error);
		if (a->error != NULL)
			assert_int_equal(e.code, ERR_CORRUPT);
	}
}

static void
test_long_link(void **state)
{
	static char text[PATH_MAX + 32] = "lvolumes/v/a|";
	struct archive a = {.members = {VOLUME, text, REST}};
	struct err e;

	(void)state;
	memset(text + strlen(text), 'x', PATH_MAX - 1);
	assert_int_equal(judge(&a, &e), 0);
	text[strlen(text)] = 'x';
	assert_int_equal(judge(&a, &e), -2);
	assert_non_null(strstr(e.text, "the link is too long"));
}

/* ---- random trees ---- */

struct walked {
	bool layer;
	struct member members[RANDOM_MAX]; /* types, paths and links */
	size_t count;
};

static ssize_t
read_fd(void *ctx, void *data, size_t size, struct err *e)
{
	(void)e;
	return read(*(int *)ctx, data, size);
}

static void
read_members(int tar, struct walked *w)
{
	SCOPED(reader_close_at) struct reader *r = NULL;
	const struct member *m;
	struct err e;
	int more;

	assert_int_equal(lseek(tar, 0, SEEK_SET), 0);
	assert_int_equal(reader_open((struct source){.read = read_fd, .ctx = &tar}, &r, &e), 0);
	while ((more = reader_next(r, &m, &e)) > 0) {
		assert_true(w->count < RANDOM_MAX);
		w->members[w->count++] = (struct member){.type = m->type,
			.path = mem_string(m->path),
			.link = m->link == NULL ? NULL : mem_string(m->link),
			.size = m->size,
			.major = m->major,
			.minor = m->minor};
	}
	assert_int_equal(more, 0);
}

/* The members that a walk makes of the tree of that seed. */
static void
walk(uint64_t seed, struct walked *w)
{
	static const char end[MEMBER_END_SIZE];
	char top[] = "/dev/shm/fb-rules-XXXXXX";
	SCOPED(fd_close_at) int tar = memfd_create("tar", MFD_CLOEXEC);
	struct err e;

	assert_non_null(mkdtemp(top));
	SCOPED(fd_close_at) int root = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct random_tree t = {.top = top, .common = seed, .own = seed, .layer = w->layer};
	const struct segment_sink sink = {.begin = on_begin,
		.data = on_data,
		.end = on_end,
		.notice = on_notice,
		.ctx = &tar};

	random_make(&t);
	if (segments_walk(&(struct tree){.root_fd = root,
				  .prefix = "tree",
				  .layer = w->layer,
				  .opaque = (const char *const *)t.opaque,
				  .opaque_count = t.opaque_count},
		    &sink, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(write(tar, end, sizeof(end)), sizeof(end));
	read_members(tar, w);
	random_free(&t);
	tree_remove(top);
}

/* Whether the members come in, in the order of ${order}. */
static bool
comes_in(const struct walked *w, const size_t *order, size_t count)
{
	struct promise tree = {.kind = PROMISE_TREE, .path = (char[]){"tree"}, .layer = w->layer};
	const struct expected expected = {.list = &tree, .count = 1};
	SCOPED(import_rules_free_at)
	struct rules *c =
		import_rules_new(&expected, &(struct import_rules_options){.devices = true});
	const struct promise *p;
	struct err e;

	for (size_t i = 0; i < count; i++)
		if (import_rules_member(c, &w->members[order[i]], &p, &e) < 0)
			return false;
	return import_rules_end(c, &e) == 0;
}

static bool
is_needed(const struct walked *w, size_t i)
{
	const char *path = w->members[i].path;
	const size_t len = strlen(path);

	for (size_t k = i + 1; k < w->count; k++) {
		const char *link = w->members[k].type == MEMBER_LINK ? w->members[k].link : "";

		if ((strncmp(w->members[k].path, path, len) == 0 &&
			    w->members[k].path[len] == '/') ||
			strcmp(link, path) == 0)
			return true;
	}
	return false;
}

/* As it is; with any two neighbours exchanged; with any twice; without any. */
static void
check_orders(const struct walked *w)
{
	size_t order[RANDOM_MAX + 1];

	for (size_t i = 0; i < w->count; i++)
		order[i] = i;
	assert_true(comes_in(w, order, w->count));
	for (size_t i = 0; i + 1 < w->count; i++) {
		order[i] = i + 1;
		order[i + 1] = i;
		if (comes_in(w, order, w->count))
			fail_msg("%s after %s", w->members[i].path, w->members[i + 1].path);
		order[i] = i;
		order[i + 1] = i + 1;
	}
	for (size_t i = 0; i < w->count; i++) {
		for (size_t k = 0; k <= w->count; k++)
			order[k] = k <= i ? k : k - 1;
		if (comes_in(w, order, w->count + 1))
			fail_msg("%s comes in twice", w->members[i].path);
		for (size_t k = 0; k < w->count; k++)
			order[k] = k < i ? k : k + 1;
		if (comes_in(w, order, w->count - 1) == (is_needed(w, i) || i == 0))
			fail_msg("without %s", w->members[i].path);
		for (size_t k = 0; k < w->count; k++)
			order[k] = k;
	}
}

static void
test_walks(void **state)
{
	const char *given = getenv("FB_SEED");
	uint64_t seed;

	(void)state;
	random_bytes(&seed, sizeof(seed));
	seed = given == NULL ? seed >> 16 : strtoull(given, NULL, 10);
	for (uint64_t i = 0; i < 20; i++) {
		struct walked *w = mem_new(sizeof(*w));

		print_message("FB_SEED=%llu\n", (unsigned long long)(seed + i));
		w->layer = (seed + i) % 2 == 0;
		walk(seed + i, w);
		check_orders(w);
		for (size_t k = 0; k < w->count; k++) {
			free((char *)(uintptr_t)w->members[k].path);
			free((char *)(uintptr_t)w->members[k].link);
		}
		free(w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_long_link),
		cmocka_unit_test(test_walks),
	};

	if (geteuid() != 0) {
		(void)fprintf(stderr, "run this as root: owners and devices are part of it\n");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
