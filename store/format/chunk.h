#ifndef STORE_FORMAT_CHUNK_H
#define STORE_FORMAT_CHUNK_H

/* Bytes: the longest chunk, and the key of a segment. */
enum { CHUNK_MAX = 1 << 20, KEY_SIZE = 32 };

/* How a stream of content is cut into chunks. */
enum cut {
	CUT_CONTENT, /* 64-bit gear, min/avg/max 64/256/1024 KiB */
	CUT_FINE, /* the same, 8/32/128 KiB: for what changes a page here and there, and shifts */
	CUT_PAGES_16, /* fixed 16 KiB */
	CUT_PAGES_64, /* fixed 64 KiB */
	CUT_WHOLE     /* one chunk; the stream must not pass CHUNK_MAX */
};

#endif
