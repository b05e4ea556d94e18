#include "store/read/rate_limit.h"

#include <time.h>

#include "base/clock.h"

static const int64_t SECOND_NS = 1000000000;

/* Both what goes ahead of time and how long a sleep keeps from seeing that it shall stop. */
static const int64_t SLACK_NS = 100000000;

int
rate_limit_check(const struct rate_limit *p, struct err *e)
{
	if (p->stop == NULL || !p->stop(p->ctx))
		return 0;
	return err_set(e, ERR_CANCELLED, "it was cancelled");
}

int
rate_limit_take(struct rate_limit *p, int64_t bytes, struct err *e)
{
	if (rate_limit_check(p, e) != 0)
		return -1;
	if (p->bytes_per_second == 0)
		return 0;
	int64_t now = clock_mono_ns();
	if (p->due_ns < now)
		p->due_ns = now;
	p->due_ns += (int64_t)((double)bytes / (double)p->bytes_per_second * (double)SECOND_NS);
	for (; p->due_ns - now > SLACK_NS; now = clock_mono_ns()) {
		const struct timespec nap = {.tv_nsec = SLACK_NS / 2};
		(void)nanosleep(&nap, NULL);
		if (rate_limit_check(p, e) != 0)
			return -1;
	}
	return 0;
}
