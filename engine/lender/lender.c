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
#include "engine/lender/lender_parts.h"
#include "engine/lender/lender_paths.h"
#include "engine/lender/lender_wire.h"
#include "engine/lender/tmpfs.h"
#include "engine/volumes.h"

/* END_MS: one that works on after its service has left is left to it.  RESTARTS_MAX: of a guard
 * that is killed. */
enum {
	RESTARTS_MAX = 5,
	LOOK_MS = 200,
	END_MS = 15 * 1000,
	INSPECT_MS = 5000,
	LIST_MAX = 64 * 1024 * 1024,
	NAME_LEN = 12
};

static const char in_socket[] = "/run/fuel-backup"; /* inside of the lender's container */
static const char in_docker[] = "/run/docker.sock";
static const char in_cgroups[] = "/run/cgroups";
static const char host_cgroups[] = "/sys/fs/cgroup";

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

/* A bind of ${source}; the engine refuses one that is not there. */
static json_t *
mount_json(const char *type, const char *source, const char *target, bool writable)
{
	json_t *mount = json_pack("{s:s, s:s, s:s, s:b}", "Type", type, "Source", source, "Target",
		target, "ReadOnly", !writable);

	if (strcmp(type, "volume") == 0)
		(void)json_object_set_new(mount, "VolumeOptions",
			json_pack("{s:b, s:{s:s}}", "NoCopy", 1, "Labels", LENDER_LABEL, "made"));
	return mount;
}

/* A container in the process namespace of the host reaches the host's root by its first process,
 * without a mount of it, which would keep what is mounted there. */
static const char in_host[] = "/proc/1/root";

static void
add_root(json_t *mounts, json_t *command, const struct lender_root *r, size_t i)
{
	SCOPED(free_at)
	char *target = r->holder != NULL ? tmpfs_word(r->pid, r->holder, r->path)
					 : mem_format("/source/%zu", i);
	const char *type = r->volume == NULL ? "bind" : "volume";

	(void)json_array_append_new(command, json_string(r->host ? in_host : target));
	if (!r->host && r->holder == NULL)
		(void)json_array_append_new(
			mounts, mount_json(type, r->volume == NULL ? r->path : r->volume, target,
					r->writable));
}

/* What reaching the host's root takes: no more than the engine's socket gives anyway. */
static void
allow_host(json_t *body)
{
	json_t *host = json_object_get(body, "HostConfig");

	(void)json_object_set_new(host, "PidMode", json_string("host"));
	(void)json_object_set_new(host, "SecurityOpt", json_pack("[s]", "apparmor=unconfined"));
	(void)json_array_append_new(json_object_get(host, "CapAdd"), json_string("SYS_PTRACE"));
}

static const char *
lender_text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

/* The body of the container; NULL if the sockets' places on the host are not known. */
static json_t *
lender_body_of(const struct lender *l, struct err *e)
{
	const struct lender_options *o = l->options;
	SCOPED(free_at) char *run = self_host_path(o->self, o->run_path);
	SCOPED(free_at)
	char *docker = engine_socket(o->engine) == NULL
			       ? NULL
			       : self_host_path(o->self, engine_socket(o->engine));
	SCOPED(free_at)
	char *socket = mem_format("%s%s", in_socket, strrchr(l->socket_path, '/'));
	SCOPED(free_at) char *host = mem_format("unix://%s", in_docker);
	const bool guards = o->cgroups == LENDER_CGROUPS;
	json_t *mounts, *command, *body;
	bool host_view = false;

	if (run == NULL || docker == NULL) {
		(void)err_set(e, ERR_CONFLICT,
			"the store and the engine's socket must be mounted from the host: start "
			"the service with `-v /var/run/docker.sock:/var/run/docker.sock -v "
			"/var/backup/fuel:/var/backup/fuel`");
		return NULL;
	}
	mounts = json_pack("[o, o]", mount_json("bind", run, in_socket, true),
		mount_json("bind", docker, in_docker, true));
	command = json_pack("[s, s, s, s]", "lend", socket, host, guards ? in_cgroups : "-");
	if (guards)
		(void)json_array_append_new(
			mounts, mount_json("bind", host_cgroups, in_cgroups, true));
	for (size_t i = 0; i < o->count; i++) {
		add_root(mounts, command, &o->roots[i], i);
		host_view = host_view || o->roots[i].host || o->roots[i].holder != NULL;
	}
	body = json_pack("{s:s, s:[s], s:o, s:s, s:{s:s, s:s}, s:{s:[s]}, s:{s:s, s:{s:s}, s:[s], "
			 "s:[s, s, s], s:o}}",
		"Image", o->self->image, "Entrypoint", lender_text_of(o->self->inspect, "Path"),
		"Cmd", command, "User", "0:0", "Labels", LENDER_LABEL,
		lender_text_of(o->self->inspect, "Name"), "fuel-backup.exclude", "true",
		"Healthcheck", "Test", "NONE", "HostConfig", "NetworkMode", "none", "LogConfig",
		"Type", "none", "CapDrop", "ALL", "CapAdd", "DAC_READ_SEARCH", "DAC_OVERRIDE",
		"SYS_ADMIN", "Mounts", mounts);
	if (host_view)
		allow_host(body);
	if (guards) /* a guard that is killed comes back, and thaws what the journal names */
		(void)json_object_set_new(json_object_get(body, "HostConfig"), "RestartPolicy",
			json_pack("{s:s, s:i}", "Name", "on-failure", "MaximumRetryCount",
				RESTARTS_MAX));
	return body;
}

static int
start_container(struct lender *l, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = lender_body_of(l, e);

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
	char *cgroups = mem_string(o->cgroups == LENDER_NO_CGROUPS ? "-" : host_cgroups);
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
