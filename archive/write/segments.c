/*
 * Invariants:
 * 1. Where a segment begins and ends, its kind and its key depend on the walk's names and stat data
 *    alone, never on what is read; so a pass that reads nothing finds the same segments.
 * 2. A content segment follows the run whose last member is its header, or both are left out.
 * 3. A key is declared stable only if everything it stands for was read as the walk saw it and
 *    could not have been written since without moving mtime or ctime (docs/design/design.md section
 * 6).
 */
#include "archive/write/segments.h"

#include <assert.h>
#include <errno.h>
#include <linux/magic.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "archive/write/emit.h"
#include "archive/write/segment_rules.h"
#include "base/mem.h"
#include "base/scope.h"

enum {
	/* A member has at least its header, so that a run has at most this many. */
	RUN_MEMBERS = SEGMENT_RULES_RUN_MAX / MEMBER_BLOCK_SIZE,
	KEY_VERSION = 1,		   /* of the bytes that a key stands for, */
	KEY_TRUSTED = 0x100,		   /* with attributes trusted.* */
	KEY_BYTES_MAX = 256 * 1024 * 1024, /* RUN_MEMBERS paths and links of MEMBER_PATH_MAX */
	STEADY_MARGIN_NS = 20000000	   /* two ticks of the coarse clock at 100 Hz */
};

struct segments {
	const struct tree *t;
	const struct segment_sink *sink;
	struct emit emit;
	struct links links;
	struct pending run[RUN_MEMBERS];
	size_t count;
	int64_t length; /* of the run, by estimate_length */
	struct buf key;
};

static void
segments_free(struct segments **address)
{
	struct segments *s = *address;

	for (size_t i = 0; i < s->count; i++)
		pending_free(&s->run[i]);
	links_free(&s->links);
	emit_free(&s->emit);
	buf_free(&s->key);
	free(s);
}

/* What the member adds to a run, from names and sizes alone (invariant 1). */
static int64_t
estimate_length(const struct pending *p)
{
	const bool content = p->type == MEMBER_FILE && p->content == SEGMENT_RUN;

	return segment_rules_bytes(p->path, p->link, content ? (int64_t)p->stat.stx_size : 0);
}

static void
add_key_text(struct buf *key, const char *text)
{
	uint32_t len = text == NULL ? 0 : (uint32_t)strlen(text);

	(void)buf_add(key, &len, sizeof(len));
	(void)buf_add(key, text, len);
}

static void
add_key(struct buf *key, const struct pending *p)
{
	const struct statx *s = &p->stat;
	/* The kernel shares one inode among many whiteouts: only the time shows in the archive. */
	bool plain = p->kind == WALK_PLAIN;
	const uint64_t numbers[] = {
		(uint64_t)p->kind,
		(uint64_t)p->type,
		plain ? s->stx_mode : 0,
		plain ? s->stx_uid : 0,
		plain ? s->stx_gid : 0,
		plain ? s->stx_size : 0,
		(uint64_t)statx_ns(&s->stx_mtime),
		plain ? (uint64_t)statx_ns(&s->stx_ctime) : 0,
		plain ? s->stx_ino : 0,
		plain ? (uint64_t)statx_ns(&s->stx_btime) : 0,
		plain ? (uint64_t)s->stx_rdev_major << 32 | s->stx_rdev_minor : 0,
	};

	(void)buf_add(key, numbers, sizeof(numbers));
	add_key_text(key, p->path);
	add_key_text(key, p->link);
}

static int
make_key(struct segments *s, struct segment *segment, const struct pending *members, size_t count,
	struct err *e)
{
	const uint32_t head[] = {
		KEY_VERSION | (s->t->trusted ? KEY_TRUSTED : 0), (uint32_t)segment->kind};

	buf_clear(&s->key);
	(void)buf_add(&s->key, head, sizeof(head));
	for (size_t i = 0; i < count; i++)
		add_key(&s->key, &members[i]);
	if (EVP_Digest(s->key.data, s->key.len, segment->key, NULL, EVP_sha256(), NULL) != 1)
		return err_set(e, ERR_INTERNAL, "cannot compute a SHA-256");
	return 0;
}

static bool
is_stable(const struct segments *s, const struct pending *members, size_t count)
{
	const int64_t limit = s->t->synced_ns - STEADY_MARGIN_NS;

	if (!s->t->cacheable || !s->emit.steady)
		return false;
	for (size_t i = 0; i < count; i++)
		if (members[i].kind == WALK_PLAIN &&
			(statx_ns(&members[i].stat.stx_mtime) >= limit ||
				statx_ns(&members[i].stat.stx_ctime) >= limit))
			return false;
	return true;
}

/* Announce ${segment}.  Returns 1 if it need not be read, 0, -1. */
static int
segments_begin(struct segments *s, struct segment *segment, const struct pending *members,
	size_t count, struct err *e)
{
	if (make_key(s, segment, members, count, e) != 0)
		return -1;
	emit_begin(&s->emit);
	return s->sink->begin(s->sink->ctx, segment, e);
}

static int
segments_end(struct segments *s, struct segment *segment, const struct pending *members,
	size_t count, struct err *e)
{
	if (emit_end(&s->emit, e) != 0)
		return -1;
	segment->bytes = s->emit.bytes;
	return s->sink->end(s->sink->ctx, segment, is_stable(s, members, count), e);
}

static int64_t
files_in(const struct pending *members, size_t count)
{
	int64_t files = 0;

	for (size_t i = 0; i < count; i++)
		files += members[i].type != MEMBER_DIR && members[i].content == SEGMENT_RUN;
	return files;
}

static int
read_run(struct segments *s, struct segment *segment, struct err *e)
{
	for (size_t i = 0; i < s->count; i++)
		if (emit_member(&s->emit, &s->run[i], e) != 0)
			return -1;
	return segments_end(s, segment, s->run, s->count, e);
}

/* End the run.  ${ret_omitted}, if not NULL: its last member was left out. */
static int
end_run(struct segments *s, bool *ret_omitted, struct err *e)
{
	struct segment segment = {.kind = SEGMENT_RUN, .bytes = s->length};
	int known;

	if (s->count == 0)
		return 0;
	segment.files = files_in(s->run, s->count);
	if ((known = segments_begin(s, &segment, s->run, s->count, e)) < 0)
		return -1;
	if (known == 0 && read_run(s, &segment, e) != 0)
		return -1;
	if (ret_omitted != NULL)
		*ret_omitted = known == 0 && s->emit.omitted;
	while (s->count > 0)
		pending_free(&s->run[--s->count]);
	s->length = 0;
	return 0;
}

/* Put ${p}, which is taken, at the end of the run; cut before it where that is due. */
static int
segments_add_to_run(struct segments *s, struct pending *p, struct err *e)
{
	const int64_t length = estimate_length(p);

	if (segment_rules_before(s->length, p->path, length) && end_run(s, NULL, e) != 0) {
		pending_free(p);
		return -1;
	}
	assert(s->count < RUN_MEMBERS);
	s->run[s->count++] = *p;
	s->length += length;
	return 0;
}

/* The content of ${p}, whose header ends the run before. */
static int
content_segment(struct segments *s, struct pending *p, struct err *e)
{
	struct segment segment = {.kind = p->content,
		.files = 1,
		.path = p->path,
		.bytes = segment_rules_whole_blocks((int64_t)p->stat.stx_size)};
	int known = segments_begin(s, &segment, p, 1, e);

	if (known != 0)
		return known < 0 ? -1 : 0;
	if (emit_content(&s->emit, p, e) != 0)
		return -1;
	return segments_end(s, &segment, p, 1, e);
}

static int
sparse_segment(struct segments *s, struct pending *p, struct err *e)
{
	struct segment segment = {.kind = SEGMENT_SPARSE,
		.files = 1,
		.path = p->path,
		.bytes = estimate_length(p) + (int64_t)p->stat.stx_blocks * 512};
	int known;

	if (end_run(s, NULL, e) != 0)
		return -1;
	if ((known = segments_begin(s, &segment, p, 1, e)) != 0)
		return known < 0 ? -1 : 0;
	if (emit_sparse(&s->emit, p, e) != 0)
		return -1;
	return segments_end(s, &segment, p, 1, e);
}

static void
pending_copy(struct pending *to, const struct pending *from)
{
	*to = *from;
	to->dir = walk_dir_hold(from->dir);
	to->name = from->name == NULL ? NULL : mem_string(from->name);
	to->path = mem_string(from->path);
	to->link = from->link == NULL ? NULL : mem_string(from->link);
}

static int
segments_add_large(struct segments *s, struct pending *p, struct err *e)
{
	struct pending header;
	bool omitted = false;
	int result;

	if (p->content == SEGMENT_SPARSE)
		return sparse_segment(s, p, e);
	pending_copy(&header, p);
	if (segments_add_to_run(s, &header, e) != 0 || end_run(s, &omitted, e) != 0)
		return -1;
	if (omitted)
		return 0;
	result = content_segment(s, p, e);
	fd_close_at(&s->emit.fd);
	s->emit.fd = -1;
	return result;
}

static enum segment_kind
content_kind(const struct pending *p)
{
	const int64_t size = (int64_t)p->stat.stx_size;

	if (p->type != MEMBER_FILE || size < SEGMENT_RULES_CONTENT_MIN)
		return SEGMENT_RUN;
	return segment_rules_kind(p->path, size, (int64_t)p->stat.stx_blocks * 512 < size);
}

static enum member_type
member_type(const struct walk_entry *entry)
{
	if (entry->kind != WALK_PLAIN)
		return MEMBER_FILE;
	switch (entry->stat.stx_mode & S_IFMT) {
	case S_IFDIR:
		return MEMBER_DIR;
	case S_IFLNK:
		return MEMBER_SYMLINK;
	case S_IFCHR:
		return MEMBER_CHAR;
	case S_IFBLK:
		return MEMBER_BLOCK;
	case S_IFIFO:
		return MEMBER_FIFO;
	default:
		return MEMBER_FILE;
	}
}

/* Read where a symbolic link leads.  0 with p->link, or -1 with errno. */
static int
read_link(struct segments *s, struct pending *p)
{
	char text[4096]; /* PATH_MAX: no link of Linux is longer */
	int fd = p->dir == NULL ? s->t->root_fd : walk_dir_fd(p->dir, s->t->root_fd);
	ssize_t len;

	if (fd < 0 || (len = readlinkat(fd, p->dir == NULL ? "" : p->name, text, sizeof(text))) < 0)
		return -1;
	p->link = mem_copy(text, (size_t)len);
	return 0;
}

static void
find_links(struct segments *s, struct pending *p)
{
	const struct statx *st = &p->stat;
	bool fresh = true;

	if (p->kind != WALK_PLAIN || p->type == MEMBER_DIR || st->stx_nlink < 2)
		return;
	p->inode = links_find(&s->links, (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor,
		st->stx_ino, p->path, &fresh);
	if (fresh)
		return;
	p->type = MEMBER_LINK;
	free(p->link);
	p->link = mem_string(p->inode->path);
}

static int
segments_visit(void *ctx, const struct walk_entry *entry, struct err *e)
{
	struct segments *s = ctx;
	struct pending p = {.kind = entry->kind, .type = member_type(entry), .stat = entry->stat};
	int result;

	if (S_ISSOCK(entry->stat.stx_mode))
		return s->sink->notice(s->sink->ctx, SEGMENT_SOCKET, entry->path, e);
	p.dir = walk_dir_hold(entry->dir);
	p.name = entry->name == NULL ? NULL : mem_string(entry->name);
	p.path = mem_string(entry->path);
	if (p.type == MEMBER_SYMLINK && read_link(s, &p) != 0) {
		pending_free(&p);
		return s->sink->notice(s->sink->ctx, SEGMENT_VANISHED, entry->path, e);
	}
	find_links(s, &p);
	p.content = content_kind(&p);
	if (p.content == SEGMENT_RUN)
		return segments_add_to_run(s, &p, e);
	result = segments_add_large(s, &p, e);
	pending_free(&p);
	return result;
}

static int
pass_notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	const struct segments *s = ctx;

	return n == SEGMENT_EXCLUDED ? 0 : s->sink->notice(s->sink->ctx, n, path, e);
}

int
segments_walk_part(const struct tree *t, enum segment_part part, const struct segment_sink *sink,
	struct err *e)
{
	SCOPED(segments_free) struct segments *s = mem_new(sizeof(*s));
	const struct walk_visitor visitor = {
		.entry = segments_visit, .notice = pass_notice, .ctx = s};
	const enum walk_pass pass = part == SEGMENTS_REST ? WALK_REST : WALK_DIRECTORIES;

	s->t = t;
	s->sink = sink;
	s->key = (struct buf)BUF_INIT(KEY_BYTES_MAX);
	emit_init(&s->emit, t, sink);
	return walk_tree(t, pass, &visitor, e) != 0 ? -1 : end_run(s, NULL, e);
}

int
segments_walk(const struct tree *t, const struct segment_sink *sink, struct err *e)
{
	if (segments_walk_part(t, SEGMENTS_DIRECTORIES, sink, e) != 0)
		return -1;
	return segments_walk_part(t, SEGMENTS_REST, sink, e);
}
