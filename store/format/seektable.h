#ifndef STORE_FORMAT_SEEKTABLE_H
#define STORE_FORMAT_SEEKTABLE_H

#include <stddef.h>
#include <stdint.h>

/*
 * The seek table of the zstd seekable format (zstd's contrib/seekable_format, version 0.1.0)
 * without checksums, as the last skippable frame: head, per frame its stored and its plain length
 * (u32 each), foot.  A download of more than SEEKTABLE_MAX_FRAMES frames has none.
 */
enum { SEEKTABLE_HEAD = 8, SEEKTABLE_ENTRY = 8, SEEKTABLE_FOOT = 9 };
static const uint64_t SEEKTABLE_MAX_FRAMES = 0x8000000;

/* The table's length for ${frames} frames; 0 if there is to be none. */
int64_t seektable_bytes(uint64_t frames);

void seektable_head(uint64_t frames, unsigned char to[SEEKTABLE_HEAD]);
void seektable_entry(uint32_t stored_len, uint32_t plain_len, unsigned char to[SEEKTABLE_ENTRY]);
void seektable_foot(uint64_t frames, unsigned char to[SEEKTABLE_FOOT]);

#endif
