/* dockerctl: backup and restore of the deployment's containers, by the API of fuel-backup. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/paint.h"

enum { EXIT_WRONG_USE = 2, EXIT_NO_SERVICE = 3 };

static void
print_help(FILE *to)
{
	(void)fprintf(to, "Usage: dockerctl COMMAND [ARGUMENTS]\n\nCommands:\n");
	for (const struct command *c = commands; c->name != NULL; c++)
		(void)fprintf(to, "  %s: %s\n", c->name, c->help);
	(void)fprintf(to, "  help: show this message, or how a command is used\n"
			  "  version: show the version\n"
			  "\n"
			  "ID: a backup's id, the beginning of one, or `latest`.\n"
			  "On the host of the service, as root, it finds the service by itself; "
			  "elsewhere set\n"
			  "FUEL_BACKUP_URL and FUEL_BACKUP_TOKEN.\n");
}

static void
print_usage(FILE *to, const struct command *c)
{
	(void)fprintf(
		to, "Usage: dockerctl %s%s%s", c->name, c->words[0] == '\0' ? "" : " ", c->words);
	for (const struct option *o = options; o->name != NULL; o++)
		if (command_takes(c, o))
			(void)fprintf(to, " [%s%s%s]", o->name, o->value == NULL ? "" : " ",
				o->value == NULL ? "" : o->value);
	(void)fprintf(to, "\n  %s\n", c->help);
	for (const struct option *o = options; o->name != NULL; o++)
		if (command_takes(c, o))
			(void)fprintf(to, "  %s: %s\n", o->name, o->help);
}

static int
exit_code(const struct err *e)
{
	if (interrupt_seen(NULL))
		return EXIT_INTERRUPTED;
	return e->code == ERR_UNREACHABLE || e->code == ERR_DENIED ? EXIT_NO_SERVICE : 1;
}

static int
run(const struct command *c, int argc, char **argv)
{
	struct arguments arguments = {.json = false};
	struct client *client = NULL;
	struct err e;
	int status = 0;

	if (argc == 1 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
		print_usage(stdout, c);
		return 0;
	}
	if (command_parse(c, argc, argv, &arguments, &e) != 0) {
		(void)fprintf(stderr, "%s\n", e.text);
		print_usage(stderr, c);
		return EXIT_WRONG_USE;
	}
	if (c->run != command_completion) /* which needs no service for its scripts */
		status = client_open(&client, &e);
	if (client != NULL)
		client_set_quiet(client, arguments.json);
	if (status == 0)
		status = c->run(client, &arguments, &e);
	client_close_at(&client);
	if (status == 0 && fflush(stdout) != 0)
		status = err_errno(&e, "standard output");
	if (status == 0)
		return 0;
	paint(stderr, PAINT_BAD, -1, e.text);
	(void)putc('\n', stderr);
	return exit_code(&e);
}

int
main(int argc, char **argv)
{
	const char *name = argc < 2 ? "" : argv[1];
	const struct command *c = command_find(name);

	interrupt_install();
	(void)signal(SIGPIPE, SIG_IGN);
	if (c != NULL)
		return run(c, argc - 2, argv + 2);
	if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
		(void)printf("dockerctl (fuel-backup) %s\n", FB_VERSION);
		return 0;
	}
	if (strcmp(name, "help") == 0 && argc == 3 && command_find(argv[2]) != NULL) {
		print_usage(stdout, command_find(argv[2]));
		return 0;
	}
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_help(stdout);
		return 0;
	}
	if (name[0] != '\0')
		(void)fprintf(stderr, "dockerctl: unknown command \"%s\"\n", name);
	print_help(stderr);
	return EXIT_WRONG_USE;
}
