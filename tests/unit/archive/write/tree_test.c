/* Goal: a tree with everything that a file system can hold survives the way into a tar and back,
 * judged by GNU tar and rsync; hostile archives do not get out of their root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "archive/restore/extract.h"
#include "archive/tar/reader.h"
#include "archive/write/segments.h"
#include "base/buf.h"
#include "base/mem.h"

static char top[64];

static void
run(const char *format, ...)
{
	char *command = NULL;
	va_list args;

	va_start(args, format);
	assert_true(vasprintf(&command, format, args) > 0);
	va_end(args);
	const int status = system(command);

	if (status != 0)
		(void)fprintf(stderr, "%s\n", command);
	free(command);
	assert_int_equal(status, 0);
}

static const char nasty[] =
	"set -e; cd %s; mkdir -p src/sub/deep src/acl; cd src\n"
	"echo hello >plain; ln plain hard; ln plain sub/hard2; ln -s /nowhere/at/all dangling\n"
	"ln -s plain link; : >empty; head -c 65535 /dev/urandom >a65535\n"
	"head -c 65536 /dev/urandom >a65536; head -c 300001 /dev/urandom >a300001\n"
	"truncate -s 5M hole; printf x | dd of=hole bs=1 seek=3000000 conv=notrunc status=none\n"
	"truncate -s 9000000000 huge; printf end | dd of=huge bs=1 seek=8999990000 conv=notrunc "
	"status=none\n"
	"truncate -s 1M allhole; mkfifo fifo; mknod char c 1 3; mknod block b 7 200\n"
	"cp /bin/true setuid; chmod 4755 setuid; chmod 1777 sub; chmod 0 empty\n"
	"printf caf >\"$(printf 'caf\\351')\"; echo n >\"$(printf 'new\\nline')\"\n"
	"long=$(printf '%%0200d' 7); mkdir -p $long/$long/$long; echo l >$long/$long/$long/$long\n"
	"chown 3000000:4000000 a65535; chown -h 12:34 link\n"
	"touch -d '1969-07-20 20:17:40.123456789' plain; touch -d @1700000000.999999999 a65536\n"
	"setfattr -n user.note -v value plain; setfattr -n user.eq=per%%cent -v 1 a65536\n"
	"setfattr -n trusted.ours -v 2 a300001 || true; setcap cap_net_raw+ep setuid\n"
	"setfacl -m u:99:r a65536; setfacl -d -m g:98:rwx acl; echo in >acl/inherits\n"
	"for i in $(seq 300); do echo $i >sub/deep/file$i; done\n"
	"touch -d '2001-02-03 04:05:06.000000007' sub sub/deep .\n";

static int
setup(void **state)
{
	(void)state;
	(void)strcpy(top, "/var/tmp/fb-tree-XXXXXX");
	assert_non_null(mkdtemp(top));
	run(nasty, top);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	run("rm -rf %s", top);
	return 0;
}

/* A tar on disk, and what its segments were. */
struct out {
	int fd;
	int segments, notices;
	unsigned char keys[4096][32];
	int reuse; /* -1: none; else that many are known already */
	bool skipped;
};

static int
on_begin(void *ctx, const struct segment *s, struct err *e)
{
	struct out *o = ctx;

	(void)e;
	assert_true(o->segments < 4096);
	memcpy(o->keys[o->segments++], s->key, 32);
	o->skipped = o->reuse > 0 && o->segments <= o->reuse;
	return o->skipped;
}

static int
on_data(void *ctx, const void *data, size_t len, struct err *e)
{
	const struct out *o = ctx;

	(void)e;
	assert_false(o->skipped);
	assert_int_equal(write(o->fd, data, len), len);
	return 0;
}

static int
on_end(void *ctx, const struct segment *s, bool stable, struct err *e)
{
	(void)ctx;
	(void)s;
	(void)stable;
	(void)e;
	return 0;
}

static int
on_notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	struct out *o = ctx;

	(void)n;
	(void)path;
	(void)e;
	o->notices++;
	return 0;
}

static void
archive_tree(const char *folder, struct out *o, const char *const *excludes)
{
	static const char end[MEMBER_END_SIZE];
	char path[128];
	struct err e;

	(void)snprintf(path, sizeof(path), "%s/%s", top, folder);
	const int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct tree t = {.root_fd = root, .prefix = "volumes/v", .excludes = excludes};
	const struct segment_sink sink = {
		.begin = on_begin, .data = on_data, .end = on_end, .notice = on_notice, .ctx = o};

	(void)snprintf(path, sizeof(path), "%s/out.tar", top);
	o->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (segments_walk(&t, &sink, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(write(o->fd, end, sizeof(end)), sizeof(end));
	(void)close(root);
}

static ssize_t
read_fd(void *ctx, void *data, size_t size, struct err *e)
{
	(void)e;
	return read(*(int *)ctx, data, size);
}

/* 0, or -1 with ${e}. */
static int
extract_tar(int tar_fd, int root, struct small_file_writer *s, struct err *e)
{
	struct reader *r = NULL;
	struct extract *x = NULL;
	const struct extract_options options = {.prefix = "volumes/v", .scribe = s};
	const struct member *m;
	int more, status = 0;

	assert_int_equal(lseek(tar_fd, 0, SEEK_SET), 0);
	assert_int_equal(reader_open((struct source){read_fd, &tar_fd}, &r, e), 0);
	assert_int_equal(extract_open(root, &options, &x, e), 0);
	while (status == 0 && (more = reader_next(r, &m, e)) != 0)
		status = more < 0 ? -1 : extract_member(x, m, r, e);
	if (status == 0)
		status = extract_finish(x, e);
	extract_close(x);
	small_file_writer_free(s);
	reader_close(r);
	return status;
}

static int
open_new(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	assert_int_equal(mkdir(path, 0700), 0);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* rsync compares everything but nanoseconds; find compares those. */
static void
compare(const char *a, const char *b)
{
	run("cd %s; test -z \"$(rsync -aHAXn --numeric-ids --delete --checksum --itemize-changes "
	    "--exclude=/huge --exclude=/.fuel-backup-* %s/ %s/ | tee /dev/stderr)\"",
		top, a, b);
	run("cd %s; for d in %s %s; do (cd $d; find . -printf '%%p %%T@ %%s %%y %%m %%U:%%G\\n' | "
	    "sort) >$(basename $d).list; done; diff $(basename %s).list $(basename %s).list",
		top, a, b, a, b);
	run("cd %s; for d in %s %s; do test $(du -k $d/huge | cut -f1) -lt 1000; (stat -c %%s "
	    "$d/huge; tail -c 20000 $d/huge) >$(basename $d).huge; done; "
	    "cmp $(basename %s).huge $(basename %s).huge",
		top, a, b, a, b);
}

static void
test_gnu_tar(void **state)
{
	struct out o = {.reuse = -1};

	(void)state;
	archive_tree("src", &o, NULL);
	assert_int_equal(o.notices, 0);
	run("cd %s; mkdir gnu; tar --xattrs --xattrs-include='*' --delay-directory-restore "
	    "--numeric-owner -C gnu -xpf out.tar 2>/dev/null",
		top);
	compare("src", "gnu/volumes/v");
	(void)close(o.fd);
	run("rm -rf %s/gnu", top);
}

static void
test_extract(void **state)
{
	struct out o = {.reuse = -1};
	struct err e;

	(void)state;
	archive_tree("src", &o, NULL);
	for (int with_scribe = 0; with_scribe < 2; with_scribe++) {
		const int root = open_new("own");

		if (extract_tar(o.fd, root, with_scribe ? small_file_writer_new() : NULL, &e) != 0)
			fail_msg("%s", e.text);
		compare("src", "own");
		(void)close(root);
		run("rm -rf %s/own", top);
	}
	(void)close(o.fd);
}

/* What is in the way of a file is said, with the path. */
static void
test_in_the_way(void **state)
{
	struct out o = {.reuse = -1};
	struct err e = {0};

	(void)state;
	archive_tree("src", &o, NULL);
	const int root = open_new("own");

	run("mkdir -p %s/own/sub/deep/file7/full", top);
	assert_int_equal(extract_tar(o.fd, root, small_file_writer_new(), &e), -1);
	assert_non_null(strstr(e.text, "volumes/v/sub/deep/file7"));
	assert_non_null(strstr(e.text, "in the way"));
	run("test -d %s/own/sub/deep/file7/full", top);
	(void)close(root);
	(void)close(o.fd);
	run("rm -rf %s/own", top);
}

/* What the scribe's thread cannot do is said, with the path, before the tree counts as done. */
static void
test_late_error(void **state)
{
	const rlim_t little = 50000;
	struct out o = {.reuse = -1};
	struct err e = {0};
	struct rlimit before, less;

	(void)state;
	run("mkdir -p %s/late/d; head -c 100000 /dev/zero >%s/late/d/f", top, top);
	archive_tree("late", &o, NULL);
	const int root = open_new("own");

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	less = (struct rlimit){little, before.rlim_max};
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
	const int status = extract_tar(o.fd, root, small_file_writer_new(), &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(status, -1);
	assert_string_equal(e.text, "volumes/v/d/f: cannot write: File too large");
	(void)close(root);
	(void)close(o.fd);
	run("rm -rf %s/own %s/late", top, top);
}

/* More small files than are handed to the disk at once. */
static void
test_many(void **state)
{
	struct out o = {.reuse = -1};
	struct err e;

	(void)state;
	run("mkdir %s/many; for i in $(seq 720); do head -c 100000 /dev/urandom >%s/many/$i; done",
		top, top);
	archive_tree("many", &o, NULL);
	const int root = open_new("own");

	if (extract_tar(o.fd, root, small_file_writer_new(), &e) != 0)
		fail_msg("%s", e.text);
	run("diff -r %s/many %s/own", top, top);
	(void)close(root);
	(void)close(o.fd);
	run("rm -rf %s/own %s/many", top, top);
}

/* Nobody else on it finds a file system full. */
static void
test_no_space(void **state)
{
	struct out o = {.reuse = -1};
	struct statfs fs;
	struct err e = {0};

	(void)state;
	assert_int_equal(unshare(CLONE_NEWNS), 0); /* the mount ends with this process */
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	run("mkdir %s/tight; for i in 1 2 3; do head -c 10M /dev/urandom >%s/tight/$i; done", top,
		top);
	archive_tree("tight", &o, NULL);
	run("mkdir %s/small; mount -t tmpfs -o size=32m tmpfs %s/small", top, top);
	int root = open_new("small/own");
	assert_int_equal(extract_tar(o.fd, root, NULL, &e), 0);
	run("diff -r %s/tight %s/small/own", top, top);
	(void)close(root);
	run("rm -r %s/small/own; head -c 5M /dev/zero >%s/small/theirs", top, top);
	root = open_new("small/own");
	assert_int_equal(extract_tar(o.fd, root, NULL, &e), -1);
	assert_int_equal(e.code, ERR_NO_SPACE);
	assert_string_equal(e.text, "volumes/v/3: its 10240 KiB do not fit: 7 MiB are left on its "
				    "file system, make room");
	assert_int_equal(fstatfs(root, &fs), 0);
	assert_true((int64_t)fs.f_bavail * fs.f_bsize > 6 << 20);
	(void)close(root);
	(void)close(o.fd);
	run("umount %s/small; rm -r %s/small %s/tight", top, top, top);
}

static void
test_keys(void **state)
{
	struct out *a = mem_new(sizeof(*a)), *b = mem_new(sizeof(*b));
	int changed = 0;

	(void)state;
	a->reuse = b->reuse = -1;
	archive_tree("src", a, NULL);
	run("cp -a %s/out.tar %s/first.tar", top, top);
	archive_tree("src", b, NULL);
	run("cmp %s/out.tar %s/first.tar", top, top);
	assert_int_equal(a->segments, b->segments);
	assert_memory_equal(a->keys, b->keys, sizeof(a->keys));
	(void)close(b->fd);
	memset(b, 0, sizeof(*b));
	run("cd %s/src; printf y | dd of=a300001 bs=1 seek=5 conv=notrunc status=none; touch -d "
	    "'2001-02-03 04:05:06.000000007' .",
		top);
	b->reuse = 1; /* the first one is known: it must not be read */
	archive_tree("src", b, NULL);
	assert_int_equal(a->segments, b->segments);
	for (int i = 0; i < a->segments; i++)
		changed += memcmp(a->keys[i], b->keys[i], 32) != 0;
	assert_in_range(changed, 1, 3); /* content, its header's run, the root's ctime */
	(void)close(a->fd);
	(void)close(b->fd);
	free(a);
	free(b);
}

static void
test_excludes(void **state)
{
	const char *const excludes[] = {"volumes/v/sub/*", "*/huge", NULL};
	struct out o = {.reuse = -1};

	(void)state;
	archive_tree("src", &o, excludes);
	run("cd %s; ! tar -tf out.tar | grep -q 'sub/.\\|huge'; tar -tf out.tar | grep -q "
	    "a300001",
		top);
	(void)close(o.fd);
}

/* The tar of one member made by hand with GNU tar's help is more than these need. */
static const struct {
	const char *name, *script;
} hostile[] = {
	{"parent", "import tarfile; t=tarfile.open('h.tar','w'); "
		   "i=tarfile.TarInfo('volumes/v/../../../escape'); t.addfile(i); t.close()"},
	{"absolute", "import tarfile; t=tarfile.open('h.tar','w'); "
		     "i=tarfile.TarInfo('/escape'); t.addfile(i); t.close()"},
	{"link out",
		"import tarfile; t=tarfile.open('h.tar','w'); "
		"i=tarfile.TarInfo('volumes/v/l'); i.type=b'1'; i.linkname='../../etc/passwd'; "
		"t.addfile(i); t.close()"},
	{"through a symlink",
		"import tarfile,io; t=tarfile.open('h.tar','w'); "
		"i=tarfile.TarInfo('volumes/v/d'); i.type=b'2'; i.linkname='/tmp'; t.addfile(i); "
		"i=tarfile.TarInfo('volumes/v/d/fb-escape'); i.size=1; "
		"t.addfile(i,io.BytesIO(b'x')); "
		"t.close()"},
	{"cut off", "import tarfile,io; t=tarfile.open('h.tar','w'); "
		    "i=tarfile.TarInfo('volumes/v/f'); i.size=9000; "
		    "t.addfile(i,io.BytesIO(b'x'*9000)); t.close(); "
		    "f=open('h.tar','r+b'); f.truncate(4096)"},
	{"no end", "import tarfile,io; t=tarfile.open('h.tar','w'); "
		   "i=tarfile.TarInfo('volumes/v/f'); i.size=512; "
		   "t.addfile(i,io.BytesIO(b'x'*512)); t.close(); "
		   "f=open('h.tar','r+b'); f.truncate(1024)"},
	{"no tar", "open('h.tar','wb').write(b'garbage'*1000)"},
};

static void
test_hostile(void **state)
{
	char path[128];
	struct err e;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct small_file_writer *s = i % 2 == 0 ? NULL : small_file_writer_new();

		run("cd %s; rm -rf h; /usr/bin/python3 -c \"%s\"", top, hostile[i / 2].script);
		(void)snprintf(path, sizeof(path), "%s/h.tar", top);
		const int fd = open(path, O_RDONLY | O_CLOEXEC);
		const int root = open_new("h");

		if (extract_tar(fd, root, s, &e) == 0 || e.code != ERR_CORRUPT)
			fail_msg("%s: not refused as it should be", hostile[i / 2].name);
		(void)close(fd);
		(void)close(root);
	}
	run("test ! -e /escape; test ! -e /tmp/fb-escape");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gnu_tar),
		cmocka_unit_test(test_extract),
		cmocka_unit_test(test_in_the_way),
		cmocka_unit_test(test_late_error),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_no_space),
		cmocka_unit_test(test_excludes),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_keys),
	};

	if (geteuid() != 0) {
		(void)fprintf(stderr, "run this as root: owners and devices are part of it\n");
		return 1;
	}
	return cmocka_run_group_tests_name("tree", tests, setup, teardown);
}
