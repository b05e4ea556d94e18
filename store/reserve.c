#include "store/reserve.h"

#include <fcntl.h>

static const char NAME[] = "reserve";

void
reserve_make(struct store *s)
{
	const struct io *io = &s->io;
	struct stat st;

	if (s->reserve_bytes < 0)
		return;
	const int fd = io->openat(io->ctx, s->fd, NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (io->fstat(io->ctx, fd, &st) == 0 && st.st_size < s->reserve_bytes &&
		io->fallocate(io->ctx, fd, 0, s->reserve_bytes) != 0)
		(void)io->unlinkat(io->ctx, s->fd, NAME, 0);
	(void)io->close(io->ctx, fd);
}

bool
reserve_give(struct store *s)
{
	return s->io.unlinkat(s->io.ctx, s->fd, NAME, 0) == 0;
}
