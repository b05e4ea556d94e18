#ifndef STORE_CATALOGUE_STORE_STATS_H
#define STORE_CATALOGUE_STORE_STATS_H

#include <stdint.h>

#include "base/err.h"

struct store;

struct store_stats {
	int64_t packs_bytes;  /* size of all packs */
	int64_t chunks;	      /* chunks stored */
	int64_t plain_bytes;  /* their plain size */
	int64_t stored_bytes; /* their compressed size */
};
int store_stats(struct store *s, struct store_stats *ret_stats, struct err *e);

#endif
