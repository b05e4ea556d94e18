#ifndef STORE_PACKS_PACK_VERIFY_H
#define STORE_PACKS_PACK_VERIFY_H

#include "base/err.h"
#include "store/packs/packs.h"

enum { PACK_HASH = 32 };

/* A good record, in the order in which they stand; returns 0, or -1 to end. */
typedef int pack_verify_record(
	void *ctx, const struct record *record, int64_t offset, struct err *e);

/**
 * pack_verify(s, uuid, fd, bytes, each, ctx, hash, e):
 * Read the first ${bytes} of the sealed pack ${uuid} in ${fd}, verify every record (checksums, id),
 * and tell ${each} of those that are good; damage costs a record, not what follows.  ${hash}: the
 * SHA-256 of these bytes.  ERR_CORRUPT: the file is shorter.  A few MiB of memory.
 */
int pack_verify(struct store *s, const unsigned char uuid[RECORD_UUID_SIZE], int fd, int64_t bytes,
	pack_verify_record *each, void *ctx, unsigned char hash[PACK_HASH], struct err *e);

#endif
