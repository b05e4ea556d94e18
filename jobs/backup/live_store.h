#ifndef JOBS_BACKUP_LIVE_STORE_H
#define JOBS_BACKUP_LIVE_STORE_H

#include "jobs/backup/passes.h"

/**
 * live_store(p, f, to, e):
 * Store the large file ${f} as it was read last, once: the chunks of its first reading, with the
 * pages that have changed since laid over them.  Its chunks are appended to ${to} and remembered as
 * the file's previous version.  After the last checkpoint of the live passes.  0, -1.
 */
int live_store(struct passes *p, const struct live_file *f, struct recipe *to, struct err *e);

#endif
