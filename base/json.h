#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>

/**
 * json_parse(text, len, flags, error):
 * The JSON of ${len} bytes at ${text}, which somebody else wrote: NUL may stand in its texts (an
 * engine passes on what a container printed).  In a key, where jansson has no place for it, it
 * becomes U+FFFD.  ${flags}: of json_loadb.  ${error}: where it is malformed; may be NULL.  A new
 * reference; NULL: malformed.
 */
json_t *json_parse(const char *text, size_t len, size_t flags, json_error_t *error);

#endif
