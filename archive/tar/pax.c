#include "archive/tar/pax.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { NS = 1000000000, XATTR_MAX = 64 * 1024 };

void
pax_init(struct pax *p)
{
	*p = (struct pax){.text = BUF_INIT(PAX_TEXT_MAX)};
}

void
pax_free(struct pax *p)
{
	buf_free(&p->text);
	free(p->xattrs);
}

void
pax_clear(struct pax *p)
{
	struct pax empty = {.text = p->text, .xattrs = p->xattrs, .xattr_room = p->xattr_room};

	buf_clear(&empty.text);
	*p = empty;
}

static int
octal_number(const char *field, size_t size, int64_t *ret_number)
{
	int64_t n = 0;
	size_t i = 0;

	while (i < size && field[i] == ' ')
		i++;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
		n = 8 * n + (field[i] - '0'); /* at most 12 digits: 36 bits */
	for (; i < size; i++)
		if (field[i] != ' ' && field[i] != '\0')
			return -1;
	*ret_number = n;
	return 0;
}

int
ustar_number(const char *field, size_t size, int64_t *ret_number)
{
	const unsigned char *p = (const unsigned char *)field;
	bool negative = p[0] == 0xff;
	uint64_t n = negative ? UINT64_MAX : 0;

	if (p[0] != 0x80 && p[0] != 0xff)
		return octal_number(field, size, ret_number);
	for (size_t i = 1; i < size; i++) {
		if (n >> 55 != (negative ? 0x1ff : 0))
			return -1;
		n = n << 8 | p[i];
	}
	*ret_number = (int64_t)n;
	return 0;
}

bool
ustar_checksum_fits(const struct ustar *u)
{
	const unsigned char *p = (const unsigned char *)u;
	const size_t from = offsetof(struct ustar, checksum);
	int64_t sum = 0, wanted;

	for (size_t i = 0; i < sizeof(*u); i++)
		sum += i >= from && i < from + sizeof(u->checksum) ? ' ' : p[i];
	return ustar_number(u->checksum, sizeof(u->checksum), &wanted) == 0 && sum == wanted;
}

/* Decimal digits up to ${end}; -1 if there are none, others, or too many. */
static int
decimal(const char *text, const char *end, int64_t *ret_number)
{
	int64_t n = 0;

	if (text == end || end - text > 18)
		return -1;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		n = 10 * n + (*text - '0');
	}
	*ret_number = n;
	return 0;
}

/* As decimal, up to the seconds that struct timespec has on either side of 1970. */
static int
whole_seconds(const char *text, const char *end, member_time *ret_number)
{
	int64_t head = 0, last = 0;

	if (text == end || decimal(end - 1, end, &last) != 0)
		return -1;
	if (end - text > 1 && decimal(text, end - 1, &head) != 0)
		return -1;
	*ret_number = (member_time)head * 10 + last;
	return 0;
}

/* [-]SECONDS[.FRACTION]; digits of the fraction beyond nanoseconds are dropped. */
static int
parse_time(const char *text, size_t len, member_time *ret_ns)
{
	const member_time first = (member_time)INT64_MIN * NS;
	const member_time last = (member_time)INT64_MAX * NS + NS - 1;
	const char *end = text + len, *dot;
	bool negative = len > 0 && text[0] == '-';
	int64_t fraction = 0, unit = NS;
	member_time seconds;

	text += negative;
	dot = memchr(text, '.', (size_t)(end - text));
	if (whole_seconds(text, dot == NULL ? end : dot, &seconds) != 0)
		return -1;
	for (const char *p = dot == NULL ? end : dot + 1; p < end; p++) {
		if (*p < '0' || *p > '9')
			return -1;
		unit /= 10;
		fraction += (*p - '0') * unit;
	}
	*ret_ns = seconds * NS + fraction;
	if (negative)
		*ret_ns = -*ret_ns;
	return *ret_ns < first || *ret_ns > last ? -1 : 0;
}

/* %25 and %3D, as member_write_header and GNU tar write them. */
static void
decode_name(char *name)
{
	char *to = name;

	for (const char *from = name; *from != '\0'; to++) {
		bool percent = strncmp(from, "%25", 3) == 0, equal = strncmp(from, "%3D", 3) == 0;

		*to = percent ? '%' : equal ? '=' : *from;
		from += percent || equal ? 3 : 1;
	}
	*to = '\0';
}

static int
pax_add_xattr(struct pax *p, char *name, const char *value, size_t len)
{
	if (len > XATTR_MAX || *name == '\0')
		return -1;
	if (p->xattr_count == p->xattr_room) {
		p->xattr_room = p->xattr_room == 0 ? 8 : 2 * p->xattr_room;
		p->xattrs = mem_array(p->xattrs, p->xattr_room, sizeof(*p->xattrs));
	}
	decode_name(name);
	p->xattrs[p->xattr_count++] =
		(struct member_xattr){.name = name, .value = value, .len = len};
	return 0;
}

static int
pax_take_text(const char **to, const char *value, size_t len)
{
	*to = value;
	return memchr(value, '\0', len) != NULL || len == 0 ? -1 : 0;
}

static int
pax_take_number(bool *has, int64_t *to, const char *value, size_t len)
{
	*has = true;
	return decimal(value, value + len, to);
}

static int
take_sparse(struct pax *p, const char *key, const char *value, size_t len)
{
	bool unused;

	p->sparse = true;
	if (strcmp(key, "major") == 0)
		return pax_take_number(&unused, &p->sparse_major, value, len);
	if (strcmp(key, "minor") == 0)
		return pax_take_number(&unused, &p->sparse_minor, value, len);
	if (strcmp(key, "realsize") == 0)
		return pax_take_number(&unused, &p->realsize, value, len);
	if (strcmp(key, "name") == 0)
		return pax_take_text(&p->sparse_name, value, len);
	return 0; /* the older kinds: refused at the end */
}

/* ${value} is followed by a NUL where its newline was. */
static int
take_record(struct pax *p, char *key, const char *value, size_t len)
{
	if (strncmp(key, "SCHILY.xattr.", 13) == 0)
		return pax_add_xattr(p, key + 13, value, len);
	if (strncmp(key, "GNU.sparse.", 11) == 0)
		return take_sparse(p, key + 11, value, len);
	if (strcmp(key, "path") == 0)
		return pax_take_text(&p->path, value, len);
	if (strcmp(key, "linkpath") == 0)
		return pax_take_text(&p->link, value, len);
	if (strcmp(key, "size") == 0)
		return pax_take_number(&p->has_size, &p->size, value, len);
	if (strcmp(key, "uid") == 0)
		return pax_take_number(&p->has_uid, &p->uid, value, len);
	if (strcmp(key, "gid") == 0)
		return pax_take_number(&p->has_gid, &p->gid, value, len);
	if (strcmp(key, "mtime") == 0) {
		p->has_mtime = true;
		return parse_time(value, len, &p->mtime_ns);
	}
	return 0; /* atime, ctime, names of users, character sets, comments */
}

/*
 * Cut one record "LEN key=value\n" off the ${len} bytes at ${text}: key and value are ended by
 * NULs.  Returns its length, 0 if it is malformed.
 */
static size_t
cut_record(char *text, size_t len, char **ret_key, char **ret_value, size_t *ret_value_len)
{
	char *space = memchr(text, ' ', len < 20 ? len : 20), *equal;
	int64_t total;

	if (space == NULL || decimal(text, space, &total) != 0 || total > (int64_t)len ||
		total < space - text + 3 || text[total - 1] != '\n')
		return 0;
	equal = memchr(space, '=', (size_t)(text + total - space));
	if (equal == NULL || equal == space + 1)
		return 0;
	*equal = '\0';
	text[total - 1] = '\0';
	*ret_key = space + 1;
	*ret_value = equal + 1;
	*ret_value_len = (size_t)(text + total - 1 - (equal + 1));
	return (size_t)total;
}

static int
pax_compare(const void *a, const void *b)
{
	return strcmp(
		((const struct member_xattr *)a)->name, ((const struct member_xattr *)b)->name);
}

static int
pax_check_xattrs(struct pax *p, struct err *e)
{
	size_t bytes = 0;

	if (p->xattr_count > 1)
		qsort(p->xattrs, p->xattr_count, sizeof(*p->xattrs), pax_compare);
	for (size_t i = 0; i < p->xattr_count; i++) {
		bytes += p->xattrs[i].len;
		if (i > 0 && strcmp(p->xattrs[i - 1].name, p->xattrs[i].name) == 0)
			return err_set(e, ERR_CORRUPT,
				"an extended header has the attribute %.200s twice",
				p->xattrs[i].name);
	}
	if (bytes > MEMBER_XATTRS_MAX)
		return err_set(e, ERR_CORRUPT, "the extended attributes of a member pass 1 MiB");
	return 0;
}

int
pax_parse(struct pax *p, struct buf *text, struct err *e)
{
	char *key, *value;
	size_t len;

	if (p->text.len > 0)
		return err_set(e, ERR_CORRUPT, "a member has two extended headers");
	buf_free(&p->text);
	p->text = *text;
	*text = (struct buf)BUF_INIT(0);
	for (size_t at = 0; at < p->text.len;) {
		size_t total = cut_record(p->text.data + at, p->text.len - at, &key, &value, &len);

		if (total == 0 || take_record(p, key, value, len) != 0)
			return err_set(
				e, ERR_CORRUPT, "an extended header of the archive is malformed");
		at += total;
	}
	if (p->sparse && (p->sparse_major != 1 || p->sparse_minor != 0))
		return err_set(e, ERR_UNSUPPORTED,
			"the archive has sparse files in a form other than GNU 1.0; make it with "
			"`tar --format=pax --sparse-version=1.0`");
	if (p->sparse_name != NULL)
		p->path = p->sparse_name;
	return pax_check_xattrs(p, e);
}

int
pax_check_global(char *text, size_t len, struct err *e)
{
	char *key, *value;
	size_t value_len;

	for (size_t at = 0; at < len;) {
		size_t total = cut_record(text + at, len - at, &key, &value, &value_len);

		if (total == 0)
			return err_set(e, ERR_CORRUPT, "a global header is malformed");
		if (strcmp(key, "comment") != 0)
			return err_set(e, ERR_UNSUPPORTED,
				"the archive has a global header with \"%.100s\"", key);
		at += total;
	}
	return 0;
}
