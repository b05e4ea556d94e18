#ifndef ARCHIVE_TAR_OUTLINE_H
#define ARCHIVE_TAR_OUTLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "archive/tar/member.h"
#include "base/err.h"
#include "base/stream.h"

/*
 * Finding members in a tar stream without reading all of it.
 *
 * A stream is a row of stretches, in each of which paths ascend: names bytewise in each folder, a
 * folder's content right behind it (segments.h: a tree gives two, its directories and the rest).
 * An outline remembers where each stretch begins and, on its way, a path about every
 * OUTLINE_STEP bytes.  What stands between is read again when it is asked for.  So it takes some
 * 100 bytes for every 256 KiB of headers and small files, and none for the content of large ones.
 *
 * An outline does not change and may be used by several threads, each with a stream of its own.
 */
struct outline;

/* A stream that can be read from any place. */
struct outline_stream {
	struct source source;
	/* The source goes on with byte ${offset} of the stream. */
	int (*seek)(void *source_ctx, int64_t offset, struct err *e);
	/* It leaves out ${len} bytes. */
	int (*skip)(void *source_ctx, int64_t len, struct err *e);
};

enum {
	OUTLINE_STEP = 256 * 1024,
	OUTLINE_BYTES_MAX = 64 * 1024 * 1024 /* of memory: enough for 100 million small files */
};

/**
 * outline_make(s, ret_outline, e):
 * Read the stream's headers, to its end marker.  ERR_CORRUPT, ERR_TOO_LARGE.
 */
int outline_make(const struct outline_stream *s, struct outline **ret_outline, struct err *e);
void outline_free(struct outline *o);
void outline_free_at(struct outline **o);

/* What stands at a path. */
struct outline_entry {
	char *name;  /* in its folder; owned */
	bool member; /* false: a folder that is only known from what is in it; the rest is zero */
	enum member_type type;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int64_t size;
	member_time mtime_ns;
	char *link; /* as in struct member, or NULL; owned */
	bool sparse;
	int64_t header, content; /* where they begin in the stream; content not of a sparse file */
};

struct outline_list {
	struct outline_entry *entries; /* sorted by name, bytewise */
	size_t count;
	bool more;
};

/* Either may be all zero. */
void outline_entry_free(struct outline_entry *entry);
void outline_list_free(struct outline_list *list);

/**
 * outline_find(o, s, path, ret_entry, e):
 * What stands at ${path} ("": the root, a folder).  Of a path that the stream has twice, a folder
 * goes before the rest.  ERR_NOT_FOUND.
 */
int outline_find(const struct outline *o, const struct outline_stream *s, const char *path,
	struct outline_entry *ret_entry, struct err *e);

/**
 * outline_children(o, s, folder, after, limit, ret_list, e):
 * The first ${limit} (>= 1) entries of ${folder} whose names are behind ${after} (NULL: from the
 * first on).  A folder that does not exist has none.
 */
int outline_children(const struct outline *o, const struct outline_stream *s, const char *folder,
	const char *after, size_t limit, struct outline_list *ret_list, struct err *e);

struct outline_range {
	int64_t offset, len;
};

/**
 * outline_ranges(o, s, folder, ret_ranges, ret_count, e):
 * The parts of the stream that hold ${folder} and all that is in it, whole members, ascending.  The
 * array is the caller's to free.
 */
int outline_ranges(const struct outline *o, const struct outline_stream *s, const char *folder,
	struct outline_range **ret_ranges, size_t *ret_count, struct err *e);

#endif
