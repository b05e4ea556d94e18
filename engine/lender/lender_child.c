/* The lender itself: `fuel-backupd lend SOCKET DOCKER_HOST CGROUPS ROOT…`. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/userns.h"
#include "engine/lender/guard.h"
#include "engine/lender/hidden_attributes.h"
#include "engine/lender/lender.h"
#include "engine/lender/lender_wire.h"
#include "engine/lender/mount_table.h"
#include "engine/lender/tmpfs.h"
#include "engine/lender/trusted_attributes.h"

/* DEPUTY_MS: it has nothing else to do; under load it still answers within this. */
enum { DEPTH_MAX = 4096, DEPUTY_MS = 2000 };

/* What overlayfs keeps its marks under: trusted.*, which is not there in a user namespace (of an
 * engine without root), where it mounts with the option userxattr and takes user.* for it. */
enum mark { MARK_OPAQUE, MARK_METACOPY, MARK_REDIRECT };

static const char *
mark_name(enum mark mark)
{
	static const char *const names[][3] = {
		{"trusted.overlay.opaque", "trusted.overlay.metacopy", "trusted.overlay.redirect"},
		{"user.overlay.opaque", "user.overlay.metacopy", "user.overlay.redirect"}};

	return names[!userns_is_first()][mark];
}

struct child {
	int socket;
	int *roots;
	size_t count;
	struct guard *guard;
	pid_t deputy;  /* the second guard, or -1 */
	int deputy_fd; /* its socket, or -1 */
};

static int
lender_child_connect_to(const char *path, struct err *e)
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
open_root(const char *path, struct err *e)
{
	const int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s", path) : fd;
}

static int
open_roots(struct child *c, char **paths, struct err *e)
{
	c->roots = mem_array(NULL, c->count + 1, sizeof(int));
	for (size_t i = 0; i < c->count; i++) {
		c->roots[i] =
			tmpfs_is_word(paths[i]) ? tmpfs_open(paths[i], e) : open_root(paths[i], e);
		if (c->roots[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < c->count; i += WIRE_FDS_MAX) {
		const size_t left = c->count - i;

		if (wire_send_fds(c->socket, 'r', NULL, 0, c->roots + i,
			    left < WIRE_FDS_MAX ? left : WIRE_FDS_MAX, e) != 0)
			return -1;
	}
	return 0;
}

struct lender_child_search {
	struct child *child;
	struct buf paths; /* not sent yet */
};

static int
lender_child_flush(struct lender_child_search *s, struct err *e)
{
	const int status = s->paths.len == 0 ? 0
					     : wire_send(s->child->socket, 'p', s->paths.data,
						       s->paths.len, e);

	buf_clear(&s->paths);
	return status;
}

static int
found(struct lender_child_search *s, const char *path, struct err *e)
{
	if (buf_add(&s->paths, path, strlen(path) + 1) == 0)
		return 0;
	if (lender_child_flush(s, e) != 0)
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

static int search_dir(
	struct lender_child_search *s, int fd, const char *path, int depth, struct err *e);

static int
lender_child_search_entry(struct lender_child_search *s, int dir_fd, const char *dir,
	const char *name, int depth, struct err *e)
{
	SCOPED(free_at)
	char *path = dir[0] == '\0' ? mem_string(name) : mem_format("%s/%s", dir, name);
	struct stat st;
	int fd;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0; /* gone again: everything runs during a live pass */
	/* A metacopy has the size of its file and no blocks. */
	if ((S_ISREG(st.st_mode) && st.st_size > 0 && st.st_blocks == 0 &&
		    has_attribute(dir_fd, name, mark_name(MARK_METACOPY))) ||
		(S_ISDIR(st.st_mode) && has_attribute(dir_fd, name, mark_name(MARK_REDIRECT))))
		return err_set(e, ERR_UNSUPPORTED,
			"%s: the engine's overlay uses redirects or metacopy files, which this "
			"version cannot capture (see redirect_dir and metacopy of the kernel's "
			"overlay module)",
			path);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (has_attribute(dir_fd, name, mark_name(MARK_OPAQUE)) && found(s, path, e) != 0)
		return -1;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return search_dir(s, fd, path, depth + 1, e);
	/* Marks in a folder that cannot be opened must not get lost; one that is gone has none. */
	if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
		return 0;
	return err_errno(e, "%.200s cannot be searched for overlay's marks", path);
}

/* Takes ${fd}. */
static int
search_dir(struct lender_child_search *s, int fd, const char *path, int depth, struct err *e)
{
	SCOPED(dir_close_at) DIR *dir = fdopendir(fd);
	const struct dirent *entry;

	if (dir == NULL)
		return err_errno(e, "%.200s", path);
	if (depth > DEPTH_MAX) /* the walk tells that it does not go there either */
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			(entry->d_type != DT_DIR && entry->d_type != DT_REG &&
				entry->d_type != DT_UNKNOWN))
			continue;
		if (lender_child_search_entry(s, dirfd(dir), path, entry->d_name, depth, e) != 0)
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
	struct lender_child_search s = {.child = c, .paths = BUF_INIT(WIRE_MAX)};
	uint32_t root;
	int fd, status;

	if (root_number(c, m, &root, e) != 0)
		return -1;
	fd = openat(c->roots[root], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "root %u", root);
	status = search_dir(&s, fd, "", 0, e);
	if (status == 0)
		status = lender_child_flush(&s, e);
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
	if (fd < 0 || setxattr(path, mark_name(MARK_OPAQUE), "y", 1, 0) != 0)
		return err_errno(e, "%s", m->data + sizeof(root));
	return 0;
}

static int
tell_hidden(const struct child *c, const struct wire_message *m, struct err *e)
{
	uint32_t root, flags;

	if (root_number(c, m, &root, e) != 0)
		return -1;
	if (m->len < sizeof(root) + sizeof(flags))
		return err_set(e, ERR_INVALID, "a message is too short");
	memcpy(&flags, m->data + sizeof(root), sizeof(flags));
	return hidden_attributes_tell(c->socket, c->roots[root], flags, e);
}

static int
lender_child_answer(
	struct child *c, const struct wire_message *m, struct wire_message *ret, struct err *e)
{
	bool thawed = false;
	const int status = guard_take(c->guard, c->socket, m, &thawed, e);

	ret->len = m->type == 'c';
	ret->data[0] = (char)thawed;
	if (status <= 0)
		return status;
	if (trusted_attributes_are_asked(m->type))
		return trusted_attributes_answer(c->socket, m, ret, e);
	switch (m->type) {
	case 'o':
		return tell_opaque(c, m, e);
	case 's':
		return set_opaque(c, m, e);
	case 't':
		return tell_hidden(c, m, e);
	case 'v':
		return mount_table_tell(c->socket, e);
	default:
		return err_set(e, ERR_INVALID, "unknown message");
	}
}

/* ---- the deputy ---- */

static void
dismiss(struct child *c)
{
	fd_close_at(&c->deputy_fd);
	c->deputy_fd = -1;
	if (c->deputy <= 0)
		return;
	(void)kill(c->deputy, SIGKILL); /* stopped or not; it holds nothing any more */
	(void)waitpid(c->deputy, NULL, 0);
	c->deputy = -1;
}

/* Whatever this guard is told its deputy is told, too.  One that does not answer is none. */
static void
tell_deputy(struct child *c, char type, const void *data, size_t len)
{
	struct wire_message *m = c->deputy_fd < 0 ? NULL : mem_new(sizeof(*m));
	struct err ignored;

	if (m == NULL)
		return;
	if (wire_send(c->deputy_fd, type, data, len, &ignored) != 0 ||
		wire_receive(c->deputy_fd, DEPUTY_MS, m, &ignored) <= 0 || m->type != 'k')
		dismiss(c);
	free(m);
}

static void
take_message(struct child *c, const struct wire_message *m)
{
	struct wire_message *reply = mem_new(sizeof(*reply));
	struct err e;

	if (lender_child_answer(c, m, reply, &e) != 0) {
		(void)wire_send(c->socket, 'x', e.text, strlen(e.text), &e);
	} else {
		if (strchr("cga", m->type) != NULL)
			tell_deputy(c, m->type, m->data, m->len);
		(void)wire_send(c->socket, 'k', reply->data, reply->len, &e);
	}
	free(reply);
}

/* Until the other side is gone. */
static void
lender_child_serve(struct child *c)
{
	struct wire_message *m = mem_new(sizeof(*m));
	struct err e;

	for (;;) {
		struct pollfd p[2] = {{.fd = c->socket, .events = POLLIN},
			{.fd = c->deputy_fd, .events = POLLIN}};
		const int ready = poll(p, 2, guard_wait_ms(c->guard));

		if (ready < 0 && errno != EINTR)
			break;
		if (ready > 0 && p[1].revents != 0) /* it speaks only when it is asked: it died */
			dismiss(c);
		if (ready > 0 && p[0].revents != 0) {
			if (wire_receive(c->socket, -1, m, &e) <= 0)
				break;
			take_message(c, m);
			while (m->fd_count > 0)
				(void)close(m->fds[--m->fd_count]);
		}
		guard_look(c->guard);
	}
	free(m);
}

/* Alone with what is held: the deputy, which looks after itself, first. */
static int
thaw_held(struct child *c)
{
	int status;

	tell_deputy(c, 'e', NULL, 0);
	status = guard_alone(c->guard);
	if (status == 0)
		tell_deputy(c, 'c', NULL, 0);
	dismiss(c);
	return status;
}

/* The second guard: what the first one hears it hears, and when the first one has gone it is the
 * first.  Never returns. */
static void
deputy_run(const struct guard_options *options, int fd)
{
	struct guard_options own = *options;
	struct child c = {.socket = fd, .deputy = -1, .deputy_fd = -1};

	own.deputy = true;
	c.guard = guard_new(&own);
	lender_child_serve(&c);
	_exit(guard_alone(c.guard));
}

/* Before any thread.  Without it there is one guard less, and nothing else is lost. */
static void
deputy_start(struct child *c, const struct guard_options *options)
{
	int ends[2];

	if (options->cgroups == NULL ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return;
	c->deputy = fork();
	if (c->deputy == 0) {
		(void)close(ends[0]);
		(void)close(c->socket);
		deputy_run(options, ends[1]);
	}
	(void)close(ends[1]);
	c->deputy_fd = ends[0];
	if (c->deputy < 0)
		dismiss(c);
}

/* The engine has started a guard again that was killed, and its service is not there for it. */
static int
thaw_from_journal(const struct guard_options *options)
{
	SCOPED(guard_free_at) struct guard *g = guard_new(options);

	return guard_read_journal(g) == 0 ? 0 : guard_alone(g);
}

static int
lend_to(struct child *c, const struct guard_options *options, char **roots)
{
	struct err e;

	deputy_start(c, options);
	c->guard = guard_new(options);
	if (open_roots(c, roots, &e) != 0) {
		(void)wire_send(c->socket, 'x', e.text, strlen(e.text), &e);
		dismiss(c);
		return 1;
	}
	lender_child_serve(c);
	return thaw_held(c);
}

/* A search holds a descriptor for each level of folders. */
static void
raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int
lender_main(int argc, char **argv)
{
	struct child c = {.deputy = -1, .deputy_fd = -1};
	struct err e;
	int status;

	if (argc < 4) {
		(void)fprintf(
			stderr, "usage: fuel-backupd lend SOCKET DOCKER_HOST CGROUPS ROOT...\n");
		return 2;
	}
	const struct guard_options options = {.socket = argv[1],
		.engine = argv[2],
		.cgroups = strcmp(argv[3], "-") == 0 ? NULL : argv[3]};
	/* A guard ends when its work is done, not before: docker stop may not take it away. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	raise_files();
	c.count = (size_t)argc - 4;
	c.socket = lender_child_connect_to(argv[1], &e);
	status = c.socket < 0 ? thaw_from_journal(&options) : lend_to(&c, &options, argv + 4);
	for (size_t i = 0; c.roots != NULL && i < c.count; i++)
		fd_close_at(&c.roots[i]);
	free(c.roots);
	guard_free(c.guard);
	fd_close_at(&c.socket);
	return status;
}
