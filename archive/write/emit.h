#ifndef ARCHIVE_WRITE_EMIT_H
#define ARCHIVE_WRITE_EMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/disk/attributes.h"
#include "archive/disk/links.h"
#include "archive/tar/member.h"
#include "archive/write/segments.h"
#include "archive/write/walk.h"
#include "base/buf.h"
#include "base/err.h"

/* Reading the members of a segment from disk and handing their tar bytes to the sink. */

/* A member as the walk saw it: everything a segment's key is made of. */
struct pending {
	struct walk_dir *dir;	  /* held; NULL for a root that is a single file */
	char *name;		  /* in ${dir} */
	char *path;		  /* archive path */
	char *link;		  /* MEMBER_LINK, MEMBER_SYMLINK */
	struct link_inode *inode; /* of a member with several links */
	enum walk_kind kind;
	enum member_type type;
	enum segment_kind content; /* SEGMENT_RUN: in the run; else the segment of its content */
	struct statx stat;
};

void pending_free(struct pending *p);

struct emit {
	const struct tree *t;
	const struct segment_sink *sink;
	struct attributes attributes;
	struct buf out; /* bytes not yet handed on */
	int64_t bytes;	/* handed on since emit_begin */
	bool steady;	/* nothing changed, vanished or was unreadable since emit_begin */
	bool omitted;	/* the last member of the run was left out: so is its content */
	int fd;		/* the last member's file, opened for the content that follows; or -1 */
	bool fd_steady; /* its stat was the walk's when it was opened */
};

void emit_init(struct emit *em, const struct tree *t, const struct segment_sink *sink);
void emit_free(struct emit *em);

void emit_begin(struct emit *em);

/* A member of a run: header, and content below SEGMENT_RULES_CONTENT_MIN. */
int emit_member(struct emit *em, struct pending *p, struct err *e);

/* The content of a large file with its padding: always exactly the size that its header said. */
int emit_content(struct emit *em, struct pending *p, struct err *e);

/* Header, map, content and padding of a file with holes. */
int emit_sparse(struct emit *em, struct pending *p, struct err *e);

/* Hand on what is left. */
int emit_end(struct emit *em, struct err *e);

/* Nanoseconds since 1970 of a stat's time. */
/* Of a time that 64 bits of nanoseconds cannot hold, the nearest that they can. */
int64_t statx_ns(const struct statx_timestamp *t);

#endif
