#ifndef JOBS_CONTENT_DAMAGE_REPORT_H
#define JOBS_CONTENT_DAMAGE_REPORT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "jobs/operations/operations.h"
#include "store/open/store.h"

/*
 * What damaged chunks hurt: which backups, and in these which files.
 */
enum { DAMAGE_REPORT_NAMES = 100, DAMAGE_REPORT_BACKUPS = 100 };

/**
 * damage_report_of_backup(s, backup, o, numbers, ret_count, ret_files, e):
 * Read all of a backup that can be read.  Its damaged chunks are marked; the first ${*ret_count} of
 * their numbers go to ${numbers} (ascending; in: its room).  ${ret_files}: a new object {"backup",
 * "files": [members' paths], "unnamed": [texts]}: where a chunk with headers is damaged the names
 * in it are lost, and the texts say between which members.  Together at most DAMAGE_REPORT_NAMES,
 * then "more" is true.  Progress to ${o}.
 */
int damage_report_of_backup(struct store *s, const char *backup, struct operation *o,
	uint64_t *numbers, size_t *ret_count, json_t **ret_files, struct err *e);

/**
 * damage_report(s, numbers, count, files, result, ret_text, e):
 * Put "backups" (ids of those that need one of the chunks, ascending; the newest
 * DAMAGE_REPORT_BACKUPS) and "damage" (${files}: an array of what damage_report_of_backup gave,
 * taken) into ${result}.
 * ${ret_text}: the same in short, for an error; the caller's.
 */
int damage_report(struct store *s, const uint64_t *numbers, size_t count, json_t *files,
	json_t *result, char **ret_text, struct err *e);

#endif
