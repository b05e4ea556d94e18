#ifndef JOBS_IMPORT_IMPORT_H
#define JOBS_IMPORT_IMPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/operations/operations.h"
#include "store/open/store.h"

/*
 * Taking in an archive that was made by this or another host.
 *
 * The body is read once, as it comes: unpacked, read by the strict reader, judged member by member
 * (expected_members.h, import_rules.h, image_tar.h), and cut again into the very segments that a
 * walk would have made (resegment.h), so that what the store has already is not stored twice. There
 * is no other copy of it.  Memory: 8 MiB of window, 10 MiB for one member's headers, one run, and
 * what import_rules remembers.
 *
 * Only when all has passed is there a backup: it begins and is committed at the end.  It has the id
 * and the time of the manifest.  What came before a failure stays in the store as chunks that no
 * backup needs until the next sweep; a repetition finds them there.
 *
 * The caches that spare a backup its reading (segments, images) learn nothing from it: they are
 * only filled by what this service read itself.
 */

/* Where the archive comes from.  Called by the operation's thread alone. */
struct import_body {
	/* Wait up to ${timeout_ms} until read would not block: true if so. */
	bool (*wait)(void *ctx, int timeout_ms);
	ssize_t (*read)(void *ctx, void *data, size_t size, struct err *e); /* as source.read */
	void (*leave)(void *ctx); /* nothing is read any more; once, also if nothing ever was */
	void *ctx;
};

struct import_request {
	struct store *store;   /* borrowed */
	struct engine *engine; /* borrowed; asked only for what is different here */
	struct import_body body;
	int64_t body_bytes; /* -1: not known */
	bool packed;	    /* by zstd; else it is the tar itself */
	bool devices;	    /* see import_rules.h */
	/* Of an archive that another tool made (foreign_import.h): what it is a backup of; both
	 * NULL otherwise.  Owned. */
	char *volume;
	char *host_path;
	unsigned strip; /* leading components of its names that go */
};

enum {
	IMPORT_MANIFEST_MAX = 16 * 1024 * 1024, /* backup.json */
	IMPORT_JSON_MAX = 4 * 1024 * 1024,	/* an inspect */
	IMPORT_TEXT_MAX = 8 * 1024 * 1024	/* RESTORE.txt */
};

/* A tar may have so many times the bytes that the store has free: more is a bomb. */
enum { IMPORT_PLAIN_PER_FREE = 1024 };

/*
 * An operation_run; ${arg} is a struct import_request.  The result: {"backup": id, "existed": bool,
 * "members": n, "size_bytes": n, "stored_bytes": n}.  If the store has a complete backup of that id
 * already, that is found from the manifest, the rest is read and not looked at, and `existed` is
 * true.
 * ERR_REFUSED: the archive is not what it should be; ERR_CONFLICT: a failed backup has its id;
 * ERR_TOO_LARGE; ERR_NO_SPACE; ERR_IO (the body broke off); ERR_CANCELLED.
 */
int import_run(struct operation *o, void *arg, json_t **ret_result, struct err *e);
void import_request_free(void *arg);

#endif
