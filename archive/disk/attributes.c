#include "archive/disk/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/trusted.h"

enum {
	LIST_MAX = 64 * 1024,  /* XATTR_LIST_MAX of linux/limits.h */
	VALUE_MAX = 64 * 1024, /* XATTR_SIZE_MAX */
	RETRIES = 8,	       /* a list that grows between two calls */
	NS = 1000000000
};

void
attributes_init(struct attributes *a)
{
	*a = (struct attributes){.names = BUF_INIT(LIST_MAX),
		.values = BUF_INIT(MEMBER_XATTRS_MAX),
		.records = BUF_INIT(TRUSTED_MAX)};
}

void
attributes_free(struct attributes *a)
{
	free(a->xattrs);
	a->xattrs = NULL;
	buf_free(&a->names);
	buf_free(&a->values);
	buf_free(&a->records);
}

static bool
attributes_starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool
attributes_is_trusted(const char *name)
{
	return attributes_starts(name, "trusted.");
}

static bool
overlay_mark(const char *name, int flags)
{
	return ((flags & ATTRIBUTES_MARKS) == 0 && attributes_starts(name, "trusted.overlay.")) ||
	       ((flags & ATTRIBUTES_LAYER) != 0 && attributes_starts(name, "user.overlay."));
}

/* Names separated by NULs; 0 bytes where there are none. */
static int
list_names(struct buf *names, const struct place *p, struct err *e)
{
	buf_clear(names);
	for (int i = 0; i < RETRIES; i++) {
		ssize_t len = place_list(p, NULL, 0);
		char *to;

		if (len == 0 || (len < 0 && errno == ENOTSUP))
			return 0;
		if (len < 0)
			return err_errno(e, "cannot list extended attributes");
		if ((to = buf_reserve(names, (size_t)len)) == NULL)
			return err_set(e, ERR_TOO_LARGE, "too many extended attributes");
		len = place_list(p, to, (size_t)len);
		if (len >= 0) {
			names->len = (size_t)len;
			return 0;
		}
		if (errno != ERANGE)
			return err_errno(e, "cannot list extended attributes");
	}
	return err_set(e, ERR_CHANGED, "extended attributes keep changing");
}

/* Append the value of ${name}.  Returns 1, 0 if it is to be left out, -1. */
static int
get_value(struct buf *values, const struct place *p, const char *name, struct err *e)
{
	for (int i = 0; i < RETRIES; i++) {
		ssize_t len = place_get(p, name, NULL, 0);
		char *to;

		if (len < 0 && (errno == ENODATA || errno == EPERM || errno == ENOTSUP))
			return 0;
		if (len < 0)
			return err_errno(e, "cannot read the extended attribute %s", name);
		if ((to = buf_reserve(values, (size_t)len)) == NULL)
			return err_set(e, ERR_TOO_LARGE, "extended attributes pass %d bytes",
				MEMBER_XATTRS_MAX);
		if (len > 0)
			len = place_get(p, name, to, (size_t)len);
		if (len >= 0) {
			values->len += (size_t)len;
			return 1;
		}
		if (errno == ENODATA)
			return 0;
		if (errno != ERANGE)
			return err_errno(e, "cannot read the extended attribute %s", name);
	}
	return err_set(e, ERR_CHANGED, "extended attributes keep changing");
}

static int
attributes_compare(const void *a, const void *b)
{
	return strcmp(
		((const struct member_xattr *)a)->name, ((const struct member_xattr *)b)->name);
}

static size_t
count_names(const struct buf *names)
{
	size_t count = 0;

	for (size_t i = 0; i < names->len; i++)
		count += names->data[i] == '\0';
	return count;
}

/* What this process sees by itself. */
static int
attributes_read_own(struct attributes *a, const struct place *p, struct err *e)
{
	const char *name;
	const char *at;

	if (list_names(&a->names, p, e) != 0)
		return -1;
	if (a->names.len == 0)
		return 0;
	a->xattrs = mem_array(a->xattrs, count_names(&a->names) + 1, sizeof(*a->xattrs));
	for (name = a->names.data; name < a->names.data + a->names.len; name += strlen(name) + 1) {
		size_t before = a->values.len;
		int got;

		if (overlay_mark(name, a->flags))
			continue;
		if ((got = get_value(&a->values, p, name, e)) < 0)
			return -1;
		if (got == 0)
			continue;
		a->xattrs[a->count++] =
			(struct member_xattr){.name = name, .len = a->values.len - before};
	}
	at = a->values.data;
	for (size_t i = 0; i < a->count; i++) {
		a->xattrs[i].value = at == NULL ? "" : at;
		at += a->xattrs[i].len;
	}
	return 0;
}

/* What a keeper sees. */
static int
read_trusted(struct attributes *a, const struct place *p, struct err *e)
{
	struct member_xattr x;
	const void *value;
	size_t at = 0;

	buf_clear(&a->records);
	if (trusted_get(p->of, p->name, &a->records, e) != 0)
		return -1;
	while (trusted_next(&a->records, &at, &x.name, &value, &x.len)) {
		x.value = value;
		if (overlay_mark(x.name, a->flags))
			continue;
		a->xattrs = mem_array(a->xattrs, a->count + 1, sizeof(*a->xattrs));
		a->xattrs[a->count++] = x;
	}
	return 0;
}

/* Who reads and sets them. */
enum trusted_by { BY_NOBODY, BY_ITSELF, BY_KEEPER };

static enum trusted_by
trusted_by(void)
{
	if (attributes_see_trusted())
		return BY_ITSELF;
	return trusted_kept() ? BY_KEEPER : BY_NOBODY;
}

int
attributes_read(struct attributes *a, const struct place *p, int flags, struct err *e)
{
	const enum trusted_by by = (flags & ATTRIBUTES_TRUSTED) != 0 ? trusted_by() : BY_ITSELF;

	a->count = 0;
	a->flags = by == BY_NOBODY ? flags & ~ATTRIBUTES_TRUSTED : flags;
	buf_clear(&a->values);
	if (attributes_read_own(a, p, e) != 0)
		return -1;
	if (by == BY_KEEPER && read_trusted(a, p, e) != 0)
		return -1;
	if (a->count > 0)
		qsort(a->xattrs, a->count, sizeof(*a->xattrs), attributes_compare);
	return 0;
}

bool
attributes_has_trusted(const struct member *m)
{
	for (size_t i = 0; i < m->xattr_count; i++)
		if (attributes_is_trusted(m->xattrs[i].name))
			return true;
	return false;
}

static bool
has_xattr(const struct member *m, const char *name)
{
	for (size_t i = 0; i < m->xattr_count; i++)
		if (strcmp(m->xattrs[i].name, name) == 0)
			return true;
	return false;
}

/* Labels that belong to the machine, not to the file. */
static bool
machine_label(const char *name)
{
	return strcmp(name, "security.selinux") == 0 || strcmp(name, "security.ima") == 0 ||
	       strcmp(name, "security.evm") == 0 || strcmp(name, "security.SMACK64") == 0;
}

bool
attributes_see_trusted(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	return syscall(SYS_capget, &head, data) == 0 &&
	       (data[0].effective & (1u << CAP_SYS_ADMIN)) != 0;
}

static atomic_bool missed;

bool
attributes_missed(void)
{
	return atomic_exchange(&missed, false);
}

/* One of a member that was compared with what was read with ${flags}: it could not be seen. */
static bool
is_beyond(const char *name, int flags)
{
	if (!attributes_is_trusted(name) || (flags & ATTRIBUTES_TRUSTED) != 0 ||
		attributes_see_trusted())
		return false;
	atomic_store(&missed, true);
	return true;
}

/* The next one from ${i} on that belongs to the file. */
static size_t
next_own(const struct member_xattr *list, size_t count, size_t i, int flags)
{
	/* What is no mark of a layer is the file's own. */
	flags &= ~ATTRIBUTES_LAYER;
	while (i < count && (overlay_mark(list[i].name, flags) || machine_label(list[i].name) ||
				    is_beyond(list[i].name, flags)))
		i++;
	return i;
}

bool
attributes_equal(const struct attributes *a, const struct member *m)
{
	const int flags = a->flags;
	size_t i = next_own(a->xattrs, a->count, 0, flags);
	size_t k = next_own(m->xattrs, m->xattr_count, 0, flags);

	while (i < a->count && k < m->xattr_count) {
		const struct member_xattr *x = &a->xattrs[i], *y = &m->xattrs[k];

		if (strcmp(x->name, y->name) != 0 || x->len != y->len ||
			(x->len > 0 && memcmp(x->value, y->value, x->len) != 0))
			return false;
		i = next_own(a->xattrs, a->count, i + 1, flags);
		k = next_own(m->xattrs, m->xattr_count, k + 1, flags);
	}
	return i == a->count && k == m->xattr_count;
}

/* Whether ${name} stays, though ${m} does not have it. */
static bool
is_let_be(const char *name, int flags)
{
	if (machine_label(name) || attributes_starts(name, "user.overlay."))
		return true;
	/* trusted.* of others are seen by who has SYS_ADMIN, and were always removed then. */
	return attributes_starts(name, "trusted.overlay.") && (flags & ATTRIBUTES_MARKS) == 0;
}

/* …of trusted.*, by the keeper. */
static int
remove_trusted(const struct place *p, const struct member *m, int flags, struct err *e)
{
	SCOPED(buf_free) struct buf records = BUF_INIT(TRUSTED_MAX);
	const char *name;
	const void *value;
	size_t len, at = 0;

	if (trusted_get(p->of, p->name, &records, e) != 0)
		return -1;
	while (trusted_next(&records, &at, &name, &value, &len))
		if (!has_xattr(m, name) && !is_let_be(name, flags) &&
			trusted_set(p->of, name, NULL, 0, e) < 0)
			return -1;
	return 0;
}

static int
remove_others(const struct place *p, const struct member *m, int flags, struct err *e)
{
	SCOPED(buf_free) struct buf names = BUF_INIT(LIST_MAX);
	const char *name;

	if (list_names(&names, p, e) != 0)
		return -1;
	for (name = names.data; name < names.data + names.len; name += strlen(name) + 1) {
		if (has_xattr(m, name) || is_let_be(name, flags))
			continue;
		if (place_remove(p, name) != 0 && errno != ENODATA)
			return err_errno(e, "cannot remove the extended attribute %s", name);
	}
	if ((flags & ATTRIBUTES_TRUSTED) != 0 && trusted_by() == BY_KEEPER)
		return remove_trusted(p, m, flags, e);
	return 0;
}

static int
set_by_keeper(const struct place *p, const struct member_xattr *x, struct err *e)
{
	const int set = trusted_set(p->of, x->name, x->len == 0 ? "" : x->value, x->len, e);

	if (set == 0)
		atomic_store(&missed, true);
	return set < 0 ? -1 : 0;
}

static int
set_xattrs(const struct place *p, const struct member *m, int flags, struct err *e)
{
	if (remove_others(p, m, flags, e) != 0)
		return -1;
	for (size_t i = 0; i < m->xattr_count; i++) {
		const struct member_xattr *x = &m->xattrs[i];

		if (attributes_is_trusted(x->name) && !attributes_see_trusted()) {
			if (set_by_keeper(p, x, e) != 0)
				return -1;
		} else if (place_set(p, x->name, x->value, x->len) != 0) {
			return err_errno(e, "cannot set the extended attribute %.255s", x->name);
		}
	}
	return 0;
}

int
attributes_apply_mtime(const struct place *p, member_time mtime_ns, struct err *e)
{
	member_time rest = mtime_ns % NS;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};

	if (rest < 0)
		rest += NS;
	times[1].tv_nsec = (long)rest;
	times[1].tv_sec = (time_t)((mtime_ns - rest) / NS);
	if (place_times(p, times) != 0)
		return err_errno(e, "cannot set the time of modification");
	return 0;
}

/* All that chown does not decide. */
static int
apply_rest(const struct place *p, const struct member *m, int flags, struct err *e)
{
	if (set_xattrs(p, m, flags, e) != 0)
		return -1;
	if (m->type != MEMBER_SYMLINK && place_chmod(p, m->mode & 07777) != 0)
		return err_errno(e, "cannot set the mode");
	return attributes_apply_mtime(p, m->mtime_ns, e);
}

int
attributes_apply_all(const struct place *p, const struct member *m, int flags, struct err *e)
{
	if (place_chown(p, m->uid, m->gid) != 0)
		return err_errno(
			e, "cannot set the owner to %u:%u", (unsigned)m->uid, (unsigned)m->gid);
	return apply_rest(p, m, flags, e);
}

int
attributes_apply(const struct place *p, const struct member *m, struct err *e)
{
	return attributes_apply_all(p, m, 0, e);
}

int
attributes_apply_new(int fd, const struct member *m, const struct stat *st, struct err *e)
{
	struct place place;

	place_open(&place, fd);
	return st->st_uid == m->uid && st->st_gid == m->gid ? apply_rest(&place, m, 0, e)
							    : attributes_apply(&place, m, e);
}
