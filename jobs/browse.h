#ifndef JOBS_BROWSE_H
#define JOBS_BROWSE_H

#include <jansson.h>
#include <stdint.h>

#include "archive/tar/outline.h"
#include "base/err.h"
#include "base/stream.h"
#include "store/open/store.h"

/*
 * Looking into a backup's archive.  Of the BROWSE_KEPT backups looked at last an outline is kept in
 * memory; the first look at another one reads its headers.  Thread-safe.
 */
struct browse;

enum { BROWSE_KEPT = 4 };

struct browse *browse_new(struct store *s); /* ${s} is borrowed */
void browse_free(struct browse *b);

/* One look at one backup, which is leased meanwhile.  One thread at a time. */
struct browse_view;

/* ERR_NOT_FOUND, ERR_CONFLICT (not complete), ERR_CORRUPT, ERR_TOO_LARGE (outline.h). */
int browse_open(struct browse *b, const char *backup, struct browse_view **ret_view, struct err *e);
void browse_close(struct browse_view *v);
void browse_close_at(struct browse_view **v);

const char *browse_digest(const struct browse_view *v); /* of the archive; hex */

/**
 * browse_find(v, path, ret_entry, e):
 * As outline_find; the content and size of a hard link are those of the file that it names.
 */
int browse_find(
	struct browse_view *v, const char *path, struct outline_entry *ret_entry, struct err *e);

/* As outline_children. */
int browse_children(struct browse_view *v, const char *folder, const char *after, size_t limit,
	struct outline_list *ret_list, struct err *e);

/**
 * browse_file(v, file, first, len, ret_source, e):
 * Bytes [first, first + len) of the regular file ${file}; of one with holes ${first} is 0.  The
 * source is borrowed from ${v}, and the only one at a time.
 */
int browse_file(struct browse_view *v, const struct outline_entry *file, int64_t first, int64_t len,
	struct source *ret_source, struct err *e);

/**
 * browse_tar(v, folder, ret_source, ret_len, e):
 * ${folder} and all that is in it, as a tar: members as they stand in the archive, with their whole
 * paths.  A hard link to a file outside is in it as a link.
 */
int browse_tar(struct browse_view *v, const char *folder, struct source *ret_source,
	int64_t *ret_len, struct err *e);

#endif
