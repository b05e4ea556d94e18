#include "archive/tar/reader.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "archive/tar/buffered_source.h"
#include "archive/tar/header.h"
#include "archive/tar/names.h"
#include "archive/tar/pax.h"
#include "archive/tar/reader_internal.h"
#include "archive/tar/sparse_map.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"

enum { LONG_NAME_MAX = MEMBER_PATH_MAX + MEMBER_BLOCK_SIZE /* GNU 'L' and 'K' */ };

int
reader_open(struct source source, struct reader **ret_reader, struct err *e)
{
	struct reader *r = mem_new(sizeof(*r));

	(void)e;
	buffered_source_init(&r->in, source);
	r->path = (struct buf)BUF_INIT(LONG_NAME_MAX);
	r->link = (struct buf)BUF_INIT(LONG_NAME_MAX);
	pax_init(&r->pax);
	*ret_reader = r;
	return 0;
}

void
reader_close(struct reader *r)
{
	pax_free(&r->pax);
	buf_free(&r->path);
	buf_free(&r->link);
	free(r->extents);
	buffered_source_free(&r->in);
	free(r);
}

void
reader_close_at(struct reader **r)
{
	if (*r != NULL)
		reader_close(*r);
}

void
reader_skip_by(struct reader *r, int (*skip)(void *ctx, int64_t len, struct err *e))
{
	r->in.skip = skip;
}

void
reader_direct_by(struct reader *r, reader_direct *direct)
{
	r->direct = direct;
}

struct reader_place
reader_place(const struct reader *r)
{
	return r->place;
}

void
reader_tap(struct reader *r, const struct sink *tap)
{
	r->in.tap = *tap;
}

static int
read_block(struct reader *r, struct ustar *ret_block, struct err *e)
{
	SCOPED(buf_free) struct buf block = BUF_INIT(sizeof(*ret_block));

	if (buffered_source_take(&r->in, &block, sizeof(*ret_block), e) != 0)
		return -1;
	memcpy(ret_block, block.data, sizeof(*ret_block));
	return 0;
}

/* A first block of zeros was read: a second one must follow, and then nothing but zeros. */
static int
read_end(struct reader *r, struct err *e)
{
	struct ustar block;
	int got;

	if (read_block(r, &block, e) != 0)
		return -1;
	if (!buffered_source_is_zero(&block, sizeof(block)))
		return err_set(e, ERR_CORRUPT, "the archive has a block of zeros in its middle");
	got = buffered_source_only_zeros(&r->in, READER_TRAIL_MAX, e);
	if (got == 0)
		return err_set(e, ERR_CORRUPT, "something follows the end marker of the archive");
	if (got < 0)
		return -1;
	r->state = READER_END;
	return 0;
}

/* GNU's 'L' and 'K': a name with a NUL as content of a member of its own. */
static int
read_long(struct reader *r, struct buf *out, int64_t size, struct err *e)
{
	if (size <= 0 || size > LONG_NAME_MAX)
		return err_set(e, ERR_CORRUPT, "a long name of the archive has %lld bytes",
			(long long)size);
	buf_clear(out);
	if (buffered_source_take(&r->in, out, size, e) != 0 ||
		buffered_source_take(&r->in, NULL, (int64_t)member_padding(size), e) != 0)
		return -1;
	out->len = strnlen(out->data, out->len);
	return 0;
}

static int
read_pax(struct reader *r, char type, int64_t size, struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(PAX_TEXT_MAX);

	if (size < 0 || size > PAX_TEXT_MAX)
		return err_set(e, ERR_CORRUPT, "an extended header of the archive has %lld bytes",
			(long long)size);
	if (buffered_source_take(&r->in, &text, size, e) != 0 ||
		buffered_source_take(&r->in, NULL, (int64_t)member_padding(size), e) != 0)
		return -1;
	if (type == 'g')
		return pax_check_global(text.data, text.len, e);
	return pax_parse(&r->pax, &text, e);
}

/* What stands before a member: returns 1 if ${u} was such a header and has been taken in. */
static int
read_prelude(struct reader *r, const struct ustar *u, struct err *e)
{
	int64_t size;

	if (u->type != 'x' && u->type != 'g' && u->type != 'L' && u->type != 'K')
		return 0;
	if (ustar_number(u->size, sizeof(u->size), &size) != 0)
		return err_set(e, ERR_CORRUPT, "a header of the archive has a bad size");
	if (u->type == 'L' || u->type == 'K')
		return read_long(r, u->type == 'L' ? &r->path : &r->link, size, e) != 0 ? -1 : 1;
	return read_pax(r, u->type, size, e) != 0 ? -1 : 1;
}

static int
set_text(struct buf *to, const char *text, size_t max)
{
	buf_clear(to);
	return buf_add(to, text, strnlen(text, max));
}

/* The ustar names, unless a longer form has been read before. */
static void
ustar_names(struct reader *r, const struct ustar *u)
{
	if (r->path.len == 0) {
		if (memcmp(u->magic, "ustar", 6) == 0 && u->prefix[0] != '\0') {
			(void)set_text(&r->path, u->prefix, sizeof(u->prefix));
			(void)buf_add(&r->path, "/", 1);
		}
		(void)buf_add(&r->path, u->name, strnlen(u->name, sizeof(u->name)));
	}
	if (r->link.len == 0)
		(void)set_text(&r->link, u->link, sizeof(u->link));
}

static int
reader_check_names(struct reader *r, struct err *e)
{
	struct member *m = &r->member;

	if (r->path.len > 0 && r->path.data[r->path.len - 1] == '/' &&
		(m->type == MEMBER_DIR || m->type == MEMBER_FILE)) {
		m->type = MEMBER_DIR; /* before ustar, the slash alone made it one */
		r->path.data[--r->path.len] = '\0';
	}
	m->path = r->path.data == NULL ? "" : r->path.data;
	if (!names_safe_member(m->path))
		return err_set(e, ERR_CORRUPT,
			"the archive has the unsafe path \"%.200s\"; nothing of it is used",
			m->path);
	if (m->type != MEMBER_LINK && m->type != MEMBER_SYMLINK)
		return 0;
	m->link = r->link.data == NULL ? "" : r->link.data;
	if (*m->link == '\0' || strlen(m->link) > MEMBER_PATH_MAX ||
		(m->type == MEMBER_LINK && !names_safe_path(m->link)))
		return err_set(e, ERR_CORRUPT, "%.200s: the archive links it to \"%.200s\"",
			m->path, m->link);
	return 0;
}

static int
set_type(struct member *m, char type)
{
	if (type == '\0' || type == '7')
		type = MEMBER_FILE;
	switch (type) {
	case MEMBER_FILE:
	case MEMBER_LINK:
	case MEMBER_SYMLINK:
	case MEMBER_CHAR:
	case MEMBER_BLOCK:
	case MEMBER_DIR:
	case MEMBER_FIFO:
		m->type = (enum member_type)type;
		return 0;
	default:
		return -1;
	}
}

static int
bad_number(const struct reader *r, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "%.200s: a number in its header is bad",
		r->path.data == NULL ? "" : r->path.data);
}

static int
set_numbers(struct reader *r, const struct ustar *u, struct err *e)
{
	struct member *m = &r->member;
	int64_t mode, uid, gid, mtime, major = 0, minor = 0;
	bool device = m->type == MEMBER_CHAR || m->type == MEMBER_BLOCK;

	if (ustar_number(u->mode, sizeof(u->mode), &mode) != 0 ||
		ustar_number(u->uid, sizeof(u->uid), &uid) != 0 ||
		ustar_number(u->gid, sizeof(u->gid), &gid) != 0 ||
		ustar_number(u->size, sizeof(u->size), &m->size) != 0 ||
		ustar_number(u->mtime, sizeof(u->mtime), &mtime) != 0)
		return bad_number(r, e);
	if (device && (ustar_number(u->major, sizeof(u->major), &major) != 0 ||
			      ustar_number(u->minor, sizeof(u->minor), &minor) != 0))
		return bad_number(r, e);
	uid = r->pax.has_uid ? r->pax.uid : uid;
	gid = r->pax.has_gid ? r->pax.gid : gid;
	m->size = r->pax.has_size ? r->pax.size : m->size;
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX || mode < 0 ||
		m->size < 0 || m->size > PAX_SIZE_MAX || major < 0 || major > 4095 || minor < 0 ||
		minor > 1048575)
		return bad_number(r, e);
	m->mode = (mode_t)mode & 07777;
	m->uid = (uid_t)uid;
	m->gid = (gid_t)gid;
	m->mtime_ns = r->pax.has_mtime ? r->pax.mtime_ns : (member_time)mtime * 1000000000;
	m->major = (unsigned)major;
	m->minor = (unsigned)minor;
	return 0;
}

static int
set_content(struct reader *r, struct err *e)
{
	struct member *m = &r->member;

	if (m->type != MEMBER_FILE && m->size != 0)
		return err_set(e, ERR_CORRUPT, "%.200s: only a file has content", m->path);
	r->left = m->size;
	r->padding = member_padding(m->size);
	if (!r->pax.sparse)
		return 0;
	if (m->type != MEMBER_FILE)
		return err_set(e, ERR_CORRUPT, "%.200s: only a file has holes", m->path);
	m->sparse = true;
	m->size = r->pax.realsize;
	if (sparse_map_read(&r->in, m->size, &r->left, &r->extents, &m->extent_count, e) != 0)
		return err_prefix(e, "%.200s", m->path);
	m->extents = r->extents;
	return 0;
}

static int
set_member(struct reader *r, const struct ustar *u, struct err *e)
{
	struct member *m = &r->member;

	if (r->pax.path != NULL)
		(void)set_text(&r->path, r->pax.path, SIZE_MAX);
	if (r->pax.link != NULL)
		(void)set_text(&r->link, r->pax.link, SIZE_MAX);
	ustar_names(r, u);
	if (set_type(m, u->type) != 0)
		return err_set(e, u->type == 'S' ? ERR_UNSUPPORTED : ERR_CORRUPT,
			"%.200s: members of type %d are not known here",
			r->path.data == NULL ? "" : r->path.data, u->type);
	if (set_numbers(r, u, e) != 0 || reader_check_names(r, e) != 0)
		return -1;
	m->xattrs = r->pax.xattrs;
	m->xattr_count = r->pax.xattr_count;
	return set_content(r, e);
}

static int
skip_rest(struct reader *r, struct err *e)
{
	const int64_t left = r->left + (int64_t)r->padding;

	r->left = 0;
	r->padding = 0;
	return buffered_source_take(&r->in, NULL, left, e);
}

int
reader_skip(struct reader *r, struct err *e)
{
	if (r->state != READER_CONTENT || skip_rest(r, e) == 0)
		return 0;
	r->state = READER_FAILED;
	return -1;
}

static int
next(struct reader *r, struct err *e)
{
	struct ustar u;
	int prelude = 0;

	if (skip_rest(r, e) != 0)
		return -1;
	r->place.header = buffered_source_place(&r->in);
	r->member = (struct member){0};
	pax_clear(&r->pax);
	buf_clear(&r->path);
	buf_clear(&r->link);
	for (bool first = true;; first = false) {
		if (read_block(r, &u, e) != 0)
			return -1;
		if (first && buffered_source_is_zero(&u, sizeof(u)))
			return read_end(r, e);
		if (!ustar_checksum_fits(&u))
			return err_set(e, ERR_CORRUPT,
				"this is no tar archive, or a header of it is damaged");
		if ((prelude = read_prelude(r, &u, e)) < 0)
			return -1;
		if (prelude == 0)
			break;
		if (u.type == 'g')
			first = true;
	}
	if (set_member(r, &u, e) != 0)
		return -1;
	r->place.content = buffered_source_place(&r->in);
	return 1;
}

int
reader_next(struct reader *r, const struct member **ret_member, struct err *e)
{
	int result;

	if (r->state == READER_END)
		return 0;
	if (r->state == READER_FAILED)
		return err_set(e, ERR_CORRUPT, "the archive could not be read before");
	r->piece_len = 0;
	r->extent = 0;
	r->offset = 0;
	r->content_at = 0;
	if ((result = next(r, e)) < 0) {
		r->state = READER_FAILED;
		return -1;
	}
	if (r->state == READER_END)
		return 0;
	r->state = READER_CONTENT;
	if (r->member.extent_count > 0)
		r->offset = r->member.extents[0].offset;
	*ret_member = &r->member;
	return 1;
}

int
reader_leap(struct reader *r, int64_t at, struct err *e)
{
	const int64_t here = buffered_source_place(&r->in);

	if (at < here)
		return err_set(e, ERR_INTERNAL, "a member is asked for that was passed already");
	r->left = 0;
	r->padding = 0;
	return buffered_source_take(&r->in, NULL, at - here, e);
}
