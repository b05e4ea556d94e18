/* dockerctl: backup and restore of the deployment's containers, by the API of fuel-backup. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/scope.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/fold.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/nearest.h"
#include "cli/paint.h"

enum { EXIT_WRONG_USE = 2, EXIT_PARTIAL = 3, EXIT_NO_SERVICE = 4 };

static void
print_usage(FILE *to, const struct command *c)
{
	SCOPED(buf_free) struct buf line = BUF_INIT(4096);

	(void)buf_format(&line, "Usage: dockerctl %s%s%s", c->name, c->words[0] == '\0' ? "" : " ",
		c->words);
	for (const struct option *o = options; o->name != NULL; o++)
		if (command_takes(c, o))
			(void)buf_format(&line, " [%s%s%s]", o->name, o->value == NULL ? "" : " ",
				o->value == NULL ? "" : o->value);
	fold(to, 4, "%s", line.data);
	fold(to, 2, "  %s", c->help);
	for (const struct option *o = options; o->name != NULL; o++)
		if (command_takes(c, o))
			fold(to, 4, "  %s: %s", o->name, o->help);
}

/* Tell on stderr what is wrong, and how it is used. */
static int
wrong_use(const struct command *c, const struct err *e)
{
	paint_line(stderr, "%s", e->text);
	print_usage(stderr, c);
	return EXIT_WRONG_USE;
}

/* There is no command ${name}. */
static int
unknown(const char *name)
{
	struct nearest near = {.text = name};

	for (const struct command *c = commands; c->name != NULL; c++)
		nearest_offer(&near, c->name);
	nearest_offer(&near, "help");
	nearest_offer(&near, "version");
	if (near.best != NULL)
		paint_line(stderr, "dockerctl: there is no command \"%s\"; is %s meant?", name,
			near.best);
	else
		paint_line(stderr,
			"dockerctl: there is no command \"%s\"; `dockerctl help` shows all", name);
	return EXIT_WRONG_USE;
}

static int
exit_code(const struct err *e)
{
	if (interrupt_seen(NULL))
		return EXIT_INTERRUPTED;
	return e->code == ERR_UNREACHABLE || e->code == ERR_DENIED ? EXIT_NO_SERVICE : 1;
}

static int
dockerctl_run(const struct command *c, int argc, char **argv)
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
		return wrong_use(c, &e);
	}
	const char *destroys = command_destroys(c, &arguments);
	if (destroys != NULL && !arguments.yes && !ask_possible()) {
		paint_line(stderr,
			"dockerctl %s %s, and there is no terminal to ask on: add --yes if that is "
			"meant. Nothing was done.",
			c->name, destroys);
		return EXIT_WRONG_USE;
	}
	if (c->run != command_completion) /* which needs no service for its scripts */
		status = client_open(&client, &e);
	if (client != NULL)
		client_set_quiet(client, arguments.json);
	if (status == 0)
		status = c->run(client, &arguments, &e);
	client_close_at(&client);
	if (status >= 0 && fflush(stdout) != 0)
		status = err_errno(&e, "standard output");
	if (status >= 0)
		return status == COMMAND_PARTIAL ? EXIT_PARTIAL : 0;
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
		return dockerctl_run(c, argc - 2, argv + 2);
	if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
		say("dockerctl (fuel-backup) %s\n", FB_VERSION);
		return 0;
	}
	if (strcmp(name, "help") == 0 && argc > 2) {
		c = command_find(argv[2]);
		if (c == NULL)
			return unknown(argv[2]);
		print_usage(stdout, c);
		return 0;
	}
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		help_print(stdout);
		return 0;
	}
	if (name[0] != '\0')
		return unknown(name);
	help_print(stderr);
	return EXIT_WRONG_USE;
}
