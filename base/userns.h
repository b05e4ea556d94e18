#ifndef BASE_USERNS_H
#define BASE_USERNS_H

#include <stdbool.h>

/* Whether this process lives in the host's own user namespace, not in one of an engine without
 * root. Asked of the kernel once.  Thread-safe. */
bool userns_is_first(void);

#endif
