#ifndef ARCHIVE_TAR_READER_H
#define ARCHIVE_TAR_READER_H

#include "archive/tar/member.h"
#include "base/err.h"
#include "base/stream.h"

/*
 * Reading a tar stream member by member: ustar, pax, GNU's long names and sparse 1.0.  (Not by
 * libarchive, which takes a stream without its end marker for complete, maps sparse files and
 * xattrs to its own view, and has far more formats than a restore should be open to.) What it hands
 * out is safe to use as a path below a root: an absolute path, an empty, "." or ".." part, a NUL,
 * an over-long name, a hard link to an unsafe path, an unknown type: ERR_CORRUPT.
 */
struct reader;

int reader_open(struct source source, struct reader **ret_reader, struct err *e);
void reader_close(struct reader *r);
void reader_close_at(struct reader **r);

/**
 * reader_next(r, ret_member, e):
 * Go to the next member, past what is left of the present one.  Returns 1 with ${ret_member} (valid
 * until the next call), 0 at the end marker, -1 on error; a stream that ends without its end marker
 * is ERR_CORRUPT.  xattr names are decoded.
 */
int reader_next(struct reader *r, const struct member **ret_member, struct err *e);

/**
 * reader_block(r, ret_data, ret_len, ret_offset, e):
 * The next piece of the present member's content and where in the file it belongs (between pieces
 * are holes).  Returns 1, 0 at its end, -1.
 */
int reader_block(struct reader *r, const void **ret_data, size_t *ret_len, int64_t *ret_offset,
	struct err *e);

/* From now on content that is gone past is left out by ${skip} (buffered_source.h), not read. */
void reader_skip_by(struct reader *r, int (*skip)(void *ctx, int64_t len, struct err *e));

/*
 * What the stream's owner can do with a file without handing out bytes: ${len} bytes from ${at} on
 * (counted from where the reader began), and the file ${f->fd} from ${fd_offset} on.  COMPARE:
 * whether the file has them; LOOK: likewise, but ${f->differs} is handed what it has not, with its
 * place in the file; WRITE: write them.  Returns 1 with the part that was done, from ${ret_from}
 * (counted from ${at}) on, ${ret_len} bytes, maybe 0; 0 if something differs (COMPARE); -1, also if
 * ${f->differs} says so.  ${ctx} is the source's.
 */
enum reader_use { READER_COMPARE, READER_LOOK, READER_WRITE };
typedef int reader_differs(void *ctx, const void *data, size_t len, int64_t offset, struct err *e);
struct reader_file {
	enum reader_use use;
	int fd;			 /* borrowed */
	reader_differs *differs; /* of LOOK */
	void *ctx;
};
typedef int reader_direct(void *ctx, const struct reader_file *f, int64_t at, int64_t len,
	int64_t fd_offset, int64_t *ret_from, int64_t *ret_len, struct err *e);

/* From now on ${direct} is what reader_shorten asks. */
void reader_direct_by(struct reader *r, reader_direct *direct);

/* A part of a file. */
struct reader_part {
	int64_t from, to;
};

/**
 * reader_shorten(r, f, done, at, e):
 * Between two blocks: go past what of the present member's content can be done directly from ${*at}
 * on, where the last block ended.  ${done}, at first {0, 0}, is what was done ahead of that.
 * Returns 1; 0: the file differs; -1.  Short members and those with holes are left to reader_block.
 */
int reader_shorten(struct reader *r, const struct reader_file *f, struct reader_part *done,
	int64_t *at, struct err *e);

/* Where in the stream, counted from where the reader began, the present member's headers begin, and
 * (of a file without holes) its content. */
struct reader_place {
	int64_t header, content;
};
struct reader_place reader_place(const struct reader *r);
/* Go past what is left of the present member's content, and its padding. */
int reader_skip(struct reader *r, struct err *e);

/**
 * reader_tap(r, tap):
 * From now on ${tap} is handed every byte of the stream as the reader goes past it, in order:
 * during reader_next the headers of the member (and the map of a sparse one), or the end; during
 * reader_block and reader_skip content and padding.
 */
void reader_tap(struct reader *r, const struct sink *tap);

/* Zeros that may follow the end marker: GNU tar fills up its records, which by default have 10 KiB.
 */
#define READER_TRAIL_MAX (INT64_C(1) << 20)

/* Leave the present member; the next one is that whose headers begin at ${at}, not before where we
 * are. */
int reader_leap(struct reader *r, int64_t at, struct err *e);

/* The present member's content as a source, holes filled with zeros.  Borrowed from ${r}. */
struct source reader_content(struct reader *r);

#endif
