#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t held, seen;

static void
on_interrupt(int number)
{
	(void)number;
	if (!held || seen) {
		(void)!write(STDERR_FILENO, "\n", 1);
		_exit(EXIT_INTERRUPTED);
	}
	seen = 1;
}

/* No SA_RESTART: a sleep or a question is to end at once. */
void
interrupt_install(void)
{
	struct sigaction action = {.sa_handler = on_interrupt};

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGINT, &action, NULL);
}

void
interrupt_hold(void)
{
	held = 1;
}

void
interrupt_release(void)
{
	held = 0;
}

bool
interrupt_seen(void *ctx)
{
	(void)ctx;
	return seen != 0;
}

void
interrupt_clear(void)
{
	seen = 0;
}
