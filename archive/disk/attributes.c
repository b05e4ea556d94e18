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

enum {
	LIST_MAX = 64 * 1024,  /* XATTR_LIST_MAX of linux/limits.h */
	VALUE_MAX = 64 * 1024, /* XATTR_SIZE_MAX */
	RETRIES = 8,	       /* a list that grows between two calls */
	NS = 1000000000
};

void
place_below(struct place *p, int dir_fd, const char *name)
{
	(void)snprintf(p->path, sizeof(p->path), "/proc/self/fd/%d/%s", dir_fd, name);
	p->follow = false;
	p->fd = -1;
}

void
place_itself(struct place *p, int fd, bool directory)
{
	(void)snprintf(p->path, sizeof(p->path), "/proc/self/fd/%d%s", fd, directory ? "/." : "");
	p->follow = !directory;
	p->fd = -1;
}

void
place_open(struct place *p, int fd)
{
	*p = (struct place){.fd = fd};
}

void
attributes_init(struct attributes *a)
{
	*a = (struct attributes){
		.names = BUF_INIT(LIST_MAX), .values = BUF_INIT(MEMBER_XATTRS_MAX)};
}

void
attributes_free(struct attributes *a)
{
	free(a->xattrs);
	a->xattrs = NULL;
	buf_free(&a->names);
	buf_free(&a->values);
}

static ssize_t
list_call(const struct place *p, char *list, size_t size)
{
	if (p->fd >= 0)
		return flistxattr(p->fd, list, size);
	return p->follow ? listxattr(p->path, list, size) : llistxattr(p->path, list, size);
}

static ssize_t
get_call(const struct place *p, const char *name, void *value, size_t size)
{
	if (p->fd >= 0)
		return fgetxattr(p->fd, name, value, size);
	return p->follow ? getxattr(p->path, name, value, size)
			 : lgetxattr(p->path, name, value, size);
}

static int
remove_call(const struct place *p, const char *name)
{
	if (p->fd >= 0)
		return fremovexattr(p->fd, name);
	return p->follow ? removexattr(p->path, name) : lremovexattr(p->path, name);
}

static int
set_call(const struct place *p, const struct member_xattr *x)
{
	if (p->fd >= 0)
		return fsetxattr(p->fd, x->name, x->value, x->len, 0);
	return p->follow ? setxattr(p->path, x->name, x->value, x->len, 0)
			 : lsetxattr(p->path, x->name, x->value, x->len, 0);
}

static int
chown_call(const struct place *p, const struct member *m)
{
	if (p->fd >= 0)
		return fchown(p->fd, m->uid, m->gid);
	return p->follow ? chown(p->path, m->uid, m->gid) : lchown(p->path, m->uid, m->gid);
}

static int
chmod_call(const struct place *p, mode_t mode)
{
	return p->fd >= 0 ? fchmod(p->fd, mode) : chmod(p->path, mode);
}

static int
times_call(const struct place *p, const struct timespec times[2])
{
	if (p->fd >= 0)
		return futimens(p->fd, times);
	return utimensat(AT_FDCWD, p->path, times, p->follow ? 0 : AT_SYMLINK_NOFOLLOW);
}

static bool
starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool
overlay_mark(const char *name, bool layer)
{
	return starts(name, "trusted.overlay.") || (layer && starts(name, "user.overlay."));
}

/* Names separated by NULs; 0 bytes where there are none. */
static int
list_names(struct buf *names, const struct place *p, struct err *e)
{
	buf_clear(names);
	for (int i = 0; i < RETRIES; i++) {
		ssize_t len = list_call(p, NULL, 0);
		char *to;

		if (len == 0 || (len < 0 && errno == ENOTSUP))
			return 0;
		if (len < 0)
			return err_errno(e, "cannot list extended attributes");
		if ((to = buf_reserve(names, (size_t)len)) == NULL)
			return err_set(e, ERR_TOO_LARGE, "too many extended attributes");
		len = list_call(p, to, (size_t)len);
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
		ssize_t len = get_call(p, name, NULL, 0);
		char *to;

		if (len < 0 && (errno == ENODATA || errno == EPERM || errno == ENOTSUP))
			return 0;
		if (len < 0)
			return err_errno(e, "cannot read the extended attribute %s", name);
		if ((to = buf_reserve(values, (size_t)len)) == NULL)
			return err_set(e, ERR_TOO_LARGE, "extended attributes pass %d bytes",
				MEMBER_XATTRS_MAX);
		if (len > 0)
			len = get_call(p, name, to, (size_t)len);
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
compare(const void *a, const void *b)
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

int
attributes_read(struct attributes *a, const struct place *p, bool layer, struct err *e)
{
	const char *name;
	const char *at;

	a->count = 0;
	buf_clear(&a->values);
	if (list_names(&a->names, p, e) != 0)
		return -1;
	if (a->names.len == 0)
		return 0;
	a->xattrs = mem_array(a->xattrs, count_names(&a->names) + 1, sizeof(*a->xattrs));
	for (name = a->names.data; name < a->names.data + a->names.len; name += strlen(name) + 1) {
		size_t before = a->values.len;
		int got;

		if (overlay_mark(name, layer))
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
	qsort(a->xattrs, a->count, sizeof(*a->xattrs), compare);
	return 0;
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

/* One of a member that this process could neither see nor set. */
static bool
is_beyond(const char *name)
{
	if (!starts(name, "trusted.") || attributes_see_trusted())
		return false;
	atomic_store(&missed, true);
	return true;
}

/* The next one from ${i} on that belongs to the file. */
static size_t
next_own(const struct member_xattr *list, size_t count, size_t i)
{
	while (i < count && (overlay_mark(list[i].name, false) || machine_label(list[i].name) ||
				    is_beyond(list[i].name)))
		i++;
	return i;
}

bool
attributes_equal(const struct attributes *a, const struct member *m)
{
	size_t i = next_own(a->xattrs, a->count, 0), k = next_own(m->xattrs, m->xattr_count, 0);

	while (i < a->count && k < m->xattr_count) {
		const struct member_xattr *x = &a->xattrs[i], *y = &m->xattrs[k];

		if (strcmp(x->name, y->name) != 0 || x->len != y->len ||
			(x->len > 0 && memcmp(x->value, y->value, x->len) != 0))
			return false;
		i = next_own(a->xattrs, a->count, i + 1);
		k = next_own(m->xattrs, m->xattr_count, k + 1);
	}
	return i == a->count && k == m->xattr_count;
}

static int
remove_others(const struct place *p, const struct member *m, struct err *e)
{
	SCOPED(buf_free) struct buf names = BUF_INIT(LIST_MAX);
	const char *name;

	if (list_names(&names, p, e) != 0)
		return -1;
	for (name = names.data; name < names.data + names.len; name += strlen(name) + 1) {
		if (has_xattr(m, name) || overlay_mark(name, true) || machine_label(name))
			continue;
		if (remove_call(p, name) != 0 && errno != ENODATA)
			return err_errno(e, "cannot remove the extended attribute %s", name);
	}
	return 0;
}

static int
set_xattrs(const struct place *p, const struct member *m, struct err *e)
{
	if (remove_others(p, m, e) != 0)
		return -1;
	for (size_t i = 0; i < m->xattr_count; i++) {
		const struct member_xattr *x = &m->xattrs[i];
		if (overlay_mark(x->name, false) || is_beyond(x->name))
			continue;
		if (set_call(p, x) != 0)
			return err_errno(e, "cannot set the extended attribute %.255s", x->name);
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
	if (times_call(p, times) != 0)
		return err_errno(e, "cannot set the time of modification");
	return 0;
}

/* All that chown does not decide. */
static int
apply_rest(const struct place *p, const struct member *m, struct err *e)
{
	if (set_xattrs(p, m, e) != 0)
		return -1;
	if (m->type != MEMBER_SYMLINK && chmod_call(p, m->mode & 07777) != 0)
		return err_errno(e, "cannot set the mode");
	return attributes_apply_mtime(p, m->mtime_ns, e);
}

int
attributes_apply(const struct place *p, const struct member *m, struct err *e)
{
	if (chown_call(p, m) != 0)
		return err_errno(
			e, "cannot set the owner to %u:%u", (unsigned)m->uid, (unsigned)m->gid);
	return apply_rest(p, m, e);
}

int
attributes_apply_new(int fd, const struct member *m, const struct stat *st, struct err *e)
{
	struct place place;

	place_open(&place, fd);
	return st->st_uid == m->uid && st->st_gid == m->gid ? apply_rest(&place, m, e)
							    : attributes_apply(&place, m, e);
}
