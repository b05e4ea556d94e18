#ifndef JOBS_COPIES_PROBE_H
#define JOBS_COPIES_PROBE_H

#include <jansson.h>

/**
 * probe_run(settings):
 * Try for real what copies need of a destination: put, create only, a range, a list, a deletion, on
 * a small object below `probe/`, of which nothing is left where deletions are allowed.  A new
 * object: at, ok (copies can be put there), protocol (null: it could not even be opened), steps
 * [{step, ok, detail}], summary (sentences), host_key, certificate, encrypted, exclusive,
 * clock_ahead_ms, deletes; what is not known is null.  Takes at most about PROBE_S for each step.
 */
enum { PROBE_S = 15 };
json_t *probe_run(const json_t *settings);

#endif
