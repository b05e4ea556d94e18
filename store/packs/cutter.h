#ifndef STORE_PACKS_CUTTER_H
#define STORE_PACKS_CUTTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/format/chunk.h"

/*
 * Where a stream of content is cut.  Where a cut falls depends on the bytes since the last cut
 * alone, never on how they were handed over.  A plain value; no input or output.
 *
 * CUT_CONTENT is gear hashing with a skipped minimum and normalisation level 2: FastCDC, Xia et
 * al., USENIX ATC 2016 and IEEE TPDS 31(9), doi:10.1109/TPDS.2020.2984632.  The hash h = 2h +
 * gear[byte] depends on the last 64 bytes; the masks take its high bits, into which all of these
 * have been mixed.  Average 256 KiB = 2^18: a cut needs 18 + 2 zero bits before that length and 18
 * - 2 behind it. The gear table is splitmix64 (Steele, Lea, Flood 2014,
 * doi:10.1145/2660193.2660195) started at the bytes "FUELBACK"; it is part of the format: other
 * values would store everything again.
 */
enum { CUT_MIN = 64 << 10, CUT_AVERAGE = 256 << 10, CUT_MAX = CHUNK_MAX };

/* CUT_FINE is the same an eighth as large: 15 + 2 zero bits, and 15 - 2. */
enum { CUT_FINE_MIN = 8 << 10, CUT_FINE_AVERAGE = 32 << 10, CUT_FINE_MAX = 128 << 10 };

struct cutter {
	enum cut cut;
	size_t len;    /* bytes since the last cut */
	uint64_t hash; /* over the last bytes of these */
};

void cutter_start(struct cutter *c, enum cut cut);

/**
 * cutter_scan(c, data, len, ret_cut):
 * Go on with ${len} bytes that follow those given so far.  Returns how many of them still belong
 * to the present chunk, and whether it ends there (the next byte begins another).
 */
size_t cutter_scan(struct cutter *c, const void *data, size_t len, bool *ret_cut);

/* The value of gear[${i}], for the test that nails the table down. */
uint64_t cutter_gear(unsigned char i);

#endif
