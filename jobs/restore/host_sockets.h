#ifndef JOBS_HOST_SOCKETS_H
#define JOBS_HOST_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * What processes of the host listen on, and its network interfaces: from the files of its first
 * process below /proc (proc_net(5)).  Pure functions of their texts, but for host_sockets_read.
 */
enum { HOST_SOCKETS_MAX = 65536 }; /* more are not looked at */

struct host_socket {
	bool udp;
	int family; /* AF_INET; AF_INET6: one that may take IPv4 as well, or may not */
	unsigned char address[16];
	uint16_t port;
};

struct host_sockets {
	struct host_socket *list;
	size_t count;
	char *interfaces; /* their names, each followed by a blank; NULL: not known */
};

/* Below ${root_fd}, the host's root.  What cannot be read is as if nothing were there: nobody is
 * refused on doubt. */
void host_sockets_read(int root_fd, struct host_sockets *s);
void host_sockets_free(struct host_sockets *s); /* usable as SCOPED(host_sockets_free) */

/* Add what a text of /proc/PID/net/{tcp,tcp6,udp,udp6} has. */
void host_sockets_parse(struct host_sockets *s, const char *text, bool udp, int family);

/* Whether somebody surely is in the way of one who listens on ${address} ("": on all of both
 * families). */
bool host_sockets_taken(const struct host_sockets *s, bool udp, const char *address, uint16_t port);

/* Whether the host surely has no interface of this name. */
bool host_sockets_lack_interface(const struct host_sockets *s, const char *name);

#endif
