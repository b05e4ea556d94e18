#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An id of ours names a backup or an operation: the UTC time and 32 random bits,
 * `20261123-091233-1a2b3c4d`.  It sorts by time, is readable on the phone, and is safe in a path
 * and in a container's name.
 */
enum { ID_LEN = 24, ID_SIZE = ID_LEN + 1 };

void id_new(char id[ID_SIZE]);

/* True if ${text} has exactly the form of an id. */
bool id_valid(const char *text);

/* The time in an id, whole seconds in ns since 1970; 0 if the ${len} bytes are none. */
int64_t id_time_ns(const char *text, size_t len);

/* ${len} random bytes from the kernel.  Aborts if there are none. */
void random_bytes(void *data, size_t len);

/* ${len} bytes as lower-case hex; ${text} has room for 2 * len + 1.  Returns ${text}. */
char *hex_text(const void *data, size_t len, char *text);

/* Compare in time that depends on ${len} alone. */
bool equal_constant_time(const void *a, const void *b, size_t len);

#endif
