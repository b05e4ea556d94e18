#ifndef ENGINE_TRUSTED_ATTRIBUTES_H
#define ENGINE_TRUSTED_ATTRIBUTES_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/lender/lender_wire.h"

/*
 * The lender's answers about attributes trusted.* (base/trusted.h) of files whose descriptors the
 * service sends: 'w', 'n', 'u' and 'U' of lender_wire.h.
 */

/* Whether ${type} is one of these. */
bool trusted_attributes_are_asked(char type);

/* Answer ${m}; what is to be told beside its 'k' goes to ${ret}. */
int trusted_attributes_answer(
	int socket, const struct wire_message *m, struct wire_message *ret, struct err *e);

#endif
