#ifndef JOBS_IMPORT_IMPORT_RULES_H
#define JOBS_IMPORT_IMPORT_RULES_H

#include <stdbool.h>

#include "archive/tar/member.h"
#include "base/err.h"
#include "jobs/import/expected_members.h"

/*
 * What may come in: judges each member of an archive from elsewhere, as it passes, by what the
 * manifest expected and by what a walk of ours could have made.
 *
 * 1. Members come in the promised order; what is not promised is not there, and what is promised
 * is.
 * 2. In a tree the root comes first, then all other directories, then everything else; each in the
 *    order of a walk (names sorted bytewise per directory, depth first).  So nothing is there
 * twice. (Of a layer: a mark .wh.NAME has the place of NAME, .wh..wh..opq the first of its
 * directory.)
 * 3. A member's directory is a directory of the same tree that came before: nothing is below a link
 *    or a file.
 * 4. A hard link leads to a file of the same tree that came before.
 * 5. Devices are in layers only (or, if they are asked for, in any tree), and never 0/0, which
 * would mark a deletion; marks of deletions are empty files without attributes, and mark something.
 * 6. overlay's own attributes are nowhere, and no root has a name that a restore uses beside it.
 *
 * A source may lie within another one (a bind of /srv and one of /srv/x): its tree may then be all
 * in the other one.  Memory: see path_set.h, for the largest tree.  Not thread-safe.
 */
struct rules;

struct import_rules_options {
	bool devices; /* allowed in volumes, binds and host paths, too */
};

struct rules *import_rules_new(
	const struct expected *p, const struct import_rules_options *options);
void import_rules_free_at(struct rules **c);

/**
 * import_rules_member(c, m, ret_promise, e):
 * The promise that ${m} fulfils or is part of.  Returns 1 if it is the first member of it, 0, or
 * -1: ERR_CORRUPT, ERR_TOO_LARGE.
 */
int import_rules_member(
	struct rules *c, const struct member *m, const struct promise **ret_promise, struct err *e);

/* The archive has ended: is everything there? */
int import_rules_end(struct rules *c, struct err *e);

#endif
