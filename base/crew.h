#ifndef BASE_CREW_H
#define BASE_CREW_H

#include <stddef.h>

/*
 * Threads that have nothing to do help those that have: who comes to the end of its own work
 * serves, and takes steps of what others share.  Thread-safe.
 */
struct crew;

struct crew *crew_new(void);
void crew_free(struct crew *c); /* nobody may serve any more; NULL is allowed */

/* Help until crew_dismiss. */
void crew_serve(struct crew *c);
void crew_dismiss(struct crew *c);

/**
 * crew_share(c, step, ctx, count):
 * Call ${step}(${ctx}, i) for each i below ${count}, in any order, some of them on threads that
 * serve; return when all are done.  Without any such thread, or while another shares, the caller
 * does them all.  ${c} may be NULL.
 */
void crew_share(struct crew *c, void (*step)(void *ctx, size_t i), void *ctx, size_t count);

#endif
