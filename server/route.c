#include "server/route.h"

#include <string.h>

static const char id_part[] = "{id}";

/* Whether ${path} has the form of ${pattern}; the id to ${id}. */
static bool
matches(const char *pattern, const char *path, char id[ID_SIZE])
{
	const char *at = strstr(pattern, id_part);
	const size_t before = at == NULL ? strlen(pattern) : (size_t)(at - pattern);
	char found[ID_SIZE];

	if (strncmp(pattern, path, before) != 0)
		return false;
	if (at == NULL)
		return path[before] == '\0';
	if (strlen(path) < before + ID_LEN)
		return false;
	memcpy(found, path + before, ID_LEN);
	found[ID_LEN] = '\0';
	if (!id_valid(found) || strcmp(path + before + ID_LEN, at + sizeof(id_part) - 1) != 0)
		return false;
	memcpy(id, found, ID_SIZE);
	return true;
}

static void
allow(char list[ALLOW_SIZE], const char *method)
{
	const size_t len = strlen(list);

	if (len + strlen(method) + 3 > ALLOW_SIZE)
		return;
	(void)strcat(list, len == 0 ? "" : ", ");
	(void)strcat(list, method);
}

const struct route *
route_find(const struct route *routes, struct request *r, char ret_allow[ALLOW_SIZE])
{
	const struct route *found = NULL;

	ret_allow[0] = '\0';
	for (const struct route *route = routes; route->method != NULL; route++) {
		if (!matches(route->pattern, r->path, r->id))
			continue;
		allow(ret_allow, route->method);
		if (strcmp(route->method, "GET") == 0)
			allow(ret_allow, "HEAD");
		if (strcmp(route->method, r->method) == 0)
			found = route;
	}
	if (ret_allow[0] != '\0')
		allow(ret_allow, "OPTIONS");
	return found;
}
