/* Goal: a tar of any bytes is read to its end or refused; what is handed out is safe below a root,
 * and, written again, reads as the same.
 *
 * The first byte says in pieces of what size it comes; an odd one, that the checksums of headers
 * are put right before.
 */
#include <stdio.h>
#include <string.h>

#include "archive/tar/header.h"
#include "archive/tar/names.h"
#include "archive/tar/reader.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"
#include "tests/fuzz/fuzz.h"

enum { CONTENT_MAX = 1 << 24 /* read of what claims to be larger */ };

struct memory {
	const uint8_t *data;
	size_t size, at, piece;
};

static ssize_t
memory_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct memory *m = ctx;
	size_t n = m->size - m->at;

	(void)e;
	CLAIM(size > 0);
	n = n > size ? size : n;
	n = n > m->piece ? m->piece : n;
	if (n > 0)
		memcpy(data, m->data + m->at, n);
	m->at += n;
	return (ssize_t)n;
}

static void
put_right(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + sizeof(struct ustar) <= size; at += sizeof(struct ustar)) {
		struct ustar u;
		unsigned sum = 0;

		memcpy(&u, data + at, sizeof(u));
		if (memcmp(u.magic, "ustar", 5) != 0)
			continue;
		memset(u.checksum, ' ', sizeof(u.checksum));
		for (size_t i = 0; i < sizeof(u); i++)
			sum += ((const unsigned char *)&u)[i];
		(void)snprintf(u.checksum, sizeof(u.checksum), "%06o", sum & 0777777);
		memcpy(data + at, &u, sizeof(u));
	}
}

static void
check_member(const struct member *m)
{
	int64_t end = 0;

	CLAIM(names_safe_member(m->path));
	CLAIM(m->size >= 0 && (m->type == MEMBER_FILE || m->size == 0));
	CLAIM((m->mode & (mode_t)~07777) == 0);
	if (m->type == MEMBER_LINK)
		CLAIM(names_safe_path(m->link));
	if (m->type == MEMBER_SYMLINK)
		CLAIM(m->link != NULL && m->link[0] != '\0');
	for (size_t i = 0; i < m->xattr_count; i++)
		CLAIM(i == 0 || strcmp(m->xattrs[i - 1].name, m->xattrs[i].name) < 0);
	for (size_t i = 0; m->sparse && i < m->extent_count; i++) {
		CLAIM(m->extents[i].offset >= end && m->extents[i].len >= 0);
		end = m->extents[i].offset + m->extents[i].len;
		CLAIM(end <= m->size);
	}
}

/* ${m}, written and read again. */
static void
check_again(const struct member *m)
{
	SCOPED(buf_free) struct buf out = BUF_INIT((size_t)64 << 20);
	SCOPED(reader_close_at) struct reader *r = NULL;
	const struct member *back;
	struct member empty = *m; /* without its content, which is not here */
	struct err e;

	if (m->sparse || m->type != MEMBER_FILE) {
		/* a sparse one's content follows its map */
		empty.sparse = false;
		empty.extents = NULL;
		empty.extent_count = 0;
	}
	empty.size = 0;
	if (member_write_header(&empty, &out, &e) != 0)
		return; /* over a limit of writing */
	struct memory memory = {(const uint8_t *)out.data, out.len, 0, SIZE_MAX};
	CLAIM(reader_open((struct source){memory_read, &memory}, &r, &e) == 0);
	CLAIM(reader_next(r, &back, &e) == 1);
	CLAIM(strcmp(back->path, m->path) == 0 && back->type == m->type && back->mode == m->mode);
	CLAIM(back->uid == m->uid && back->gid == m->gid && back->mtime_ns == m->mtime_ns);
	if (m->type == MEMBER_LINK || m->type == MEMBER_SYMLINK)
		CLAIM(strcmp(back->link, m->link) == 0);
	CLAIM(back->xattr_count == m->xattr_count);
	for (size_t i = 0; i < m->xattr_count; i++)
		CLAIM(strcmp(back->xattrs[i].name, m->xattrs[i].name) == 0 &&
			back->xattrs[i].len == m->xattrs[i].len &&
			memcmp(back->xattrs[i].value, m->xattrs[i].value, m->xattrs[i].len) == 0);
}

/* Returns -1 if the content is cut off. */
static int
read_blocks(struct reader *r, const struct member *m)
{
	const int64_t size = m->size;
	int64_t offset = 0, end = 0;
	const void *data;
	struct err e;
	size_t len;
	int got;

	while ((got = reader_block(r, &data, &len, &offset, &e)) == 1) {
		volatile uint8_t last = 0;

		CLAIM(len > 0 && offset >= end && offset + (int64_t)len <= size);
		last = ((const uint8_t *)data)[len - 1]; /* all of it may be read */
		(void)last;
		end = offset + (int64_t)len;
	}
	return got;
}

static int
read_content(struct reader *r, const struct member *m)
{
	const struct source source = reader_content(r);
	const int64_t size = m->size;
	uint8_t block[4096];
	int64_t total = 0;
	struct err e;
	ssize_t got;

	while ((got = source_read(&source, block, sizeof(block), &e)) > 0) {
		total += got;
		CLAIM(total <= size);
		if (total > CONTENT_MAX)
			return 0;
	}
	CLAIM(got != 0 || total == size);
	return (int)got;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(free_at) uint8_t *copy = NULL;
	SCOPED(reader_close_at) struct reader *r = NULL;
	const struct member *m;
	struct err e;
	int got, turn = 0;

	if (size < 1)
		return 0;
	copy = mem_new(size);
	memcpy(copy, data + 1, size - 1);
	if (data[0] % 2 == 1)
		put_right(copy, size - 1);
	struct memory memory = {copy, size - 1, 0, 1 + (size_t)data[0] * data[0]};
	CLAIM(reader_open((struct source){memory_read, &memory}, &r, &e) == 0);
	while ((got = reader_next(r, &m, &e)) == 1) {
		check_member(m);
		check_again(m);
		if (m->type == MEMBER_FILE && turn % 3 != 2 &&
			(turn % 3 == 0 ? read_blocks(r, m) : read_content(r, m)) < 0)
			break;
		turn++;
	}
	if (got < 0)
		CLAIM(e.code == ERR_CORRUPT || e.code == ERR_UNSUPPORTED ||
			e.code == ERR_TOO_LARGE);
	return 0;
}
