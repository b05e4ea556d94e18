#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <jansson.h>
#include <stdarg.h>
#include <stddef.h>

/*
 * Text for JSON out of anything: names of files need not be UTF-8.  Where it is none, each byte
 * above 127 becomes \xHH.  A new string; thread-safe.
 */
json_t *text_json(const char *text);
json_t *text_json_format(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/**
 * text_harm(text, ret_len):
 * Whether the first character of ${text}, which is not empty, would be an order to a terminal or
 * deceive its reader: the controls C0, DEL and C1 (U+009B begins a sequence as ESC [ does), those
 * of line, paragraph and direction of writing (U+2028, U+202E, U+2066 …), and bytes that are no
 * UTF-8, which terminals of one byte a character take for C1.  Its length to ${ret_len}; returns
 * its number, a byte of no UTF-8 its own, or 0: it is harmless.
 */
unsigned text_harm(const char *text, size_t *ret_len);

/* ${path} as the path of a URL: every byte that is neither unreserved nor '/' is %HH (RFC 3986,
 * section 2.1).  The caller's to free. */
char *text_percent(const char *path);

#endif
