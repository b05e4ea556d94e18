#ifndef ARCHIVE_WRITE_WALK_H
#define ARCHIVE_WRITE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "archive/write/segments.h"
#include "base/err.h"

/*
 * One pass over a tree by descriptors, depth first, names sorted bytewise.  Left out: excluded
 * entries, what a mount covers, leftovers of a fill in the root (names_ours).
 * Descriptors: at most WALK_OPEN_MAX for the way down to the present directory, and one for each
 * other directory that the visitor holds.
 */
enum {
	WALK_OPEN_MAX = 64,
	WALK_DEPTH_MAX = 4096 /* levels; deeper ones are reported as unreadable */
};

enum walk_pass {
	WALK_DIRECTORIES, /* directories alone, the root first; notices of mounts inside */
	WALK_REST	  /* everything but directories */
};

enum walk_kind {
	WALK_PLAIN,
	WALK_WHITEOUT, /* of a layer: the name is already .wh.NAME */
	WALK_OPAQUE    /* of a layer: .wh..wh..opq; no file on disk */
};

/* A directory on the way or held by a visitor. */
struct walk_dir {
	int fd; /* readable, or -1: see walk_dir_fd */
	size_t refs;
	char *path; /* relative to the root; "" the root */
	/* A visitor's: whether an entry has attributes trusted.*, if that is known. */
	enum walk_trusted { WALK_UNASKED, WALK_NONE_TRUSTED, WALK_SOME_TRUSTED } trusted;
};

struct walk_entry {
	enum walk_kind kind;
	struct walk_dir *dir; /* the directory that holds it; NULL for the root itself */
	const char *name;     /* in ${dir}; NULL for the root itself */
	const char *path;     /* archive path */
	struct statx stat;
};

struct walk_visitor {
	int (*entry)(void *ctx, const struct walk_entry *entry, struct err *e);
	int (*notice)(void *ctx, enum segment_notice n, const char *path, struct err *e);
	void *ctx;
};

/**
 * walk_tree(t, pass, v, e):
 * Stops with the visitor's error.  What cannot be captured is told as SEGMENT_UNREADABLE: a root
 * that cannot be looked at, a real file of a layer that is named ".wh.…".
 */
int walk_tree(
	const struct tree *t, enum walk_pass pass, const struct walk_visitor *v, struct err *e);

/* Hold a directory beyond the visit; release it with walk_dir_release (NULL is allowed). */
struct walk_dir *walk_dir_hold(struct walk_dir *dir);
void walk_dir_release(struct walk_dir *dir);

/* Its descriptor, opened again from ${root_fd} if it was closed meanwhile.  Owned by ${dir}.
 * -1 with errno. */
int walk_dir_fd(struct walk_dir *dir, int root_fd);

#endif
