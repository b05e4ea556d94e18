#ifndef JOBS_CONTENT_CONTENTS_H
#define JOBS_CONTENT_CONTENTS_H

#include <jansson.h>
#include <stdint.h>

#include "archive/tar/member.h"
#include "archive/tar/reader.h"
#include "base/err.h"
#include "jobs/operations/operations.h"
#include "store/open/store.h"

/*
 * What stands in a backup's archive, read from the stored bytes themselves.
 */
struct contents {
	json_t *manifest; /* backup.json */
	json_t *inspects; /* {container's name: inspect} */
	json_t *networks; /* {name: inspect} */
	int64_t members;
	int64_t bytes; /* plain */
};

/**
 * contents_read(s, backup, o, ret_contents, e):
 * Read the whole archive: every chunk's SHA-256, the tar's structure to its end marker, the
 * manifest and what it expected (inspects, networks, images, sources).  Nothing is trusted that was
 * not read back.  ERR_CORRUPT, ERR_NOT_FOUND, ERR_CONFLICT (not complete), ERR_CANCELLED.
 */
int contents_read(struct store *s, const char *backup, struct operation *o,
	struct contents **ret_contents, struct err *e);

/* Sees each member before its content is read; ${c}: what is known of the backup by then (inspects
 * stand before volumes, binds and host paths). */
struct contents_looker {
	void (*look)(void *ctx, const struct contents *c, const struct member *m);
	void *ctx;
};

/* As contents_read, and ${looker} looks on. */
int contents_read_looking(struct store *s, const char *backup, struct operation *o,
	const struct contents_looker *looker, struct contents **ret_contents, struct err *e);

/**
 * contents_read_brief(s, backup, o, ret_contents, e):
 * As contents_read, but no further than to where the trees begin, and past the content of images
 * and layers: of what is not read nothing is verified.  For who goes over the archive again.
 */
int contents_read_brief(struct store *s, const char *backup, struct operation *o,
	struct contents **ret_contents, struct err *e);

/* Patterns (fnmatch) of what a restore leaves as it is: what the plan excludes, and the files that
 * the backup left out.  The caller's. */
json_t *contents_left_out(const struct contents *c);

/* Read what is left of the present member's content, so that its chunks are verified. */
int contents_drain(struct reader *r, struct err *e);

void contents_free(struct contents *c);
void contents_free_at(struct contents **c);

/* Called for each member; may read its content from ${r}.  Returns 0, 1 to stop, -1. */
typedef int contents_visit(void *ctx, const struct member *m, struct reader *r, struct err *e);

/* Go over the archive of ${backup} with ${visit}; progress to ${o}. */
int contents_walk(struct store *s, const char *backup, struct operation *o, contents_visit *visit,
	void *ctx, struct err *e);

/* The same without reading, and so without verifying, what ${visit} does not ask for. */
int contents_skim(struct store *s, const char *backup, struct operation *o, contents_visit *visit,
	void *ctx, struct err *e);

/* The same of the ${count} members alone that begin at ${offsets} (reader_at), ascending. */
struct contents_pick {
	const int64_t *offsets;
	size_t count;
};
int contents_pick(struct store *s, const char *backup, struct operation *o,
	const struct contents_pick *pick, contents_visit *visit, void *ctx, struct err *e);

/*
 * An operation_run that does just contents_read; ${arg} is a struct verify_request.  If chunks are
 * damaged it marks them all; result and error name the backups and files that they hurt
 * (damage_report.h).
 */
struct verify_request {
	struct store *store;
	char *backup; /* owned */
};
int verify_run(struct operation *o, void *arg, json_t **ret_result, struct err *e);
void verify_request_free(void *arg);

#endif
