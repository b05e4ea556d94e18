#ifndef STORE_PACKS_PACKDIR_H
#define STORE_PACKS_PACKDIR_H

#include "store/packs/packs.h"

/* Called for each pack's file; returns 0, or -1 to end. */
typedef int packdir_visit(void *ctx, const unsigned char uuid[RECORD_UUID_SIZE], struct err *e);

/* Visit the files in packs/ that have a pack's name, in no order. */
int packdir_each(struct store *s, packdir_visit *visit, void *ctx, struct err *e);

#endif
