#include "store/open/catalogue_swap.h"

#include <errno.h>
#include <fcntl.h>

#include "base/mem.h"
#include "base/scope.h"

static const char NAME[] = "catalogue.db";
static const char NEW[] = "catalogue.db.new";
static const char OLD[] = "catalogue.db.old";

static void
catalogue_swap_drop(struct store *s, const char *name, const char *suffix)
{
	SCOPED(free_at) char *file = mem_format("%s%s", name, suffix);

	(void)s->io.unlinkat(s->io.ctx, s->fd, file, 0);
}

/*
 * What the old one's log holds goes into it.  A log that stayed behind would be taken for the new
 * one's; if the old one cannot be opened it goes aside as well.
 */
static int
old_settle(struct store *s, struct err *e)
{
	SCOPED(free_at) char *path = mem_format("%s/%s", s->path, NAME);
	struct catalogue *old = NULL;
	struct err failed;
	const int fd = s->io.openat(s->io.ctx, s->fd, NAME, O_RDONLY | O_CLOEXEC, 0);

	if (fd >= 0) {
		(void)s->io.close(s->io.ctx, fd);
		if (catalogue_open(path, s->cipher, &old, &failed) == 0)
			catalogue_close(old);
		else if (failed.code == ERR_UNSUPPORTED)
			return err_set(e, failed.code, "%s", failed.text);
	}
	if (s->io.renameat(s->io.ctx, s->fd, "catalogue.db-wal", s->fd, "catalogue.db.old-wal") !=
			0 &&
		errno != ENOENT)
		return err_errno(e, "cannot set the old catalogue's log aside");
	catalogue_swap_drop(s, NAME, "-shm");
	return 0;
}

/* The old one keeps its name until the new one takes it, where there are hard links. */
static int
swap(struct store *s, struct err *e)
{
	catalogue_swap_drop(s, OLD, "");
	if (s->io.linkat(s->io.ctx, s->fd, NAME, s->fd, OLD) != 0 && errno != ENOENT &&
		s->io.renameat(s->io.ctx, s->fd, NAME, s->fd, OLD) != 0)
		return err_errno(e, "cannot set the old catalogue aside");
	if (s->io.renameat(s->io.ctx, s->fd, NEW, s->fd, NAME) != 0)
		return err_errno(e, "cannot put the new catalogue in its place");
	if (s->io.fsync(s->io.ctx, s->fd) != 0)
		return err_errno(e, "cannot sync the folder %s", s->path);
	return 0;
}

/* The new one is whole in its file: no log beside it. */
static int
new_finish(struct store *s, struct err *e)
{
	catalogue_close(TAKE(s->catalogue));
	const int fd = s->io.openat(s->io.ctx, s->fd, NEW, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, "cannot open the new catalogue");
	const int result = s->io.fsync(s->io.ctx, fd);
	(void)s->io.close(s->io.ctx, fd);
	if (result != 0)
		return err_errno(e, "cannot sync the new catalogue");
	const int log =
		s->io.openat(s->io.ctx, s->fd, "catalogue.db.new-wal", O_RDONLY | O_CLOEXEC, 0);
	if (log < 0)
		return 0;
	(void)s->io.close(s->io.ctx, log);
	return err_set(e, ERR_IO, "the new catalogue could not be closed");
}

int
catalogue_swap_begin(struct store *s, struct err *e)
{
	SCOPED(free_at) char *file = mem_format("%s/%s", s->path, NEW);

	catalogue_swap_drop(s, NEW, "");
	catalogue_swap_drop(s, NEW, "-wal");
	catalogue_swap_drop(s, NEW, "-shm");
	return catalogue_open(file, s->cipher, &s->catalogue, e);
}

int
catalogue_swap_end(struct store *s, struct err *e)
{
	if (new_finish(s, e) != 0 || old_settle(s, e) != 0)
		return -1;
	return swap(s, e);
}
