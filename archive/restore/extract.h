#ifndef ARCHIVE_RESTORE_EXTRACT_H
#define ARCHIVE_RESTORE_EXTRACT_H

#include <stdbool.h>

#include "archive/restore/small_file_writer.h"
#include "archive/tar/member.h"
#include "archive/tar/reader.h"
#include "base/err.h"

/*
 * Putting members back below a root directory: owner, mode, nanosecond mtime, xattrs, ACLs, hard
 * links, holes, devices, fifos.  Every path is resolved with openat2(RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS): nothing outside the root is ever written.  Directories get their modes and
 * times at the end.  Existing entries of the same name are replaced (a directory stays one).
 */
struct extract;

struct extract_options {
	const char *prefix; /* the archive path of the root: "volumes/data" */
	bool layer;	    /* .wh.NAME becomes a 0/0 device, .wh..wh..opq calls ${opaque} */
	/* Mark the directory ${path} (relative to the root) as opaque. */
	int (*opaque)(void *ctx, const char *path, struct err *e);
	void *ctx;
	/* Of a layer that goes into a whole tree, over what its image has: what it deletes is
	 * removed, and so is what else is in a folder that hides it. */
	bool merge;
	/* Only some members will come: missing folders above them are made, and a hard link whose
	 * target ${kept} says yes to (its path below the root) is made to the one in ${old_fd}. */
	bool sparse;
	bool (*kept)(void *ctx, const char *path);
	int old_fd;
	/* Writes small files, whose content is there after small_file_writer_settle; borrowed, may
	 * be of several trees.  NULL: it is there at once. */
	struct small_file_writer *scribe;
};

int extract_open(int root_fd, const struct extract_options *options, struct extract **ret_extract,
	struct err *e);
void extract_close(struct extract *x);
void extract_close_at(struct extract **x);

/**
 * extract_member(x, m, r, e):
 * Put back ${m}, whose path is the prefix or below it, with its content from ${r}.
 * ERR_CORRUPT if it leaves the prefix or links out of it; ERR_NO_SPACE before the file system is
 * full: 32 MiB, or a 64th of a small one, stay free; ERR_IO.
 */
int extract_member(struct extract *x, const struct member *m, struct reader *r, struct err *e);

/* Set the directories' owner, mode, xattrs and times, the root's too.  Once, at the end. */
int extract_finish(struct extract *x, struct err *e);

/* After that: what was written is on the disk (and what else its file system had to write).  May be
 * called by another thread, also when the entries have been moved since. */
int extract_sync(const struct extract *x, struct err *e);

/**
 * extract_over_file(fd, m, r, e):
 * Overwrite the single regular file behind ${fd} (O_PATH will do) in place: content, length, owner,
 * mode, xattrs, mtime.  For binds of single files, which cannot be renamed over.
 */
int extract_over_file(int fd, const struct member *m, struct reader *r, struct err *e);

#endif
