#ifndef SERVER_GATE_H
#define SERVER_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"
#include "server/token.h"

/*
 * The door: it accepts connections and waits for the head of each without reading it (MSG_PEEK), in
 * one thread for all.  A sound head is let in as soon as there is a slot for what it shows
 * (rehearsal_images.h); a bad one is refused here.  Inside it watches over the time that clients
 * take.  A connection serves one request.  Thread-safe.
 */
struct gate;
struct guest;

enum {
	GATE_HEAD_SECONDS = 10,	 /* from the connection to the end of the head */
	GATE_QUEUE_SECONDS = 20, /* for a slot */
	GATE_OPEN_SECONDS = 30,	 /* for all that is done without a token */
	/* Who sends a body has so long at first, earns a second by each GATE_BODY_BYTES, and never
	 * has more than GATE_BODY_MAX_SECONDS. */
	GATE_BODY_SECONDS = 30,
	GATE_BODY_BYTES = 1024,
	GATE_BODY_MAX_SECONDS = 120,
	/* After the answer what the client still sends is read, so that the answer is not lost: so
	 * long, and so much; a little only while more than GATE_CALM wait. */
	GATE_LEAVE_SECONDS = 2,
	GATE_LEAVE_BYTES = 256 * 1024,
	GATE_LEAVE_FEW_BYTES = 16 * 1024,
	GATE_CALM = 64
};

struct gate_options {
	int fd;			   /* that listens; borrowed */
	const struct token *token; /* borrowed */
	/* Serve the connection ${fd}, which this takes.  It calls gate_entered, and gate_left as
	 * the last thing before it closes ${fd}. */
	int (*serve)(void *ctx, int fd, const struct sockaddr *address, socklen_t len);
	void *ctx;
};

int gate_open(const struct gate_options *o, struct gate **ret_gate, struct err *e);

/* The guest whose connection ${fd} is; it is valid until gate_left. */
struct guest *gate_entered(struct gate *g, int fd);
void gate_left(struct gate *g, struct guest *guest);

/* It has shown who it is: from now on its time is its own. */
void gate_trust(struct gate *g, struct guest *guest);

/* A body is waited for; ${len} bytes of it have come, and are worked on; they are done with; the
 * whole has come. */
void gate_body_begins(struct gate *g, struct guest *guest);
void gate_body_came(struct gate *g, struct guest *guest, size_t len);
void gate_body_goes_on(struct gate *g, struct guest *guest);
void gate_body_ended(struct gate *g, struct guest *guest);

/* No new ones from now on; who waits already is still let in. */
void gate_shut(struct gate *g);

/* Wait until all inside have had their answer, for ${ms}; then cut them off. */
void gate_empty(struct gate *g, int ms);

void gate_close(struct gate *g); /* after gate_empty, when nobody is inside */

#endif
