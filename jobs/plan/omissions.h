#ifndef JOBS_PLAN_OMISSIONS_H
#define JOBS_PLAN_OMISSIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * What a backup leaves out, because it could not be inspected, lent, frozen, read or described: one
 * odd object never stops the rest.  With at least one omission the backup ends `partial`.  What is
 * no fault (a container that ended and was removed, as of `--rm`) is a warning, not an omission.
 *
 * Any step leaves one object out like this:
 *
 *	if (take_image(v, g, container, e) != 0 &&
 *		omissions_add(v->omissions, "image", name, "pull it again", e) != 0)
 *		return -1;
 *
 * Thread-safe.
 */
struct omissions;

/* How many are named; further ones are counted alone. */
enum { OMISSIONS_MAX = 1000 };

/* ${fail}: the plan says "on_error": "fail", so the first omission is an error. */
struct omissions *omissions_new(bool fail);
void omissions_free_at(struct omissions **o);

/**
 * omissions_add(o, kind, name, advice, e):
 * Leave the ${kind} ("container", "layer", "tmpfs", "image", "network", "volume", "bind", "host",
 * "file", "folder": what is in it, "attributes": of what else is in it)
 * ${name} out.  Why, is in ${e}; ${advice} says what helps, NULL: nothing is known to.  An object
 * that was left out before is counted once, with its last reason.
 * Returns 0 to go on without it.  Returns -1 with ${e} if the plan says so, or if ${e} concerns all
 * of the backup: ERR_CANCELLED, ERR_UNREACHABLE, ERR_NO_SPACE, ERR_INTERNAL.
 */
int omissions_add(
	struct omissions *o, const char *kind, const char *name, const char *advice, struct err *e);

/* Likewise for what cannot stand in an archive for its name: no backup is complete that no restore
 * would take. */
int omissions_add_name(struct omissions *o, const char *kind, const char *name, struct err *e);

/* Whether the first one is an error. */
bool omissions_fatal(const struct omissions *o);

/* How many there are; above OMISSIONS_MAX not all are named. */
int64_t omissions_count(struct omissions *o);

/* Forget the files and folders: the pass that found them is done again. */
void omissions_forget_files(struct omissions *o);

/* [{"kind", "name", "reason", "advice"}]; a new array. */
json_t *omissions_json(struct omissions *o);

#endif
