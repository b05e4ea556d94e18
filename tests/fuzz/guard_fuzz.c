/* Goal: whatever a service says to its guard, or a guard to its service, nothing is read or written
 * beyond what was sent, a release leaves nothing held, and what is lent has the number it was asked
 * for. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/cgroups.h"
#include "engine/lender/guard.h"
#include "engine/lender/lender_internal.h"
#include "tests/fuzz/fuzz.h"

static char top[] = "/tmp/fb-guard-fuzz-XXXXXX";

static void
make(const char *folder, const char *file, const char *text)
{
	SCOPED(free_at) char *path = mem_format("%s/%s", top, folder);
	SCOPED(free_at) char *name = mem_format("%s/%s", path, file);

	(void)mkdir(path, 0700);
	SCOPED(fd_close_at) int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CLAIM(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void
clear_up(void)
{
	SCOPED(free_at) char *command = mem_format("rm -rf %s", top);

	(void)!system(command);
}

/* Two containers, "a" and "b", whose freezers are files. */
static void
world(void)
{
	static bool made;

	if (made)
		return;
	made = true;
	CLAIM(mkdtemp(top) != NULL && atexit(clear_up) == 0);
	make("freezer", "x", "");
	make("freezer/a", "freezer.state", "THAWED");
	make("freezer/docker-b.scope", "freezer.state", "THAWED");
}

static void
drain(int fd)
{
	struct wire_message *m = mem_new(sizeof(*m));
	struct err e;

	while (wire_receive(fd, 0, m, &e) > 0)
		for (size_t i = 0; i < m->fd_count; i++)
			(void)close(m->fds[i]);
	free(m);
}

/* The lender's side: each message a type, a length, and so many bytes. */
static void
to_guard(const uint8_t *data, size_t size)
{
	SCOPED(free_at) char *journal = mem_format("%s/socket", top);
	const struct guard_options options = {
		.engine = "unix:///nowhere", .cgroups = top, .socket = journal, .deputy = true};
	SCOPED(guard_free_at) struct guard *g = guard_new(&options);
	struct wire_message *m = mem_new(sizeof(*m));
	int ends[2];
	struct err e;

	CLAIM(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
	while (size >= 2) {
		const size_t len = data[1] < size - 2 ? data[1] : size - 2;
		bool thawed = false;

		if (wire_send(ends[0], (char)data[0], data + 2, len, &e) == 0 &&
			wire_receive(ends[1], 0, m, &e) == 1) {
			(void)guard_take(g, ends[1], m, &thawed, &e);
			CLAIM(m->type != 'c' || guard_wait_ms(g) == -1);
			guard_look(g);
		}
		drain(ends[0]);
		data += 2 + len;
		size -= 2 + len;
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
	free(m);
}

/* The service's side: what is sent back for three containers, with or without descriptors. */
static void
to_service(const uint8_t *data, size_t size)
{
	static const char *const ids[] = {"a", "b", "c"};
	struct lender l = {.child = -1, .listen_fd = -1, .mutex = PTHREAD_MUTEX_INITIALIZER};
	struct cgroups *c = NULL;
	int ends[2];
	struct err e;

	CLAIM(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
	l.fd = ends[0];
	while (size >= 2) {
		const size_t len = data[1] < size - 2 ? data[1] : size - 2;
		const int fds[] = {ends[1], ends[1], ends[1], ends[1]};

		if (data[0] == 'd' && len > 0)
			(void)wire_send_fds(
				ends[1], 'd', data + 2, len, fds, 2 * (1 + len % 2), &e);
		else
			(void)wire_send(ends[1], (char)data[0], data + 2, len, &e);
		data += 2 + len;
		size -= 2 + len;
	}
	(void)shutdown(ends[1], SHUT_WR);
	if (lender_freezers(&l, ids, 3, &c, &e) == 0)
		CLAIM(!cgroups_has(c, 3));
	cgroups_close(c);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	world();
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
		to_guard(data + 1, size - 1);
	else
		to_service(data + 1, size - 1);
	return 0;
}
