#ifndef STORE_GC_SCRUB_H
#define STORE_GC_SCRUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct store;

/*
 * Reads stored chunks back, in the order of their numbers, which is about that of the packs: every
 * header, frame and SHA-256.  A damaged one is marked, and the backups that need it (damage.h); one
 * that was marked and is whole is taken back.  Runs beside sessions, downloads and a sweep.
 */
struct scrub_options {
	int64_t bytes_per_second; /* 0: 64 MiB; -1: no limit */
	int64_t slice_bytes; /* 0: one whole pass; else so much, from where the last slice ended */
	bool (*stop)(void *ctx); /* asked before each chunk; NULL: never */
	void (*tell)(void *ctx, int64_t done, int64_t total); /* bytes; may be NULL */
	void *ctx;
};

/* Of so many damaged chunks the numbers are given. */
enum { SCRUB_NUMBERS = 10000 };

struct scrub_totals {
	int64_t chunks; /* read */
	int64_t bytes;
	int64_t chunks_damaged; /* also those that were marked before */
	int64_t chunks_mended;	/* marked before, and whole */
	int64_t chunks_unread;	/* their files could not be read: nothing is known of them */
	struct err unread;	/* why, of the first */
	uint64_t *numbers;	/* of the damaged, ascending; the caller's to free, also on error */
	size_t numbers_count;
};

/**
 * scrub_run(s, options, ret_totals, e):
 * ${options} may be NULL.  A slice that comes to the end begins again at the start the next time.
 * Errors: ERR_CANCELLED (a slice then goes on from there), ERR_IO.
 */
int scrub_run(struct store *s, const struct scrub_options *options, struct scrub_totals *ret_totals,
	struct err *e);

#endif
