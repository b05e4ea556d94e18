#include "archive/write/foreign.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"

enum { PIECE = 64 * 1024, MAGIC = 6, WARNINGS_MAX = 20 };

struct unpacking {
	const struct source *in;
	const struct foreign_options *o;
	struct foreign_result *result;
	struct archive *reader;
	struct archive *writer;
	char *piece;	  /* PIECE bytes */
	size_t ahead;	  /* bytes in ${piece} that libarchive has not been given */
	struct err error; /* of ${in}: libarchive cannot hand it up */
	int warnings;
	bool told_absolute;
};

static void
reader_free_at(struct archive **a)
{
	if (*a != NULL)
		(void)archive_read_free(*a);
}

static void
writer_free_at(struct archive **a)
{
	if (*a != NULL)
		(void)archive_write_free(*a);
}

/* What a member is called in messages; a name in no character set that libarchive can turn is told
 * as such. */
static const char *
foreign_name_of(struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	return name == NULL ? "(a name that cannot be read)" : name;
}

static const char *
reason_of(struct archive *a)
{
	const char *text = archive_error_string(a);

	return text == NULL ? "no reason is known" : text;
}

static la_ssize_t
give(struct archive *a, void *ctx, const void **ret_data)
{
	struct unpacking *u = ctx;
	ssize_t got = (ssize_t)u->ahead;

	(void)a;
	u->ahead = 0;
	if (got == 0)
		got = source_read(u->in, u->piece, PIECE, &u->error);
	*ret_data = u->piece;
	if (got < 0)
		archive_set_error(u->reader, EIO, "%s", u->error.text);
	return got;
}

static void
foreign_warn(struct unpacking *u, const char *name, const char *why)
{
	SCOPED(free_at) char *text = mem_format("%.300s: %.300s", name, why);

	if (++u->warnings < WARNINGS_MAX)
		u->o->warn(u->o->ctx, text);
	else if (u->warnings == WARNINGS_MAX)
		u->o->warn(u->o->ctx, "and more of that kind, which are not told one by one");
}

int
foreign_path(const char *name, unsigned strip, char *path, size_t size)
{
	size_t len = 0;

	while (*name != '\0') {
		const size_t part = strcspn(name, "/");
		const char *at = name;

		name += part + (name[part] == '/');
		if (part == 0 || (part == 1 && at[0] == '.'))
			continue;
		if (part == 2 && at[0] == '.' && at[1] == '.')
			return -1;
		if (strip > 0) {
			strip--;
			continue;
		}
		if (len + part + 2 > size)
			return -1;
		if (len > 0)
			path[len++] = '/';
		memcpy(path + len, at, part);
		len += part;
	}
	path[len] = '\0';
	return len > 0;
}

static int
foreign_refuse(struct archive_entry *entry, const char *why, struct err *e)
{
	return err_set(e, ERR_REFUSED, "%.300s %s", foreign_name_of(entry), why);
}

/* Where ${name} goes, into ${path}: 1, 0 nowhere, -1. */
static int
foreign_place(struct unpacking *u, struct archive_entry *entry, const char *name,
	char path[PATH_MAX], struct err *e)
{
	const size_t base = strlen(u->o->folder);
	int some;

	if (name == NULL)
		return foreign_refuse(entry, "has a name that cannot be read", e);
	if (base + 2 > PATH_MAX)
		return err_set(e, ERR_IO, "the store's path is too long");
	memcpy(path, u->o->folder, base);
	path[base] = '/';
	some = foreign_path(name, u->o->strip, path + base + 1, PATH_MAX - base - 1);
	if (some < 0)
		return foreign_refuse(entry, "goes out of its folder by \"..\", or is too long", e);
	if (name[0] == '/' && !u->told_absolute) {
		u->told_absolute = true;
		foreign_warn(u, name, "the leading / of names was left out");
	}
	return some;
}

static int
foreign_check_kind(const struct unpacking *u, struct archive_entry *entry, struct err *e)
{
	const mode_t type = archive_entry_filetype(entry);

	if ((type != AE_IFBLK && type != AE_IFCHR) || u->o->devices)
		return 0;
	return foreign_refuse(entry,
		"is a device, which gives whoever can open it the disk or the memory: repeat with "
		"?devices=true if it is meant",
		e);
}

/* Its own name and the name that it is a link to, as they are below the folder: 1, 0, -1. */
static int
foreign_set_names(struct unpacking *u, struct archive_entry *entry, struct err *e)
{
	char path[PATH_MAX], link[PATH_MAX];
	const char *to = archive_entry_hardlink(entry);
	const int some = foreign_place(u, entry, archive_entry_pathname(entry), path, e);

	if (some < 0)
		return -1;
	/* The archive's own root: what it says of it is the folder's. */
	if (some == 0 && (archive_entry_filetype(entry) != AE_IFDIR || u->o->strip > 0))
		return 0;
	if (to != NULL) {
		const int target = foreign_place(u, entry, to, link, e);

		if (target < 0)
			return -1;
		if (target == 0)
			return foreign_refuse(
				entry, "is a link to a member that \"strip\" leaves out", e);
		archive_entry_set_hardlink(entry, link);
	}
	archive_entry_set_pathname(entry, path);
	return 1;
}

static int
write_failed(struct unpacking *u, const char *name, struct err *e)
{
	const int number = archive_errno(u->writer);

	return err_set(e, number == ENOSPC || number == EDQUOT ? ERR_NO_SPACE : ERR_REFUSED,
		"%.300s cannot be unpacked: %.300s", name, reason_of(u->writer));
}

static int
read_failed(struct unpacking *u, const char *name, struct err *e)
{
	if (u->error.code != ERR_NONE) {
		*e = u->error;
		return -1;
	}
	return err_set(e, ERR_REFUSED, "the archive is damaged or ends early%s%.300s: %.300s",
		name == NULL ? "" : ", at ", name == NULL ? "" : name, reason_of(u->reader));
}

static int
copy_content(struct unpacking *u, const char *name, struct err *e)
{
	for (;;) {
		const void *data;
		size_t len;
		la_int64_t offset;
		const int status = archive_read_data_block(u->reader, &data, &len, &offset);

		if (status == ARCHIVE_EOF)
			return 0;
		if (status < ARCHIVE_WARN)
			return read_failed(u, name, e);
		u->result->bytes += (int64_t)len;
		if (u->result->bytes > u->o->bytes_max)
			return err_set(e, ERR_NO_SPACE,
				"the store has no room to unpack it: more than %lld MiB: make "
				"room, or unpack it yourself",
				(long long)(u->o->bytes_max >> 20));
		if (u->o->check(u->o->ctx, e) != 0)
			return -1;
		if (archive_write_data_block(u->writer, data, len, offset) < ARCHIVE_WARN)
			return write_failed(u, name, e);
	}
}

static int
unpack_member(struct unpacking *u, struct archive_entry *entry, struct err *e)
{
	SCOPED(free_at) char *name = mem_string(foreign_name_of(entry));
	const int some = foreign_check_kind(u, entry, e) != 0 ? -1 : foreign_set_names(u, entry, e);
	int status;

	if (some <= 0)
		return some;
	if (++u->result->members > FOREIGN_MEMBERS_MAX)
		return err_set(e, ERR_REFUSED, "the archive has more than %d members",
			FOREIGN_MEMBERS_MAX);
	status = archive_write_header(u->writer, entry);
	if (status < ARCHIVE_WARN)
		return write_failed(u, name, e);
	if (status != ARCHIVE_OK)
		foreign_warn(u, name, reason_of(u->writer));
	if (archive_entry_size(entry) > 0 && copy_content(u, name, e) != 0)
		return -1;
	status = archive_write_finish_entry(u->writer);
	if (status < ARCHIVE_WARN)
		return write_failed(u, name, e);
	if (status != ARCHIVE_OK)
		foreign_warn(u, name, reason_of(u->writer));
	return 0;
}

static void
tell_format(struct unpacking *u)
{
	const char *format = archive_format_name(u->reader);
	const char *filter = archive_filter_name(u->reader, 0);

	(void)snprintf(u->result->format, sizeof(u->result->format), "%s%s%s",
		format == NULL ? "" : format,
		filter == NULL || strcmp(filter, "none") == 0 ? "" : ", ",
		filter == NULL || strcmp(filter, "none") == 0 ? "" : filter);
}

static int
unpack_members(struct unpacking *u, struct err *e)
{
	struct archive_entry *entry;
	int status;

	while ((status = archive_read_next_header(u->reader, &entry)) != ARCHIVE_EOF) {
		if (status < ARCHIVE_WARN)
			return read_failed(u, NULL, e);
		if (status != ARCHIVE_OK)
			foreign_warn(u, foreign_name_of(entry), reason_of(u->reader));
		if (u->o->check(u->o->ctx, e) != 0 || unpack_member(u, entry, e) != 0)
			return -1;
	}
	if (u->result->members == 0)
		return err_set(e, ERR_REFUSED, "the archive holds nothing%s",
			u->o->strip > 0 ? " that \"strip\" leaves" : "");
	tell_format(u);
	/* Folders get their modes and times now that nothing more is written into them. */
	if (archive_write_close(u->writer) < ARCHIVE_WARN)
		return write_failed(u, "the folder", e);
	return 0;
}

/* Formats and filters that need no other program. */
static struct archive *
reader_new(void)
{
	struct archive *a = archive_read_new();

	if (a == NULL)
		abort(); /* only without memory */
	(void)archive_read_support_format_tar(a);
	(void)archive_read_support_format_cpio(a);
	(void)archive_read_support_format_zip(a);
	(void)archive_read_support_format_7zip(a);
	(void)archive_read_support_format_rar(a);
	(void)archive_read_support_format_rar5(a);
	(void)archive_read_support_filter_gzip(a);
	(void)archive_read_support_filter_bzip2(a);
	(void)archive_read_support_filter_compress(a);
	(void)archive_read_support_filter_lzma(a);
	(void)archive_read_support_filter_xz(a);
	(void)archive_read_support_filter_lzip(a);
	(void)archive_read_support_filter_lz4(a);
	(void)archive_read_support_filter_zstd(a);
	return a;
}

static struct archive *
writer_new(void)
{
	struct archive *a = archive_write_disk_new();

	if (a == NULL)
		abort(); /* only without memory */
	(void)archive_write_disk_set_options(
		a, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
			   ARCHIVE_EXTRACT_ACL | ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_UNLINK |
			   ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT);
	return a;
}

/* Keep the rest of the body in a file: a format whose directory is at its end is read from there.
 */
static int
spool_body(struct unpacking *u, int *ret_fd, struct err *e)
{
	SCOPED(fd_close_at)
	int fd = openat(u->o->spool_dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	size_t len = u->ahead;
	int64_t total = 0;

	if (fd < 0)
		return err_errno(e, "no temporary file can be made in the store");
	u->ahead = 0;
	for (;;) {
		ssize_t got;

		if (len > 0 && write(fd, u->piece, len) != (ssize_t)len)
			return err_errno(e, "the archive cannot be kept while it is unpacked");
		if ((total += (int64_t)len) > u->o->bytes_max)
			return err_set(e, ERR_NO_SPACE, "the store has no room for the archive");
		if (u->o->check(u->o->ctx, e) != 0)
			return -1;
		if ((got = source_read(u->in, u->piece, PIECE, e)) < 0)
			return -1;
		if (got == 0)
			break;
		len = (size_t)got;
	}
	if (lseek(fd, 0, SEEK_SET) != 0)
		return err_errno(e, "the archive that was kept");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* The first bytes say of what kind it is. */
static int
read_magic(struct unpacking *u, struct err *e)
{
	while (u->ahead < MAGIC) {
		const ssize_t got = source_read(u->in, u->piece + u->ahead, PIECE - u->ahead, e);

		if (got < 0)
			return -1;
		if (got == 0)
			break;
		u->ahead += (size_t)got;
	}
	if (u->ahead == 0)
		return err_set(e, ERR_REFUSED, "the body is empty: send the archive as it");
	if (u->ahead >= 4 && memcmp(u->piece, "LRZI", 4) == 0)
		return err_set(e, ERR_REFUSED,
			"it is compressed by lrzip, which only its own program reads: send what "
			"`lrzip -d -o - FILE` writes");
	return 0;
}

static bool
wants_seeking(const struct unpacking *u)
{
	return (u->ahead >= 6 && memcmp(u->piece, "7z\xBC\xAF\x27\x1C", 6) == 0) ||
	       (u->ahead >= 2 && memcmp(u->piece, "PK", 2) == 0);
}

static int
open_reader(struct unpacking *u, int *ret_fd, struct err *e)
{
	int status;

	if (read_magic(u, e) != 0)
		return -1;
	if (wants_seeking(u)) {
		if (spool_body(u, ret_fd, e) != 0)
			return -1;
		status = archive_read_open_fd(u->reader, *ret_fd, PIECE);
	} else {
		status = archive_read_open2(u->reader, u, NULL, give, NULL, NULL);
	}
	if (status == ARCHIVE_OK)
		return 0;
	if (u->error.code != ERR_NONE)
		return read_failed(u, NULL, e);
	return err_set(e, ERR_REFUSED,
		"it is none of the archives that are read here (tar, cpio, zip, 7z, rar; plain or "
		"by gzip, bzip2, xz, lzma, lzip, lz4, zstd): %.200s",
		reason_of(u->reader));
}

/* Names in UTF-8 are read as such in this thread alone: what the process's own locale is stays. */
static void
locale_end_at(locale_t *before)
{
	if (*before != (locale_t)0)
		freelocale(uselocale(*before));
}

static locale_t
locale_begin(void)
{
	const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);

	return utf8 == (locale_t)0 ? (locale_t)0 : uselocale(utf8);
}

int
foreign_unpack(const struct source *in, const struct foreign_options *o,
	struct foreign_result *ret_result, struct err *e)
{
	SCOPED(locale_end_at) locale_t before __attribute__((unused)) = locale_begin();
	SCOPED(reader_free_at) struct archive *reader = reader_new();
	SCOPED(writer_free_at) struct archive *writer = writer_new();
	SCOPED(free_at) char *piece = mem_array(NULL, PIECE, 1);
	SCOPED(fd_close_at) int fd = -1;
	struct unpacking u = {.in = in,
		.o = o,
		.result = ret_result,
		.reader = reader,
		.writer = writer,
		.piece = piece};

	assert(o->folder[0] == '/');
	*ret_result = (struct foreign_result){0};
	return open_reader(&u, &fd, e) != 0 ? -1 : unpack_members(&u, e);
}
