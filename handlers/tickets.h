#ifndef HANDLERS_TICKETS_H
#define HANDLERS_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Tickets: random texts that stand for the token in a download's address for a minute, since a
 * browser's link cannot carry a header.  In memory only; the oldest of TICKETS_MAX gives way.
 * Thread-safe.
 */
struct tickets;

enum { TICKETS_MAX = 64, TICKET_SECONDS = 60, TICKET_SIZE = 65 };

struct tickets *tickets_new(void);
void tickets_free(struct tickets *t);

void tickets_issue(struct tickets *t, const char *backup, char text[TICKET_SIZE]);
bool tickets_valid(struct tickets *t, const char *backup, const char *text);

#endif
