#ifndef CLI_FETCH_H
#define CLI_FETCH_H

#include "cli/client.h"

/**
 * fetch_archive(c, backup, dest, ret_path, e):
 * Download ${backup} (a record) to ${dest}: a folder, where it becomes
 * fuel_backup_<date>.tar.zst, or a file's path.  Mode 0600; under a temporary name until it is
 * complete and on the disk; a broken connection is resumed.  An existing file is not overwritten.
 */
int fetch_archive(
	struct client *c, const json_t *backup, const char *dest, char **ret_path, struct err *e);

/* As fetch_archive, not compressed; a broken connection begins again. */
int fetch_tar(
	struct client *c, const json_t *backup, const char *dest, char **ret_path, struct err *e);

/* A download of something else. */
struct fetch_want {
	const char *address; /* of the API */
	const char *label;   /* for the progress */
	const char *dest;    /* a folder, or a file's path */
	const char *name;    /* in a folder */
	int64_t total;	     /* -1: as the service says */
};
int fetch_file(struct client *c, const struct fetch_want *want, char **ret_path, struct err *e);

/**
 * fetch_find(c, path, ret_id, e):
 * The complete backup in the service's store whose archive is the file ${path}: of the same size,
 * beginning and end (the manifest with the backup's id is at the beginning).  ERR_NOT_FOUND.
 */
int fetch_find(struct client *c, const char *path, char **ret_id, struct err *e);

#endif
