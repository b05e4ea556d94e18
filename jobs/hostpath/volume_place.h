#ifndef JOBS_HOSTPATH_VOLUME_PLACE_H
#define JOBS_HOSTPATH_VOLUME_PLACE_H

#include <jansson.h>

#include "base/err.h"

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

#endif
