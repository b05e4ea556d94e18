#include "engine/lender/trusted_attributes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/trusted.h"

enum {
	LIST_MAX = 64 * 1024,  /* XATTR_LIST_MAX of linux/limits.h */
	VALUE_MAX = 64 * 1024, /* XATTR_SIZE_MAX */
	PATH_LEN = NAME_MAX + 64
};

static bool
trusted_attributes_is_trusted(const char *name)
{
	return strncmp(name, "trusted.", 8) == 0;
}

/* One part of a path, or nothing. */
static bool
trusted_attributes_is_name(const char *name)
{
	return strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strlen(name) <= NAME_MAX;
}

static bool
has_any(int fd, const char *name, char *list)
{
	char path[PATH_LEN];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", fd, name);
	len = llistxattr(path, list, LIST_MAX);
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(list + at) + 1)
		if (trusted_attributes_is_trusted(list + at))
			return true;
	return false;
}

/* A descriptor of its own, for the position in the folder is the sender's. */
static int
tell_any(int dir_fd, struct wire_message *ret, struct err *e)
{
	const int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SCOPED(dir_close_at) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	SCOPED(free_at) char *list = mem_new(LIST_MAX);
	const struct dirent *x;

	if (dir == NULL)
		return err_errno(e, "a folder");
	ret->len = 1;
	ret->data[0] = 0;
	while (ret->data[0] == 0 && (x = readdir(dir)) != NULL)
		ret->data[0] = has_any(fd, x->d_name, list);
	return 0;
}

static int
trusted_attributes_add_value(struct buf *records, const char *path, bool below, const char *name,
	char *value, struct err *e)
{
	const ssize_t len = below ? lgetxattr(path, name, value, VALUE_MAX)
				  : getxattr(path, name, value, VALUE_MAX);

	if (len < 0)
		return errno == ENODATA ? 0 : err_errno(e, "the extended attribute %.200s", name);
	return trusted_record(records, name, value, (size_t)len) == 0
		       ? 0
		       : err_set(e, ERR_TOO_LARGE, "extended attributes pass %d bytes",
				 TRUSTED_MAX);
}

static int
trusted_attributes_send_all(int socket, const struct buf *records, struct err *e)
{
	for (size_t at = 0; at < records->len; at += WIRE_MAX) {
		const size_t left = records->len - at;

		if (wire_send(socket, 'p', records->data + at, left < WIRE_MAX ? left : WIRE_MAX,
			    e) != 0)
			return -1;
	}
	return 0;
}

static int
tell_all(int socket, int fd, const char *name, struct err *e)
{
	SCOPED(buf_free) struct buf records = BUF_INIT(TRUSTED_MAX);
	SCOPED(free_at) char *list = mem_new(LIST_MAX);
	SCOPED(free_at) char *value = mem_new(VALUE_MAX);
	const bool below = name[0] != '\0';
	char path[PATH_LEN];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d%s%s", fd, below ? "/" : "", name);
	len = below ? llistxattr(path, list, LIST_MAX) : listxattr(path, list, LIST_MAX);
	if (len < 0 && errno != ENOTSUP && errno != ENOENT)
		return err_errno(e, "cannot list extended attributes");
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(list + at) + 1)
		if (trusted_attributes_is_trusted(list + at) &&
			trusted_attributes_add_value(&records, path, below, list + at, value, e) !=
				0)
			return -1;
	return trusted_attributes_send_all(socket, &records, e);
}

/* Set or remove; the answer is an errno. */
static void
trusted_attributes_change(int fd, const struct wire_message *m, struct wire_message *ret)
{
	const size_t name_len = strlen(m->data) + 1;
	char path[PATH_LEN];
	int status;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (m->type == 'U')
		status = removexattr(path, m->data);
	else
		status = setxattr(path, m->data, m->data + name_len,
			m->len < name_len ? 0 : m->len - name_len, 0);
	ret->len = 1;
	ret->data[0] = (char)(status == 0 || (m->type == 'U' && errno == ENODATA) ? 0 : errno);
}

bool
trusted_attributes_are_asked(char type)
{
	return type != '\0' && strchr("wnuU", type) != NULL;
}

int
trusted_attributes_answer(
	int socket, const struct wire_message *m, struct wire_message *ret, struct err *e)
{
	if (m->fd_count != 1)
		return err_set(e, ERR_INVALID, "a message without its file");
	if (m->type == 'w')
		return tell_any(m->fds[0], ret, e);
	if (m->type == 'n')
		return trusted_attributes_is_name(m->data)
			       ? tell_all(socket, m->fds[0], m->data, e)
			       : err_set(e, ERR_INVALID, "that is no name");
	if (!trusted_attributes_is_trusted(m->data))
		return err_set(e, ERR_INVALID, "%.100s is not for the lender", m->data);
	trusted_attributes_change(m->fds[0], m, ret);
	return 0;
}
