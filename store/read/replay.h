#ifndef STORE_READ_REPLAY_H
#define STORE_READ_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/stream.h"
#include "store/format/recipe.h"

struct store;

/*
 * Reading: a complete backup's stream, either as its download (the stored zstd frames one after the
 * other, then a seek table as the last skippable frame: a plain .tar.zst) or as plain bytes.
 * Holds a lease: a delete or a sweep meanwhile takes nothing away from it.  One thread at a time.
 */
struct replay;

/**
 * replay_open(s, id, ret_replay, e):
 * Errors: ERR_NOT_FOUND, ERR_CONFLICT (not complete), ERR_CORRUPT (a chunk's row is missing).
 */
int replay_open(struct store *s, const char *id, struct replay **ret_replay, struct err *e);
void replay_close(struct replay *r);
void replay_close_at(struct replay **r);

int64_t replay_archive_bytes(const struct replay *r);
int64_t replay_plain_bytes(const struct replay *r);
const char *replay_digest(const struct replay *r); /* hex; the strong ETag */

const struct recipe *replay_recipe(const struct replay *r); /* borrowed */

/**
 * replay_archive(r, offset, data, size, e):
 * Up to ${size} bytes of the download from ${offset} on.  Returns how many, 0 at the end.  Each
 * record's header is checked against the catalogue (frames carry their own checksum for the
 * reader): ERR_CORRUPT rather than wrong bytes.
 */
ssize_t replay_archive(struct replay *r, int64_t offset, void *data, size_t size, struct err *e);

/**
 * replay_plain(r):
 * A source of the plain bytes from the start; each chunk's SHA-256 is verified before its first
 * byte is given out.  Starting again makes earlier sources of ${r} invalid.  Borrowed from ${r}.
 */
struct source replay_plain(struct replay *r);

/**
 * replay_plain_seek(r, offset, e):
 * The source goes on with the plain byte ${offset} (0 to replay_plain_bytes); no chunk before it is
 * read.  ERR_RANGE.
 */
int replay_plain_seek(struct replay *r, int64_t offset, struct err *e);

/**
 * replay_file(r, f, offset, len, fd_offset, ret_from, ret_len, e):
 * The whole chunks within the ${len} plain bytes from ${offset} on, side by side in several
 * threads, and the file ${f->fd} at the same distance from ${fd_offset}.  COMPARE: whether it has
 * them; their ids are compared, and nothing of them is read from the store.  LOOK: likewise, and
 * ${f->differs} is handed each chunk that it has not, in order, with its place in the file; the
 * file may end before, then what is done ends there.  WRITE: they are written there.  Returns 1
 * with those chunks' place in ${ret_from}, counted from ${offset}, and ${ret_len} (0: there are
 * none, or no threads); 0: the file has something else (COMPARE); -1, also if ${f->differs} says
 * so.  The source then goes on where it was.
 */
enum replay_use { REPLAY_COMPARE, REPLAY_LOOK, REPLAY_WRITE };
typedef int replay_differs(
	void *ctx, const void *plain, size_t len, int64_t fd_offset, struct err *e);
struct replay_file {
	enum replay_use use;
	int fd;			 /* borrowed */
	replay_differs *differs; /* of LOOK */
	void *ctx;
};
int replay_file(struct replay *r, const struct replay_file *f, int64_t offset, int64_t len,
	int64_t fd_offset, int64_t *ret_from, int64_t *ret_len, struct err *e);

/* The plain byte that the source gives out next. */
int64_t replay_plain_at(const struct replay *r);

#endif
