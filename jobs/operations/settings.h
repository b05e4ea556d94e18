#ifndef JOBS_OPERATIONS_SETTINGS_H
#define JOBS_OPERATIONS_SETTINGS_H

#include <stdint.h>

/* How backups are made on this host; from the service's configuration. */
struct settings {
	const char *freezer;   /* "auto", "docker" or "cgroup" (freezer.h) */
	int64_t max_freeze_ms; /* a freeze is given up after this */
	int64_t reread;	       /* of so many known segments one is read again; 0: none */
	int64_t scrub_days;    /* the store is read back once in so many; 0: not by itself */
	int64_t live_bytes_s;  /* how fast live passes read at most; 0: as fast as they can */
};

#endif
