#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bulk.h"
#include "base/mem.h"
#include "base/scope.h"
#include "transfer/transfer_internal.h"

/*
 * A folder of this host (or a share that it has mounted): written as NAME.part, synced, and then
 * given its name, which is refused if it is there.  The folder of the URL itself is never made: one
 * that is missing is a disk that is not mounted.
 */
enum { PIECE = 256 * 1024 };

struct file {
	int root;
	bool (*cancelled)(void *ctx);
	void *ctx;
};

static int
file_open(struct transfer *t, const struct transfer_options *o, struct err *e)
{
	struct file *f;
	int root;

	if (t->url.host[0] != '\0' && strcmp(t->url.host, "localhost") != 0)
		return err_set(e, ERR_INVALID,
			"file://%.100s names a host: write file:///folder, with three slashes",
			t->url.host);
	if (t->url.path[0] == '\0')
		return err_set(e, ERR_INVALID, "file:/// names no folder to put copies into");
	root = open(t->url.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_set(e, ERR_AWAY,
			"%.200s cannot be opened (%s): is the disk mounted, and mounted into the "
			"service's container? The folder itself is not made, for an empty one may "
			"be a "
			"disk that is missing",
			t->url.path, strerrordesc_np(errno));
	f = mem_new(sizeof(*f));
	*f = (struct file){root, o->cancelled, o->ctx};
	t->state = f;
	t->facts.encrypted = true;
	return 0;
}

static void
file_close(struct transfer *t)
{
	struct file *f = t->state;

	(void)close(f->root);
	free(f);
}

/* What went wrong at the destination, not in the store. */
static int
fault(struct err *e, const char *doing, const char *name)
{
	const int number = errno;

	switch (number) {
	case ENOSPC:
	case EDQUOT:
		return err_set(e, ERR_FULL, "%s %s: the disk is full: make room, or lower `keep`",
			doing, name);
	case EFBIG:
		return err_set(e, ERR_FULL,
			"%s %s: the file system there cannot hold a file of this size (FAT32: 4 "
			"GiB)",
			doing, name);
	case EROFS:
		return err_set(e, ERR_REMOTE,
			"%s %s: it is mounted read-only: mount it writable, also into the "
			"container",
			doing, name);
	case EACCES:
	case EPERM:
		return err_set(e, ERR_BARRED,
			"%s %s: not allowed: check owner and mode of the folder", doing, name);
	case ENOENT:
		return err_set(e, ERR_NOT_FOUND, "%s %s: there is no such object", doing, name);
	case EIO:
	case ESTALE:
	case ENODEV:
		return err_set(e, ERR_AWAY, "%s %s: %s: is the disk still connected?", doing, name,
			strerrordesc_np(number));
	default:
		return err_set(e, ERR_REMOTE, "%s %s: %s", doing, name, strerrordesc_np(number));
	}
}

/* The folder that ${name} is in, open, and where its last part begins; makes it if ${make}. */
static int
folder_of(struct file *f, const char *name, bool make, const char **ret_last, struct err *e)
{
	SCOPED(fd_close_at) int at = fcntl(f->root, F_DUPFD_CLOEXEC, 0);

	*ret_last = name;
	for (const char *slash; (slash = strchr(name, '/')) != NULL; name = slash + 1) {
		SCOPED(free_at) char *part = mem_copy(name, (size_t)(slash - name));
		int next;

		if (make && mkdirat(at, part, 0700) != 0 && errno != EEXIST)
			return fault(e, "making the folder", part);
		next = openat(at, part, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (next < 0)
			return fault(e, "opening the folder", part);
		(void)close(at);
		at = next;
	}
	*ret_last = name;
	return TAKE_FD(at);
}

static int
sync_folder(int folder, const char *name, struct err *e)
{
	SCOPED(fd_close_at) int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Some network file systems cannot sync a folder, and say so. */
	if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL && errno != EOPNOTSUPP))
		return fault(e, "syncing the folder of", name);
	return 0;
}

/* How much of what is there can stay: all of it, or nothing. */
static int
resume_at(int fd, const struct transfer_body *body, int64_t *ret_at, struct err *e)
{
	struct same same = {.body = body};
	const struct sink sink = same_sink(&same);
	char tail[TRANSFER_TAIL];
	struct stat st;
	ssize_t got;

	*ret_at = 0;
	if (fstat(fd, &st) != 0 || st.st_size == 0 || st.st_size > body->length)
		return 0;
	same.at = st.st_size > TRANSFER_TAIL ? st.st_size - TRANSFER_TAIL : 0;
	got = pread(fd, tail, (size_t)(st.st_size - same.at), same.at);
	if (got != st.st_size - same.at)
		return 0;
	if (sink_write(&sink, tail, (size_t)got, e) != 0)
		return -1;
	*ret_at = same.differs ? 0 : st.st_size;
	return 0;
}

static int
fill(struct file *f, int fd, const char *name, const struct transfer_body *body, struct err *e)
{
	SCOPED(free_at) char *piece = mem_new(PIECE);
	int64_t at;

	if (resume_at(fd, body, &at, e) != 0)
		return -1;
	if (ftruncate(fd, at) != 0)
		return fault(e, "writing", name);
	while (at < body->length) {
		const int64_t left = body->length - at;
		const ssize_t got = body->read(
			body->ctx, at, piece, left < PIECE ? (size_t)left : (size_t)PIECE, e);

		if (got == 0)
			return err_set(e, ERR_CHANGED, "what is copied ends before its end");
		if (got < 0)
			return -1;
		if (write_all(fd, piece, (size_t)got, at) != 0)
			return fault(e, "writing", name);
		at += got;
		if (f->cancelled != NULL && f->cancelled(f->ctx))
			return err_set(e, ERR_CANCELLED, "the transfer was given up");
	}
	return fsync(fd) == 0 ? 0 : fault(e, "syncing", name);
}

/* NAME.part becomes NAME. */
static int
publish(int folder, const char *part, const char *name, enum transfer_how how, struct err *e)
{
	if (how == TRANSFER_REPLACE)
		return renameat(folder, part, folder, name) == 0 ? 0 : fault(e, "naming", name);
	if (renameat2(folder, part, folder, name, RENAME_NOREPLACE) == 0)
		return 0;
	/* Network file systems do not know that; those without hard links have neither. */
	if (errno == EINVAL && linkat(folder, part, folder, name, 0) == 0) {
		(void)unlinkat(folder, part, 0);
		return 0;
	}
	if (errno == EPERM || errno == EOPNOTSUPP) {
		if (faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			errno = EEXIST;
		else
			return publish(folder, part, name, TRANSFER_REPLACE, e);
	}
	if (errno == EEXIST)
		return err_set(e, ERR_CONFLICT, "%s is there already", name);
	return fault(e, "naming", name);
}

static int
file_put(struct transfer *t, const char *name, const struct transfer_body *body,
	enum transfer_how how, struct err *e)
{
	const char *last;
	SCOPED(fd_close_at) int folder = folder_of(t->state, name, true, &last, e);
	SCOPED(free_at) char *part = mem_format("%s" TRANSFER_PART_SUFFIX, last);
	SCOPED(fd_close_at) int fd = -1;

	if (folder < 0)
		return -1;
	fd = openat(folder, part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fault(e, "writing", name);
	if (fill(t->state, fd, name, body, e) != 0)
		return -1;
	if (publish(folder, part, last, how, e) != 0)
		return -1;
	return sync_folder(folder, name, e);
}

static int
file_get(struct transfer *t, const char *name, int64_t from, int64_t length,
	const struct sink *sink, struct err *e)
{
	const char *last;
	SCOPED(fd_close_at) int folder = folder_of(t->state, name, false, &last, e);
	SCOPED(fd_close_at)
	int fd = folder < 0 ? -1 : openat(folder, last, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	SCOPED(free_at) char *piece = mem_new(PIECE);
	ssize_t got = 1;

	if (folder < 0)
		return -1;
	if (fd < 0)
		return fault(e, "reading", name);
	while (got > 0 && length != 0) {
		const size_t want = length > 0 && length < PIECE ? (size_t)length : (size_t)PIECE;

		got = pread(fd, piece, want, from);
		if (got < 0)
			return fault(e, "reading", name);
		if (got > 0 && sink_write(sink, piece, (size_t)got, e) != 0)
			return -1;
		from += got;
		length -= length > 0 ? got : 0;
	}
	return length > 0 ? err_set(e, ERR_RANGE, "%s is shorter than that", name) : 0;
}

static int
file_stat(struct transfer *t, const char *name, int64_t *ret_size, struct err *e)
{
	const char *last;
	SCOPED(fd_close_at) int folder = folder_of(t->state, name, false, &last, e);
	struct stat st;

	if (folder < 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	if (fstatat(folder, last, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : fault(e, "looking at", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_REMOTE, "%s is there and no file", name);
	*ret_size = st.st_size;
	return 1;
}

static int
file_list(struct transfer *t, const char *folder, transfer_each *each, void *ctx, struct err *e)
{
	SCOPED(free_at) char *inside = mem_format("%s%s.", folder, folder[0] == '\0' ? "" : "/");
	const char *last;
	SCOPED(fd_close_at) int at = folder_of(t->state, inside, false, &last, e);
	SCOPED(fd_close_at) int fd = -1;
	SCOPED(dir_close_at) DIR *dir = NULL;

	if (at < 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL)
		return fault(e, "listing", folder);
	(void)TAKE_FD(fd);
	for (const struct dirent *i; errno = 0, (i = readdir(dir)) != NULL;) {
		struct stat st;

		if (fstatat(dirfd(dir), i->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
			(!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
			continue;
		if (transfer_tell(each, ctx, i->d_name, strlen(i->d_name), st.st_size,
			    S_ISDIR(st.st_mode), e) != 0)
			return -1;
	}
	return errno == 0 ? 0 : fault(e, "listing", folder);
}

static int
file_remove(struct transfer *t, const char *name, struct err *e)
{
	const char *last;
	SCOPED(fd_close_at) int folder = folder_of(t->state, name, false, &last, e);
	SCOPED(free_at) char *part = mem_format("%s" TRANSFER_PART_SUFFIX, last);

	if (folder < 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	if (unlinkat(folder, last, 0) != 0 && errno != ENOENT)
		return fault(e, "deleting", name);
	(void)unlinkat(folder, part, 0);
	return 0;
}

const struct protocol protocol_file = {
	.name = "file",
	.schemes = "file ",
	.exclusive = true,
	.open = file_open,
	.close = file_close,
	.put = file_put,
	.get = file_get,
	.stat = file_stat,
	.list = file_list,
	.remove = file_remove,
};
