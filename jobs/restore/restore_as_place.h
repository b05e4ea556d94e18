#ifndef JOBS_RESTORE_RESTORE_AS_PLACE_H
#define JOBS_RESTORE_RESTORE_AS_PLACE_H

#include "base/err.h"
#include "engine/lender/lender.h"
#include "jobs/hostpath/protected.h"

/* The folder of the host in which a part is put beside: found without trusting who may write above.
 */
struct restore_as_place {
	struct lender *view;
	struct protected *protected;
	char *real; /* without links */
};

struct restore_as_place_options {
	struct engine *engine;
	const struct self *self;
	const char *store_path; /* as this process sees it */
	const char *run_path;
	const char *id; /* the operation's */
};

/**
 * restore_as_place_find(p, o, folder, name, e):
 * ${folder} is there, and has no ${name}.  ERR_CONFLICT says what is wrong: it is missing, a link
 * that others than root can change leads there, nothing is ever written there, or there is such a
 * name.  ${name} NULL: any may be there.
 */
int restore_as_place_find(struct restore_as_place *p, const struct restore_as_place_options *o,
	const char *folder, const char *name, struct err *e);

/* What was lent as ${p->real} is that: ERR_CONFLICT. */
int restore_as_place_check(const struct restore_as_place *p, int fd, struct err *e);

/* The folder ${name} in ${parent_fd}, which was just made: nobody has put another in its place. */
int restore_as_place_open(int parent_fd, const char *name, struct err *e);
void restore_as_place_clear(struct restore_as_place *p);

#endif
