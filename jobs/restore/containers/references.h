#ifndef JOBS_RESTORE_CONTAINERS_REFERENCES_H
#define JOBS_RESTORE_CONTAINERS_REFERENCES_H

#include "base/err.h"
#include "engine/recreate/recreate.h"
#include "jobs/restore/state/restore_state.h"

/*
 * What a container's inspect refers to, by name or by id: other containers of the restore, or of
 * the host, and networks.
 */
enum references_view {
	REFERENCES_RECORDED, /* of an inspect of the backup, told by name */
	REFERENCES_PRESENT,  /* of an inspect of what is here now, told by name */
	REFERENCES_MADE	     /* of an inspect of the backup, told as it is to be written now */
};

struct references {
	struct restore *restore;
	enum references_view view;
	bool failed;  /* a look-up failed, and not because there is no such thing: */
	struct err e; /* why */
};

/* Have ${o} map by ${refs}, which it borrows. */
void references_use(struct references *refs, struct recreate_options *o);

/* -1 with the reason if a look-up has failed: what was made of it means nothing. */
int references_check(const struct references *refs, struct err *e);

#endif
