/* dockerctl: backup and restore of the deployment's containers, by the API of fuel-backup. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"

static const struct command {
	const char *name;
	const char *arguments;
	const char *help;
	command_run *run;
	int words_min, words_max;
	const char *options; /* that it takes */
} commands[] = {
	{"backup", "[DEST] [--full] [--no-wait]",
		"back up entire deployment; with DEST, a folder, the archive is written there",
		command_backup, 0, 1, "--full --no-wait"},
	{"restore",
		"ID|FILE [--yes] [--no-wait] [--no-host-paths] [--astute] [--devices] [--dry-run]",
		"restore backed up deployment", command_restore, 1, 1,
		"--full --yes --no-wait --no-host-paths --astute --devices --dry-run"},
	{"import", "FILE [--devices]",
		"take in an archive that another host made; --devices: also device nodes in "
		"volumes",
		command_import, 1, 1, "--devices"},
	{"list", "[--json]", "list backups", command_list, 0, 0, "--json"},
	{"show", "ID", "show all that is known of a backup, as JSON", command_show, 1, 1, "--json"},
	{"download", "ID [DEST]", "write a backup's archive to a folder or file", command_download,
		1, 2, ""},
	{"verify", "ID", "read a backup back and check every byte of it", command_verify, 1, 1, ""},
	{"rehearse", "ID [--no-wait]",
		"prove that a backup can be restored, with clones that nothing connects to the "
		"rest",
		command_rehearse, 1, 1, "--no-wait"},
	{"delete", "ID [--yes]", "delete a backup", command_delete, 1, 1, "--yes"},
	{"lock", "ID", "keep a backup from being deleted", command_lock, 1, 1, ""},
	{"unlock", "ID", "let a backup be deleted again", command_unlock, 1, 1, ""},
	{"prune", "[--dry-run] [--yes]",
		"remove the backups that the plan's `keep` does not keep, or show which",
		command_prune, 0, 0, "--dry-run --yes"},
	{"scrub", "[--no-wait]", "read the whole store back and check every byte of it",
		command_scrub, 0, 0, "--no-wait"},
	{"sweep", "[--no-wait]", "give back the space of deleted backups", command_sweep, 0, 0,
		"--no-wait"},
};
enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void
print_help(FILE *to)
{
	(void)fprintf(to, "Usage: dockerctl COMMAND [ARGUMENTS]\n\nCommands:\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		(void)fprintf(to, "  %s: %s\n", commands[i].name, commands[i].help);
	(void)fprintf(to, "  help: show this message, or how a command is used\n"
			  "  version: show the version\n"
			  "\n"
			  "ID: a backup's id, the beginning of one, or `latest`.\n"
			  "On the host of the service, as root, it finds the service by itself; "
			  "elsewhere set\n"
			  "FUEL_BACKUP_URL and FUEL_BACKUP_TOKEN.\n");
}

static const struct command *
find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void
print_usage(FILE *to, const struct command *c)
{
	(void)fprintf(to, "Usage: dockerctl %s %s\n  %s\n", c->name, c->arguments, c->help);
}

static bool
takes(const struct command *c, const char *option)
{
	const char *at = strstr(c->options, option);
	const size_t len = strlen(option);

	return at != NULL && (at[len] == ' ' || at[len] == '\0');
}

static int
set_option(const struct command *c, struct arguments *a, const char *option)
{
	const struct {
		const char *name;
		bool *value;
	} known[] = {{"--full", &a->full}, {"--no-wait", &a->no_wait}, {"--json", &a->json},
		{"--yes", &a->yes}, {"--astute", &a->astute},
		{"--no-host-paths", &a->no_host_paths}, {"--dry-run", &a->dry_run},
		{"--devices", &a->devices}};

	if (strcmp(option, "-y") == 0)
		option = "--yes";
	for (size_t i = 0; takes(c, option) && i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].name, option) == 0) {
			*known[i].value = true;
			return 0;
		}
	(void)fprintf(stderr, "dockerctl %s: unknown option %s\n", c->name, option);
	return -1;
}

static int
parse(const struct command *c, int argc, char **argv, struct arguments *a)
{
	int words = 0;

	for (int i = 0; i < argc; i++) {
		if (argv[i][0] == '-') {
			if (set_option(c, a, argv[i]) != 0)
				return -1;
		} else if (words++ == 0) {
			a->word = argv[i];
		} else {
			a->dest = argv[i];
		}
	}
	return words >= c->words_min && words <= c->words_max ? 0 : -1;
}

static int
run(const struct command *c, int argc, char **argv)
{
	struct arguments arguments = {0};
	struct client *client = NULL;
	struct err e;
	int status;

	if (argc == 1 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
		print_usage(stdout, c);
		return 0;
	}
	if (parse(c, argc, argv, &arguments) != 0) {
		print_usage(stderr, c);
		return 1;
	}
	status = client_open(&client, &e) != 0 ? -1 : c->run(client, &arguments, &e);
	client_close_at(&client);
	if (status == 0)
		return 0;
	(void)fprintf(stderr, "%s\n", e.text);
	return 1;
}

/* The operation is the service's: it goes on without us. */
static void
on_interrupt(int number)
{
	static const char text[] = "\nInterrupted; what was started goes on in the service: see "
				   "GET /operations.\n";

	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(1);
}

int
main(int argc, char **argv)
{
	const char *name = argc < 2 ? "" : argv[1];
	const struct command *c = find(name);

	(void)signal(SIGINT, on_interrupt);
	(void)signal(SIGPIPE, SIG_IGN);
	if (c != NULL)
		return run(c, argc - 2, argv + 2);
	if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
		(void)printf("dockerctl (fuel-backup) %s\n", FB_VERSION);
		return 0;
	}
	if (strcmp(name, "help") == 0 && argc == 3 && find(argv[2]) != NULL) {
		print_usage(stdout, find(argv[2]));
		return 0;
	}
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_help(stdout);
		return 0;
	}
	if (name[0] != '\0')
		(void)fprintf(stderr, "dockerctl: unknown command \"%s\"\n", name);
	print_help(stderr);
	return 1;
}
