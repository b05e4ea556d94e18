#ifndef JOBS_RESTORE_CONTAINERS_RESTORE_CONTAINERS_H
#define JOBS_RESTORE_CONTAINERS_RESTORE_CONTAINERS_H

#include "base/err.h"
#include "jobs/restore/state/restore_state.h"

/*
 * The engine's objects of a restore: containers, images, networks, volumes.
 */

/* Order the containers, look at what is there, and choose a way for each. */
int restore_containers_plan(struct restore *r, struct err *e);

/* Load missing images; make missing networks and volumes. */
int restore_containers_supply(struct restore *r, struct err *e);

/* Names of images that restore_containers_supply has taken from others go back to them (it is
 * logged if not). */
void restore_containers_undo_tags(struct restore *r);

/* Stop what is there, in reverse order, restart policies off. */
int restore_containers_stop(struct restore *r, struct err *e);

/* Set replaced ones aside and create all that are to be made. */
int restore_containers_create(struct restore *r, struct err *e);

/**
 * restore_containers_start(r, e):
 * Start what ran, in order, with its restart policy; await that it keeps running, and health where
 * it was healthy, for as long as start_limit_ms says.  What kept restarting when the backup was
 * made may go on so, and what lacks something that is not there may fail: both are told.
 */
int restore_containers_start(struct restore *r, struct err *e);

/* Remove what was set aside; restart policies on again. */
int restore_containers_finish(struct restore *r, struct err *e);

/* The name to put into a container's Image: the recorded one if it still means the recorded image,
 * else the image's id here.  Borrowed from ${inspect} and ${r}. */
const char *restore_containers_image_name(const struct restore *r, const json_t *inspect);

/* Start what ran and does not, as after a restart of the host. */
int restore_containers_wake(struct restore *r, struct err *e);

/* Kill what this restore started, so that its data can be put back. */
void restore_containers_halt(struct restore *r);

/* Back to what was there before; -1 if not all could be (restore_trouble).  What nobody can put
 * back any more, for it was removed or made by somebody meanwhile, is named (restore_left). */
int restore_containers_undo(struct restore *r);

/* The longest time that a container was given to stop which may be stopping yet; -1: none is. */
int64_t restore_containers_unsure_ms(const struct restore *r);

/* One look at them: start what should run and does not. */
int restore_containers_watch(struct restore *r, struct err *e);

/**
 * restore_containers_resume(r, made, e):
 * After a crash: see how far the items (name, inspect, present and way are known) had come.
 * ${made}: what restore_containers_made gave, as far as it was noted; NULL: of an earlier version.
 */
int restore_containers_resume(struct restore *r, const json_t *made, struct err *e);

/* For the note: {name: id} of the containers made by now, and {name: inspect} of the networks that
 * the old ones are in.  New objects. */
json_t *restore_containers_made(const struct restore *r);
json_t *restore_containers_networks(const struct restore *r);

/**
 * restore_containers_vanish(r):
 * After impact_choose: containers made with --rm that have to be stopped go away by that, and so
 * are to be made again.  True if that changed the way of any.
 */
bool restore_containers_vanish(struct restore *r);

#endif
