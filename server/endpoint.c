#include "server/endpoint.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"

/* Whether nobody listens on the socket at ${address}: only then may it be removed. */
static bool
endpoint_is_stale(const struct sockaddr_un *address)
{
	SCOPED(fd_close_at)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
	       errno == ECONNREFUSED;
}

/* Make room for a socket of ours, if what stands there is a socket that somebody left. */
static int
clear_path(const struct sockaddr_un *address, struct err *e)
{
	struct stat st;

	if (lstat(address->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : err_errno(e, "unix:%s", address->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_INVALID,
			"unix:%s: there is something that is no socket: it is left alone; name "
			"another path",
			address->sun_path);
	if (!endpoint_is_stale(address))
		return err_set(e, ERR_BUSY,
			"unix:%s: another process listens there: end it, or name another path",
			address->sun_path);
	if (unlink(address->sun_path) != 0)
		return err_errno(e, "unix:%s", address->sun_path);
	return 0;
}

static int
open_unix(const char *path, struct endpoint *p, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED(fd_close_at)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (path[0] != '/' || strlen(path) >= sizeof(address.sun_path))
		return err_set(e, ERR_INVALID, "unix:%s: an absolute path of at most %zu bytes",
			path, sizeof(address.sun_path) - 1);
	(void)strcpy(address.sun_path, path);
	if (clear_path(&address, e) != 0)
		return -1;
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return err_errno(e, "unix:%s", path);
	if (chmod(path, 0600) != 0 || listen(fd, SOMAXCONN) != 0) {
		(void)err_errno(e, "unix:%s", path);
		(void)unlink(path);
		return -1;
	}
	p->unix_path = mem_string(path);
	p->fd = TAKE_FD(fd);
	return 0;
}

static int
listen_on(const struct addrinfo *a)
{
	const int one = 1;
	SCOPED(fd_close_at)
	int fd =
		socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0)
		return -1;
	return TAKE_FD(fd);
}

static int
open_tcp(const char *address, struct endpoint *p, struct err *e)
{
	const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(address, ':');
	SCOPED(free_at) char *copy = mem_string(address);
	char *host = copy;
	struct addrinfo *list = NULL;
	int failed;

	if (colon == NULL || colon[1] == '\0')
		return err_set(e, ERR_INVALID,
			"FUEL_BACKUP_LISTEN \"%s\" is neither host:port nor unix:/path", address);
	copy[colon - address] = '\0';
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		host++;
	}
	failed = getaddrinfo(host[0] == '\0' ? NULL : host, colon + 1, &hints, &list);
	if (failed != 0)
		return err_set(e, ERR_INVALID, "FUEL_BACKUP_LISTEN \"%s\": %s", address,
			gai_strerror(failed));
	p->fd = listen_on(list);
	if (p->fd < 0)
		(void)err_errno(e, "cannot listen on %s", address);
	freeaddrinfo(list);
	return p->fd < 0 ? -1 : 0;
}

int
endpoint_open(const char *address, struct endpoint *p, struct err *e)
{
	*p = (struct endpoint){.fd = -1};
	return strncmp(address, "unix:", 5) == 0 ? open_unix(address + 5, p, e)
						 : open_tcp(address, p, e);
}

/* Whether the socket at our path is the one that we are bound to: another service may have put its
 * own there since. */
static bool
still_ours(const struct endpoint *p)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)strcpy(address.sun_path, p->unix_path);
	return endpoint_is_stale(&address); /* ours is closed by now */
}

void
endpoint_close(struct endpoint *p)
{
	fd_close_at(&p->fd);
	p->fd = -1;
	if (p->unix_path != NULL && still_ours(p))
		(void)unlink(p->unix_path);
	free(p->unix_path);
	p->unix_path = NULL;
}

static struct caller
caller_of_v4(uint32_t address, uint32_t gateway)
{
	struct caller c = {.origin = ORIGIN_FAR, .network = ntohl(address)};

	if (c.network >> 24 == IN_LOOPBACKNET)
		c.origin = ORIGIN_LOCAL;
	else if (gateway != 0 && address == gateway)
		c.origin = ORIGIN_GATEWAY;
	return c;
}

static struct caller
caller_of_v6(const struct in6_addr *a, uint32_t gateway)
{
	struct caller c = {.origin = ORIGIN_FAR};
	uint32_t v4;

	memcpy(&v4, a->s6_addr + 12, sizeof(v4));
	if (IN6_IS_ADDR_V4MAPPED(a))
		return caller_of_v4(v4, gateway);
	if (IN6_IS_ADDR_LOOPBACK(a))
		c.origin = ORIGIN_LOCAL;
	memcpy(&c.network, a->s6_addr, sizeof(c.network));
	return c;
}

struct caller
endpoint_caller(const struct sockaddr *a, uint32_t gateway)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (a->sa_family == AF_INET) {
		memcpy(&v4, a, sizeof(v4));
		return caller_of_v4(v4.sin_addr.s_addr, gateway);
	}
	if (a->sa_family == AF_INET6) {
		memcpy(&v6, a, sizeof(v6));
		return caller_of_v6(&v6.sin6_addr, gateway);
	}
	return (struct caller){.origin = ORIGIN_LOCAL};
}

uint32_t
endpoint_gateway(void)
{
	SCOPED(file_close_at) FILE *routes = fopen("/proc/self/net/route", "re");
	char line[256];
	unsigned to, by;

	while (routes != NULL && fgets(line, sizeof(line), routes) != NULL)
		if (sscanf(line, "%*s %x %x", &to, &by) == 2 && to == 0 && by != 0)
			return by; /* the kernel prints it as it stands in memory */
	return 0;
}
