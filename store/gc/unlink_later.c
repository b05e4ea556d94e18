#include "store/gc/unlink_later.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/scope.h"

enum { WAIT_MS = 200 };

uint64_t
unlink_later_turn(struct store *s)
{
	LOCKED(&s->mutex);
	return s->turn;
}

bool
unlink_later_awaited(struct store *s, uint64_t turn)
{
	LOCKED(&s->mutex);
	for (const struct lease *l = s->leases.next; l != &s->leases; l = l->next) {
		if (l->turn <= turn)
			return true;
	}
	return false;
}

void
unlink_later_wait(struct store *s)
{
	const int64_t until_ns = clock_mono_ns() + WAIT_MS * INT64_C(1000000);
	const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
	LOCKED(&s->mutex);

	if (s->leases.next != &s->leases)
		(void)pthread_cond_timedwait(&s->lease_given, &s->mutex, &until);
}

/* The folder is synced also if the file is gone: who removed it may have died before that. */
static int
file_remove(struct store *s, const unsigned char *uuid, struct err *e)
{
	const struct io *io = &s->io;
	char name[PACK_NAME_SIZE];

	(void)packs_name(uuid, name);
	const char folder[] = {name[0], name[1], '\0'};
	if (io->unlinkat(io->ctx, s->packs_fd, name, 0) != 0 && errno != ENOENT)
		return err_errno(e, "cannot remove the pack %s", name);
	const int fd =
		io->openat(io->ctx, s->packs_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, "cannot open the folder packs/%s", folder);
	const int result = io->fsync(io->ctx, fd) == 0
				   ? 0
				   : err_errno(e, "cannot sync the folder packs/%s", folder);
	(void)io->close(io->ctx, fd);
	return result;
}

int
unlink_later_remove(
	struct store *s, int64_t pack, const unsigned char uuid[RECORD_UUID_SIZE], struct err *e)
{
	if (file_remove(s, uuid, e) != 0)
		return -1;
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);
	if (w == NULL || statement_run(w, SQL_DELETIONS_OVER, e, "i", pack) < 0 ||
		statement_run(w, SQL_PACK_DROP, e, "i", pack) < 0)
		return -1;
	return catalogue_commit(TAKE(w), e);
}
