#ifndef STORE_GC_LIVE_SET_H
#define STORE_GC_LIVE_SET_H

#include <stdbool.h>

#include "store/catalogue/chunks.h"
#include "store/catalogue/state.h"

/*
 * Which chunks a sweep must leave: those that a complete backup, a download under way, or a session
 * names that has been open at any moment since live_set_open.  One bit a chunk number (see pins.h).
 */
struct live_set {
	struct store *store;
	struct pins pins;
};

/**
 * live_set_open(m, s, e):
 * ERR_CORRUPT if a backup's recipe is not what was written: what it names is then unknown.  Only
 * one is open at a time; it stays where it is until live_set_close.
 */
int live_set_open(struct live_set *m, struct store *s, struct err *e);
void live_set_close(struct live_set *m); /* also of one that is all zero */

/**
 * live_set_sort(m, rows, count, needed):
 * For each row whether its chunk is needed.  Final while the caller holds the look-up lock
 * exclusively (it must, for the pins of open sessions are read): who is after that does not find
 * a row that the caller removes.
 */
void live_set_sort(const struct live_set *m, const struct chunk *rows, size_t count, bool *needed);

#endif
