#ifndef JOBS_NOTE_H
#define JOBS_NOTE_H

#include <jansson.h>

#include "base/err.h"

/*
 * A small JSON file in <store>/run that tells the next start what this one had begun.
 * Written before what it speaks of is done, removed after it is undone.
 */

/* Durable when it returns 0; replaces an earlier one of that name. */
int note_write(int run_fd, const char *name, const json_t *content, struct err *e);

/* What it says, a new object; NULL if there is none, or none that can be read. */
json_t *note_read(int run_fd, const char *name);

/* It being gone already is success. */
int note_remove(int run_fd, const char *name, struct err *e);

/* At a start, when all notes have been seen to: remove what a killed process left in the folder,
 * such as sockets and half written files.  Notes that remain stay. */
void note_sweep(int run_fd);

#endif
