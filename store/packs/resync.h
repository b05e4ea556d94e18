#ifndef STORE_PACKS_RESYNC_H
#define STORE_PACKS_RESYNC_H

#include "store/packs/scan.h"

/* What stood where resync_next read. */
enum resync {
	RESYNC_ERROR = -1,
	RESYNC_END,
	RESYNC_RECORD, /* a valid record */
	RESYNC_BAD     /* its header is valid, its frame is not */
};

/**
 * resync_next(s, end, ret_record, ret_offset, ret_skipped, e):
 * As scan_next, up to ${end} (the file's), but goes on behind damage: at the next valid header of
 * this pack.  Counts in ${ret_skipped} the places where it had to.
 */
enum resync resync_next(struct scan *s, int64_t end, struct record *ret_record, int64_t *ret_offset,
	int64_t *ret_skipped, struct err *e);

#endif
