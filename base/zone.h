#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Time zones, as the system's files have them (TZif, RFC 9636).  libc knows but one at a time, of
 * the whole process.
 */
struct zone;

/* Longer names are refused. */
enum { ZONE_NAME_MAX = 64 };

/**
 * zone_named(name, e):
 * The zone of this IANA name ("Europe/Berlin"), or of a POSIX text as TZ may have it ("CET-1CEST,
 * M3.5.0,M10.5.0/3").  It stays for ever: it is read once.  NULL with ERR_INVALID if there is none.
 * Thread-safe.
 */
const struct zone *zone_named(const char *name, struct err *e);

/* What ${z} was asked for by. */
const char *zone_name(const struct zone *z);

/* Seconds that ${z}'s clocks are ahead of UTC at ${utc_s} (since 1970). */
int64_t zone_offset(const struct zone *z, int64_t utc_s);

/**
 * zone_instants(z, local_s, instants):
 * When ${z}'s clocks show ${local_s} (a time of its calendar, counted as if it were UTC's): Returns
 * 1, or 2 where they were put back and show it twice, the first one first.  Returns 0 where they
 * were put forward and never show it: ${instants}[0] is then the instant at which that was done.
 */
int zone_instants(const struct zone *z, int64_t local_s, int64_t instants[2]);

/* Zone from the ${len} bytes of a TZif file, the caller's: zone_free.  NULL with ERR_INVALID. */
struct zone *zone_decode(const char *name, const void *data, size_t len, struct err *e);
void zone_free(struct zone *z);

#endif
