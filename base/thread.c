#include "base/thread.h"

#include <signal.h>
#include <stddef.h>

int
thread_start(pthread_t *ret_thread, void *(*work)(void *ctx), void *ctx)
{
	sigset_t all, before;
	int failed;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(ret_thread, NULL, work, ctx);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed;
}
