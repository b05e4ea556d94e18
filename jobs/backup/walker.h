#ifndef JOBS_BACKUP_WALKER_H
#define JOBS_BACKUP_WALKER_H

#include "jobs/backup/passes.h"

/*
 * One walk of one part of one source in a pass, on a thread of its own: a segment_sink that knows
 * what each kind of pass does with a segment.
 */
struct walker;

/**
 * walker_run(p, kind, source, part, result, e):
 * Walk; what was read and re-used is added to ${result}.  Ends early when ${p}->stop is set, or the
 * operation is cancelled, or (frozen) the freeze has lasted too long: ERR_CANCELLED, ERR_TIMEOUT.
 */
int walker_run(struct passes *p, enum pass_kind kind, size_t source, enum segment_part part,
	struct pass_result *result, struct err *e);

/* How the segments of a kind are cut. */
enum cut walker_cut(enum segment_kind kind);

/* Before a frozen pass: read the layers that nobody knows through the engine.  One that cannot be
 * read is left out.  ERR_TIMEOUT if the freeze has lasted too long. */
int walker_copy_layers(struct passes *p, struct err *e);

/* What the whole tree of ${s}, lent as ${root_fd}, has that it did not begin with (changes.h). */
struct changes;
int walker_changes(struct lender *lender, const struct plan_source *s, int root_fd,
	struct changes **ret_changes, struct err *e);

#endif
