#include "engine/lender/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"

/* Deeper than this no engine puts its containers (/kubepods/burstable/pod…/ID is 4). */
enum { DEPTH_MAX = 12, LOOK_US = 500 };

struct freezer_files {
	int fds[CGROUP_FDS]; /* -1: none; equal in version 1 */
};

struct cgroups {
	int base_fd;  /* -1: the freezers were opened by somebody else */
	bool unified; /* version 2 */
	struct freezer_files *list;
	size_t count;
};

struct cgroups_search {
	struct cgroups *of;
	const char *const *ids;
	size_t found;
};

static const struct freezer_files no_files = {{-1, -1}};

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
files_close(struct freezer_files *f)
{
	fd_close_at(&f->fds[CGROUP_WRITE]);
	if (f->fds[CGROUP_READ] != f->fds[CGROUP_WRITE])
		fd_close_at(&f->fds[CGROUP_READ]);
	*f = no_files;
}

/* Room for so many, none of them known. */
static void
reset(struct cgroups *c, size_t count)
{
	for (size_t i = 0; i < c->count; i++)
		files_close(&c->list[i]);
	c->list = mem_array(c->list, count + 1, sizeof(*c->list));
	for (size_t i = 0; i < count; i++)
		c->list[i] = no_files;
	c->count = count;
}

struct cgroups *
cgroups_new(bool unified, size_t count)
{
	struct cgroups *c = mem_new(sizeof(*c));

	*c = (struct cgroups){.base_fd = -1, .unified = unified};
	reset(c, count);
	return c;
}

void
cgroups_adopt(struct cgroups *c, size_t i, const int fds[CGROUP_FDS])
{
	files_close(&c->list[i]);
	memcpy(c->list[i].fds, fds, sizeof(c->list[i].fds));
}

void
cgroups_close(struct cgroups *c)
{
	if (c == NULL)
		return;
	reset(c, 0);
	free(c->list);
	fd_close_at(&c->base_fd);
	free(c);
}

/* ID, ID.scope, PREFIX-ID or PREFIX-ID.scope; Podman's conmon has a cgroup beside the container's.
 */
static bool
cgroups_names(const char *folder, const char *id)
{
	const char *at = strstr(folder, id);
	const char *end = at == NULL ? "" : at + strlen(id);

	if (at == NULL || id[0] == '\0' || strstr(folder, "conmon") != NULL)
		return false;
	return (at == folder || at[-1] == '-') && (*end == '\0' || strcmp(end, ".scope") == 0);
}

/* Open the files of the freezer in ${folder}.  False if they cannot be written and read. */
static bool
files_open(const struct cgroups *c, int dir_fd, const char *folder, struct freezer_files *ret)
{
	SCOPED(fd_close_at)
	int fd = openat(dir_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct freezer_files files = no_files;

	if (fd < 0)
		return false;
	files.fds[CGROUP_WRITE] =
		openat(fd, c->unified ? "cgroup.freeze" : "freezer.state", O_RDWR | O_CLOEXEC);
	files.fds[CGROUP_READ] = c->unified ? openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC)
					    : files.fds[CGROUP_WRITE];
	if (files.fds[CGROUP_WRITE] < 0 || files.fds[CGROUP_READ] < 0) {
		files_close(&files);
		return false;
	}
	*ret = files;
	return true;
}

/* True if ${folder} is the cgroup of one of the containers. */
static bool
cgroups_take(struct cgroups_search *s, int dir_fd, const char *folder)
{
	for (size_t i = 0; i < s->of->count; i++) {
		if (cgroups_has(s->of, i) || !cgroups_names(folder, s->ids[i]))
			continue;
		s->found += files_open(s->of, dir_fd, folder, &s->of->list[i]);
		return true;
	}
	return false;
}

/* Takes ${fd}. */
static void
cgroups_search(struct cgroups_search *s, int fd, int depth)
{
	SCOPED(dir_close_at) DIR *dir = fdopendir(fd);
	const struct dirent *entry;

	if (dir == NULL) {
		fd_close_at(&fd);
		return;
	}
	while (s->found < s->of->count && (entry = readdir(dir)) != NULL) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
			cgroups_take(s, dirfd(dir), entry->d_name) || depth == DEPTH_MAX)
			continue;
		const int inner = openat(
			dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (inner >= 0)
			cgroups_search(s, inner, depth + 1);
	}
}

int
cgroups_find(struct cgroups *c, const char *const *ids, size_t count, struct err *e)
{
	struct cgroups_search s = {c, ids, 0};
	const int fd = openat(c->base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "the host's cgroups cannot be listed");
	reset(c, count);
	cgroups_search(&s, fd, 0);
	return (int)s.found;
}

bool
cgroups_unified(const struct cgroups *c)
{
	return c->unified;
}

bool
cgroups_has(const struct cgroups *c, size_t i)
{
	return c != NULL && i < c->count && c->list[i].fds[CGROUP_WRITE] >= 0;
}

const int *
cgroups_fds(const struct cgroups *c, size_t i)
{
	return c->list[i].fds;
}

static bool
gone(int error)
{
	return error == ENODEV || error == ENOENT;
}

enum cgroup_state
cgroups_state(const struct cgroups *c, size_t i)
{
	char text[256];
	ssize_t len;

	if (!cgroups_has(c, i))
		return CGROUP_UNKNOWN;
	len = pread(c->list[i].fds[CGROUP_READ], text, sizeof(text) - 1, 0);
	if (len < 0)
		return gone(errno) ? CGROUP_GONE : CGROUP_UNKNOWN;
	text[len] = '\0';
	if (c->unified)
		return strstr(text, "frozen 1") != NULL ? CGROUP_FROZEN : CGROUP_RUNS;
	if (strncmp(text, "FREEZING", 8) == 0)
		return CGROUP_FREEZING;
	return strncmp(text, "FROZEN", 6) == 0 ? CGROUP_FROZEN : CGROUP_RUNS;
}

int
cgroups_is_set(const struct cgroups *c, size_t i)
{
	char text[32];
	ssize_t len;

	if (!cgroups_has(c, i))
		return -1;
	len = pread(c->list[i].fds[CGROUP_WRITE], text, sizeof(text) - 1, 0);
	if (len <= 0)
		return -1;
	text[len] = '\0';
	return c->unified ? text[0] == '1' : strncmp(text, "THAWED", 6) != 0;
}

int
cgroups_set(const struct cgroups *c, size_t i, bool frozen, struct err *e)
{
	const char *on = c->unified ? "1" : "FROZEN", *off = c->unified ? "0" : "THAWED";
	const char *text = frozen ? on : off;

	if (pwrite(c->list[i].fds[CGROUP_WRITE], text, strlen(text), 0) == (ssize_t)strlen(text) ||
		gone(errno))
		return 0;
	return err_errno(e, "a container's cgroup cannot be written");
}

int
cgroups_await(const struct cgroups *c, size_t i, int wait_ms, cgroups_again *again, void *ctx,
	struct err *e)
{
	const int64_t since_ns = clock_mono_ns();
	int wanted = 1;

	for (;;) {
		const enum cgroup_state state = cgroups_state(c, i);

		if (state == CGROUP_FROZEN || state == CGROUP_GONE)
			return 0;
		if (clock_since_ms(since_ns) > wait_ms)
			return err_set(e, ERR_TIMEOUT,
				"a container's cgroup did not freeze within %d ms", wait_ms);
		(void)usleep(LOOK_US);
		if (!c->unified)
			wanted = again(ctx, e);
		if (wanted <= 0)
			return wanted;
	}
}
