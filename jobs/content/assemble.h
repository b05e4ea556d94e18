#ifndef JOBS_CONTENT_ASSEMBLE_H
#define JOBS_CONTENT_ASSEMBLE_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "store/format/recipe.h"
#include "store/write/ingest.h"

/*
 * Members of the archive that do not come from a tree: put into the store by ${in}, their chunks
 * appended to ${to}.  Owned by root, mode 0600, with ${mtime_ns}.
 */

int assemble_text(struct ingest *in, struct recipe *to, const char *path, const char *text,
	int64_t mtime_ns, struct err *e);
int assemble_json(struct ingest *in, struct recipe *to, const char *path, const json_t *json,
	int64_t mtime_ns, struct err *e);

/* A member whose ${bytes} of content are stored already as ${content}. */
int assemble_stored(struct ingest *in, struct recipe *to, const char *path,
	const struct recipe *content, int64_t bytes, struct err *e);

/* The end of the archive. */
int assemble_end(struct ingest *in, struct recipe *to, struct err *e);

#endif
