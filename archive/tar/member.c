#include "archive/tar/member.h"

#include <stdio.h>
#include <string.h>

#include "archive/tar/header.h"
#include "base/mem.h"
#include "base/scope.h"

enum {
	/* All records of one member: every xattr name may grow threefold by its encoding. */
	PAX_MAX = 3 * MEMBER_XATTRS_MAX + 4 * MEMBER_PATH_MAX + 64 * 1024,
	NS = 1000000000
};

static const char zeros[MEMBER_BLOCK_SIZE];

member_time
member_time_of(const struct timespec *t)
{
	return (member_time)t->tv_sec * NS + t->tv_nsec;
}

size_t
member_padding(int64_t size)
{
	return (size_t)((MEMBER_BLOCK_SIZE - size % MEMBER_BLOCK_SIZE) % MEMBER_BLOCK_SIZE);
}

int64_t
member_stored_size(const struct member *m)
{
	int64_t sum = 0;

	if (!m->sparse)
		return m->size;
	for (size_t i = 0; i < m->extent_count; i++)
		sum += m->extents[i].len;
	return sum;
}

/* Bytes of one UTF-8 sequence at ${p} (RFC 3629), 0 if it is none. */
static size_t
utf8_length(const unsigned char *p)
{
	const unsigned char c = p[0];
	size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ||
		(c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static bool
is_utf8(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p != '\0') {
		size_t len = utf8_length(p);

		if (len == 0)
			return false;
		p += len;
	}
	return true;
}

static size_t
member_digits(size_t n)
{
	size_t count = 1;

	while (n >= 10) {
		n /= 10;
		count++;
	}
	return count;
}

/* "LEN key=value\n", where LEN counts itself. */
static int
member_add_record(struct buf *pax, const char *key, const void *value, size_t len)
{
	size_t rest = strlen(key) + len + 3, total = rest + member_digits(rest);

	if (member_digits(total) != member_digits(rest))
		total = rest + member_digits(total);
	if (buf_format(pax, "%zu %s=", total, key) != 0 || buf_add(pax, value, len) != 0)
		return -1;
	return buf_add(pax, "\n", 1);
}

static int
add_number(struct buf *pax, const char *key, int64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	return member_add_record(pax, key, text, strlen(text));
}

static int
member_add_xattr(struct buf *pax, const struct member_xattr *x)
{
	SCOPED(buf_free) struct buf key = BUF_INIT(4096);

	if (buf_text(&key, "SCHILY.xattr.") != 0)
		return -1;
	for (const char *p = x->name; *p != '\0'; p++) {
		const char *code = *p == '%' ? "%25" : *p == '=' ? "%3D" : NULL;

		if (code != NULL ? buf_text(&key, code) : buf_add(&key, p, 1))
			return -1;
	}
	return member_add_record(pax, key.data, x->value, x->len);
}

static int
add_mtime(struct buf *pax, member_time mtime_ns)
{
	char text[48];
	const member_time ns = mtime_ns < 0 ? -mtime_ns : mtime_ns;
	int len = snprintf(text, sizeof(text), "%s%llu", mtime_ns < 0 ? "-" : "",
		(unsigned long long)(ns / NS));

	if (ns % NS != 0)
		(void)snprintf(
			text + len, sizeof(text) - (size_t)len, ".%09u", (unsigned)(ns % NS));
	return member_add_record(pax, "mtime", text, strlen(text));
}

/* What stands in the ustar header, and what does not fit there. */
struct member_plan {
	const char *path; /* a directory's ends in '/' */
	char *owned;	  /* that one */
	size_t name_at;	  /* ustar: the prefix ends before, the name begins here */
	bool pax_path, pax_link, binary;
	int64_t size; /* ustar's: map and content */
};

static void
plan_free(struct member_plan *p)
{
	free(p->owned);
}

/* Split for ustar: at a '/' with at most 155 bytes before and 1..100 after it. */
static bool
split(const char *path, size_t len, size_t *ret_at)
{
	if (len <= USTAR_NAME) {
		*ret_at = 0;
		return true;
	}
	for (size_t i = len - USTAR_NAME - 1; i <= USTAR_PREFIX && i + 1 < len; i++) {
		if (i > 0 && path[i] == '/') {
			*ret_at = i + 1;
			return true;
		}
	}
	return false;
}

static int
plan_names(struct member_plan *p, const struct member *m, struct err *e)
{
	const char *link = m->link == NULL ? "" : m->link;
	size_t len = strlen(m->path);

	if (len == 0 || len > MEMBER_PATH_MAX || strlen(link) > MEMBER_PATH_MAX)
		return err_set(e, ERR_TOO_LARGE,
			"%.200s…: the path or link is empty or passes %d "
			"bytes",
			m->path, MEMBER_PATH_MAX);
	p->owned = m->type == MEMBER_DIR ? mem_format("%s/", m->path) : NULL;
	p->path = p->owned != NULL ? p->owned : m->path;
	p->binary = !is_utf8(m->path) || !is_utf8(link);
	p->pax_path = !split(p->path, strlen(p->path), &p->name_at) || !is_utf8(m->path);
	p->pax_link = strlen(link) > USTAR_NAME || !is_utf8(link);
	return 0;
}

static int
add_sparse(struct buf *pax, const struct member_plan *p, const struct member *m)
{
	if (!m->sparse)
		return 0;
	if (add_number(pax, "GNU.sparse.major", 1) != 0 ||
		add_number(pax, "GNU.sparse.minor", 0) != 0 ||
		member_add_record(pax, "GNU.sparse.name", p->path, strlen(p->path)) != 0)
		return -1;
	return add_number(pax, "GNU.sparse.realsize", m->size);
}

static int
add_names(struct buf *pax, const struct member_plan *p, const struct member *m)
{
	if (p->binary && member_add_record(pax, "hdrcharset", "BINARY", 6) != 0)
		return -1;
	if (p->pax_link && member_add_record(pax, "linkpath", m->link, strlen(m->link)) != 0)
		return -1;
	if (m->mtime_ns % NS != 0 || m->mtime_ns < 0 || m->mtime_ns / NS > USTAR_NUMBER_MAX)
		if (add_mtime(pax, m->mtime_ns) != 0)
			return -1;
	if (p->pax_path && !m->sparse)
		return member_add_record(pax, "path", p->path, strlen(p->path));
	return 0;
}

/* The records in bytewise order of their keys. */
static int
add_records(struct buf *pax, const struct member_plan *p, const struct member *m, struct err *e)
{
	int failed = add_sparse(pax, p, m);

	for (size_t i = 0; i < m->xattr_count && !failed; i++)
		failed = member_add_xattr(pax, &m->xattrs[i]);
	if (!failed && m->gid > USTAR_ID_MAX)
		failed = add_number(pax, "gid", m->gid);
	if (!failed)
		failed = add_names(pax, p, m);
	if (!failed && p->size > USTAR_NUMBER_MAX)
		failed = add_number(pax, "size", p->size);
	if (!failed && m->uid > USTAR_ID_MAX)
		failed = add_number(pax, "uid", m->uid);
	if (failed)
		return err_set(
			e, ERR_TOO_LARGE, "%.200s: its extended attributes are too large", m->path);
	return 0;
}

static void
octal(char *field, size_t size, uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%0*llo", (int)size - 1, (unsigned long long)value);
	memcpy(field, text, size);
}

static void
copy_field(char *field, size_t size, const char *text, size_t len)
{
	memcpy(field, text, len < size ? len : size);
}

static int
add_block(struct buf *out, struct ustar *u)
{
	unsigned sum = 0;

	memcpy(u->magic, "ustar", 6);
	memcpy(u->version, "00", 2);
	memset(u->checksum, ' ', sizeof(u->checksum));
	for (size_t i = 0; i < sizeof(*u); i++)
		sum += ((const unsigned char *)u)[i];
	octal(u->checksum, 7, sum);
	return buf_add(out, u, sizeof(*u));
}

static int
add_pax_header(struct buf *out, const struct buf *pax)
{
	struct ustar u = {.type = 'x'};

	if (pax->len == 0)
		return 0;
	copy_field(u.name, sizeof(u.name), "PaxHeader", strlen("PaxHeader"));
	octal(u.mode, sizeof(u.mode), 0644);
	octal(u.uid, sizeof(u.uid), 0);
	octal(u.gid, sizeof(u.gid), 0);
	octal(u.size, sizeof(u.size), pax->len);
	octal(u.mtime, sizeof(u.mtime), 0);
	octal(u.major, sizeof(u.major), 0);
	octal(u.minor, sizeof(u.minor), 0);
	if (add_block(out, &u) != 0 || buf_add(out, pax->data, pax->len) != 0)
		return -1;
	return buf_add(out, zeros, member_padding((int64_t)pax->len));
}

static void
fill_names(struct ustar *u, const struct member_plan *p, const struct member *m)
{
	const char *base = strrchr(m->path, '/');
	char name[USTAR_NAME + 32];

	if (m->sparse) {
		(void)snprintf(name, sizeof(name), "GNUSparseFile.0/%.84s",
			base == NULL ? m->path : base + 1);
		copy_field(u->name, sizeof(u->name), name, strlen(name));
	} else {
		const char *rest = p->path + p->name_at;

		copy_field(u->name, sizeof(u->name), rest, strlen(rest));
		if (p->name_at > 0)
			copy_field(u->prefix, sizeof(u->prefix), p->path, p->name_at - 1);
	}
	if (m->link != NULL)
		copy_field(u->link, sizeof(u->link), m->link, strlen(m->link));
}

static int
add_ustar(struct buf *out, const struct member_plan *p, const struct member *m)
{
	struct ustar u = {.type = (char)m->type};
	const member_time seconds = m->mtime_ns / NS;
	bool device = m->type == MEMBER_CHAR || m->type == MEMBER_BLOCK;

	fill_names(&u, p, m);
	octal(u.mode, sizeof(u.mode), m->mode & 07777);
	octal(u.uid, sizeof(u.uid), m->uid > USTAR_ID_MAX ? 0 : m->uid);
	octal(u.gid, sizeof(u.gid), m->gid > USTAR_ID_MAX ? 0 : m->gid);
	octal(u.size, sizeof(u.size), p->size > USTAR_NUMBER_MAX ? 0 : (uint64_t)p->size);
	octal(u.mtime, sizeof(u.mtime),
		m->mtime_ns < 0 || seconds > USTAR_NUMBER_MAX ? 0 : (uint64_t)seconds);
	octal(u.major, sizeof(u.major), device ? m->major : 0);
	octal(u.minor, sizeof(u.minor), device ? m->minor : 0);
	return add_block(out, &u);
}

/*
 * GNU sparse 1.0: the number of extents, then offset and length of each, in lines.  GNU tar sets
 * the file's length from the last extent, so a hole at the end is closed by an empty one.
 */
static int
make_map(struct buf *map, const struct member *m)
{
	int64_t end = 0;
	bool open_end;

	if (m->extent_count > 0)
		end = m->extents[m->extent_count - 1].offset + m->extents[m->extent_count - 1].len;
	open_end = end < m->size || m->extent_count == 0;
	if (buf_format(map, "%zu\n", m->extent_count + open_end) != 0)
		return -1;
	for (size_t i = 0; i < m->extent_count; i++)
		if (buf_format(map, "%lld\n%lld\n", (long long)m->extents[i].offset,
			    (long long)m->extents[i].len) != 0)
			return -1;
	if (open_end && buf_format(map, "%lld\n0\n", (long long)m->size) != 0)
		return -1;
	return buf_add(map, zeros, member_padding((int64_t)map->len));
}

int
member_write_header(const struct member *m, struct buf *out, struct err *e)
{
	SCOPED(buf_free) struct buf pax = BUF_INIT(PAX_MAX);
	SCOPED(buf_free) struct buf map = BUF_INIT(HEADER_MAP_MAX);
	SCOPED(plan_free) struct member_plan p = {0};
	size_t before = out->len;

	if (plan_names(&p, m, e) != 0)
		return -1;
	if (m->sparse && make_map(&map, m) != 0)
		return err_set(e, ERR_TOO_LARGE, "%.200s: too many holes", m->path);
	p.size = member_stored_size(m) + (int64_t)map.len;
	if (add_records(&pax, &p, m, e) != 0)
		return -1;
	if (add_pax_header(out, &pax) != 0 || add_ustar(out, &p, m) != 0 ||
		buf_add(out, map.data, map.len) != 0) {
		out->len = before;
		return err_set(e, ERR_TOO_LARGE, "%.200s: the buffer for headers is full", m->path);
	}
	return 0;
}
