#ifndef SERVER_RANGE_H
#define SERVER_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct range {
	int64_t first;
	int64_t len;
};

/**
 * range_parse(header, size, ret_range):
 * ${header}: the value of Range, or NULL; ${size}: of the whole.  1: one range, in ${ret_range};
 * 0: the whole is to be sent (no range, several, or another unit); -1: it begins behind the end.
 * Source: RFC 9110, section 14.
 */
int range_parse(const char *header, int64_t size, struct range *ret_range);

/* True if one of the entity tags in ${header} (If-None-Match; "*" too) is ${etag}. */
bool etag_listed(const char *header, const char *etag);

#endif
