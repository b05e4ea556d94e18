#include "engine/lender/lender_paths.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/lender/lender.h"

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **
lender_paths_split(const struct buf *text)
{
	char **paths = mem_new(sizeof(char *));
	size_t n = 0;

	for (size_t at = 0; at < text->len; at += strlen(text->data + at) + 1) {
		paths = mem_array(paths, n + 2, sizeof(char *));
		paths[n++] = mem_string(text->data + at);
	}
	paths[n] = NULL;
	qsort(paths, n, sizeof(char *), by_bytes);
	return paths;
}

void
lender_paths_free(char ***paths)
{
	for (char **p = *paths; p != NULL && *p != NULL; p++)
		free(*p);
	free(*paths);
}
