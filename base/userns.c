#include "base/userns.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "base/scope.h"

/* Source: user_namespaces(7): the first one maps all ids to themselves. */
static bool
maps_all(void)
{
	SCOPED(file_close_at) FILE *map = fopen("/proc/self/uid_map", "re");
	unsigned long inside, outside, count;

	if (map == NULL || fscanf(map, "%lu %lu %lu", &inside, &outside, &count) != 3)
		return true; /* a kernel without them */
	return inside == 0 && outside == 0 && count == UINT32_MAX;
}

bool
userns_is_first(void)
{
	static atomic_int known; /* 0: not yet, 1: yes, -1: no */

	if (atomic_load(&known) == 0)
		atomic_store(&known, maps_all() ? 1 : -1);
	return atomic_load(&known) == 1;
}
