#include "engine/self.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"

enum { LINE_SIZE = 16384, ID_HEX = 64, CANDIDATES_MAX = 8 };

struct clues {
	char *upper; /* of the overlay that is our root, or NULL */
	char ids[CANDIDATES_MAX][ID_HEX + 1];
	size_t count;
};

static bool
is_id(const char *text)
{
	size_t n = 0;

	while (n < ID_HEX && isxdigit((unsigned char)text[n]))
		n++;
	return n == ID_HEX && !isalnum((unsigned char)text[n]);
}

static void
add_ids(struct clues *c, const char *line)
{
	for (const char *at = line; *at != '\0'; at++) {
		if ((at != line && isalnum((unsigned char)at[-1])) || !is_id(at))
			continue;
		if (c->count < CANDIDATES_MAX) {
			memcpy(c->ids[c->count], at, ID_HEX);
			c->ids[c->count++][ID_HEX] = '\0';
		}
		at += ID_HEX - 1;
	}
}

/* The upper directory of the mount at "/": field 5 is the mount point, options come last. */
static void
find_upper(struct clues *c, const char *line)
{
	char point[8] = "";
	const char *upper = strstr(line, "upperdir=");

	if (upper == NULL || sscanf(line, "%*s %*s %*s %*s %7s", point) != 1 ||
		strcmp(point, "/") != 0)
		return;
	upper += strlen("upperdir=");
	free(c->upper);
	c->upper = mem_copy(upper, strcspn(upper, ",\n "));
}

static void
read_file(struct clues *c, const char *path, const char *only)
{
	SCOPED(file_close_at) FILE *file = fopen(path, "re");
	SCOPED(free_at) char *line = mem_new(LINE_SIZE);

	while (file != NULL && fgets(line, LINE_SIZE, file) != NULL) {
		find_upper(c, line);
		if (only == NULL || strstr(line, only) != NULL)
			add_ids(c, line);
	}
}

static const char *
upper_of(const json_t *inspect)
{
	const char *upper = json_string_value(json_object_get(
		json_object_get(json_object_get(inspect, "GraphDriver"), "Data"), "UpperDir"));

	return upper == NULL ? "" : upper;
}

/* 1 if container ${id} is us. */
static int
confirm(struct engine *g, const struct clues *c, const char *id, struct self *s, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const char *mode;

	if (containers_inspect(g, id, &inspect, e) != 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	if (c->upper == NULL || strcmp(upper_of(inspect), c->upper) != 0)
		return 0;
	s->container = true;
	(void)snprintf(
		s->id, sizeof(s->id), "%s", json_string_value(json_object_get(inspect, "Id")));
	s->image = mem_string(json_string_value(json_object_get(inspect, "Image")));
	mode = json_string_value(
		json_object_get(json_object_get(inspect, "HostConfig"), "NetworkMode"));
	if (mode != NULL && strncmp(mode, "container:", 10) == 0)
		s->network_owner = mem_string(mode + 10);
	s->inspect = json_incref(inspect);
	return 1;
}

/* All of this engine's containers: under another container's network the ids mislead. */
static int
confirm_any(struct engine *g, const struct clues *c, struct self *s, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item;
	size_t i;

	if (containers_list(g, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, item) {
		const char *id = json_string_value(json_object_get(item, "Id"));
		const char *state = json_string_value(json_object_get(item, "State"));
		int found;

		if (id == NULL || state == NULL || strcmp(state, "running") != 0)
			continue;
		found = confirm(g, c, id, s, e);
		if (found != 0)
			return found;
	}
	return 0;
}

static int
find(struct engine *g, const struct clues *c, struct self *s, struct err *e)
{
	for (size_t i = 0; i < c->count; i++) {
		const int found = confirm(g, c, c->ids[i], s, e);

		if (found != 0)
			return found;
	}
	return confirm_any(g, c, s, e);
}

int
self_find(struct engine *g, struct self **ret_self, struct err *e)
{
	SCOPED(self_free_at) struct self *s = mem_new(sizeof(*s));
	struct clues c = {0};
	const bool marked =
		access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0;
	bool contained;
	int found;

	read_file(&c, "/proc/self/mountinfo", "containers/");
	read_file(&c, "/proc/self/cgroup", NULL);
	/* The mark alone says nothing: it stays in disks that were once made from an image. */
	contained = c.count > 0 || (marked && c.upper != NULL);
	found = contained || c.upper != NULL ? find(g, &c, s, e) : 0;
	free(c.upper);
	if (found < 0)
		return -1;
	if (found == 0 && contained)
		return err_set(e, ERR_CONFLICT,
			"this service runs in a container, and the engine at %s does not know it: "
			"mount the socket of the engine that runs it",
			engine_host(g));
	*ret_self = TAKE(s);
	return 0;
}

void
self_free(struct self *s)
{
	if (s == NULL)
		return;
	free(s->image);
	free(s->network_owner);
	json_decref(s->inspect);
	free(s);
}

void
self_free_at(struct self **s)
{
	self_free(*s);
}

char *
self_host_path(const struct self *s, const char *path)
{
	const char *best = NULL;
	const json_t *mount;
	size_t i, longest = 0;

	if (!s->container)
		return mem_string(path);
	json_array_foreach (json_object_get(s->inspect, "Mounts"), i, mount) {
		const char *to = json_string_value(json_object_get(mount, "Destination"));
		const size_t len = to == NULL ? 0 : strlen(to);

		if (len <= longest || strncmp(path, to, len) != 0 ||
			(path[len] != '\0' && path[len] != '/'))
			continue;
		longest = len;
		best = json_string_value(json_object_get(mount, "Source"));
	}
	/* /var/run is a link to /run in most images, and the engine resolves it on its side. */
	if (best == NULL && strncmp(path, "/var/run/", 9) == 0)
		return self_host_path(s, path + 4);
	return best == NULL ? NULL : mem_format("%s%s", best, path + longest);
}
