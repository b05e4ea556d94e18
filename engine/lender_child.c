/* The lender itself: `fuel-backupd lend SOCKET DOCKER_HOST CGROUPS ROOT…`. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/cgroups.h"
#include "engine/containers.h"
#include "engine/lender.h"
#include "engine/lender_wire.h"
#include "engine/overlays.h"
#include "engine/thaw.h"

/* An engine that restarts just now is back within this. */
enum { THAW_TRIES = 120, THAW_WAIT_US = 500 * 1000, LATE_TRIES = 30, LATE_WAIT_US = 100 * 1000 };
enum { LOOK_MS = 5000, TURNS_MAX = 16, DEPTH_MAX = 1000, HELD_MAX = 4 * 1024 * 1024 };

static const char opaque_name[] = "trusted.overlay.opaque";

struct child {
	int socket;
	const char *host;
	int *roots;
	size_t count;
	struct buf held;	   /* id NUL id NUL … */
	struct cgroups *cgroups;   /* NULL: not asked for, or there are none */
	bool freezes;		   /* by them, so that it thaws by them, too */
	bool cgroups_known;	   /* those of what is held were looked for */
	pthread_mutex_t switching; /* one container is switched at a time */
};

static int
connect_to(const char *path, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED(fd_close_at) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return err_set(e, ERR_IO, "socket %s", path);
	(void)strcpy(address.sun_path, path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return err_errno(e, "socket %s", path);
	return TAKE_FD(fd);
}

static int
open_roots(struct child *c, char **paths, struct err *e)
{
	c->roots = mem_array(NULL, c->count + 1, sizeof(int));
	for (size_t i = 0; i < c->count; i++) {
		c->roots[i] = open(paths[i], O_PATH | O_CLOEXEC);
		if (c->roots[i] < 0)
			return err_errno(e, "%s", paths[i]);
	}
	for (size_t i = 0; i < c->count; i += WIRE_FDS_MAX) {
		const size_t left = c->count - i;

		if (wire_send_fds(c->socket, c->roots + i,
			    left < WIRE_FDS_MAX ? left : WIRE_FDS_MAX, e) != 0)
			return -1;
	}
	return 0;
}

struct search {
	struct child *child;
	struct buf paths; /* not sent yet */
};

static int
flush(struct search *s, struct err *e)
{
	const int status = s->paths.len == 0 ? 0
					     : wire_send(s->child->socket, 'p', s->paths.data,
						       s->paths.len, e);

	buf_clear(&s->paths);
	return status;
}

static int
found(struct search *s, const char *path, struct err *e)
{
	if (buf_add(&s->paths, path, strlen(path) + 1) == 0)
		return 0;
	if (flush(s, e) != 0)
		return -1;
	return buf_add(&s->paths, path, strlen(path) + 1) == 0
		       ? 0
		       : err_set(e, ERR_UNSUPPORTED, "a path is over %d bytes", WIRE_MAX);
}

static bool
has_attribute(int dir_fd, const char *name, const char *attribute)
{
	char path[NAME_MAX + 64], value[8];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	return lgetxattr(path, attribute, value, sizeof(value)) >= 0 || errno == ERANGE;
}

static int search_dir(struct search *s, int fd, const char *path, int depth, struct err *e);

static int
search_entry(
	struct search *s, int dir_fd, const char *dir, const char *name, int depth, struct err *e)
{
	SCOPED(free_at)
	char *path = dir[0] == '\0' ? mem_string(name) : mem_format("%s/%s", dir, name);
	struct stat st;
	int fd;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0; /* gone again: everything runs during a live pass */
	/* A metacopy has the size of its file and no blocks. */
	if ((S_ISREG(st.st_mode) && st.st_size > 0 && st.st_blocks == 0 &&
		    has_attribute(dir_fd, name, "trusted.overlay.metacopy")) ||
		(S_ISDIR(st.st_mode) && has_attribute(dir_fd, name, "trusted.overlay.redirect")))
		return err_set(e, ERR_UNSUPPORTED,
			"%s: the engine's overlay uses redirects or metacopy files, which this "
			"version cannot capture (see redirect_dir and metacopy of the kernel's "
			"overlay module)",
			path);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (has_attribute(dir_fd, name, opaque_name) && found(s, path, e) != 0)
		return -1;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? 0 : search_dir(s, fd, path, depth + 1, e);
}

/* Takes ${fd}. */
static int
search_dir(struct search *s, int fd, const char *path, int depth, struct err *e)
{
	SCOPED(dir_close_at) DIR *dir = fdopendir(fd);
	const struct dirent *entry;

	if (dir == NULL || depth > DEPTH_MAX)
		return err_set(e, ERR_UNSUPPORTED, "%s: folders deeper than %d", path, DEPTH_MAX);
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			(entry->d_type != DT_DIR && entry->d_type != DT_REG &&
				entry->d_type != DT_UNKNOWN))
			continue;
		if (search_entry(s, dirfd(dir), path, entry->d_name, depth, e) != 0)
			return -1;
	}
	return 0;
}

static int
root_number(const struct child *c, const struct wire_message *m, uint32_t *ret, struct err *e)
{
	if (m->len < sizeof(*ret))
		return err_set(e, ERR_INVALID, "a message is too short");
	memcpy(ret, m->data, sizeof(*ret));
	return *ret < c->count ? 0 : err_set(e, ERR_INVALID, "there is no root %u", *ret);
}

static int
tell_opaque(struct child *c, const struct wire_message *m, struct err *e)
{
	struct search s = {.child = c, .paths = BUF_INIT(WIRE_MAX)};
	uint32_t root;
	int fd, status;

	if (root_number(c, m, &root, e) != 0)
		return -1;
	fd = openat(c->roots[root], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "root %u", root);
	status = search_dir(&s, fd, "", 0, e);
	if (status == 0)
		status = flush(&s, e);
	buf_free(&s.paths);
	return status;
}

static int
set_opaque(struct child *c, const struct wire_message *m, struct err *e)
{
	uint32_t root;
	char path[64];

	if (root_number(c, m, &root, e) != 0)
		return -1;
	SCOPED(fd_close_at)
	int fd = openat(c->roots[root], m->data + sizeof(root),
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || setxattr(path, opaque_name, "y", 1, 0) != 0)
		return err_errno(e, "%s", m->data + sizeof(root));
	return 0;
}

/* Find the cgroups of what is held. */
static int
find_cgroups(struct child *c, const char **ret_missing, struct err *e)
{
	SCOPED(free_at) const char **ids = NULL;
	size_t count = 0;

	if (c->cgroups == NULL)
		return err_set(e, ERR_INVALID, "this lender has no cgroups");
	for (size_t at = 0; at < c->held.len; at += strlen(c->held.data + at) + 1) {
		ids = mem_array(ids, count + 1, sizeof(*ids));
		ids[count++] = c->held.data + at;
	}
	c->cgroups_known = cgroups_find(c->cgroups, ids, count, ret_missing, e) >= 0;
	return c->cgroups_known ? 0 : -1;
}

static int
tell_cgroups(struct child *c, struct err *e)
{
	const char *missing = NULL;

	if (find_cgroups(c, &missing, e) != 0)
		return -1;
	return missing == NULL ? 0
			       : err_set(e, ERR_UNSUPPORTED,
					 "container %.12s has no cgroup below the host's "
					 "/sys/fs/cgroup: set FUEL_BACKUP_FREEZER=docker",
					 missing);
}

static int
thaw_cgroups(struct child *c, struct err *e)
{
	const char *missing;

	/* Those that an earlier lender froze are not known yet. */
	if (!c->cgroups_known && find_cgroups(c, &missing, e) != 0)
		return -1;
	return cgroups_thaw(c->cgroups, e);
}

/* One container alone, by its cgroup (thaw.h). */
static int
switch_one(void *ctx, const char *id, bool frozen, struct err *e)
{
	struct child *c = ctx;
	const char *missing = NULL;
	LOCKED(&c->switching);

	if (c->cgroups == NULL)
		return err_set(e, ERR_UNSUPPORTED, "the host's cgroups cannot be reached");
	c->cgroups_known = false;
	if (cgroups_find(c->cgroups, &id, 1, &missing, e) < 0)
		return -1;
	if (missing != NULL)
		return err_set(e, ERR_UNSUPPORTED, "container %.12s has no cgroup", id);
	return frozen ? cgroups_freeze(c->cgroups, e) : cgroups_thaw(c->cgroups, e);
}

static int
answer(struct child *c, const struct wire_message *m, struct err *e)
{
	switch (m->type) {
	case 'o':
		return tell_opaque(c, m, e);
	case 's':
		return set_opaque(c, m, e);
	case 'v':
		return overlays_tell(c->socket, e);
	case 'c':
		c->cgroups_known = false;
		buf_clear(&c->held);
		return 0;
	case 'g':
		c->cgroups_known = false;
		return buf_add(&c->held, m->data, m->len) == 0
			       ? 0
			       : err_set(e, ERR_TOO_LARGE, "too many containers");
	case 'l':
		return tell_cgroups(c, e);
	case 'f':
		return c->cgroups == NULL ? err_set(e, ERR_INVALID, "this lender has no cgroups")
					  : cgroups_freeze(c->cgroups, e);
	case 't':
		return thaw_cgroups(c, e);
	case 'F':
	case 'T':
		return switch_one(c, m->data, m->type == 'F', e);
	default:
		return err_set(e, ERR_INVALID, "unknown message");
	}
}

/* Until the service is gone. */
static void
serve(struct child *c)
{
	struct wire_message *m = mem_new(sizeof(*m));
	struct err e;

	while (wire_receive(c->socket, -1, m, &e) > 0) {
		if (answer(c, m, &e) == 0)
			(void)wire_send(c->socket, 'k', NULL, 0, &e);
		else
			(void)wire_send(c->socket, 'x', e.text, strlen(e.text), &e);
	}
	free(m);
}

/* Not paused, or gone. */
static bool
runs(struct engine *g, const char *id)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	struct err e;

	if (containers_inspect_within(g, id, LOOK_MS, &inspect, &e) != 0)
		return e.code == ERR_NOT_FOUND;
	return !json_is_true(json_object_get(json_object_get(inspect, "State"), "Paused"));
}

/* One container that is thawed, by a thread of its own. */
struct turn {
	struct child *child;
	struct engine *engine;
	const char *id;
	bool late; /* only if it is paused now */
	bool left; /* it may be frozen still */
	bool threaded;
	pthread_t thread;
};

static void *
take_turn(void *ctx)
{
	struct turn *t = ctx;
	const struct thaw_switch by = {switch_one, t->child};
	struct err ignored;
	bool helped;

	if (!t->late || !runs(t->engine, t->id))
		t->left = thaw_container(t->engine, &by, t->id, &helped, &ignored) != 0;
	return NULL;
}

/* All of them side by side: one that takes its time keeps no other frozen. */
static size_t
take_turns(struct turn *turns, size_t count)
{
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		turns[i].threaded =
			pthread_create(&turns[i].thread, NULL, take_turn, &turns[i]) == 0;
		if (!turns[i].threaded)
			(void)take_turn(&turns[i]);
	}
	for (size_t i = 0; i < count; i++) {
		if (turns[i].threaded)
			(void)pthread_join(turns[i].thread, NULL);
		left += turns[i].left;
	}
	return left;
}

/* How many stay paused; ${late}: only those are asked for that are paused now. */
static size_t
still_paused(struct engine *g, struct child *c, bool late)
{
	struct turn turns[TURNS_MAX];
	size_t count = 0, left = 0;

	for (size_t at = 0; at < c->held.len; at += strlen(c->held.data + at) + 1) {
		turns[count++] = (struct turn){
			.child = c, .engine = g, .id = c->held.data + at, .late = late};
		if (count < TURNS_MAX)
			continue;
		left += take_turns(turns, count);
		count = 0;
	}
	return left + take_turns(turns, count);
}

/* The service died while its containers stood still, or were just being paused: what it had asked
 * for the engine may still carry out, when all others run again.  So they are watched for a while.
 */
static int
thaw_held(struct child *c)
{
	SCOPED(engine_close_at) struct engine *g = NULL;
	size_t left = 1;
	struct err e;

	if (c->held.len == 0)
		return 0;
	if (c->freezes)
		return thaw_cgroups(c, &e) == 0 ? 0 : 1;
	if (c->cgroups != NULL) /* they run at once, whatever the engine does; then it is told */
		(void)thaw_cgroups(c, &e);
	if (engine_open(c->host, &g, &e) != 0)
		return 1;
	for (int i = 0; i < THAW_TRIES && (left = still_paused(g, c, false)) > 0; i++)
		(void)usleep(THAW_WAIT_US);
	for (int i = 0; i < LATE_TRIES; i++) {
		(void)usleep(LATE_WAIT_US);
		left = still_paused(g, c, true);
	}
	return left == 0 ? 0 : 1;
}

static int
open_cgroups(struct child *c, const char *use, struct err *e)
{
	const char *base = strchr(use, ':');

	if (base == NULL)
		return 0;
	c->freezes = strncmp(use, "freeze:", 7) == 0;
	if (cgroups_open(base + 1, &c->cgroups, e) == 0)
		return 0;
	c->cgroups = NULL;
	return c->freezes ? -1 : 0; /* who only helps does what it can */
}

int
lender_main(int argc, char **argv)
{
	struct child c = {.held = BUF_INIT(HELD_MAX), .switching = PTHREAD_MUTEX_INITIALIZER};
	struct err e;
	int status = 1;

	if (argc < 4) {
		(void)fprintf(
			stderr, "usage: fuel-backupd lend SOCKET DOCKER_HOST CGROUPS ROOT...\n");
		return 2;
	}
	/* A guard ends when its work is done, not before: docker stop may not take it away. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	c.host = argv[2];
	c.count = (size_t)argc - 4;
	c.socket = connect_to(argv[1], &e);
	if (c.socket >= 0 && open_cgroups(&c, argv[3], &e) == 0 &&
		open_roots(&c, argv + 4, &e) == 0) {
		serve(&c);
		status = thaw_held(&c);
	} else if (c.socket >= 0) {
		(void)wire_send(c.socket, 'x', e.text, strlen(e.text), &e);
	}
	for (size_t i = 0; c.roots != NULL && i < c.count; i++)
		fd_close_at(&c.roots[i]);
	free(c.roots);
	cgroups_close(c.cgroups);
	buf_free(&c.held);
	fd_close_at(&c.socket);
	return status;
}
