#include "jobs/backup/spool.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"
#include "store/keys/temp_cipher.h"

struct spool_head {
	uint32_t type;
	uint32_t tag;
	uint64_t len;
};

/* Clones begin at multiples of this: of every file system's block size (64 KiB at most). */
static const int64_t CLONE_ALIGN = 64 * 1024;

/* What is hidden at once, before it is written. */
enum { HIDDEN_AT_ONCE = 128 * 1024 };

/* The stream of records is `memory`, then the file from its start. */
struct spool {
	int dir_fd;
	int fd;
	int64_t fd_end;
	struct temp_cipher *scratch; /* NULL: the file is not hidden */
	struct spool_room *room;
	struct buf memory;
	struct buf piece; /* the record that was read last */
	int64_t bytes;
	int64_t read_at;
	int clones_fd; /* -1: none yet */
	int64_t clones_end;
	bool no_clones; /* it was tried, and cannot be done */
};

struct spool *
spool_new(int dir_fd, struct spool_room *room)
{
	struct spool *s = mem_new(sizeof(*s));

	s->dir_fd = dir_fd;
	s->fd = s->clones_fd = -1;
	s->room = room;
	s->memory = (struct buf)BUF_INIT(SPOOL_MEMORY_MAX);
	s->piece = (struct buf)BUF_INIT(SPOOL_RECORD_MAX);
	return s;
}

void
spool_free_at(struct spool **at)
{
	struct spool *s = *at;

	if (s == NULL)
		return;
	fd_close_at(&s->fd);
	fd_close_at(&s->clones_fd);
	temp_cipher_free(s->scratch);
	buf_free(&s->memory);
	buf_free(&s->piece);
	free(s);
}

static int
temporary(const struct spool *s)
{
	return openat(s->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static int
plain_to_file(struct spool *s, const char *at, size_t len, struct err *e)
{
	while (len > 0) {
		const ssize_t done = write(s->fd, at, len);

		if (done < 0)
			return err_errno(e, "the frozen pass's data cannot be written");
		at += done;
		len -= (size_t)done;
		s->fd_end += done;
	}
	return 0;
}

static int
hidden_to_file(struct spool *s, const char *at, size_t len, struct err *e)
{
	SCOPED(free_at) char *hidden = mem_new(HIDDEN_AT_ONCE);
	int result = 0;

	while (len > 0 && result == 0) {
		const size_t part = len < HIDDEN_AT_ONCE ? len : HIDDEN_AT_ONCE;

		temp_cipher_turn(s->scratch, s->fd_end, at, part, hidden);
		result = plain_to_file(s, hidden, part, e);
		at += part;
		len -= part;
	}
	return result;
}

static int
to_file(struct spool *s, const void *data, size_t len, struct err *e)
{
	if (s->fd < 0) {
		s->fd = temporary(s);
		s->scratch = s->room->hidden ? temp_cipher_new() : NULL;
	}
	if (s->fd < 0)
		return err_errno(e, "no temporary file can be made in the store");
	return s->scratch == NULL ? plain_to_file(s, data, len, e)
				  : hidden_to_file(s, data, len, e);
}

static int
spool_append(struct spool *s, const void *data, size_t len, struct err *e)
{
	s->bytes += (int64_t)len;
	if (s->fd < 0 && atomic_fetch_sub(&s->room->left, (int64_t)len) >= (int64_t)len &&
		buf_add(&s->memory, data, len) == 0)
		return 0;
	return to_file(s, data, len, e);
}

int
spool_put(struct spool *s, enum spool_type type, uint32_t tag, const void *data, size_t len,
	struct err *e)
{
	const char *at = data;

	do {
		const size_t part = len < SPOOL_RECORD_MAX ? len : SPOOL_RECORD_MAX;
		const struct spool_head head = {type, tag, part};

		if (spool_append(s, &head, sizeof(head), e) != 0 ||
			(part > 0 && spool_append(s, at, part, e) != 0))
			return -1;
		at = at == NULL ? NULL : at + part;
		len -= part;
	} while (len > 0);
	return 0;
}

int
spool_clone(struct spool *s, int fd, int64_t size, struct err *e)
{
	const struct spool_clone clone = {s->clones_end, size};
	struct file_clone_range range = {
		.src_fd = fd, .dest_offset = (uint64_t)s->clones_end}; /* length 0: to its end */

	if (s->no_clones)
		return 0;
	if (s->clones_fd < 0)
		s->clones_fd = temporary(s);
	if (s->clones_fd < 0 || ioctl(s->clones_fd, FICLONERANGE, &range) != 0) {
		s->no_clones = true;
		return 0;
	}
	s->clones_end += (size + CLONE_ALIGN - 1) / CLONE_ALIGN * CLONE_ALIGN;
	return spool_put(s, SPOOL_CLONE, 0, &clone, sizeof(clone), e) != 0 ? -1 : 1;
}

int
spool_cloned(const struct spool *s, int64_t offset, void *data, size_t len, struct err *e)
{
	char *at = data;

	while (len > 0) {
		const ssize_t got = pread(s->clones_fd, at, len, offset);

		if (got < 0)
			return err_errno(e, "what was cloned cannot be read");
		if (got == 0) {
			memset(at, 0, len);
			return 0;
		}
		at += got;
		offset += got;
		len -= (size_t)got;
	}
	return 0;
}

static int
spool_fetch(struct spool *s, void *data, size_t len, struct err *e)
{
	char *at = data;

	while (len > 0) {
		const int64_t in_memory = (int64_t)s->memory.len - s->read_at;
		ssize_t got;

		if (in_memory > 0) {
			got = in_memory < (int64_t)len ? (ssize_t)in_memory : (ssize_t)len;
			memcpy(at, s->memory.data + s->read_at, (size_t)got);
		} else {
			const int64_t place = s->read_at - (int64_t)s->memory.len;
			got = pread(s->fd, at, len, place);
			if (got <= 0)
				return err_errno(e, "the frozen pass's data cannot be read back");
			if (s->scratch != NULL)
				temp_cipher_turn(s->scratch, place, at, (size_t)got, at);
		}
		at += got;
		len -= (size_t)got;
		s->read_at += got;
	}
	return 0;
}

int
spool_next(struct spool *s, struct spool_record *ret_record, struct err *e)
{
	struct spool_head head;
	void *room;

	if (s->read_at == s->bytes)
		return 0;
	buf_clear(&s->piece);
	if (spool_fetch(s, &head, sizeof(head), e) != 0)
		return -1;
	room = buf_reserve(&s->piece, head.len);
	if (room == NULL)
		return err_set(e, ERR_INTERNAL, "a record of the spool is too long");
	if (head.len > 0 && spool_fetch(s, room, head.len, e) != 0)
		return -1;
	*ret_record = (struct spool_record){
		.type = head.type, .tag = head.tag, .data = room, .len = head.len};
	return 1;
}

int64_t
spool_bytes(const struct spool *s)
{
	return s->bytes;
}
