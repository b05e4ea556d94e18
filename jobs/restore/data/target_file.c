/* A single file that is there: its old state is kept as a tar in the store's run folder. */
#include "jobs/restore/data/target_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "archive/restore/extract.h"
#include "archive/write/segments.h"
#include "base/mem.h"
#include "base/scope.h"

/* Write ${data} to the end of the file ${ctx}. */
static int
target_file_append(void *ctx, const void *data, size_t len, struct err *e)
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
target_file_take(void *ctx, void *data, size_t size, struct err *e)
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
	return segment_notice_odd(n) ? -1 : 0;
}

/* The present file as a tar of one member, durable under its name when this returns 0. */
int
target_file_save(struct target *t, int run_fd, struct err *e)
{
	static const char end[MEMBER_END_SIZE];
	const struct tree tree = {.root_fd = target_root(t), .prefix = t->prefix};
	SCOPED(free_at) char *part = mem_format("%s.part", t->saved);
	SCOPED(fd_close_at)
	int fd = openat(run_fd, part, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	SCOPED(fd_close_at) int folder = openat(run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct segment_sink sink = {.begin = begin_saved,
		.data = target_file_append,
		.end = end_saved,
		.notice = notice_saved,
		.ctx = &fd};

	if (fd < 0)
		return err_errno(e, "the store's run folder");
	if (segments_walk(&tree, &sink, e) != 0 ||
		target_file_append(&fd, end, sizeof(end), e) != 0)
		return -1;
	if (fsync(fd) != 0 || renameat(run_fd, part, run_fd, t->saved) != 0 || folder < 0 ||
		fsync(folder) != 0)
		return err_errno(e, "the old file cannot be saved in the store");
	t->saved_fd = TAKE_FD(fd);
	return 0;
}

int
target_file_undo(struct target *t, struct err *e)
{
	SCOPED(reader_close_at) struct reader *reader = NULL;
	const struct source source = {.read = target_file_take, .ctx = &t->saved_fd};
	const struct member *m;
	int more;

	if (t->saved_fd < 0)
		return 0;
	if (lseek(t->saved_fd, 0, SEEK_SET) != 0)
		return err_errno(e, "the saved old file");
	if (reader_open(source, &reader, e) != 0)
		return -1;
	more = reader_next(reader, &m, e);
	return more <= 0 ? -1 : extract_over_file(target_root(t), m, reader, e);
}
