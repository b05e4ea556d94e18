#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stdbool.h>

#include "cli/client.h"

struct arguments {
	const char *word; /* ID, FILE or DEST; NULL if not given */
	const char *dest;
	bool full, no_wait, json, yes, astute, no_host_paths, dry_run, devices;
};

/* What each command of `dockerctl` does: 0 or -1. */
typedef int command_run(struct client *c, const struct arguments *a, struct err *e);

/* A question on a terminal; without one, or with --yes, it is not asked: true. */
bool command_confirmed(const struct arguments *a, const char *question);

command_run command_backup, command_restore, command_list, command_show, command_download,
	command_delete, command_verify, command_sweep, command_prune, command_lock, command_unlock,
	command_scrub, command_rehearse, command_import;

#endif
