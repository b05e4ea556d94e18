#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <jansson.h>
#include <stdarg.h>

/*
 * Text for JSON out of anything: names of files need not be UTF-8.  Where it is none, each byte
 * above 127 becomes \xHH.  A new string; thread-safe.
 */
json_t *text_json(const char *text);
json_t *text_json_format(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* ${path} as the path of a URL: every byte that is neither unreserved nor '/' is %HH (RFC 3986,
 * section 2.1).  The caller's to free. */
char *text_percent(const char *path);

#endif
