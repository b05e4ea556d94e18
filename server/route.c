#include "server/route.h"

#include <string.h>

static const char id_part[] = "{id}";
static const char path_part[] = "{path}";
static const char name_part[] = "{name}";

/* Whether ${path} has the form of ${pattern}, which may end in {path}: that part to ${rest}. */
static bool
tail_matches(const char *pattern, const char *path, const char **rest)
{
	const char *at = strstr(pattern, path_part);

	if (at == NULL)
		return strcmp(path, pattern) == 0;
	if (strncmp(path, pattern, (size_t)(at - pattern)) != 0)
		return false;
	*rest = path + (at - pattern);
	return true;
}

/* Whether ${path} has the form of ${pattern}, which has a {name}: one part of a path. */
static bool
name_matches(const char *pattern, const char *path, char name[REQUEST_NAME_MAX + 1])
{
	const char *at = strstr(pattern, name_part);
	const size_t before = (size_t)(at - pattern);
	size_t len;

	if (strncmp(pattern, path, before) != 0)
		return false;
	len = strcspn(path + before, "/");
	if (len == 0 || len > REQUEST_NAME_MAX ||
		strcmp(at + strlen(name_part), path + before + len) != 0)
		return false;
	memcpy(name, path + before, len);
	name[len] = '\0';
	return true;
}

/* Whether the path of ${r} has the form of ${pattern}; ${r} gets its id and its rest. */
static bool
route_matches(const char *pattern, struct request *r)
{
	const char *path = r->path;
	const char *at = strstr(pattern, id_part);
	const size_t before = at == NULL ? 0 : (size_t)(at - pattern);
	char found[ID_SIZE];

	if (strstr(pattern, name_part) != NULL)
		return name_matches(pattern, path, r->name);
	if (at == NULL)
		return tail_matches(pattern, path, &r->rest);
	if (strncmp(pattern, path, before) != 0)
		return false;
	if (strlen(path) < before + ID_LEN)
		return false;
	memcpy(found, path + before, ID_LEN);
	found[ID_LEN] = '\0';
	if (!id_valid(found) ||
		!tail_matches(at + sizeof(id_part) - 1, path + before + ID_LEN, &r->rest))
		return false;
	memcpy(r->id, found, ID_SIZE);
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
		if (!route_matches(route->pattern, r))
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
