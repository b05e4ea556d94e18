#include "handlers/streams.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/scope.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;
static int open_streams[STREAM_KINDS];

static const int most[STREAM_KINDS] = {
	[STREAM_STORED] = STREAMS_STORED_MAX,
	[STREAM_PLAIN] = STREAMS_PLAIN_MAX,
};

static int
enter(enum stream_kind kind)
{
	const int64_t at = clock_mono_ns() + STREAMS_WAIT_MS * INT64_C(1000000);
	const struct timespec until = {.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
	LOCKED(&mutex);

	while (open_streams[kind] >= most[kind])
		if (pthread_cond_clockwait(&left, &mutex, CLOCK_MONOTONIC, &until) != 0)
			return -1;
	open_streams[kind]++;
	return 0;
}

int
streams_enter(enum stream_kind kind, struct reply *reply)
{
	if (enter(kind) == 0)
		return 0;
	reply_new_problem(reply, 503,
		json_pack("{s:s, s:s, s:s}", "type", "urn:fuel-backup:streams", "title",
			"Too many downloads at once", "detail",
			kind == STREAM_PLAIN
				? "9 downloads that decompress run already: ask again when one has "
				  "ended, or for the archive without format=tar"
				: "64 downloads run already: ask again when one has ended"));
	reply_header(reply, "Retry-After", "5");
	return -1;
}

void
streams_leave(enum stream_kind kind)
{
	LOCKED(&mutex);

	open_streams[kind]--;
	(void)pthread_cond_broadcast(&left);
}
