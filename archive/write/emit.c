#include "archive/write/emit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive/tar/header.h"
#include "archive/write/content.h"
#include "archive/write/segment_rules.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/trusted.h"

enum {
	PIECE = 1024 * 1024, /* handed on at once; one read */
	OUT_MAX = 12 * PIECE /* the largest header (member.c, PAX_MAX, HEADER_MAP_MAX), a piece */
};

int64_t
statx_ns(const struct statx_timestamp *t)
{
	if (t->tv_sec >= INT64_MAX / 1000000000)
		return INT64_MAX;
	if (t->tv_sec <= INT64_MIN / 1000000000)
		return INT64_MIN;
	return t->tv_sec * 1000000000 + t->tv_nsec;
}

void
pending_free(struct pending *p)
{
	walk_dir_release(p->dir);
	free(p->name);
	free(p->path);
	free(p->link);
	*p = (struct pending){0};
}

void
emit_init(struct emit *em, const struct tree *t, const struct segment_sink *sink)
{
	*em = (struct emit){.t = t, .sink = sink, .out = BUF_INIT(OUT_MAX), .fd = -1};
	attributes_init(&em->attributes);
}

static void
close_file(struct emit *em)
{
	fd_close_at(&em->fd);
	em->fd = -1;
}

void
emit_free(struct emit *em)
{
	attributes_free(&em->attributes);
	buf_free(&em->out);
	close_file(em);
}

void
emit_begin(struct emit *em)
{
	em->bytes = 0;
	em->steady = true;
	em->omitted = false;
}

int
emit_end(struct emit *em, struct err *e)
{
	if (em->out.len == 0)
		return 0;
	if (em->sink->data(em->sink->ctx, em->out.data, em->out.len, e) != 0)
		return -1;
	em->bytes += (int64_t)em->out.len;
	buf_clear(&em->out);
	return 0;
}

static int
emit_tell(struct emit *em, enum segment_notice n, const struct pending *p, struct err *e)
{
	em->steady = false;
	if (em->sink->notice(em->sink->ctx, n, p->path, e) != 0)
		return -1;
	*e = (struct err){0};
	return 0;
}

/* ${p} cannot be read, ${e} has the reason. */
static int
tell_unreadable(struct emit *em, const struct pending *p, struct err *e)
{
	if (e->number == ENOENT || e->number == ELOOP || e->number == ENOTDIR ||
		e->number == ESTALE)
		return emit_tell(em, SEGMENT_VANISHED, p, e);
	e->code = ERR_UNREADABLE;
	return emit_tell(em, SEGMENT_UNREADABLE, p, e);
}

/* Leave ${p} out. */
static int
omit(struct emit *em, const struct pending *p, struct err *e)
{
	em->omitted = true;
	close_file(em);
	if (p->inode != NULL && p->type != MEMBER_LINK)
		p->inode->missing = true;
	return tell_unreadable(em, p, e);
}

static bool
emit_is_mark(const struct pending *p)
{
	return p->kind != WALK_PLAIN;
}

/* Whether ${p}, in the folder ${fd}, may have attributes trusted.*; a keeper is asked once a
 * folder. 1, 0, -1. */
static int
may_be_trusted(const struct emit *em, const struct pending *p, int fd, struct err *e)
{
	if (!em->t->trusted || p->dir == NULL || attributes_see_trusted())
		return em->t->trusted;
	if (p->dir->trusted == WALK_UNASKED) {
		const int any = trusted_any(fd, e);

		if (any < 0)
			return -1;
		p->dir->trusted = any == 1 ? WALK_SOME_TRUSTED : WALK_NONE_TRUSTED;
	}
	return p->dir->trusted == WALK_SOME_TRUSTED;
}

static int
read_attributes(struct emit *em, const struct pending *p, struct member *m, struct err *e)
{
	int flags = em->t->layer ? ATTRIBUTES_LAYER : 0, trusted;
	struct place place;
	int fd = -1;

	if (p->type == MEMBER_LINK || emit_is_mark(p))
		return 0;
	if (p->dir == NULL) {
		place_itself(&place, em->t->root_fd, p->type == MEMBER_DIR);
	} else {
		if ((fd = walk_dir_fd(p->dir, em->t->root_fd)) < 0)
			return err_errno(e, "cannot open its directory");
		place_below(&place, fd, p->name);
	}
	if ((trusted = may_be_trusted(em, p, fd, e)) < 0)
		return -1;
	if (trusted != 0)
		flags |= em->t->layer ? ATTRIBUTES_TRUSTED : ATTRIBUTES_TRUSTED | ATTRIBUTES_MARKS;
	if (attributes_read(&em->attributes, &place, flags, e) != 0)
		return -1;
	m->xattrs = em->attributes.xattrs;
	m->xattr_count = em->attributes.count;
	return 0;
}

/* Append the header of ${p}, whose attributes cannot be read or held.  A file is left out; of what
 * else there is, what is in it or leads to it needs that it is there: it goes without them.
 * Returns 0, 1: it was left out; -1. */
static int
bare_header(struct emit *em, const struct pending *p, struct member *m, struct err *e)
{
	const bool gone = e->number == ENOENT || e->number == ENOTDIR || e->number == ELOOP;

	if (p->type == MEMBER_FILE || gone)
		return omit(em, p, e) != 0 ? -1 : 1;
	if (emit_tell(em, SEGMENT_BARE, p, e) != 0)
		return -1;
	m->xattr_count = 0;
	if (member_write_header(m, &em->out, e) != 0)
		return omit(em, p, e) != 0 ? -1 : 1;
	return 0;
}

static int
add_header(struct emit *em, const struct pending *p, struct member *m, struct err *e)
{
	if (read_attributes(em, p, m, e) != 0 || member_write_header(m, &em->out, e) != 0)
		return bare_header(em, p, m, e);
	return 0;
}

static member_time
statx_time(const struct statx_timestamp *t)
{
	return (member_time)t->tv_sec * 1000000000 + t->tv_nsec;
}

static void
make_member(struct member *m, const struct pending *p)
{
	const struct statx *s = &p->stat;

	*m = (struct member){
		.path = p->path,
		.type = p->type,
		.mode = s->stx_mode & 07777,
		.uid = s->stx_uid,
		.gid = s->stx_gid,
		.size = p->type == MEMBER_FILE ? (int64_t)s->stx_size : 0,
		.mtime_ns = statx_time(&s->stx_mtime),
		.link = p->link,
		.major = s->stx_rdev_major,
		.minor = s->stx_rdev_minor,
	};
	if (emit_is_mark(p)) {
		m->mode = 0;
		m->uid = 0;
		m->gid = 0;
		m->size = 0;
	}
}

/* The file that held the content of an inode was left out: its next link takes over. */
static void
promote(struct emit *em, struct pending *p)
{
	if (p->type != MEMBER_LINK || !S_ISREG(p->stat.stx_mode))
		return;
	if (p->inode->missing) {
		p->type = MEMBER_FILE;
		p->inode->missing = false;
		free(p->inode->path);
		p->inode->path = mem_string(p->path);
		free(TAKE(p->link));
		em->steady = false;
	} else if (strcmp(p->link, p->inode->path) != 0) {
		free(p->link);
		p->link = mem_string(p->inode->path);
		em->steady = false;
	}
}

static int
add_padding(struct emit *em, int64_t size, struct err *e)
{
	static const char zeros[MEMBER_BLOCK_SIZE];

	if (buf_add(&em->out, zeros, member_padding(size)) != 0)
		return err_set(e, ERR_INTERNAL, "the buffer for members is full");
	return 0;
}

/*
 * Append ${len} bytes of the open file from ${offset}; zeros where it ends earlier.
 * Returns 0, 1 if they cannot be read (${e} has the reason), -1 from the sink.
 */
static int
add_bytes(struct emit *em, int64_t offset, int64_t len, bool hand_on, struct err *e)
{
	while (len > 0) {
		size_t want = len < PIECE ? (size_t)len : PIECE;
		char *to;
		ssize_t got;

		if (hand_on && em->out.len > 0 && em->out.len + want > PIECE &&
			emit_end(em, e) != 0)
			return -1;
		if ((to = buf_reserve(&em->out, want)) == NULL)
			return err_set(e, ERR_INTERNAL, "the buffer for members is full");
		if ((got = content_read(em->fd, to, want, offset)) < 0) {
			(void)err_errno(e, "cannot read");
			return 1;
		}
		memset(to + got, 0, want - (size_t)got);
		em->out.len += want;
		offset += (int64_t)want;
		len -= (int64_t)want;
	}
	return 0;
}

static int
add_zeros(struct emit *em, int64_t len, struct err *e)
{
	while (len > 0) {
		size_t want = len < PIECE ? (size_t)len : PIECE;
		char *to;

		if (em->out.len > 0 && em->out.len + want > PIECE && emit_end(em, e) != 0)
			return -1;
		if ((to = buf_reserve(&em->out, want)) == NULL)
			return err_set(e, ERR_INTERNAL, "the buffer for members is full");
		memset(to, 0, want);
		em->out.len += want;
		len -= (int64_t)want;
	}
	return 0;
}

/* The file was read: did it stay what the walk saw? */
static int
check_steady(struct emit *em, const struct pending *p, struct err *e)
{
	if (em->fd_steady && content_same(em->fd, &p->stat))
		return 0;
	return emit_tell(em, SEGMENT_CHANGED, p, e);
}

static int
emit_open_file(struct emit *em, const struct pending *p, struct err *e)
{
	close_file(em);
	em->fd = content_open(p->dir, p->name, em->t->root_fd, &p->stat, &em->fd_steady);
	return em->fd < 0 ? err_errno(e, "cannot open") : 0;
}

/* The small content of a member of a run, behind its header, which began at ${start}. */
static int
add_small(struct emit *em, struct pending *p, const struct member *m, size_t start, struct err *e)
{
	bool large = m->size >= SEGMENT_RULES_CONTENT_MIN; /* only after promote() */
	int result = add_bytes(em, 0, m->size, large, e);

	if (result < 0)
		return -1;
	if (result > 0 && large)
		return err_prefix(e, "%.300s", p->path);
	if (result > 0) {
		em->out.len = start;
		return omit(em, p, e);
	}
	if (check_steady(em, p, e) != 0)
		return -1;
	close_file(em);
	return add_padding(em, m->size, e);
}

int
emit_member(struct emit *em, struct pending *p, struct err *e)
{
	struct member m;
	size_t start;
	int left_out;

	em->omitted = false;
	if (em->out.len >= PIECE / 2 && emit_end(em, e) != 0)
		return -1;
	promote(em, p);
	start = em->out.len;
	make_member(&m, p);
	if (p->type == MEMBER_FILE && m.size > 0 && emit_open_file(em, p, e) != 0)
		return omit(em, p, e);
	if ((left_out = add_header(em, p, &m, e)) != 0)
		return left_out < 0 ? -1 : 0;
	if (p->content != SEGMENT_RUN || m.size == 0)
		return 0;
	return add_small(em, p, &m, start, e);
}

/* From here on the header is out, so that only zeros can stand for what cannot be read. */
static int
emit_add_large(struct emit *em, const struct pending *p, int64_t from, struct err *e)
{
	const int64_t size = (int64_t)p->stat.stx_size;
	int result;

	if ((result = add_bytes(em, from, size - from, true, e)) < 0)
		return -1;
	if (result == 0)
		return check_steady(em, p, e);
	if (tell_unreadable(em, p, e) != 0)
		return -1;
	return add_zeros(em, size - em->bytes - (int64_t)em->out.len, e);
}

/* Let the sink take what it can.  Returns how many bytes it did, -1. */
static int64_t
emit_offer(struct emit *em, int64_t size, struct err *e)
{
	const int64_t taken =
		em->sink->take == NULL ? 0 : em->sink->take(em->sink->ctx, em->fd, size, e);

	em->bytes += taken > 0 ? taken : 0;
	return taken;
}

static int
content(struct emit *em, const struct pending *p, struct err *e)
{
	const int64_t size = (int64_t)p->stat.stx_size;
	int64_t taken;

	if (em->fd < 0 && emit_open_file(em, p, e) != 0) {
		if (tell_unreadable(em, p, e) != 0 || add_zeros(em, size, e) != 0)
			return -1;
		return add_padding(em, size, e);
	}
	if ((taken = emit_offer(em, size, e)) < 0)
		return -1;
	if (taken == size) {
		em->bytes += (int64_t)member_padding(size);
		return check_steady(em, p, e);
	}
	return emit_add_large(em, p, taken, e) != 0 ? -1 : add_padding(em, size, e);
}

int
emit_content(struct emit *em, struct pending *p, struct err *e)
{
	const int status = content(em, p, e);

	close_file(em);
	return status;
}

static int
add_extents(struct emit *em, const struct pending *p, const struct member *m, struct err *e)
{
	for (size_t i = 0; i < m->extent_count; i++) {
		const struct member_extent *x = &m->extents[i];
		int64_t before = em->bytes + (int64_t)em->out.len;
		int result = add_bytes(em, x->offset, x->len, true, e);

		if (result < 0 || (result > 0 && tell_unreadable(em, p, e) != 0))
			return -1;
		if (add_zeros(em, x->len - (em->bytes + (int64_t)em->out.len - before), e) != 0)
			return -1;
	}
	return 0;
}

int
emit_sparse(struct emit *em, struct pending *p, struct err *e)
{
	SCOPED(free_at) struct member_extent *extents = NULL;
	struct member m;

	make_member(&m, p);
	if (emit_open_file(em, p, e) != 0)
		return omit(em, p, e);
	if (content_extents(em->fd, m.size, &extents, &m.extent_count) != 0) {
		(void)err_errno(e, "cannot find its holes");
		return omit(em, p, e);
	}
	m.sparse = true;
	m.extents = extents;
	if (read_attributes(em, p, &m, e) != 0 || member_write_header(&m, &em->out, e) != 0)
		return omit(em, p, e);
	if (add_extents(em, p, &m, e) != 0 || check_steady(em, p, e) != 0)
		return -1;
	close_file(em);
	return add_padding(em, member_stored_size(&m), e);
}
