#include "jobs/spool.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"

struct head {
	uint32_t type;
	uint32_t tag;
	uint64_t len;
};

/* The stream of records is `memory`, then the file from its start. */
struct spool {
	int dir_fd;
	int fd;
	struct buf memory;
	struct buf piece; /* the record that was read last */
	int64_t bytes;
	int64_t read_at;
};

struct spool *
spool_new(int dir_fd)
{
	struct spool *s = mem_new(sizeof(*s));

	s->dir_fd = dir_fd;
	s->fd = -1;
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
	buf_free(&s->memory);
	buf_free(&s->piece);
	free(s);
}

static int
to_file(struct spool *s, const void *data, size_t len, struct err *e)
{
	const char *at = data;

	if (s->fd < 0)
		s->fd = openat(s->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return err_errno(e, "no temporary file can be made in the store");
	while (len > 0) {
		const ssize_t done = write(s->fd, at, len);

		if (done < 0)
			return err_errno(e, "the frozen pass's data cannot be written");
		at += done;
		len -= (size_t)done;
	}
	return 0;
}

static int
append(struct spool *s, const void *data, size_t len, struct err *e)
{
	s->bytes += (int64_t)len;
	if (s->fd < 0 && buf_add(&s->memory, data, len) == 0)
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
		const struct head head = {type, tag, part};

		if (append(s, &head, sizeof(head), e) != 0 ||
			(part > 0 && append(s, at, part, e) != 0))
			return -1;
		at = at == NULL ? NULL : at + part;
		len -= part;
	} while (len > 0);
	return 0;
}

static int
fetch(struct spool *s, void *data, size_t len, struct err *e)
{
	char *at = data;

	while (len > 0) {
		const int64_t in_memory = (int64_t)s->memory.len - s->read_at;
		ssize_t got;

		if (in_memory > 0) {
			got = in_memory < (int64_t)len ? (ssize_t)in_memory : (ssize_t)len;
			memcpy(at, s->memory.data + s->read_at, (size_t)got);
		} else {
			got = pread(s->fd, at, len, s->read_at - (int64_t)s->memory.len);
			if (got <= 0)
				return err_errno(e, "the frozen pass's data cannot be read back");
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
	struct head head;
	void *room;

	if (s->read_at == s->bytes)
		return 0;
	buf_clear(&s->piece);
	if (fetch(s, &head, sizeof(head), e) != 0)
		return -1;
	room = buf_reserve(&s->piece, head.len);
	if (room == NULL)
		return err_set(e, ERR_INTERNAL, "a record of the spool is too long");
	if (head.len > 0 && fetch(s, room, head.len, e) != 0)
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
