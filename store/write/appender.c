#include "store/write/appender.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/thread.h"
#include "store/write/session.h"

struct appender {
	pthread_t thread;
};

/* After a failure frames are taken and dropped: who waits for room or for the end gets on. */
static void *
appender_work(void *arg)
{
	struct ingest *in = arg;
	const void *frame = NULL;
	size_t len = 0;
	struct err e;
	int taken;

	while ((taken = compressor_take(in->compressor, &frame, &len, &e)) != 0) {
		if (taken < 0)
			(void)session_fail(in, &e);
		else if (session_failure(in, &e) == 0)
			(void)session_append(in, frame, len, &e);
		compressor_release(in->compressor);
	}
	return NULL;
}

int
appender_start(struct ingest *in, struct err *e)
{
	if (in->appender != NULL)
		return 0;
	struct appender *a = mem_new(sizeof(*a));
	const int failed = thread_start(&a->thread, appender_work, in);
	if (failed != 0) {
		free(a);
		errno = failed;
		return err_errno(e, "cannot start a thread that writes packs");
	}
	in->appender = a;
	return 0;
}

int
appender_drain(struct ingest *in, struct err *e)
{
	compressor_drain(in->compressor);
	return session_failure(in, e);
}

void
appender_stop(struct ingest *in)
{
	compressor_stop(in->compressor);
	if (in->appender == NULL)
		return;
	(void)pthread_join(in->appender->thread, NULL);
	free(TAKE(in->appender));
}
