#include "jobs/sources/layer_copy.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/disk/beneath.h"
#include "archive/disk/remove_tree.h"
#include "archive/restore/extract.h"
#include "archive/tar/names.h"
#include "archive/tar/reader.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/thread.h"

/* STALL_MS: an engine that sends nothing for so long is stuck. */
enum { STALL_MS = 60 * 1000 };

/* Of the engine's list of changes. */
enum { CHANGE_MODIFIED, CHANGE_ADDED, CHANGE_DELETED };

static const char prefix[] = "layer", folder_name[] = "layer-copy-";

struct layer_copy {
	struct engine *engine;
	char *id;
	json_t *mounted; /* {path: true}: what is mounted into the container */
	int folder_fd;
	char *name; /* of the folder of ours, in that, */
	int fd;	    /* and itself */
};

/* One reading. */
struct taking {
	struct layer_copy *copy;
	struct extract *extract;
	bool (*cancelled)(void *ctx);
	void *ctx;
};

/* One part of the container's files, on its way from the engine: a thread of its own calls. */
struct part {
	const struct taking *taking;
	char *path;  /* of the request */
	int fds[2];  /* where it is read, where it is written */
	int status;  /* of the call */
	bool enough; /* nobody reads on */
	struct err e;
};

/* ---- where it is put ---- */

static void
add_mount(json_t *paths, const char *path)
{
	if (path != NULL && path[0] == '/' && path[1] != '\0')
		(void)json_object_set_new(paths, path, json_true());
}

static json_t *
mounted(const json_t *inspect)
{
	static const char *const always[] = {
		"/dev", "/proc", "/sys", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"};
	json_t *host = json_object_get(inspect, "HostConfig"), *value, *mount;
	json_t *paths = json_object();
	const char *path;
	size_t i;

	for (i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		add_mount(paths, always[i]);
	json_array_foreach (json_object_get(inspect, "Mounts"), i, mount)
		add_mount(paths, json_string_value(json_object_get(mount, "Destination")));
	json_object_foreach (json_object_get(host, "Tmpfs"), path, value)
		add_mount(paths, path);
	return paths;
}

int
layer_copy_new(struct engine *g, const json_t *inspect, const char *folder,
	struct layer_copy **ret_copy, struct err *e)
{
	SCOPED(free_at) char *path = mem_format("%s/%sXXXXXX", folder, folder_name);
	struct layer_copy *c;
	int folder_fd, fd;

	if (mkdtemp(path) == NULL)
		return err_errno(e, "%s", path);
	folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder_fd < 0 || fd < 0) {
		(void)err_errno(e, "%s", path);
		fd_close_at(&folder_fd);
		fd_close_at(&fd);
		return -1;
	}
	c = mem_new(sizeof(*c));
	*c = (struct layer_copy){.engine = g,
		.id = mem_string(json_string_value(json_object_get(inspect, "Id"))),
		.mounted = mounted(inspect),
		.folder_fd = folder_fd,
		.name = mem_string(strrchr(path, '/') + 1),
		.fd = fd};
	*ret_copy = c;
	return 0;
}

void
layer_copy_free(struct layer_copy *c)
{
	struct err ignored;

	if (c == NULL)
		return;
	(void)remove_tree(c->folder_fd, c->name, &ignored);
	fd_close_at(&c->fd);
	fd_close_at(&c->folder_fd);
	json_decref(c->mounted);
	free(c->name);
	free(c->id);
	free(c);
}

int
layer_copy_fd(const struct layer_copy *c)
{
	return c->fd;
}

/* Remove all in the folder ${fd} whose name begins with ${begin}. */
static int
empty(int fd, const char *begin, struct err *e)
{
	SCOPED(names_free) struct names names = {0};
	SCOPED(fd_close_at) int list = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (list < 0)
		return err_errno(e, "a folder for layers");
	if (names_read(list, false, &names, e) != 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		const char *name = names.list[i].text;

		if (strncmp(name, begin, strlen(begin)) == 0 && unlinkat(fd, name, 0) != 0 &&
			remove_tree(fd, name, e) != 0)
			return -1;
	}
	return 0;
}

void
layer_copy_sweep(int folder_fd)
{
	struct err ignored;

	(void)empty(folder_fd, folder_name, &ignored);
}

/* ---- a part of it comes ---- */

static int
send_bytes(void *ctx, const void *data, size_t len, struct err *e)
{
	const struct part *p = ctx;

	while (len > 0) {
		const ssize_t sent = send(p->fds[1], data, len, MSG_NOSIGNAL);

		if (sent < 0)
			return err_set(e, ERR_CANCELLED, "nobody reads on");
		data = (const char *)data + sent;
		len -= (size_t)sent;
	}
	return 0;
}

static void *
call(void *ctx)
{
	struct part *p = ctx;
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	const struct sink sink = {.write = send_bytes, .ctx = p};
	struct http_request request = {.method = "GET",
		.path = p->path,
		.sink = &sink,
		.cancelled = p->taking->cancelled,
		.ctx = p->taking->ctx,
		.stall_ms = STALL_MS};

	p->status = engine_call(p->taking->copy->engine, &request, &reply, &p->e);
	if (p->status == 0)
		p->status = engine_check(&request, &reply, &p->e);
	(void)shutdown(p->fds[1], SHUT_WR);
	return NULL;
}

static ssize_t
receive(void *ctx, void *data, size_t size, struct err *e)
{
	const ssize_t got = recv(*(const int *)ctx, data, size, 0);

	return got < 0 ? err_errno(e, "what the engine sends") : got;
}

/* Whether ${path} of the container is mounted into it, or lies below what is. */
static bool
is_mounted(const struct layer_copy *c, const char *path)
{
	const char *top;
	json_t *value;

	json_object_foreach (c->mounted, top, value) {
		const size_t len = strlen(top);

		if (strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '/'))
			return true;
	}
	return false;
}

/* A member of the part of which the folder is ${above} ("" or "/etc"). */
static int
put(const struct taking *t, const char *above, const struct member *m, struct reader *r,
	struct err *e)
{
	SCOPED(free_at) char *path = mem_format("%s/%s", above, m->path);
	SCOPED(free_at) char *whole = mem_format("%s%s", prefix, path);
	SCOPED(free_at) char *link = NULL;
	struct member moved = *m;

	if (is_mounted(t->copy, path))
		return 0;
	moved.path = whole;
	if (m->type == MEMBER_LINK) {
		link = mem_format("%s%s/%s", prefix, above, m->link);
		moved.link = link;
	}
	return extract_member(t->extract, &moved, r, e);
}

static int
put_all(struct part *p, const char *above, bool whole, struct err *e)
{
	const struct source source = {receive, &p->fds[0]};
	SCOPED(reader_close_at) struct reader *r = NULL;
	const struct member *m;
	int more;

	if (reader_open(source, &r, e) != 0)
		return -1;
	while ((more = reader_next(r, &m, e)) > 0) {
		/* Of a folder that was there before only what it looks like. */
		p->enough = !whole && m->type == MEMBER_DIR;
		if (put(p->taking, above, m, r, e) != 0)
			return -1;
		if (p->enough)
			return 0;
	}
	return more;
}

/* Read ${path} of the container, with all that is in it if ${whole}. */
static int
fetch(const struct taking *t, const char *path, bool whole, struct err *e)
{
	SCOPED(free_at) char *escaped = http_escape(path);
	SCOPED(free_at) char *above = mem_copy(path, (size_t)(strrchr(path, '/') - path));
	SCOPED(free_at)
	char *request = mem_format("/containers/%s/archive?path=%s", t->copy->id, escaped);
	struct part p = {.taking = t, .path = request};
	pthread_t thread;
	int status;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p.fds) != 0)
		return err_errno(e, "a pair of sockets");
	if (thread_start(&thread, call, &p) != 0) {
		status = err_set(e, ERR_INTERNAL, "a thread cannot be started");
	} else {
		status = put_all(&p, above, whole, e);
		(void)shutdown(p.fds[0], SHUT_RDWR); /* it ends, whatever is still to come */
		(void)pthread_join(thread, NULL);
		/* What the engine says explains why its stream ended early. */
		if (status != 0 && p.status != 0 && p.e.code != ERR_CANCELLED)
			*e = p.e;
	}
	(void)close(p.fds[0]);
	(void)close(p.fds[1]);
	return status != 0 ? err_prefix(e, "%s", path) : 0;
}

/* ---- the root's own looks ---- */

/* The first header of a tar. */
struct first {
	char bytes[MEMBER_BLOCK_SIZE];
	size_t len;
};

static int
keep_first(void *ctx, const void *data, size_t len, struct err *e)
{
	struct first *f = ctx;
	const size_t room = sizeof(f->bytes) - f->len, some = len < room ? len : room;

	memcpy(f->bytes + f->len, data, some);
	f->len += some;
	return f->len < sizeof(f->bytes) ? 0 : err_set(e, ERR_CANCELLED, "that is enough");
}

/* A number of a header, in octal. */
static long
number_at(const struct first *f, size_t at, size_t len)
{
	char text[16] = "";

	memcpy(text, f->bytes + at, len);
	return strtol(text, NULL, 8);
}

/* Its name is no path below a root, so that no reader takes it.  Source: POSIX, pax, ustar. */
static int
dress_root(const struct taking *t, struct err *e)
{
	SCOPED(free_at)
	char *path = mem_format("/containers/%s/archive?path=%%2F", t->copy->id);
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	struct first first = {.len = 0};
	const struct sink sink = {.write = keep_first, .ctx = &first};
	struct http_request request = {.method = "GET",
		.path = path,
		.sink = &sink,
		.cancelled = t->cancelled,
		.ctx = t->ctx,
		.stall_ms = STALL_MS};
	const int fd = t->copy->fd;

	if (engine_call(t->copy->engine, &request, &reply, e) == 0 &&
		engine_check(&request, &reply, e) != 0)
		return -1;
	if (first.len < sizeof(first.bytes) || first.bytes[156] != '5')
		return err_set(e, ERR_ENGINE, "the engine does not tell what the root looks like");

	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT}, {.tv_sec = number_at(&first, 136, 12)}};

	if (fchown(fd, (uid_t)number_at(&first, 108, 8), (gid_t)number_at(&first, 116, 8)) != 0 ||
		fchmod(fd, (mode_t)number_at(&first, 100, 8) & 07777) != 0 ||
		futimens(fd, times) != 0)
		return err_errno(e, "the folder for the layer");
	return 0;
}

/* ---- what changed ---- */

static const char *
path_of(const json_t *change)
{
	const char *path = json_string_value(json_object_get(change, "Path"));

	return path == NULL || path[0] != '/' || path[1] == '\0' || !names_safe_path(path + 1)
		       ? NULL
		       : path;
}

static int
by_path(const void *a, const void *b)
{
	return strcmp(path_of(*(const json_t *const *)a), path_of(*(const json_t *const *)b));
}

static int
mark_deleted(const struct taking *t, const char *path, struct err *e)
{
	const char *name = strrchr(path, '/') + 1;
	SCOPED(free_at) char *folder = mem_copy(path + 1, (size_t)(name - path - 1));
	SCOPED(free_at) char *mark = mem_format(".wh.%s", name);
	SCOPED(fd_close_at) int at = -1;
	SCOPED(fd_close_at) int fd = -1;

	if (folder[0] != '\0')
		folder[strlen(folder) - 1] = '\0';
	at = beneath_open(t->copy->fd, folder, O_PATH | O_DIRECTORY, BENEATH_ONE_MOUNT);
	if (at >= 0)
		fd = openat(at, mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? err_errno(e, "the mark of %s", path) : 0;
}

static bool
is_below(const char *path, const char *top)
{
	const size_t len = top == NULL ? 0 : strlen(top);

	return len > 0 && strncmp(path, top, len) == 0 && path[len] == '/';
}

static int
take_changes(const struct taking *t, const json_t **changes, size_t count, struct err *e)
{
	const char *added = NULL; /* all below it has come */

	for (size_t i = 0; i < count; i++) {
		const char *path = path_of(changes[i]);
		const json_int_t kind = json_integer_value(json_object_get(changes[i], "Kind"));

		if (is_below(path, added) || is_mounted(t->copy, path))
			continue;
		if (kind == CHANGE_DELETED) {
			if (mark_deleted(t, path, e) != 0)
				return -1;
			continue;
		}
		if (fetch(t, path, kind == CHANGE_ADDED, e) != 0)
			return -1;
		if (kind == CHANGE_ADDED)
			added = path;
	}
	return 0;
}

static int
take(struct taking *t, struct err *e)
{
	SCOPED(free_at) char *path = mem_format("/containers/%s/changes", t->copy->id);
	SCOPED(json_decref_at) json_t *list = NULL;
	SCOPED(free_at) const json_t **changes = NULL;
	const json_t *change;
	size_t count = 0, i;

	if (engine_json(t->copy->engine, "GET", path, NULL, &list, e) != 0)
		return -1;
	changes = mem_array(NULL, json_array_size(list) + 1, sizeof(const json_t *));
	json_array_foreach (list, i, change) {
		if (path_of(change) == NULL)
			return err_set(e, ERR_ENGINE, "the engine names a change that is no path");
		changes[count++] = change;
	}
	if (count > 1)
		qsort(changes, count, sizeof(const json_t *), by_path);
	if (take_changes(t, changes, count, e) != 0)
		return -1;
	return extract_finish(t->extract, e) != 0 ? -1 : dress_root(t, e);
}

int
layer_copy_take(struct layer_copy *c, bool (*cancelled)(void *ctx), void *ctx, struct err *e)
{
	const struct extract_options options = {.prefix = prefix, .sparse = true};
	SCOPED(extract_close_at) struct extract *x = NULL;
	struct taking t = {.copy = c, .cancelled = cancelled, .ctx = ctx};

	if (empty(c->fd, "", e) != 0 || extract_open(c->fd, &options, &x, e) != 0)
		return -1;
	t.extract = x;
	return take(&t, e);
}
