#ifndef JOBS_IMPORT_FOREIGN_IMPORT_H
#define JOBS_IMPORT_FOREIGN_IMPORT_H

#include "jobs/import/import.h"

/*
 * Taking in an archive that another tool made (archive/write/foreign.h), as a backup of one volume
 * or one host folder.  It is unpacked into a folder of the store's `run/`, which only this service
 * can enter, walked as a source would be, and removed.  So the store needs room for its content
 * meanwhile.  The backup begins and is committed at the end, as for any import; what could not be
 * kept of a member (an attribute that this host refuses) is in its warnings.
 */

/* Refuse what cannot be the name of a volume, or the path of a host folder: ERR_INVALID. */
int foreign_import_check(const struct import_request *request, struct err *e);

/* As import_run, for a request with a volume or a host path. */
int foreign_import_run(struct operation *o, void *arg, json_t **ret_result, struct err *e);

/* Remove what imports that were cut off left in the store's run folder. */
void foreign_import_tidy(struct store *store);

#endif
