#include "archive/disk/place.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

void
place_below(struct place *p, int dir_fd, const char *name)
{
	(void)snprintf(p->path, sizeof(p->path), "/proc/self/fd/%d/%s", dir_fd, name);
	p->follow = false;
	p->fd = -1;
	p->of = dir_fd;
	p->name = name;
}

void
place_itself(struct place *p, int fd, bool directory)
{
	(void)snprintf(p->path, sizeof(p->path), "/proc/self/fd/%d%s", fd, directory ? "/." : "");
	p->follow = !directory;
	p->fd = -1;
	p->of = fd;
	p->name = "";
}

void
place_open(struct place *p, int fd)
{
	*p = (struct place){.fd = fd, .of = fd, .name = ""};
}

ssize_t
place_list(const struct place *p, char *list, size_t size)
{
	if (p->fd >= 0)
		return flistxattr(p->fd, list, size);
	return p->follow ? listxattr(p->path, list, size) : llistxattr(p->path, list, size);
}

ssize_t
place_get(const struct place *p, const char *name, void *value, size_t size)
{
	if (p->fd >= 0)
		return fgetxattr(p->fd, name, value, size);
	return p->follow ? getxattr(p->path, name, value, size)
			 : lgetxattr(p->path, name, value, size);
}

int
place_remove(const struct place *p, const char *name)
{
	if (p->fd >= 0)
		return fremovexattr(p->fd, name);
	return p->follow ? removexattr(p->path, name) : lremovexattr(p->path, name);
}

int
place_set(const struct place *p, const char *name, const void *value, size_t len)
{
	if (p->fd >= 0)
		return fsetxattr(p->fd, name, value, len, 0);
	return p->follow ? setxattr(p->path, name, value, len, 0)
			 : lsetxattr(p->path, name, value, len, 0);
}

int
place_chown(const struct place *p, uid_t uid, gid_t gid)
{
	if (p->fd >= 0)
		return fchown(p->fd, uid, gid);
	return p->follow ? chown(p->path, uid, gid) : lchown(p->path, uid, gid);
}

int
place_chmod(const struct place *p, mode_t mode)
{
	return p->fd >= 0 ? fchmod(p->fd, mode) : chmod(p->path, mode);
}

int
place_times(const struct place *p, const struct timespec times[2])
{
	if (p->fd >= 0)
		return futimens(p->fd, times);
	return utimensat(AT_FDCWD, p->path, times, p->follow ? 0 : AT_SYMLINK_NOFOLLOW);
}
