#include "store/catalogue/reserve.h"

#include <fcntl.h>

static const char NAME[] = "reserve";

/* Less than this, a transaction that deletes a backup might not find room in. */
static const int64_t LEAST = 1 << 20;

void
reserve_make(struct store *s)
{
	const struct io *io = &s->io;
	struct stat st = {0};

	if (s->reserve_bytes < 0)
		return;
	const int fd = io->openat(io->ctx, s->fd, NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	int64_t size = s->reserve_bytes;
	bool made = io->fstat(io->ctx, fd, &st) == 0 && st.st_size >= size;
	while (!made && size >= LEAST && size > st.st_size) {
		made = io->fallocate(io->ctx, fd, 0, size) == 0;
		size /= 2;
	}
	if (!made && st.st_size < LEAST)
		(void)io->unlinkat(io->ctx, s->fd, NAME, 0);
	(void)io->close(io->ctx, fd);
}

bool
reserve_give(struct store *s)
{
	return s->io.unlinkat(s->io.ctx, s->fd, NAME, 0) == 0;
}
