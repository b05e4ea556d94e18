#ifndef ARCHIVE_TAR_READER_INTERNAL_H
#define ARCHIVE_TAR_READER_INTERNAL_H

#include "archive/tar/buffered_source.h"
#include "archive/tar/pax.h"
#include "archive/tar/reader.h"
#include "base/buf.h"

/* What reader.c and reader_content.c share; nobody else includes it. */

enum reader_state { READER_HEADER, READER_CONTENT, READER_END, READER_FAILED };

struct reader {
	struct buffered_source in;
	enum reader_state state;
	struct pax pax; /* of the present member */
	struct buf path, link;
	struct member member;
	struct member_extent *extents;
	int64_t left;	   /* bytes of content not yet handed out */
	size_t padding;	   /* behind the content */
	size_t extent;	   /* the present one */
	int64_t offset;	   /* in the file, of the next byte */
	const char *piece; /* reader_content: what is left of the last block */
	size_t piece_len;
	int64_t piece_offset, content_at;
	struct reader_place place;
	reader_direct *direct; /* or NULL */
};

#endif
