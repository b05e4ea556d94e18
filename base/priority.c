#include "base/priority.h"

#include <linux/ioprio.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

static void
priority_set(int policy, int io_class, int io_level)
{
	const struct sched_param none = {0};

	/* IOPRIO_PRIO_VALUE takes what is unsigned in some versions of the header, and int in
	 * others */
	const int priority = (io_class << IOPRIO_CLASS_SHIFT) | io_level;

	(void)sched_setscheduler(0, policy, &none); /* 0: this thread */
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, priority);
}

void
priority_low(void)
{
	priority_set(SCHED_BATCH, IOPRIO_CLASS_BE, 7);
}

void
priority_normal(void)
{
	priority_set(SCHED_OTHER, IOPRIO_CLASS_NONE, 0);
}
