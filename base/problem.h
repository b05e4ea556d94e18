#ifndef BASE_PROBLEM_H
#define BASE_PROBLEM_H

#include <jansson.h>

#include "base/err.h"

/*
 * RFC 9457 problem details: {"type", "title", "status", "detail"}.  The type is
 * "urn:fuel-backup:" and err_name of the code; it is stable, so programs may switch on it.
 */

/* The HTTP status that ${code} is answered with. */
int problem_status(enum err_code code);

/* A new problem object for ${e}. */
json_t *problem_json(const struct err *e);

#endif
