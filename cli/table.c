/* The commands of dockerctl and their options.  A new command is a row here, a section in
 * docs/dockerctl.1 and a line in docs/dockerctl.md; tests/cli/table_test.py compares them. */
#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "cli/amount.h"
#include "cli/commands.h"
#include "cli/nearest.h"

const struct command commands[] = {
	{"backup", "[DEST]",
		"back up entire deployment; with DEST, a folder, the archive is written there",
		command_backup, 0, 1, "--full --no-wait --plan --force --json"},
	{"restore", "ID|FILE", "restore backed up deployment", command_restore, 1, 1,
		"--full --yes --no-wait --no-host-paths --astute --tags --networks --only --as "
		"--devices --dry-run --entries-from --force --json"},
	{"import", "FILE", "take in an archive that another host, or another tool, made",
		command_import, 1, 1, "--devices --volume --host-path --strip --json"},
	{"list", "", "list backups", command_list, 0, 0, "--json"},
	{"show", "ID", "show what is known of a backup", command_show, 1, 1, "--json"},
	{"download", "ID [DEST]", "write a backup's archive to a folder or file", command_download,
		1, 2, "--tar --json"},
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
		command_rehearse, 1, 1, "--memory --cpus --stay --health --no-wait --json"},
	{"delete", "ID", "delete a backup", command_delete, 1, 1, "--yes --json"},
	{"lock", "ID", "keep a backup from being deleted", command_lock, 1, 1, "--json"},
	{"unlock", "ID", "let a backup be deleted again", command_unlock, 1, 1, "--json"},
	{"name", "ID [NAME]", "give a backup a name, or take it away", command_name, 1, 2,
		"--json"},
	{"prune", "", "remove the backups that the plan's `keep` does not keep, or show which",
		command_prune, 0, 0, "--keep --dry-run --yes --json"},
	{"scrub", "", "read the whole store back and check every byte of it", command_scrub, 0, 0,
		"--no-wait --json"},
	{"sweep", "", "give back the space of deleted backups", command_sweep, 0, 0,
		"--no-wait --json"},
	{"copy", "ID NAME", "copy a backup's archive to a destination", command_copy, 2, 2,
		"--no-wait --json"},
	{"destinations", "[NAME]", "list where backups can be copied to, or show one",
		command_destinations, 0, 1, "--json"},
	{"destination", "NAME FILE", "make or change a destination, as a file of JSON says",
		command_destination, 2, 2, "--json"},
	{"probe", "NAME", "try a destination for real", command_probe, 1, 1, "--json"},
	{"forget", "NAME", "forget a destination; what was copied there stays there",
		command_forget, 1, 1, "--json"},
	{"plan", "", "show what a backup would contain now", command_plan, 0, 0, "--json"},
	{"watch", "[OPERATION]", "follow an operation, or what runs now", command_watch, 0, 1,
		"--json"},
	{"operations", "[OPERATION]", "list the operations of the last seven days, or show one",
		command_operations, 0, 1, "--json"},
	{"cancel", "[OPERATION]", "ask an operation to stop, or what runs now", command_cancel, 0,
		1, "--json"},
	{"thaw", "", "thaw what the service froze, in an emergency", command_thaw, 0, 0, "--json"},
	{"recover", "", "show what is pending of a restore that was cut off, and try it again",
		command_recover, 0, 0, "--abandon --yes --json"},
	{"health", "", "show whether the service, its engine and its store are well",
		command_health, 0, 0, "--json"},
	{"metrics", "", "show the service's metrics, as Prometheus reads them", command_metrics, 0,
		0, "--json"},
	{"completion", "bash|zsh|ids|operations", "show the shell's completion, or what it offers",
		command_completion, 1, 1, ""},
	{.name = NULL},
};

static int
check_count(const char *value, struct err *e)
{
	return amount_count(value, &(int64_t){0}, e);
}

static int
table_check_size(const char *value, struct err *e)
{
	return amount_size(value, &(int64_t){0}, e);
}

static int
check_keep(const char *value, struct err *e)
{
	SCOPED(json_decref_at) json_t *keep = NULL;

	return amount_keep(value, &keep, e);
}

#define AT(member) offsetof(struct arguments, member)

const struct option options[] = {
	{"--full", NULL, "accepted for habit's sake: a backup is always full", .at = AT(full)},
	{"--no-wait", NULL, "return as soon as it has begun", .at = AT(no_wait)},
	{"--plan", "FILE", "of this plan, JSON, instead of the service's (-: standard input)",
		.at = AT(plan)},
	{"--force", NULL, "begin although Fuel has tasks running", .at = AT(force)},
	{"--yes", NULL, "do not ask (also -y)", .at = AT(yes)},
	{"--no-host-paths", NULL, "leave the plan's host paths alone", .at = AT(no_host_paths)},
	{"--astute", NULL, "also bring back /etc/fuel/astute.yaml", .at = AT(astute)},
	{"--tags", NULL, "also have images' names mean again what they meant in the backup",
		.at = AT(tags)},
	{"--networks", NULL, "also make networks again that have other settings by now",
		.at = AT(networks)},
	{"--only", "PART",
		"just containers/NAME, services/NAME, volumes/NAME, a host path, or a path in the "
		"archive; may be repeated",
		.at = AT(only), .many = true},
	{"--as", "NAME", "put that part beside: a new volume, or a new path of the host",
		.at = AT(as)},
	{"--devices", NULL, "take in device nodes in volumes, too", .at = AT(devices)},
	{"--volume", "NAME", "of another tool (tar, zip, 7z, cpio, rar): a backup of this volume",
		.at = AT(volume)},
	{"--host-path", "PATH", "the same, of this folder of the host", .at = AT(host_path)},
	{"--strip", "NUMBER", "leave out so many leading parts of its names", .at = AT(strip),
		.check = check_count},
	{"--tar", NULL, "not compressed", .at = AT(tar)},
	{"--memory", "SIZE", "of all clones together, as 2G; else half of the host's",
		.at = AT(memory), .check = table_check_size},
	{"--cpus", "NUMBER", "processors that the clones share; else half of the host's",
		.at = AT(cpus), .check = check_count},
	{"--stay", "SECONDS", "a container without a health check has to stay up so long; else 3",
		.at = AT(stay), .check = check_count},
	{"--health", "SECONDS", "one with a health check has to become healthy in this; else 120",
		.at = AT(health), .check = check_count},
	{"--keep", "RULES", "these, as daily=7,weekly=5, instead of the plan's", .at = AT(keep),
		.check = check_keep},
	{"--dry-run", NULL, "show what would be done, and do nothing", .at = AT(dry_run)},
	{"--entries-from", "NUMBER", "of a dry run's list of entries leave out so many",
		.at = AT(entries_from), .check = check_count},
	{"--abandon", NULL, "give it up: what is beside stays where it is", .at = AT(abandon)},
	{"--json", NULL, "print JSON, and nothing else", .at = AT(json)},
	{.name = NULL},
};

static const char *
delete_destroys(const struct arguments *a)
{
	(void)a;
	return "deletes a backup for good";
}

/* A command that destroys is a row here, and takes --yes. */
static const struct {
	command_run *run;
	const char *(*destroys)(const struct arguments *a);
} destroyers[] = {{command_restore, restore_destroys}, {command_delete, delete_destroys},
	{command_prune, prune_destroys}, {command_recover, recover_destroys}};

const char *
command_destroys(const struct command *c, const struct arguments *a)
{
	for (size_t i = 0; i < sizeof(destroyers) / sizeof(destroyers[0]); i++)
		if (destroyers[i].run == c->run)
			return destroyers[i].destroys(a);
	return NULL;
}

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

static int
refuse_option(const struct command *c, const char *text, struct err *e)
{
	const size_t len = strcspn(text, "=");
	SCOPED(free_at) char *name = mem_copy(text, len);
	struct nearest near = {.text = name};

	for (const struct option *o = options; o->name != NULL; o++)
		if (command_takes(c, o))
			nearest_offer(&near, o->name);
	return err_set(e, ERR_INVALID, "dockerctl %s: there is no option %.64s%s%s%s", c->name,
		name, near.best == NULL ? "" : "; is ", near.best == NULL ? "" : near.best,
		near.best == NULL ? "" : " meant?");
}

/* Put ${value} where ${o} has it in ${a}. */
static int
put_value(const struct command *c, const struct option *o, const char *value, struct arguments *a,
	struct err *e)
{
	const char **member = (const char **)(void *)((char *)a + o->at);
	size_t i = 0;

	while (o->many && i < PARTS_MAX && member[i] != NULL)
		i++;
	if (i == PARTS_MAX)
		return err_set(e, ERR_INVALID, "dockerctl %s: more than %d times %s", c->name,
			PARTS_MAX, o->name);
	if (member[i] != NULL)
		return err_set(e, ERR_INVALID, "dockerctl %s: %s is there twice", c->name, o->name);
	if (value[0] == '\0')
		return err_set(e, ERR_INVALID, "dockerctl %s: the %s of %s is empty", c->name,
			o->value, o->name);
	if (o->check != NULL && o->check(value, e) != 0)
		return err_prefix(e, "dockerctl %s: %s", c->name, o->name);
	member[i] = value;
	return 0;
}

/* Take the option argv[*i], and the value behind it. */
static int
table_take_option(
	const struct command *c, int argc, char **argv, int *i, struct arguments *a, struct err *e)
{
	const char *text = argv[*i];
	const char *equals = strchr(text, '=');
	const struct option *o = find_option(c, text);

	if (o == NULL)
		return refuse_option(c, text, e);
	if (o->value == NULL && equals != NULL)
		return err_set(e, ERR_INVALID, "dockerctl %s: %s takes no value", c->name, o->name);
	if (o->value == NULL) {
		*((bool *)(void *)((char *)a + o->at)) = true;
		return 0;
	}
	if (equals == NULL && *i + 1 == argc)
		return err_set(
			e, ERR_INVALID, "dockerctl %s: %s needs a %s", c->name, o->name, o->value);
	return put_value(c, o, equals != NULL ? equals + 1 : argv[++*i], a, e);
}

/* The word number ${place} of what ${c} takes: "ID" of "ID [DEST]". */
static char *
word_name(const struct command *c, int place)
{
	const char *at = c->words;

	while (place-- > 0)
		at += strcspn(at, " ") + 1;
	return mem_copy(at, strcspn(at, " "));
}

static int
refuse_word(const struct command *c, const char *word, struct err *e)
{
	if (c->words_max == 0)
		return err_set(e, ERR_INVALID,
			"dockerctl %s takes nothing but options, not \"%.64s\"", c->name, word);
	return err_set(e, ERR_INVALID, "dockerctl %s: \"%.64s\" is one too many, it takes %s",
		c->name, word, c->words);
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
		} else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
			if (table_take_option(c, argc, argv, &i, &a, e) != 0)
				return -1;
		} else if (words == c->words_max) {
			return refuse_word(c, argv[i], e);
		} else {
			a.words[words++] = argv[i];
		}
	}
	if (words < c->words_min) {
		SCOPED(free_at) char *missing = word_name(c, words);

		return err_set(e, ERR_INVALID, "dockerctl %s: its %s is missing", c->name, missing);
	}
	*ret_arguments = a;
	return 0;
}
