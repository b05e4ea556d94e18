#ifndef JOBS_HOSTPATH_VOLUME_PLACE_H
#define JOBS_HOSTPATH_VOLUME_PLACE_H

#include <jansson.h>

#include "base/err.h"
#include "jobs/hostpath/hostpath.h"

/* The folder of the host that a volume of the local driver is bound to (`-o o=bind -o device=…`);
 * NULL for all others.  Borrowed from ${inspect}. */
const char *volume_device(const json_t *inspect);

/**
 * volume_host_path(inspect, ret_path, e):
 * For a service that runs on the host itself: where the data of the volume are now, the caller's to
 * free.  It is what the engine says, never what a backup says.  ERR_UNSUPPORTED says what to do for
 * a volume that its driver mounts only while a container uses it: its folder is empty until then.
 */
int volume_host_path(const json_t *inspect, char **ret_path, struct err *e);

/**
 * volume_has_own_folder(inspect, p):
 * Whether work can be done beside the folder of the volume, which is ${p} and which its containers
 * see, instead of in it: in the folder that the local driver has made for this volume alone
 * (…/volumes/NAME).  Not if the folder is a mount (a rename does not leave it) or may have a quota
 * of its own, as volumes with options.
 */
bool volume_has_own_folder(const json_t *inspect, const struct hostpath *p);

#endif
