#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/*
 * Memory that a program of this size cannot go on without: on exhaustion these write one line and
 * abort, and the guard thaws what was frozen.  Sizes that somebody outside chooses are limited
 * before they get here.  Thread-safe.
 */
void *mem_new(size_t size);			       /* zeroed */
void *mem_array(void *old, size_t count, size_t size); /* as reallocarray; new room is not zeroed */
char *mem_copy(const void *data, size_t len);	       /* with a NUL behind */
char *mem_string(const char *text);
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* At the start, before any thread: memory that threads free is shared by few arenas, so that a
 * service whose every operation has threads of its own does not grow with their number. */
void mem_few_arenas(void);

/* After work that took much: give what is free back to the kernel. */
void mem_give_back(void);

#endif
