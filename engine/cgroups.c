#include "engine/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"

/* Deeper than this no engine puts its containers (/kubepods/burstable/pod…/ID is 4). */
enum { DEPTH_MAX = 12, FREEZE_MS = 2000, LOOK_US = 500 };

struct cgroups {
	int base_fd;
	bool unified; /* version 2 */
	int *folders;
	size_t count;
};

struct search {
	struct cgroups *of;
	const char *const *ids;
	bool *found;
	size_t count;
};

int
cgroups_open(const char *base, struct cgroups **ret_cgroups, struct err *e)
{
	SCOPED(free_at) char *first = mem_format("%s/freezer", base);
	struct cgroups *c;
	int fd = open(first, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const bool unified = fd < 0;

	if (unified)
		fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (unified && faccessat(fd, "cgroup.controllers", F_OK, 0) != 0)) {
		fd_close_at(&fd);
		return err_set(e, ERR_UNSUPPORTED,
			"the cgroup freezer was not found below /sys/fs/cgroup of the host: set "
			"FUEL_BACKUP_FREEZER=docker");
	}
	c = mem_new(sizeof(*c));
	*c = (struct cgroups){.base_fd = fd, .unified = unified};
	*ret_cgroups = c;
	return 0;
}

static void
forget(struct cgroups *c)
{
	for (size_t i = 0; i < c->count; i++)
		(void)close(c->folders[i]);
	c->count = 0;
}

void
cgroups_close(struct cgroups *c)
{
	if (c == NULL)
		return;
	forget(c);
	free(c->folders);
	fd_close_at(&c->base_fd);
	free(c);
}

/* ID, or PREFIX-ID.scope as systemd names them. */
static bool
names(const char *folder, const char *id)
{
	const char *dash = strchr(folder, '-');
	const size_t len = strlen(id);

	if (strcmp(folder, id) == 0)
		return true;
	return dash != NULL && strncmp(dash + 1, id, len) == 0 &&
	       strcmp(dash + 1 + len, ".scope") == 0;
}

static bool
take(struct search *s, int dir_fd, const char *folder)
{
	for (size_t i = 0; i < s->count; i++) {
		int fd;

		if (s->found[i] || !names(folder, s->ids[i]))
			continue;
		fd = openat(dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return false;
		s->found[i] = true;
		s->of->folders[s->of->count++] = fd;
		return true;
	}
	return false;
}

/* Takes ${fd}. */
static void
search(struct search *s, int fd, int depth)
{
	SCOPED(dir_close_at) DIR *dir = fdopendir(fd);
	const struct dirent *entry;

	if (dir == NULL) {
		fd_close_at(&fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
			take(s, dirfd(dir), entry->d_name) || depth == DEPTH_MAX)
			continue;
		const int inner = openat(
			dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (inner >= 0)
			search(s, inner, depth + 1);
	}
}

int
cgroups_find(struct cgroups *c, const char *const *ids, size_t count, const char **ret_missing,
	struct err *e)
{
	SCOPED(free_at) bool *found = mem_new(count + 1);
	struct search s = {c, ids, found, count};
	const int fd = openat(c->base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "the host's cgroups cannot be listed");
	forget(c);
	c->folders = mem_array(c->folders, count + 1, sizeof(*c->folders));
	search(&s, fd, 0);
	*ret_missing = NULL;
	for (size_t i = count; i-- > 0;)
		if (!found[i])
			*ret_missing = ids[i];
	return (int)c->count;
}

/* Write ${text} to a file of the cgroup; a cgroup that has gone is success. */
static int
put(int folder, const char *file, const char *text, struct err *e)
{
	SCOPED(fd_close_at) int fd = openat(folder, file, O_WRONLY | O_CLOEXEC);

	if ((fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text)) ||
		errno == ENOENT || errno == ENODEV)
		return 0;
	return err_errno(e, "the cgroup's %s cannot be written", file);
}

static int
write_state(const struct cgroups *c, size_t i, bool frozen, struct err *e)
{
	return c->unified ? put(c->folders[i], "cgroup.freeze", frozen ? "1" : "0", e)
			  : put(c->folders[i], "freezer.state", frozen ? "FROZEN" : "THAWED", e);
}

static bool
is_frozen(const struct cgroups *c, size_t i)
{
	SCOPED(fd_close_at)
	int fd = openat(c->folders[i], c->unified ? "cgroup.events" : "freezer.state",
		O_RDONLY | O_CLOEXEC);
	char text[256];
	const ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (len < 0)
		return errno == ENOENT || errno == ENODEV;
	text[len] = '\0';
	return c->unified ? strstr(text, "frozen 1") != NULL : strncmp(text, "FROZEN", 6) == 0;
}

int
cgroups_freeze(struct cgroups *c, struct err *e)
{
	const int64_t since_ns = clock_mono_ns();

	for (size_t i = 0; i < c->count; i++)
		if (write_state(c, i, true, e) != 0)
			return -1;
	for (size_t i = 0; i < c->count; i++)
		while (!is_frozen(c, i)) {
			if (clock_since_ms(since_ns) > FREEZE_MS)
				return err_set(e, ERR_TIMEOUT,
					"a container's cgroup did not freeze within %d ms",
					FREEZE_MS);
			(void)usleep(LOOK_US);
			/* Version 1 forgets those that were forked just then. */
			if (!c->unified && write_state(c, i, true, e) != 0)
				return -1;
		}
	return 0;
}

int
cgroups_thaw(struct cgroups *c, struct err *e)
{
	int status = 0;

	for (size_t i = 0; i < c->count; i++)
		if (write_state(c, i, false, e) != 0)
			status = -1;
	return status;
}
