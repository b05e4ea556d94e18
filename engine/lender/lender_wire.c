#include "engine/lender/lender_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int
lender_wire_send_all(int fd, const struct msghdr *h, struct err *e)
{
	ssize_t sent;

	do
		sent = sendmsg(fd, h, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? err_errno(e, "the lender's socket") : 0;
}

int
wire_send(int fd, char type, const void *data, size_t len, struct err *e)
{
	struct iovec parts[2] = {{&type, 1}, {(void *)(uintptr_t)data, len}};
	const struct msghdr h = {.msg_iov = parts, .msg_iovlen = len == 0 ? 1 : 2};

	return lender_wire_send_all(fd, &h, e);
}

int
wire_send_fds(int fd, char type, const void *data, size_t len, const int *fds, size_t count,
	struct err *e)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
	} control = {0};
	struct iovec parts[2] = {{&type, 1}, {(void *)(uintptr_t)data, len}};
	struct msghdr h = {.msg_iov = parts,
		.msg_iovlen = len == 0 ? 1 : 2,
		.msg_control = control.room,
		.msg_controllen = CMSG_SPACE(sizeof(int) * count)};
	struct cmsghdr *const c = &control.align;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	return lender_wire_send_all(fd, &h, e);
}

static void
take_fds(struct msghdr *h, struct wire_message *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			m->fd_count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(m->fds, CMSG_DATA(c), m->fd_count * sizeof(int));
		}
}

static int
await(int fd, int timeout_ms, struct err *e)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int ready;

	do
		ready = poll(&p, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return err_errno(e, "the lender's socket");
	return ready == 0 ? err_set(e, ERR_TIMEOUT, "the lender does not answer") : 0;
}

int
wire_receive(int fd, int timeout_ms, struct wire_message *m, struct err *e)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
	} control;
	struct iovec parts[2] = {{&m->type, 1}, {m->data, WIRE_MAX}};
	struct msghdr h = {.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	ssize_t got;

	m->fd_count = 0;
	if (await(fd, timeout_ms, e) != 0)
		return -1;
	do
		got = recvmsg(fd, &h, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno != ECONNRESET)
		return err_errno(e, "the lender's socket");
	if (got <= 0)
		return 0;
	take_fds(&h, m);
	m->len = (size_t)got - 1;
	m->data[m->len] = '\0';
	if ((h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		while (m->fd_count > 0)
			(void)close(m->fds[--m->fd_count]);
		return err_set(e, ERR_IO, "the lender's message is too long");
	}
	return 1;
}
