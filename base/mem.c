#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *
mem_present(void *memory)
{
	static const char text[] = "out of memory\n";

	if (memory == NULL) {
		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
		abort();
	}
	return memory;
}

void *
mem_new(size_t size)
{
	return mem_present(calloc(1, size > 0 ? size : 1));
}

void *
mem_array(void *old, size_t count, size_t size)
{
	return mem_present(reallocarray(old, count > 0 ? count : 1, size));
}

char *
mem_copy(const void *data, size_t len)
{
	char *copy = mem_present(malloc(len + 1));

	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

char *
mem_string(const char *text)
{
	return mem_present(strdup(text));
}

char *
mem_format(const char *format, ...)
{
	va_list args;
	char *text = NULL;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	return mem_present(len < 0 ? NULL : text);
}

void
mem_few_arenas(void)
{
	enum {
		ARENAS = 2
	}; /* of one for each thread up to 8 a core: each keeps what it had once */

	(void)mallopt(M_ARENA_MAX, ARENAS);
}

void
mem_give_back(void)
{
	(void)malloc_trim(0);
}
