/* Folders and links of the host that a restore makes, through no link. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/hostpath/hostpath_internal.h"

/* One missing folder, which looks as ${looks} says. */
static int
hostpath_make_make_one(
	int dir_fd, const char *name, const json_t *looks, int *ret_fd, struct err *e)
{
	const json_t *mode = json_object_get(looks, "mode"), *uid = json_object_get(looks, "uid");
	const json_t *gid = json_object_get(looks, "gid");
	SCOPED(fd_close_at) int fd = hostpath_open(dir_fd, name);
	char path[64];
	struct statx st;
	bool made = false;

	if (fd < 0 && errno == ENOENT) {
		made = mkdirat(dir_fd, name, 0700) == 0;
		fd = made || errno == EEXIST ? hostpath_open(dir_fd, name) : -1;
	}
	if (fd < 0 || hostpath_look(fd, &st) != 0)
		return err_errno(e, "%s", name);
	if (!S_ISDIR(st.stx_mode))
		return err_set(e, ERR_CONFLICT, "%s is no folder: move it away", name);
	if (made && (st.stx_uid != geteuid() || (st.stx_mode & 077) != 0))
		return err_set(e, ERR_CONFLICT,
			"somebody has put another folder in the place of %s: end that, and try "
			"again",
			name);
	if (made) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/.", fd);
		if (json_is_integer(uid) && json_is_integer(gid) &&
			fchownat(fd, "", (uid_t)json_integer_value(uid),
				(gid_t)json_integer_value(gid), AT_EMPTY_PATH) != 0)
			return err_errno(e, "%s", name);
		if (chmod(path, json_is_integer(mode) ? (mode_t)json_integer_value(mode) & 07777
						      : 0755) != 0)
			return err_errno(e, "%s", name);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int
hostpath_make(int root_fd, const char *path, const json_t *above, struct err *e)
{
	SCOPED(fd_close_at) int dir = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
	const char *at = path + strspn(path, "/");

	for (size_t i = 1; *at != '\0' && dir >= 0; i++) {
		const size_t len = strcspn(at, "/");
		SCOPED(free_at) char *name = mem_copy(at, len);
		const json_t *looks = json_array_get(above, i);
		int next;

		if (hostpath_make_make_one(dir, name, looks, &next, e) != 0)
			return err_prefix(e, "%.1000s", path);
		(void)close(dir);
		dir = next;
		at += len;
		at += strspn(at, "/");
	}
	return dir < 0 ? err_errno(e, "the host's root") : 0;
}

/* The folder of ${path}, through no link. */
static int
open_folder(int root_fd, const char *path, const char **ret_name, struct err *e)
{
	const char *name = strrchr(path, '/') + 1;
	SCOPED(free_at) char *folder = mem_copy(path, (size_t)(name - path));
	SCOPED(hostpath_free) struct hostpath p = {.fd = -1};

	*ret_name = name;
	if (hostpath_find(root_fd, folder, &p, e) != 0)
		return -1;
	if (p.type == HOSTPATH_MISSING && json_array_size(p.links) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no folder %s", folder);
	if (p.type != HOSTPATH_FOLDER || json_array_size(p.links) > 0)
		return err_set(e, ERR_CONFLICT,
			"%s is not the folder any more that it was: put it back", folder);
	return TAKE_FD(p.fd);
}

int
hostpath_readlink(int root_fd, const char *path, char **ret_to, struct err *e)
{
	char to[PATH_MAX];
	const char *name;
	SCOPED(fd_close_at) int dir = open_folder(root_fd, path, &name, e);

	if (dir < 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	const ssize_t len = readlinkat(dir, name, to, sizeof(to) - 1);

	if (len < 0)
		return errno == ENOENT
			       ? 0
			       : err_set(e, ERR_CONFLICT,
					 "%.1000s was a link when the backup was made, and is "
					 "none now: move it away, then restore",
					 path);
	to[len] = '\0';
	*ret_to = mem_string(to);
	return 1;
}

/* A new link in ${dir}, under a name of ours. */
static int
make_link(int dir, const char *name, const char *to, const json_t *looks, struct err *e)
{
	const json_t *uid = json_object_get(looks, "uid"), *gid = json_object_get(looks, "gid");

	if (symlinkat(to, dir, name) != 0)
		return err_errno(e, "%s", name);
	SCOPED(fd_close_at) int fd = hostpath_open(dir, name);
	struct statx st;

	if (fd < 0 || hostpath_look(fd, &st) != 0 || !S_ISLNK(st.stx_mode) || st.stx_nlink != 1)
		return err_errno(e, "%s", name);
	if (json_is_integer(uid) && json_is_integer(gid) &&
		fchownat(fd, "", (uid_t)json_integer_value(uid), (gid_t)json_integer_value(gid),
			AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
		return err_errno(e, "%s", name);
	return 0;
}

int
hostpath_link(int root_fd, const char *path, const char *to, const char *was, const json_t *looks,
	struct err *e)
{
	char is[PATH_MAX], made[48];
	unsigned char random[8];
	const char *name;
	SCOPED(fd_close_at) int dir = open_folder(root_fd, path, &name, e);

	if (dir < 0)
		return -1;
	const ssize_t len = readlinkat(dir, name, is, sizeof(is) - 1);

	is[len < 0 ? 0 : len] = '\0';
	if (len >= 0 && to != NULL && strcmp(is, to) == 0)
		return 0;
	if ((len < 0 && (errno != ENOENT || was != NULL)) ||
		(len >= 0 && (was == NULL || strcmp(is, was) != 0)))
		return err_set(e, ERR_CONFLICT, "%s is not the link any more that it was", path);
	if (to == NULL)
		return len < 0 || unlinkat(dir, name, 0) == 0 ? 0 : err_errno(e, "%s", path);
	random_bytes(random, sizeof(random));
	(void)strcpy(made, ".fuel-backup-link-");
	(void)hex_text(random, sizeof(random), made + strlen(made));
	if (make_link(dir, made, to, looks, e) == 0) {
		if (renameat2(dir, made, dir, name, len < 0 ? RENAME_NOREPLACE : 0) == 0)
			return 0;
		(void)err_errno(e, "%s", path);
	}
	(void)unlinkat(dir, made, 0);
	return -1;
}
