#ifndef ARCHIVE_DISK_DEVICES_H
#define ARCHIVE_DISK_DEVICES_H

#include <stdbool.h>

/*
 * Device nodes want CAP_MKNOD on the host itself, which a container of Podman's has not, and a user
 * who is not root never.  Whoever cannot make one leaves it out, and says so once.
 */

/* Whether this process can make one; asked of the kernel once.  Thread-safe. */
bool devices_can_be_made(void);

/* One is left out. */
void devices_miss(void);

/* Whether one was left out since the last call.  Thread-safe. */
bool devices_missed(void);

#endif
