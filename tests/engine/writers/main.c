/*
 * writers ROOT SEED ENTRIES: changes files in all the ways that are easily taken for no change. One
 * process for each trick of the table below, in a folder of ROOT that has its name.  Prints "ready"
 * when all have begun, and goes on until it is killed; ends with 1 as soon as one trick fails.
 * SEED decides every choice and pause.  ENTRIES: of the large directory, at the beginning.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "writer.h"

struct trick {
	const char *name;
	void (*prepare)(struct writer *w);
	void (*step)(struct writer *w);
};

static const struct trick tricks[] = {
	{"mapped", mapped_prepare, mapped_step},
	{"holes", holes_prepare, holes_step},
	{"old-time", make_files, old_time_step},
	{"clock", make_files, clock_step},
	{"same-size", make_files, same_size_step},
	{"truncated", make_files, truncate_step},
	{"border", make_files, border_step},
	{"logs", make_files, log_step},
	{"renamed-over", make_files, rename_step},
	{"exchanged", exchange_prepare, exchange_step},
	{"links", links_prepare, links_step},
	{"folders", folders_prepare, folders_step},
	{"kinds", make_files, kinds_step},
	{"large", large_prepare, large_step},
	{"attributes", make_files, attributes_step},
	{"pages", pages_prepare, pages_step},
	{"sqlite", sqlite_prepare, sqlite_step},
};

static void
perform(const struct trick *trick, struct writer *w, int ready)
{
	must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl");
	make_folder(trick->name);
	must(chdir(trick->name) == 0, trick->name);
	trick->prepare(w);
	must(write(ready, "", 1) == 1, "write");
	for (;;) {
		trick->step(w);
		nap(w, below(w, 32) == 0 ? LONG_PAUSE_US : PAUSE_US);
	}
}

/* None ends by itself. */
static void
failed(int number)
{
	(void)number;
	_exit(1);
}

int
main(int argc, char **argv)
{
	int ready[2];
	char byte;

	if (argc != 4 || chdir(argv[1]) != 0 || pipe(ready) != 0 ||
		signal(SIGCHLD, failed) == SIG_ERR)
		return 2;
	for (size_t i = 0; i < sizeof(tricks) / sizeof(*tricks); i++) {
		struct writer w = {.random = strtoull(argv[2], NULL, 10) + i * 1000003,
			.entries = (unsigned)strtoul(argv[3], NULL, 10)};

		if (fork() == 0)
			perform(&tricks[i], &w, ready[1]);
	}
	for (size_t i = 0; i < sizeof(tricks) / sizeof(*tricks); i++)
		if (read(ready[0], &byte, 1) != 1)
			return 1;
	(void)puts("ready");
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}
