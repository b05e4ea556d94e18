#ifndef TRANSFER_NOTIFY_H
#define TRANSFER_NOTIFY_H

#include <stdint.h>

#include "base/err.h"

/*
 * Messages to a webhook, by a thread of its own: who gives one never waits.  One that the receiver
 * does not take is tried again, with pauses of 1, 2, 4, … seconds; NOTIFY_TRIES times in all.
 * Redirects are not followed, and https is verified.  What could not be sent is logged and counted.
 * Thread-safe.
 */
struct notify;

enum {
	NOTIFY_QUEUE = 64, /* messages that wait; one more is dropped, and counted */
	NOTIFY_TRIES = 8,  /* two minutes in all */
	NOTIFY_MS = 10000  /* of one try, as a whole */
};

/* ${url}: where to; borrowed for the call. */
int notify_open(const char *url, struct notify **ret_notify, struct err *e);

/* End, without what still waits; NULL: nothing. */
void notify_close(struct notify *n);

/* Have ${body}, a JSON text, sent; takes it. */
void notify_send(struct notify *n, char *body);

struct notify_counts {
	int64_t sent, failed, dropped;
	int64_t waiting;
};
struct notify_counts notify_counts(struct notify *n); /* NULL: all 0 */

#endif
