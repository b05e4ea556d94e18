#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "cli/client.h"

/**
 * import_file(c, path, devices, ret_backup, e):
 * Send the archive ${path} to the service, unless it is that of a backup there (fetch_find); its
 * record is then in ${ret_backup}.  A name that ends with .tar is sent as a tar.
 */
int import_file(
	struct client *c, const char *path, bool devices, json_t **ret_backup, struct err *e);

#endif
