#include "store/open/store_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/catalogue/reserve.h"
#include "store/catalogue/state.h"
#include "store/open/recovery.h"
#include "store/open/unlock.h"
#include "store/packs/packs.h"

static const int64_t PACK_BYTES = 64 << 20;
static const int64_t RESERVE_BYTES = 64 << 20;

static int
store_folder_make(struct store *s, int at, const char *name, struct err *e)
{
	if (s->io.mkdirat(s->io.ctx, at, name, 0700) != 0 && errno != EEXIST)
		return err_errno(e, "cannot make the folder %s", name);
	return 0;
}

static int
store_folder_open(struct store *s, int at, const char *name, int *ret_fd, struct err *e)
{
	*ret_fd = s->io.openat(s->io.ctx, at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	return *ret_fd < 0 ? err_errno(e, "cannot open the folder %s", name) : 0;
}

static int
busy(struct store *s, struct err *e)
{
	char holder[32] = "";

	const ssize_t n = s->io.pread(s->io.ctx, s->lock_fd, holder, sizeof(holder) - 1, 0);
	if (n > 0)
		holder[n] = '\0';
	holder[strspn(holder, "0123456789")] = '\0';
	return err_set(e, ERR_BUSY, "the store %s is held by another process%s%s", s->path,
		holder[0] == '\0' ? "" : ", number ", holder);
}

static int
lock_file_open(struct store *s, struct err *e)
{
	const struct io *io = &s->io;

	s->lock_fd = io->openat(io->ctx, s->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return err_errno(e, "cannot open the lock of %s", s->path);
	return 0;
}

/*
 * Hold the store, by two locks.  That of the folder of packs cannot be lost: whoever removes the
 * file "lock" lets nobody else in.  That of the file is for file systems that lock no folders
 * (NFS), and says who holds it: for a message only.
 */
static int
lock_take(struct store *s, struct err *e)
{
	const struct io *io = &s->io;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	const bool folder_busy = flock(s->packs_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;

	if (lock_file_open(s, e) != 0)
		return -1;
	if (folder_busy)
		return busy(s, e);
	if (fcntl(s->lock_fd, F_OFD_SETLK, &lock) != 0) {
		if (errno == EAGAIN || errno == EACCES)
			return busy(s, e);
		return err_errno(e, "cannot lock %s", s->path);
	}
	SCOPED(free_at) char *holder = mem_format("%-10ld\n", (long)getpid());
	(void)io_write_all(io, s->lock_fd, holder, strlen(holder), 0);
	return 0;
}

static int
folders_settle(struct store *s, const char *path, struct err *e)
{
	if (store_folder_make(s, AT_FDCWD, path, e) != 0 ||
		store_folder_open(s, AT_FDCWD, path, &s->fd, e) != 0)
		return -1;
	SCOPED(free_at) char *absolute = realpath(path, NULL);
	if (absolute == NULL)
		return err_errno(e, "cannot resolve %s", path);
	s->path = TAKE(absolute);
	if (store_folder_make(s, s->fd, "packs", e) != 0 ||
		store_folder_open(s, s->fd, "packs", &s->packs_fd, e) != 0 || lock_take(s, e) != 0)
		return -1;
	return store_folder_make(s, s->fd, "run", e);
}

static int
counts_load(struct store *s, struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_COUNTS, e, "");
	const int found = q == NULL ? -1 : statement_step(c, q, e);

	if (found <= 0)
		return found < 0 ? -1
				 : err_set(e, ERR_CORRUPT, "the catalogue has no row of counts");
	s->next_number = (uint64_t)sqlite3_column_int64(q, 0);
	atomic_store(&s->generation, sqlite3_column_int64(q, 1));
	return 0;
}

static int
catalogue_try(struct store *s, struct err *e)
{
	SCOPED(free_at) char *path = mem_format("%s/catalogue.db", s->path);

	if (catalogue_open(path, s->cipher, &s->catalogue, e) != 0)
		return -1;
	if (s->io.fsync(s->io.ctx, s->fd) != 0)
		return err_errno(e, "cannot sync the folder %s", s->path);
	/* twice: recovery counts on from what is there, and may raise the generation */
	if (counts_load(s, e) != 0 || recovery_run(s, e) != 0)
		return -1;
	return counts_load(s, e);
}

/* A full store must open too, or nothing could be deleted: with the reserve's room then. */
static int
catalogue_settle(struct store *s, struct err *e)
{
	int result = catalogue_try(s, e);

	if (result == 0 || e->code != ERR_NO_SPACE || !reserve_give(s))
		return result;
	if (s->catalogue != NULL)
		catalogue_close(TAKE(s->catalogue));
	result = catalogue_try(s, e);
	if (result == 0)
		catalogue_checkpoint(s->catalogue);
	return result;
}

static void
locks_init(struct store *s)
{
	pthread_condattr_t attr;

	(void)pthread_mutex_init(&s->mutex, NULL);
	(void)pthread_rwlock_init(&s->lookup, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->lease_given, &attr);
	(void)pthread_condattr_destroy(&attr);
}

int
store_hold(const char *path, const struct store_options *options, struct store **ret_store,
	struct err *e)
{
	const struct store_options o = options != NULL ? *options : (struct store_options){0};
	SCOPED(store_close_at) struct store *s = mem_new(sizeof(*s));

	s->io = o.io != NULL ? *o.io : io_system;
	s->fd = s->packs_fd = s->lock_fd = -1;
	s->pack_bytes = o.pack_bytes != 0 ? o.pack_bytes : PACK_BYTES;
	s->reserve_bytes = o.reserve_bytes != 0 ? o.reserve_bytes : RESERVE_BYTES;
	s->leases.next = s->leases.before = &s->leases;
	locks_init(s);
	s->next_number = 1;
	if (folders_settle(s, path, e) != 0)
		return -1;
	*ret_store = TAKE(s);
	return 0;
}

int
store_open(const char *path, const struct store_options *options, struct store **ret_store,
	struct err *e)
{
	SCOPED(store_close_at) struct store *s = NULL;

	if (store_hold(path, options, &s, e) != 0 || unlock_store(s, options, e) != 0 ||
		catalogue_settle(s, e) != 0)
		return -1;
	reserve_make(s);
	*ret_store = TAKE(s);
	return 0;
}

static void
descriptor_close(struct store *s, int fd)
{
	if (fd >= 0)
		(void)s->io.close(s->io.ctx, fd);
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	assert(s->sessions == NULL && s->leases.next == &s->leases);
	if (s->idle != NULL)
		packs_close(s, s->idle);
	if (s->catalogue != NULL)
		catalogue_close(s->catalogue);
	descriptor_close(s, s->packs_fd);
	descriptor_close(s, s->fd);
	descriptor_close(s, s->lock_fd); /* last: this gives the lock up */
	(void)pthread_cond_destroy(&s->lease_given);
	(void)pthread_mutex_destroy(&s->mutex);
	(void)pthread_rwlock_destroy(&s->lookup);
	cipher_free(s->cipher);
	free(s->path);
	free(s);
}

void
store_close_at(struct store **s)
{
	store_close(*s);
}

int
store_fd(const struct store *s)
{
	return s->fd;
}

const char *
store_path(const struct store *s)
{
	return s->path;
}

bool
store_encrypted(const struct store *s)
{
	return s->cipher != NULL;
}

const struct cipher *
store_cipher(const struct store *s)
{
	return s->cipher;
}

int64_t
store_free_bytes(struct store *s, struct err *e)
{
	struct statvfs v;

	if (fstatvfs(s->fd, &v) != 0)
		return err_errno(e, "cannot ask for the free space of %s", s->path);
	return (int64_t)(v.f_bavail * v.f_frsize);
}

static int
round_draw(struct connection *w, int64_t *ret_round, struct err *e)
{
	SCOPED(statement_done_at) sqlite3_stmt *s = statement_bind(w, SQL_ROUND_NEXT, e, "");

	if (s == NULL || statement_step(w, s, e) < 0)
		return -1;
	*ret_round = sqlite3_column_int64(s, 0);
	return statement_step(w, s, e) < 0 ? -1 : 0;
}

int
store_round(struct store *s, int64_t *ret_round, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL || round_draw(w, ret_round, e) != 0)
		return -1;
	return catalogue_commit(TAKE(w), e);
}
