#ifndef STORE_GC_SWEEP_H
#define STORE_GC_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct store;

/*
 * Gives back the room of what no backup needs: packs of which at least half is dead are emptied of
 * what is needed, and removed.  Runs beside sessions and downloads.
 */
struct sweep_options {
	int64_t bytes_per_second; /* read and written; 0: 64 MiB; -1: no limit */
	bool (*stop)(void *ctx);  /* asked before each record; NULL: never */
	/* What it is at ("mark", "move", "wait"), and bytes handled of bytes to handle; may be
	 * NULL. */
	void (*tell)(void *ctx, const char *phase, int64_t done, int64_t total);
	void *ctx;
};

struct sweep_totals {
	int64_t freed_bytes;	 /* files removed less what was copied: may be below 0 */
	int64_t copied_bytes;	 /* into other packs */
	int64_t packs_removed;	 /* their files are gone */
	int64_t chunks_removed;	 /* their rows */
	int64_t chunks_moved;	 /* into other packs */
	int64_t chunks_damaged;	 /* found and marked; their packs stay */
	int64_t backups_damaged; /* that need one of these */
};

/**
 * sweep_run(s, options, ret_totals, e):
 * ${options} may be NULL.  ${ret_totals} is filled also on error: what was done until then stays
 * done, and the next sweep goes on.  Ends when all downloads have that began before the last pack
 * was emptied.  Errors: ERR_CANCELLED; ERR_BUSY (another sweep); ERR_CONFLICT (the store has packs
 * that its catalogue does not know all of: `rebuild` first); ERR_CORRUPT (a recipe in the
 * catalogue); ERR_NO_SPACE (not even with the reserve is there room for one pack); ERR_IO.
 */
int sweep_run(struct store *s, const struct sweep_options *options, struct sweep_totals *ret_totals,
	struct err *e);

/* Whether a backup was deleted and no sweep has begun since: 1 or 0, -1. */
int sweep_due(struct store *s, struct err *e);

#endif
