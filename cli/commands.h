#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stdbool.h>

#include "cli/client.h"

enum { WORDS_MAX = 3, PARTS_MAX = 100 };

struct arguments {
	const char *words[WORDS_MAX];	 /* ID, FILE, DEST …; NULL if not given */
	const char *plan;		 /* a file */
	const char *only[PARTS_MAX + 1]; /* parts of a backup, to the first NULL */
	const char *as;			 /* where one goes */
	const char *entries_from;	 /* numbers and rules, checked: see cli/amount.h */
	const char *keep, *memory, *cpus, *stay, *health;
	const char *volume, *host_path, *strip; /* of an archive that another tool made */
	bool full, no_wait, json, yes, astute, tags, networks, no_host_paths, dry_run, devices,
		force, tar;
	bool abandon;
};

/* What each command of `dockerctl` does: 0, -1, or that it is done but something was left out. */
enum { COMMAND_PARTIAL = 1 };
typedef int command_run(struct client *c, const struct arguments *a, struct err *e);

/*
 * One command.  Help, completion and the check of what is given are made from this.
 * words: an upper-case name says what to complete: ID, OPERATION, FILE, DEST, COMMAND; lower-case
 * ones are the choices themselves.  "[…]": may be left out.
 */
struct command {
	const char *name;
	const char *words;
	const char *help;
	command_run *run;
	int words_min, words_max;
	const char *options; /* that it takes, names of `options` */
};
extern const struct command commands[]; /* the last one has no name */

struct option {
	const char *name;
	const char *value; /* what stands behind it; NULL: nothing */
	const char *help;
	size_t at; /* in struct arguments: a bool, or a const char * if there is a value */
	int (*check)(const char *value, struct err *e); /* NULL: any value */
	bool many;					/* up to PARTS_MAX values, in an array */
};
extern const struct option options[]; /* the last one has no name */

/* NULL: there is none. */
const struct command *command_find(const char *name);
bool command_takes(const struct command *c, const struct option *o);

/* What ${c} would destroy with these arguments, as "overwrites data of the host"; NULL: nothing.
 * Whoever runs it is asked, or says --yes. */
const char *command_destroys(const struct command *c, const struct arguments *a);

/**
 * command_parse(c, argc, argv, ret_arguments, e):
 * What stands behind a command's name.  `--` ends the options.  ERR_INVALID says what is wrong with
 * it, and what was probably meant.
 */
int command_parse(const struct command *c, int argc, char **argv, struct arguments *ret_arguments,
	struct err *e);

/* As command_destroys, of one command. */
const char *restore_destroys(const struct arguments *a);
const char *prune_destroys(const struct arguments *a);
const char *recover_destroys(const struct arguments *a);

command_run command_backup, command_restore, command_list, command_show, command_download,
	command_delete, command_verify, command_sweep, command_prune, command_lock, command_unlock,
	command_name, command_link, command_scrub, command_rehearse, command_import, command_plan,
	command_health, command_metrics, command_operations, command_cancel, command_watch,
	command_thaw, command_recover, command_ls, command_cat, command_fetch, command_completion,
	command_destinations, command_destination, command_probe, command_forget, command_copy;

#endif
