#include "archive/tar/path_order.h"

#include <string.h>

#include "base/mem.h"

static int
path_order_rank(char c)
{
	return c == '\0' ? 0 : c == '/' ? 1 : 1 + (unsigned char)c;
}

int
path_compare(const char *a, const char *b)
{
	while (*a == *b && *a != '\0') {
		a++;
		b++;
	}
	return path_order_rank(*a) - path_order_rank(*b);
}

bool
path_inside(const char *path, const char *folder)
{
	const size_t len = strlen(folder);

	return len == 0 ? *path != '\0' : strncmp(path, folder, len) == 0 && path[len] == '/';
}

const char *
path_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

char *
path_join(const char *folder, const char *name)
{
	return mem_format("%s%s%s", folder, *folder == '\0' ? "" : "/", name);
}

char *
path_child(const char *path, const char *folder, bool *ret_direct)
{
	const size_t len = strlen(folder);
	const char *name = path + len + (len > 0);
	const size_t end = strcspn(name, "/");

	*ret_direct = name[end] == '\0';
	return mem_copy(name, end);
}
