#include "jobs/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/extract.h"
#include "archive/segments.h"
#include "base/mem.h"
#include "base/scope.h"

static int
root_of(const struct target *t)
{
	return t->root_fd >= 0 ? t->root_fd : lender_fd(t->lender, t->number);
}

size_t
target_holds(const struct target *t, const char *path)
{
	const size_t len = strlen(t->prefix);

	return strncmp(path, t->prefix, len) == 0 && (path[len] == '\0' || path[len] == '/') ? len
											     : 0;
}

static struct tree
tree_of(const struct target *t, const struct target_options *o)
{
	return (struct tree){.root_fd = root_of(t),
		.prefix = t->prefix,
		.layer = t->container != NULL,
		.excludes = (const char *const *)o->excludes->patterns};
}

static int
refuse_mount(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	const struct target *t = ctx;

	if (n != SEGMENT_MOUNT)
		return 0;
	return err_set(e, ERR_CONFLICT,
		"%s has a mount of its own at %s, which would be in the way: unmount it, then "
		"restore",
		t->prefix, path);
}

int
target_check(const struct target *t, const struct target_options *options, struct err *e)
{
	const struct tree tree = tree_of(t, options);
	struct target copy = *t;
	struct stat st;

	if (fstat(tree.root_fd, &st) != 0)
		return err_errno(e, "%s", t->prefix);
	if (t->way == TARGET_OVERWRITE)
		return S_ISREG(st.st_mode)
			       ? 0
			       : err_set(e, ERR_CONFLICT,
					 "%s was a file and is none now: move it away", t->path);
	if (!S_ISDIR(st.st_mode))
		return err_set(
			e, ERR_CONFLICT, "%s was a folder and is none now: move it away", t->path);
	return t->way == TARGET_TREE ? tree_left_out(&tree, refuse_mount, &copy, e) : 0;
}

/* Write ${data} to the end of the file ${ctx}. */
static int
append(void *ctx, const void *data, size_t len, struct err *e)
{
	const int *fd = ctx;
	const char *at = data;

	while (len > 0) {
		const ssize_t done = write(*fd, at, len);

		if (done < 0 && errno != EINTR)
			return err_errno(e, "the old file cannot be saved in the store");
		if (done > 0) {
			at += done;
			len -= (size_t)done;
		}
	}
	return 0;
}

static ssize_t
take(void *ctx, void *data, size_t size, struct err *e)
{
	const int *fd = ctx;
	ssize_t got;

	do
		got = read(*fd, data, size);
	while (got < 0 && errno == EINTR);
	return got < 0 ? err_errno(e, "the saved old file cannot be read") : got;
}

static int
begin_saved(void *ctx, const struct segment *s, struct err *e)
{
	(void)ctx;
	(void)s;
	(void)e;
	return 0;
}

static int
end_saved(void *ctx, const struct segment *s, bool stable, struct err *e)
{
	(void)stable;
	return begin_saved(ctx, s, e);
}

static int
notice_saved(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	(void)ctx;
	(void)path;
	(void)e;
	return n == SEGMENT_UNREADABLE ? -1 : 0;
}

/* The present file as a tar of one member, durable under its name when this returns 0. */
static int
save_file(struct target *t, int run_fd, struct err *e)
{
	static const char end[MEMBER_END_SIZE];
	const struct tree tree = {.root_fd = root_of(t), .prefix = t->prefix};
	SCOPED(free_at) char *part = mem_format("%s.part", t->saved);
	SCOPED(fd_close_at)
	int fd = openat(run_fd, part, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	SCOPED(fd_close_at) int folder = openat(run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct segment_sink sink = {.begin = begin_saved,
		.data = append,
		.end = end_saved,
		.notice = notice_saved,
		.ctx = &fd};

	if (fd < 0)
		return err_errno(e, "the store's run folder");
	if (segments_walk(&tree, &sink, e) != 0 || append(&fd, end, sizeof(end), e) != 0)
		return -1;
	if (fsync(fd) != 0 || renameat(run_fd, part, run_fd, t->saved) != 0 || folder < 0 ||
		fsync(folder) != 0)
		return err_errno(e, "the old file cannot be saved in the store");
	t->saved_fd = TAKE_FD(fd);
	return 0;
}

static int
keep(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	struct target *t = ctx;

	return n == SEGMENT_EXCLUDED ? fill_keep(t->fill, path, e) : refuse_mount(t, n, path, e);
}

/* What the host has at ${except}, and what is excluded, stays. */
static int
keep_all(struct target *t, const struct target_options *o, struct err *e)
{
	const struct tree tree = tree_of(t, o);
	const size_t len = o->except == NULL ? 0 : target_holds(t, o->except);
	struct stat st;

	if (len > 0 && o->except[len] == '/' &&
		fstatat(tree.root_fd, o->except + len + 1, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		fill_keep(t->fill, o->except + len + 1, e) != 0)
		return -1;
	return tree_left_out(&tree, keep, t, e);
}

static int
mark_opaque(void *ctx, const char *path, struct err *e)
{
	const struct target *t = ctx;
	SCOPED(free_at) char *full = mem_format("%s/%s", fill_name(t->fill), path);

	return lender_set_opaque(t->lender, t->number, full, e);
}

static int
begin_tree(struct target *t, const struct target_options *o, struct err *e)
{
	const struct extract_options options = {.prefix = t->prefix,
		.layer = t->container != NULL,
		.opaque = mark_opaque,
		.ctx = t};

	if (fill_open(root_of(t), lender_fd(t->lender, t->number), o->id, &t->fill, e) != 0 ||
		keep_all(t, o, e) != 0)
		return -1;
	return extract_open(fill_fd(t->fill), &options, &t->extract, e);
}

/* The prefix of the folder that holds the file. */
static int
begin_make(struct target *t, struct err *e)
{
	SCOPED(free_at) char *prefix = mem_string(t->prefix);
	const struct extract_options options = {.prefix = prefix};

	*strrchr(prefix, '/') = '\0';
	return extract_open(root_of(t), &options, &t->extract, e);
}

int
target_begin(struct target *t, const struct target_options *options, struct err *e)
{
	switch (t->way) {
	case TARGET_TREE:
		return begin_tree(t, options, e);
	case TARGET_OVERWRITE:
		return save_file(t, options->run_fd, e);
	case TARGET_MAKE:
		break;
	}
	return begin_make(t, e);
}

int
target_member(struct target *t, const struct member *m, struct reader *r, struct err *e)
{
	if (t->way == TARGET_OVERWRITE)
		return extract_over_file(root_of(t), m, r, e);
	t->made = true;
	return extract_member(t->extract, m, r, e);
}

int
target_swap(struct target *t, struct err *e)
{
	if (t->way == TARGET_OVERWRITE)
		return 0;
	if (extract_finish(t->extract, e) != 0)
		return -1;
	return t->way == TARGET_TREE ? fill_swap(t->fill, e) : 0;
}

static int
forget_saved(struct target *t, int run_fd, struct err *e)
{
	if (t->saved == NULL || unlinkat(run_fd, t->saved, 0) == 0 || errno == ENOENT)
		return 0;
	return err_errno(e, "run/%s of the store", t->saved);
}

int
target_finish(struct target *t, const struct target_options *options, struct err *e)
{
	if (t->fill != NULL && fill_finish(t->fill, e) != 0)
		return -1;
	return forget_saved(t, options->run_fd, e);
}

int
target_resume(struct target *t, const struct target_options *o, struct err *e)
{
	const int beside = lender_fd(t->lender, t->number);

	switch (t->way) {
	case TARGET_TREE:
		return fill_there(beside, o->id) ? fill_open(root_of(t), beside, o->id, &t->fill, e)
						 : 0;
	case TARGET_OVERWRITE:
		t->saved_fd = openat(o->run_fd, t->saved, O_RDONLY | O_CLOEXEC);
		return t->saved_fd < 0 && errno != ENOENT
			       ? err_errno(e, "run/%s of the store", t->saved)
			       : 0;
	case TARGET_MAKE:
		break;
	}
	t->made = true;
	return 0;
}

static int
undo_overwrite(struct target *t, struct err *e)
{
	SCOPED(reader_close_at) struct reader *reader = NULL;
	const struct source source = {.read = take, .ctx = &t->saved_fd};
	const struct member *m;
	int more;

	if (t->saved_fd < 0)
		return 0;
	if (lseek(t->saved_fd, 0, SEEK_SET) != 0)
		return err_errno(e, "the saved old file");
	if (reader_open(source, &reader, e) != 0)
		return -1;
	more = reader_next(reader, &m, e);
	return more <= 0 ? -1 : extract_over_file(root_of(t), m, reader, e);
}

int
target_undo(struct target *t, const struct target_options *options, struct err *e)
{
	switch (t->way) {
	case TARGET_TREE:
		return t->fill == NULL ? 0 : fill_undo(t->fill, e);
	case TARGET_OVERWRITE:
		return undo_overwrite(t, e) != 0 ? -1 : forget_saved(t, options->run_fd, e);
	case TARGET_MAKE:
		break;
	}
	if (t->made && unlinkat(root_of(t), strrchr(t->prefix, '/') + 1, 0) != 0 && errno != ENOENT)
		return err_errno(e, "%s", t->path);
	return 0;
}

void
target_clear(struct target *t)
{
	extract_close(t->extract);
	fill_close(t->fill);
	fd_close_at(&t->root_fd);
	fd_close_at(&t->saved_fd);
	free(t->prefix);
	free(t->path);
	free(t->volume);
	free(t->container);
	free(t->saved);
}
