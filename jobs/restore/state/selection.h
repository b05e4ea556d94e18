#ifndef JOBS_RESTORE_STATE_SELECTION_H
#define JOBS_RESTORE_STATE_SELECTION_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "jobs/content/contents.h"

/*
 * Parts of a backup that are to be restored: {"containers": [name…], "volumes": [name…],
 * "host_paths": [path…], "files": [archive path…]}.
 *
 * A container comes with its layer, volumes and binds.  What it needs (container: modes, links,
 * volumes-from) is taken along where the host does not have it, and else left as it is.
 */
enum { SELECTION_MAX = 1000 /* names in each list */ };

/* The form alone; ERR_INVALID. */
int selection_check(const json_t *only, struct err *e);

/**
 * selection_resolve(only, c, present, ctx, ret_selection, e):
 * Names against the backup: what it does not have is ERR_NOT_FOUND.  ${present}: whether the host
 * has a container of that name (1, 0, -1).  The selection is a new object for the calls below,
 * which take NULL for all.
 */
typedef int selection_present(void *ctx, const char *name, struct err *e);
int selection_resolve(const json_t *only, const struct contents *c, selection_present *present,
	void *ctx, json_t **ret_selection, struct err *e);

bool selection_container(const json_t *selection, const char *name);
bool selection_service(const json_t *selection, const char *name);
bool selection_volume(const json_t *selection, const char *name);
bool selection_network(const json_t *selection, const char *name);
bool selection_image(const json_t *selection, const char *id);

/* Whether ${source} of the manifest is taken; if only some files of it, ${ret_parts} (the caller's,
 * free_at each and the array) has their paths below it, NULL-terminated; else NULL. */
bool selection_source(const json_t *selection, const json_t *source, char ***ret_parts);
void selection_parts_free(char **parts);
char **selection_parts_copy(char *const *parts);

#endif
