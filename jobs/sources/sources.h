#ifndef JOBS_SOURCES_SOURCES_H
#define JOBS_SOURCES_SOURCES_H

#include "engine/self.h"
#include "jobs/plan/plan.h"
#include "jobs/sources/inventory.h"
#include "jobs/sources/roots.h"
#include "store/open/store.h"

/*
 * What a backup and its preview begin with: who we are, what the plan means on this host now, and
 * its sources lent.  All zero but for run_fd, which is -1, to start with.
 */
struct sources {
	int run_fd; /* <store>/run */
	char *run_path;
	struct self *self;
	struct inventory *inventory;
	struct roots *roots;
};

struct sources_options {
	struct store *store;
	struct engine *engine;
	struct plan *plan;	     /* on a Fuel master its paths are added to the embedded one */
	const char *name;	     /* of who asks, in the lender's name */
	enum lender_cgroups cgroups; /* what the lender does with them */
};

int sources_open(struct sources *s, const struct sources_options *options, struct err *e);
void sources_close(struct sources *s);

#endif
