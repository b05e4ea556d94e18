/* The commands of dockerctl and their options.  A new command is a row here, a section in
 * docs/dockerctl.1 and a line in docs/dockerctl.md; tests/cli/table_test.py compares them. */
#include <stddef.h>
#include <string.h>

#include "cli/commands.h"

const struct command commands[] = {
	{"backup", "[DEST]",
		"back up entire deployment; with DEST, a folder, the archive is written there",
		command_backup, 0, 1, "--full --no-wait --plan --force --json"},
	{"restore", "ID|FILE", "restore backed up deployment", command_restore, 1, 1,
		"--full --yes --no-wait --no-host-paths --astute --only --as --devices --dry-run "
		"--force --json"},
	{"import", "FILE", "take in an archive that another host made", command_import, 1, 1,
		"--devices --json"},
	{"list", "", "list backups", command_list, 0, 0, "--json"},
	{"show", "ID", "show all that is known of a backup, as JSON", command_show, 1, 1, "--json"},
	{"download", "ID [DEST]", "write a backup's archive to a folder or file", command_download,
		1, 2, "--json"},
	{"link", "ID", "make a link that downloads a backup without a token for a minute",
		command_link, 1, 1, "--json"},
	{"ls", "ID [PATH]", "list a folder of a backup", command_ls, 1, 2, "--json"},
	{"cat", "ID PATH", "write a file of a backup to standard output", command_cat, 2, 2, ""},
	{"fetch", "ID PATH [DEST]", "write a file, or a folder as a tar, to a folder or file",
		command_fetch, 2, 3, "--json"},
	{"verify", "ID", "read a backup back and check every byte of it", command_verify, 1, 1,
		"--no-wait --json"},
	{"rehearse", "ID",
		"prove that a backup can be restored, with clones that nothing connects to the "
		"rest",
		command_rehearse, 1, 1, "--no-wait --json"},
	{"delete", "ID", "delete a backup", command_delete, 1, 1, "--yes --json"},
	{"lock", "ID", "keep a backup from being deleted", command_lock, 1, 1, "--json"},
	{"unlock", "ID", "let a backup be deleted again", command_unlock, 1, 1, "--json"},
	{"name", "ID [NAME]", "give a backup a name, or take it away", command_name, 1, 2,
		"--json"},
	{"prune", "", "remove the backups that the plan's `keep` does not keep, or show which",
		command_prune, 0, 0, "--dry-run --yes --json"},
	{"scrub", "", "read the whole store back and check every byte of it", command_scrub, 0, 0,
		"--no-wait --json"},
	{"sweep", "", "give back the space of deleted backups", command_sweep, 0, 0,
		"--no-wait --json"},
	{"plan", "", "show what a backup would contain now", command_plan, 0, 0, "--json"},
	{"watch", "[OPERATION]", "follow an operation, or what runs now", command_watch, 0, 1,
		"--json"},
	{"operations", "", "list the operations of the last seven days", command_operations, 0, 0,
		"--json"},
	{"cancel", "[OPERATION]", "ask an operation to stop, or what runs now", command_cancel, 0,
		1, "--json"},
	{"thaw", "", "thaw what the service froze, in an emergency", command_thaw, 0, 0, "--json"},
	{"health", "", "show whether the service, its engine and its store are well",
		command_health, 0, 0, "--json"},
	{"metrics", "", "show the service's metrics, as Prometheus reads them", command_metrics, 0,
		0, ""},
	{"completion", "bash|zsh|ids|operations", "show the shell's completion, or what it offers",
		command_completion, 1, 1, ""},
	{.name = NULL},
};

#define AT(member) offsetof(struct arguments, member)

const struct option options[] = {
	{"--full", NULL, "accepted for habit's sake: a backup is always full", AT(full)},
	{"--no-wait", NULL, "return as soon as it has begun", AT(no_wait)},
	{"--plan", "FILE", "of this plan, JSON, instead of the service's (-: standard input)",
		AT(plan)},
	{"--force", NULL, "begin although Fuel has tasks running", AT(force)},
	{"--yes", NULL, "do not ask (also -y)", AT(yes)},
	{"--no-host-paths", NULL, "leave the plan's host paths alone", AT(no_host_paths)},
	{"--astute", NULL, "also bring back /etc/fuel/astute.yaml", AT(astute)},
	{"--only", "PART",
		"just containers/NAME, volumes/NAME, a host path, or a path in the archive",
		AT(only)},
	{"--as", "NAME", "put that part beside: a new volume, or a new path of the host", AT(as)},
	{"--devices", NULL, "take in device nodes in volumes, too", AT(devices)},
	{"--dry-run", NULL, "show what would be done, and do nothing", AT(dry_run)},
	{"--json", NULL, "print JSON, and nothing else", AT(json)},
	{.name = NULL},
};

const struct command *
command_find(const char *name)
{
	for (const struct command *c = commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

bool
command_takes(const struct command *c, const struct option *o)
{
	const size_t len = strlen(o->name);

	for (const char *at = c->options; (at = strstr(at, o->name)) != NULL; at += len)
		if (at[len] == ' ' || at[len] == '\0')
			return true;
	return false;
}

/* The option of ${c} that ${text} is, which may be "--name=value". */
static const struct option *
find_option(const struct command *c, const char *text)
{
	const char *name = strcmp(text, "-y") == 0 ? "--yes" : text;
	const size_t len = strcspn(name, "=");

	for (const struct option *o = options; o->name != NULL; o++)
		if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
			return command_takes(c, o) ? o : NULL;
	return NULL;
}

/* Take the option argv[*i], and the value behind it. */
static int
take_option(
	const struct command *c, int argc, char **argv, int *i, struct arguments *a, struct err *e)
{
	const char *text = argv[*i];
	const char *equals = strchr(text, '=');
	const struct option *o = find_option(c, text);
	char *member;

	if (o == NULL)
		return err_set(e, ERR_INVALID, "dockerctl %s: unknown option %s", c->name, text);
	member = (char *)a + o->at;
	if (o->value == NULL && equals != NULL)
		return err_set(e, ERR_INVALID, "dockerctl %s: %s takes no value", c->name, o->name);
	if (o->value == NULL) {
		*(bool *)(void *)member = true;
		return 0;
	}
	if (equals == NULL && *i + 1 == argc)
		return err_set(
			e, ERR_INVALID, "dockerctl %s: %s needs a %s", c->name, o->name, o->value);
	*(const char **)(void *)member = equals != NULL ? equals + 1 : argv[++*i];
	return 0;
}

int
command_parse(const struct command *c, int argc, char **argv, struct arguments *ret_arguments,
	struct err *e)
{
	struct arguments a = {.full = false};
	bool only_words = false;
	int words = 0;

	for (int i = 0; i < argc; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (!only_words && argv[i][0] == '-') {
			if (take_option(c, argc, argv, &i, &a, e) != 0)
				return -1;
		} else if (words == c->words_max) {
			return err_set(e, ERR_INVALID, "dockerctl %s: what is \"%s\" for?", c->name,
				argv[i]);
		} else {
			a.words[words++] = argv[i];
		}
	}
	if (words < c->words_min)
		return err_set(e, ERR_INVALID, "dockerctl %s: it needs %s", c->name, c->words);
	*ret_arguments = a;
	return 0;
}
