#ifndef ENGINE_PAUSE_CONTAINER_H
#define ENGINE_PAUSE_CONTAINER_H

/*
 * The holder: the only process of a container whose network stands for the host's in a rehearsal.
 * Nothing leads into it or out of it, and every IPv4 address is its own: what asks for an address
 * of the host, whatever that was, finds what listens there, or nobody.
 */

/* `fuel-backupd hold`: does nothing until it is asked to end.  Returns an exit code. */
int pause_container_main(void);

#endif
