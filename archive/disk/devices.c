#include "archive/disk/devices.h"

#include <linux/capability.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/scope.h"
#include "base/userns.h"

enum { LINE_SIZE = 256 };

static atomic_bool missed;

static bool
has_capability(void)
{
	SCOPED(file_close_at) FILE *status = fopen("/proc/self/status", "re");
	char line[LINE_SIZE];
	unsigned long long effective;

	while (status != NULL && fgets(line, sizeof(line), status) != NULL)
		if (sscanf(line, "CapEff: %llx", &effective) == 1)
			return (effective >> CAP_MKNOD & 1) != 0;
	return true; /* then the kernel itself will say */
}

/* In a user namespace the capability is there and means nothing. */
bool
devices_can_be_made(void)
{
	static atomic_int known; /* 0: not yet, 1: yes, -1: no */

	if (atomic_load(&known) == 0)
		atomic_store(&known, has_capability() && userns_is_first() ? 1 : -1);
	return atomic_load(&known) == 1;
}

void
devices_miss(void)
{
	atomic_store(&missed, true);
}

bool
devices_missed(void)
{
	return atomic_exchange(&missed, false);
}
