#include "engine/lender/lender.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/lender/host_view.h"
#include "engine/lender/lender_internal.h"
#include "engine/lender/lender_paths.h"
#include "engine/lender/lender_wire.h"
#include "engine/lender/tmpfs.h"

/* END_MS: one that works on after its service has left is left to it. */
enum {
	LOOK_MS = 200,
	END_MS = 15 * 1000,
	INSPECT_MS = 5000,
	LIST_MAX = 64 * 1024 * 1024,
	NAME_LEN = 12
};

extern char **environ;

static int
listen_at(struct lender *l, const char *run_path, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[2 * NAME_LEN + 1];
	unsigned char random[NAME_LEN];

	random_bytes(random, sizeof(random));
	l->socket_path = mem_format("%s/%s", run_path, hex_text(random, sizeof(random), name));
	if (strlen(l->socket_path) >= sizeof(address.sun_path))
		return err_set(e, ERR_INVALID,
			"the store's path is too long for a socket in it (%zu bytes at most)",
			sizeof(address.sun_path) - sizeof(name) - 5);
	(void)strcpy(address.sun_path, l->socket_path);
	l->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->listen_fd < 0 ||
		bind(l->listen_fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
		chmod(l->socket_path, 0600) != 0 || listen(l->listen_fd, 1) != 0)
		return err_errno(e, "socket %s", l->socket_path);
	return 0;
}

/* Whether the host has all that is to be mounted by its path. */
static int
sources_are_there(const struct lender *l, struct err *e)
{
	const struct lender_options *o = l->options;
	SCOPED(host_view_close_at) struct host_view *view = NULL;

	for (size_t i = 0; i < o->count; i++) {
		const struct lender_root *r = &o->roots[i];

		if (r->host || r->volume != NULL || r->holder != NULL)
			continue;
		if (view == NULL && host_view_open(l->engine, o->self, o->run_path, &view, e) != 0)
			return err_prefix(e, "whether the host has %.200s", r->path);
		if (!host_view_has(view, r->path))
			return err_set(e, ERR_UNREADABLE, "the host has no %.400s", r->path);
	}
	return 0;
}

static int
start_container(struct lender *l, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = NULL;
	struct traits traits;

	if (traits_find(l->engine, &traits, e) != 0)
		return -1;
	/* What the engine would make rather than refuse is looked for before. */
	if (traits.makes_missing_sources && sources_are_there(l, e) != 0)
		return -1;
	body = lender_body(l, &traits, e);
	if (body == NULL)
		return -1;
	if (containers_create(l->engine, l->options->name, body, &l->container, e) == 0 &&
		containers_start(l->engine, l->container, e) == 0)
		return 0;
	if (e->code != ERR_UNREACHABLE)
		e->code = ERR_UNREADABLE;
	return err_prefix(e, "the engine cannot lend all sources");
}

static int
start_child(struct lender *l, struct err *e)
{
	const struct lender_options *o = l->options;
	SCOPED(free_at) char **argv = mem_new((o->count + 6) * sizeof(char *));
	SCOPED(free_at) char **words = mem_new((o->count + 1) * sizeof(char *)); /* of tmpfs */
	SCOPED(free_at) char *host = mem_string(engine_host(l->engine));
	SCOPED(free_at)
	char *cgroups = mem_string(o->cgroups == LENDER_NO_CGROUPS ? "-" : LENDER_HOST_CGROUPS);
	posix_spawnattr_t attributes;
	char name[] = "fuel-backupd", verb[] = "lend", self[] = "/proc/self/exe", top[] = "/";
	int failed;

	argv[0] = name;
	argv[1] = verb;
	argv[2] = l->socket_path;
	argv[3] = host;
	argv[4] = cgroups;
	for (size_t i = 0; i < o->count; i++) {
		const struct lender_root *r = &o->roots[i];

		if (r->holder != NULL)
			words[i] = tmpfs_word(r->pid, r->holder, r->path);
		argv[i + 5] = r->host ? top : words[i];
		if (argv[i + 5] == NULL)
			argv[i + 5] = (char *)(uintptr_t)r->path;
	}
	/* A session of its own: a terminal's Ctrl-C is not for the guard. */
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	failed = posix_spawn(&l->child, self, NULL, &attributes, argv, environ);
	(void)posix_spawnattr_destroy(&attributes);
	for (size_t i = 0; i < o->count; i++)
		free(words[i]);
	if (failed != 0) {
		l->child = -1;
		return err_set(
			e, ERR_INTERNAL, "the lender cannot be started: %s", strerror(failed));
	}
	return 0;
}

static bool
lender_alive(struct lender *l)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	struct err e;

	if (l->child > 0) {
		if (waitpid(l->child, NULL, WNOHANG) != l->child)
			return true;
		l->child = -1;
		return false;
	}
	if (l->container == NULL ||
		containers_inspect_within(l->engine, l->container, INSPECT_MS, &inspect, &e) != 0)
		return false;
	return json_is_true(json_object_get(json_object_get(inspect, "State"), "Running"));
}

static int
await_connection(struct lender *l, struct err *e)
{
	const int64_t since_ns = clock_mono_ns();

	for (;;) {
		struct pollfd p = {.fd = l->listen_fd, .events = POLLIN};

		if (poll(&p, 1, LOOK_MS) > 0) {
			l->fd = accept4(l->listen_fd, NULL, NULL, SOCK_CLOEXEC);
			return l->fd >= 0 ? 0 : err_errno(e, "the lender's socket");
		}
		if (!lender_alive(l))
			return err_set(e, ERR_ENGINE, "the lender ended at once");
		if (clock_since_ms(since_ns) > WIRE_STALL_MS)
			return err_set(e, ERR_TIMEOUT, "the lender did not come up");
	}
}

int
lender_receive(struct lender *l, int wait_ms, struct wire_message *m, struct err *e)
{
	const int got = wire_receive(l->fd, wait_ms, m, e);

	if (got < 0) {
		l->hangs = l->hangs || e->code == ERR_TIMEOUT;
		return -1;
	}
	if (got == 0)
		return err_set(e, ERR_IO, "the lender is gone");
	return m->type == 'x' ? err_set(e, ERR_UNREADABLE, "%.600s", m->data) : 0;
}

static int
receive(struct lender *l, struct wire_message *m, struct err *e)
{
	return lender_receive(l, WIRE_STALL_MS, m, e);
}

static int
take_roots(struct lender *l, struct err *e)
{
	const size_t count = l->options->count;
	SCOPED(free_at) struct wire_message *m = mem_new(sizeof(*m));

	l->roots = mem_array(NULL, count + 1, sizeof(int));
	while (l->count < count) {
		if (receive(l, m, e) != 0)
			return -1;
		for (size_t i = 0; i < m->fd_count; i++)
			if (l->count < count)
				l->roots[l->count++] = m->fds[i];
			else
				(void)close(m->fds[i]);
	}
	return 0;
}

int
lender_open(const struct lender_options *options, struct lender **ret_lender, struct err *e)
{
	SCOPED(lender_close_at) struct lender *l = mem_new(sizeof(*l));
	int status;

	l->engine = options->engine;
	l->options = options;
	l->listen_fd = l->fd = -1;
	l->child = -1;
	(void)pthread_mutex_init(&l->mutex, NULL);
	if (listen_at(l, options->run_path, e) != 0)
		return -1;
	status = options->self->container ? start_container(l, e) : start_child(l, e);
	if (status != 0 || await_connection(l, e) != 0 || take_roots(l, e) != 0)
		return -1;
	(void)unlink(l->socket_path);
	fd_close_at(&l->listen_fd);
	l->listen_fd = -1;
	l->options = NULL;
	lender_keep_trusted(l);
	*ret_lender = TAKE(l);
	return 0;
}

/* Wait for its end; one that hangs is ended.  False if it works on. */
static bool
lender_await_end(struct lender *l)
{
	const int64_t since_ns = clock_mono_ns();

	if (l->hangs && l->child > 0)
		(void)kill(l->child, SIGKILL);
	while (!l->hangs || l->child > 0) {
		if ((l->container == NULL && l->child <= 0) || !lender_alive(l))
			return true;
		if (clock_since_ms(since_ns) > END_MS)
			return false;
		(void)usleep(20 * 1000);
	}
	return true;
}

void
lender_close(struct lender *l)
{
	struct err e;

	if (l == NULL)
		return;
	trusted_end(&l->keeper);
	fd_close_at(&l->fd);
	fd_close_at(&l->listen_fd);
	if (l->socket_path != NULL)
		(void)unlink(l->socket_path);
	if (lender_await_end(l) && l->container != NULL)
		(void)containers_remove(l->engine, l->container, &e);
	for (size_t i = 0; i < l->count; i++)
		(void)close(l->roots[i]);
	(void)pthread_mutex_destroy(&l->mutex);
	free(l->roots);
	free(l->container);
	free(l->socket_path);
	free(l);
}

void
lender_close_at(struct lender **l)
{
	lender_close(*l);
}

int
lender_fd(const struct lender *l, size_t i)
{
	return l->roots[i];
}

/* The texts that the lender answers ${type} with, in as many messages as it takes. */
static int
collect(struct lender *l, char type, const void *data, size_t len, struct buf *text, struct err *e)
{
	SCOPED(free_at) struct wire_message *m = mem_new(sizeof(*m));
	LOCKED(&l->mutex);

	if (wire_send(l->fd, type, data, len, e) != 0)
		return -1;
	for (;;) {
		if (receive(l, m, e) != 0)
			return -1;
		if (m->type == 'k')
			return 0;
		if (buf_add(text, m->data, m->len) != 0)
			return err_set(e, ERR_TOO_LARGE, "the lender tells too much");
	}
}

int
lender_opaque(struct lender *l, size_t i, char ***ret_paths, struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(LIST_MAX);
	const uint32_t root = (uint32_t)i;

	if (collect(l, 'o', &root, sizeof(root), &text, e) != 0) {
		if (e->code == ERR_UNREADABLE)
			e->code = ERR_UNSUPPORTED;
		return -1;
	}
	*ret_paths = lender_paths_split(&text);
	return 0;
}

int
lender_hidden(struct lender *l, size_t i, uint32_t flags, int64_t *ret_count, char **ret_path,
	struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(WIRE_MAX);
	const uint32_t asked[] = {(uint32_t)i, flags};
	char *rest;

	*ret_count = 0;
	*ret_path = NULL;
	if (collect(l, 't', asked, sizeof(asked), &text, e) != 0)
		return -1;
	if (text.len == 0)
		return 0;
	*ret_count = strtoll(text.data, &rest, 10);
	*ret_path = mem_string(*rest == ' ' ? rest + 1 : rest);
	return 0;
}

int
lender_mounts(struct lender *l, char **ret_lines, struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(LIST_MAX);

	if (collect(l, 'v', NULL, 0, &text, e) != 0)
		return -1;
	*ret_lines = buf_take(&text);
	return 0;
}

static int
lender_ask(struct lender *l, char type, const void *data, size_t len, struct err *e)
{
	SCOPED(free_at) struct wire_message *m = mem_new(sizeof(*m));
	LOCKED(&l->mutex);

	return wire_send(l->fd, type, data, len, e) != 0 ? -1 : receive(l, m, e);
}

int
lender_set_opaque(struct lender *l, size_t i, const char *path, struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(WIRE_MAX);
	const uint32_t root = (uint32_t)i;

	if (buf_add(&text, &root, sizeof(root)) != 0 || buf_add(&text, path, strlen(path) + 1) != 0)
		return err_set(e, ERR_TOO_LARGE, "a path is over %d bytes", WIRE_MAX);
	return lender_ask(l, 's', text.data, text.len, e);
}

const char *
lender_container(const struct lender *l)
{
	return l->container;
}

int
lender_nudge(struct lender *l, struct err *e)
{
	/* A signal that goes on with what is not stopped. */
	return l->container == NULL ? err_set(e, ERR_UNSUPPORTED, "the guard is no container")
				    : containers_kill(l->engine, l->container, "CONT", e);
}
