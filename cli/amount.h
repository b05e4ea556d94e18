#ifndef CLI_AMOUNT_H
#define CLI_AMOUNT_H

#include <jansson.h>

#include "base/err.h"

/* Numbers as people write them.  ERR_INVALID says how they are written. */

/* "7": up to 999999999. */
int amount_count(const char *text, int64_t *ret_count, struct err *e);
/* Bytes: "1073741824", "1024M", "1G", "1GiB"; K, M, G and T are powers of 1024. */
int amount_size(const char *text, int64_t *ret_bytes, struct err *e);
/* The rules of retention, "daily=7,weekly=5" or "daily=7,manual", as the API's `keep`; ${ret_keep}
 * is the caller's. */
int amount_keep(const char *text, json_t **ret_keep, struct err *e);

#endif
