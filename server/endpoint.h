#ifndef SERVER_ENDPOINT_H
#define SERVER_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

/* Where the service listens, and who calls there. */
struct endpoint {
	int fd;
	char *unix_path; /* of a unix socket; else NULL */
};

/**
 * endpoint_open(address, ret, e):
 * Listen on ${address}: "host:port", "[v6]:port" or "unix:/path".  Of what stands at the path of a
 * unix socket, only a socket on which nobody listens is removed; anything else is an error.
 * ERR_INVALID, ERR_BUSY (somebody listens there), ERR_IO.
 */
int endpoint_open(const char *address, struct endpoint *ret, struct err *e);

/* Close it, and remove its unix socket if it is still its own. */
void endpoint_close(struct endpoint *p);

/*
 * Who calls.  Whoever comes from another host has a real address of its own, also through a
 * published port: Docker translates that one.  Who comes from the host itself by a published port
 * comes from the bridge's gateway (docker-proxy, masquerading); so do, where Docker has nothing but
 * its proxy (rootless), all others.
 */
enum origin {
	ORIGIN_LOCAL,	/* a unix socket, or loopback */
	ORIGIN_GATEWAY, /* the gateway of the default route */
	ORIGIN_FAR
};
enum { ORIGINS = ORIGIN_FAR + 1 };

struct caller {
	enum origin origin;
	uint64_t network; /* what is counted as one address: an IPv4 address, a /64 of IPv6 */
};

/* Who has the address ${a}.  ${gateway}: of endpoint_gateway. */
struct caller endpoint_caller(const struct sockaddr *a, uint32_t gateway);

/* The IPv4 gateway of the default route, in network order; 0: there is none. */
uint32_t endpoint_gateway(void);

#endif
