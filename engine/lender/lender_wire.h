#ifndef ENGINE_LENDER_LENDER_WIRE_H
#define ENGINE_LENDER_LENDER_WIRE_H

#include <stddef.h>

#include "base/err.h"

/*
 * What the service and its lender say to each other, over a SOCK_SEQPACKET socket:
 *
 *	lender  'r' descriptors…            roots, in order, in as many messages as it takes
 *	service 'o' root             lender 'p' path NUL path NUL … (any number), then 'k'
 *	service 's' root path        lender 'k'
 *	service 't' root flags       lender 'p' "COUNT PATH" or nothing, then 'k'    attributes that
 *				     a walk does not see (hidden_attributes.h)
 *	service 'w' [folder]         lender 'k' one byte: whether an entry of it has attributes
 *				     trusted.*; [..] is a descriptor that comes with it
 *	service 'n' [file] name      lender 'p' records (base/trusted.h), any number, then 'k':
 *				     those of name in it, or of the file itself
 *	service 'u' [file] name NUL value, 'U' [file] name NUL
 *				     lender 'k' one byte, an errno    set it, remove it
 *	service 'v'                  lender 'p' lines … (any number), then 'k'    its mounts
 *	service 'l' id NUL id NUL …  lender 'd' version number number … descriptors… (any number
 *				     of these, then 'k'): one byte, and for each container
 *				     that has a freezer its number in four and CGROUP_FDS
 *	service 'c'                  lender 'k' one byte: it had thawed    hold none: released
 *	service 'g' xid NUL xid …    lender 'k'    hold these too; x is 'e' if the engine pauses
 *				     it, 'c' if its cgroup is frozen
 *	service 'a' milliseconds     lender 'k'    frozen from now on, for no longer than that
 *	lender  'e'                  its deputy 'k'    that time is now
 *	lender  'x' text             instead of any of its answers: it failed
 */
enum { WIRE_MAX = 32 * 1024, WIRE_FDS_MAX = 128, WIRE_STALL_MS = 60 * 1000 };

struct wire_message {
	char type;
	size_t len;
	char data[WIRE_MAX + 1]; /* followed by a NUL */
	size_t fd_count;
	int fds[WIRE_FDS_MAX]; /* the receiver's */
};

int wire_send(int fd, char type, const void *data, size_t len, struct err *e);
int wire_send_fds(int fd, char type, const void *data, size_t len, const int *fds, size_t count,
	struct err *e);

/* Wait up to ${timeout_ms} (-1: for ever).  1, 0: the other side is gone, -1: ERR_TIMEOUT, ERR_IO.
 */
int wire_receive(int fd, int timeout_ms, struct wire_message *m, struct err *e);

#endif
