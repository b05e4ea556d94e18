#ifndef ARCHIVE_WALK_INTERNAL_H
#define ARCHIVE_WALK_INTERNAL_H

#include "archive/tar/names.h"
#include "archive/write/dir_prefetch.h"
#include "archive/write/walk.h"

/* What walk.c and walk_marks.c share; nobody else includes it. */

struct changes_folder;

struct frame {
	struct walk_dir *dir;
	struct names names;
	size_t next;		/* index into names */
	size_t path_len;	/* of the walk's path at this level */
	struct dir_look *looks; /* of the names from looks_first on; NULL: none yet */
	size_t looks_first, looks_count;
	struct dir_prefetch *scouts;	      /* of some of the names, or NULL */
	const struct changes_folder *changed; /* of a tree with changes: its own, or NULL */
	bool opaque;			      /* by the name of a file in it */
	bool whole;			      /* all of it is met, whatever changed */
};

struct walk {
	const struct tree *t;
	const struct walk_visitor *v;
	enum walk_pass pass;
	struct frame *frames;
	size_t depth, room;
	size_t scouts;	 /* out, at all levels */
	struct buf path; /* archive path of the present entry */
};

/* Tell of the present entry, for the reason in ${e} or none; then ${e} has none. */
int walk_notice(struct walk *w, enum segment_notice n, struct err *e);
int walk_too_large(struct walk *w, const char *name, struct err *e);

/* ${what} a layer has another use for: a name ".wh.…", which only a tar of an image knows where
 * overlay's own marks are devices; and in a whole tree a device that is such a mark elsewhere. */
int walk_notice_mark(struct walk *w, const char *what, struct err *e);

/* Of a tree with changes: leave only what changed of the innermost folder ${f}.  Of one that is
 * marked by names: names that are gone (DT_WHT) instead of the marks. */
void walk_filter(const struct walk *w, struct frame *f);

/* Visit the mark that a layer's directory hides everything below it, if it is there. */
int walk_opaque(struct walk *w, const struct frame *f, struct err *e);

/* Visit ${entry} as a deletion, in a folder whose path has ${len}: what is there is the mark; or
 * it is a name that is gone. */
int walk_whiteout(struct walk *w, struct walk_entry *entry, size_t len, struct err *e);
int walk_gone(struct walk *w, struct walk_entry *entry, size_t len, struct err *e);

#endif
