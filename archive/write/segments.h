#ifndef ARCHIVE_WRITE_SEGMENTS_H
#define ARCHIVE_WRITE_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crew.h"
#include "base/err.h"

struct changes;

/*
 * A tree on disk as a run of tar members, in segments that can be re-used without reading them.
 *
 * Order: first the headers of all directories (the root first), then everything else, entries
 * sorted bytewise per directory, depth first.  Segments:
 *	SEGMENT_RUN	headers and whole files below 64 KiB.  Cut only before a member, if the run
 *			has >= 16 KiB and a hash of the member's path is below len/48 Ki, or if it
 *			would pass 256 KiB; also before and after the other kinds.
 *	SEGMENT_CONTENT	the content of one file >= 64 KiB with its padding; its header is the last
 *			member of the run before.
 *	SEGMENT_PAGES_16, SEGMENT_PAGES_64	the same for a file of pages (SQLite, InnoDB,
 *			PostgreSQL heap, LMDB, qcow2).
 *	SEGMENT_SPARSE	header, map, content and padding of one file with holes.  (Header and data
 *			together, because which parts are holes may change without a change of
 * ctime.) So the boundaries depend on names and kinds alone.
 *
 * A segment's key is SHA-256 over the kind and, of every member: path, mode, uid, gid, size, mtime,
 * ctime, ino, btime, rdev, link target, and whether the tree is `trusted`.  Equal key: equal bytes,
 * if the key was only remembered for segments that were `stable` when read
 * (docs/design/design.md section 6, "What counts as unchanged").
 */
enum segment_kind {
	SEGMENT_RUN,
	SEGMENT_CONTENT,
	SEGMENT_PAGES_16,
	SEGMENT_PAGES_64,
	SEGMENT_SPARSE
};

struct segment {
	enum segment_kind kind;
	unsigned char key[32];
	int64_t bytes;	  /* plain tar bytes; exact, but for SEGMENT_SPARSE an estimate */
	int64_t files;	  /* members other than directories that end in it */
	const char *path; /* of the file whose segment this is; NULL for SEGMENT_RUN */
};

enum segment_notice {
	SEGMENT_SOCKET,	    /* a socket was skipped */
	SEGMENT_MOUNT,	    /* a mount inside the tree was not crossed */
	SEGMENT_CHANGED,    /* a file changed while it was read; stored with the bytes read */
	SEGMENT_VANISHED,   /* an entry went away while it was read (only where trees are in use) */
	SEGMENT_UNREADABLE, /* an entry could not be read; the callback decides */
	SEGMENT_UNLISTED,   /* nor what is in a directory, which itself is there; as before */
	SEGMENT_BARE,	    /* an entry that is no file goes without its attributes; as before */
	SEGMENT_EXCLUDED    /* left out by an exclude; only told by tree_left_out */
};

/* Whether it comes with a reason. */
static inline bool
segment_notice_odd(enum segment_notice n)
{
	return n == SEGMENT_UNREADABLE || n == SEGMENT_UNLISTED || n == SEGMENT_BARE;
}

/* The consumer.  Any callback may return -1 with ${e} filled: segments_walk then stops with it. */
struct segment_sink {
	/* A segment begins.  Return 1: it is there already, do not read it; 0: read it. */
	int (*begin)(void *ctx, const struct segment *s, struct err *e);
	int (*data)(void *ctx, const void *data, size_t len, struct err *e);
	/* May be NULL.  The segment's data are the ${size} bytes of the open file ${fd} and
	 * padding: return how many of the bytes, from the first on, you have taken by yourself;
	 * ${size} takes the padding, too.  You are handed the rest; -1 on error. */
	int64_t (*take)(void *ctx, int fd, int64_t size, struct err *e);
	/* All data came.  ${stable}: the key may be remembered for them. */
	int (*end)(void *ctx, const struct segment *s, bool stable, struct err *e);
	/* Something to be told.  Where segment_notice_odd
	 * says so ${e} has the reason: return 0 to go on without that, -1 to stop. */
	int (*notice)(void *ctx, enum segment_notice n, const char *path, struct err *e);
	void *ctx;
};

/* A file or a folder, whatever it is called. */
struct tree_id {
	uint64_t dev; /* major << 32 | minor */
	uint64_t ino;
};

struct tree {
	int root_fd;		   /* borrowed; a directory or a single file; O_PATH will do */
	const char *prefix;	   /* archive path of the root: "volumes/data" */
	bool layer;		   /* overlay's upper: 0/0 devices become .wh.NAME, see ${opaque} */
	bool named_marks;	   /* of a layer: files .wh.NAME are marks as well (aufs, FUSE) */
	struct changes *changes;   /* a whole tree, of which only these are met; NULL: all.
				    * Borrowed (changes.h) */
	const char *const *opaque; /* sorted relative paths of opaque directories: .wh..wh..opq */
	size_t opaque_count;
	const char *const *excludes; /* fnmatch patterns for archive paths; what matches is left
				      * out with all below it.  NULL-terminated, or NULL */
	const struct tree_id *left;  /* likewise: these, of whatever name; borrowed */
	size_t left_count;
	bool trusted;	   /* its attributes trusted.* are captured, by a keeper (base/trusted.h) if
			    * need be, and, but of a layer, overlay's marks */
	bool cacheable;	   /* the file system moves ctime at every change (not tmpfs) */
	struct crew *crew; /* helps to look at large directories; borrowed, or NULL */
	int64_t synced_ns; /* CLOCK_REALTIME_COARSE just before the pass's syncfs */
};

/* True if segments of the file system of ${fd} may be remembered (ext, xfs, btrfs, …). */
bool tree_cacheable(int fd);

/**
 * segments_walk(t, sink, e):
 * Walk ${t} and hand its segments, in order, to ${sink}.  Crosses no mount, follows no link, opens
 * nothing but directories and regular files.  A hard link's content is at its first path.
 * Memory: one directory's names per level, one buffer of 1 MiB, and 40 bytes + path for each inode
 * with several links.
 */
int segments_walk(const struct tree *t, const struct segment_sink *sink, struct err *e);

/* The same in two parts, which may be walked at once, each with a sink of its own. */
enum segment_part { SEGMENTS_DIRECTORIES, SEGMENTS_REST };
int segments_walk_part(const struct tree *t, enum segment_part part,
	const struct segment_sink *sink, struct err *e);

struct tree_size {
	int64_t files;
	int64_t bytes; /* st_size of regular files, holes not counted */
};

/* Estimate ${t} by its stat data alone. */
int tree_measure(const struct tree *t, struct tree_size *ret_size, struct err *e);

/**
 * tree_left_out(t, found, ctx, e):
 * Tell ${found} the paths, relative to the root, that segments_walk would leave out of ${t}:
 * entries that an exclude matches (SEGMENT_EXCLUDED, only the topmost of each) and mounts
 * (SEGMENT_MOUNT).  Ends with -1 when ${found} does.
 */
int tree_left_out(const struct tree *t,
	int (*found)(void *ctx, enum segment_notice n, const char *path, struct err *e), void *ctx,
	struct err *e);

#endif
