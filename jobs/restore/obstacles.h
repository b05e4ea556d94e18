#ifndef JOBS_RESTORE_OBSTACLES_H
#define JOBS_RESTORE_OBSTACLES_H

#include "jobs/restore/restore.h"

/*
 * What a restore would be refused for, found before anything is changed: one table of checks
 * (obstacles.c), which a dry run and the restore itself go through alike.
 */

/**
 * obstacles_find(r, ret_list, e):
 * After impact_choose.  ${ret_list}: {"check", "name", "detail", "advice"} of each, a new
 * array.  Asks the engine, and changes nothing.  -1: it could not be found out.
 */
int obstacles_find(const struct restore *r, json_t **ret_list, struct err *e);

/* Refuse the restore if there is an obstacle: ERR_CONFLICT names the first ones. */
int obstacles_refuse(const struct restore *r, struct err *e);

#endif
