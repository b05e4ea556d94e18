#include "engine/self.h"

#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"

/* PLACES_MAX: folders in which a probe may be tried; the store's is among the first. */
enum { LINE_SIZE = 16384, ID_HEX = 64, CANDIDATES_MAX = 8, PLACES_MAX = 16 };
enum { RANDOM_SIZE = 16, PROBE_SIZE = 4096 + 64 };

struct clues {
	bool overlay;	/* our root is one: perhaps a container */
	bool contained; /* certainly one */
	char ids[CANDIDATES_MAX][ID_HEX + 1];
	size_t count;
	char *places[PLACES_MAX]; /* "/", then mount points of the host's folders */
	size_t place_count;
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

/* Whether a file system of type ${type} has files that the engine sees, too: not one of the
 * kernel's own, nor one in memory, which the engine mounts anew for itself. */
static bool
holds_files(const char *type)
{
	static const char *const kinds[] = {"tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup",
		"cgroup2", "devtmpfs", "ramfs", NULL};

	for (const char *const *k = kinds; *k != NULL; k++)
		if (strcmp(type, *k) == 0)
			return false;
	return true;
}

/* A line of mountinfo: field 5 is the mount point, behind the dash stands the type. */
static void
find_place(struct clues *c, const char *line)
{
	char point[4096] = "", type[32] = "";
	const char *dash = strstr(line, " - ");

	if (dash == NULL || sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1 ||
		sscanf(dash, " - %31s", type) != 1)
		return;
	if (strcmp(point, "/") == 0) {
		c->overlay = strstr(type, "overlay") != NULL;
		return;
	}
	if (c->place_count < PLACES_MAX && holds_files(type))
		c->places[c->place_count++] = mem_string(point);
}

static void
read_file(struct clues *c, const char *path, const char *only, bool places)
{
	SCOPED(file_close_at) FILE *file = fopen(path, "re");
	SCOPED(free_at) char *line = mem_new(LINE_SIZE);

	while (file != NULL && fgets(line, LINE_SIZE, file) != NULL) {
		if (places)
			find_place(c, line);
		if (only == NULL || strstr(line, only) != NULL)
			add_ids(c, line);
	}
}

/* ---- the probe ---- */

struct probe {
	char path[PROBE_SIZE];
	bool shared; /* in a folder of the host's, which another container may have as well */
};

/* A file of a name that nobody else has: true if it could be made. */
static bool
probe_make(struct probe *p, const char *folder)
{
	unsigned char random[RANDOM_SIZE];
	char hex[2 * RANDOM_SIZE + 1];
	int fd;

	random_bytes(random, sizeof(random));
	(void)snprintf(p->path, sizeof(p->path), "%s/.fuel-backup-self-%s", folder,
		hex_text(random, sizeof(random), hex));
	p->shared = folder[0] != '\0';
	fd = open(p->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	(void)close(fd);
	return true;
}

/* 1 if the engine sees the probe in container ${id}, 0 if not. */
static int
probe_seen(struct engine *g, const struct probe *p, const char *id, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(free_at) char *escaped = http_escape(p->path);
	SCOPED(free_at) char *path = mem_format("/containers/%s/archive?path=%s", id, escaped);
	struct http_request request = {.method = "HEAD", .path = path};

	if (engine_call(g, &request, &reply, e) != 0)
		return -1;
	return reply.status == 200;
}

static int
self_take(struct engine *g, const char *id, struct self *s, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const char *mode;

	if (containers_inspect(g, id, &inspect, e) != 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
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

/* Those of this engine's containers that run: under another container's network the ids mislead.
 * A probe in a folder of the host's has to be seen in one alone. */
static int
search_all(struct engine *g, const struct probe *p, char id[ID_HEX + 1], struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item;
	size_t i, seen = 0;

	if (containers_list(g, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, item) {
		const char *one = json_string_value(json_object_get(item, "Id"));
		const char *state = json_string_value(json_object_get(item, "State"));
		int found;

		if (one == NULL || state == NULL || strcmp(state, "running") != 0)
			continue;
		found = probe_seen(g, p, one, e);
		if (found < 0)
			return -1;
		if (found == 0)
			continue;
		seen++;
		(void)snprintf(id, ID_HEX + 1, "%s", one);
		if (!p->shared)
			break;
	}
	return seen == 1;
}

static int
self_search(struct engine *g, const struct clues *c, const struct probe *p, char id[ID_HEX + 1],
	struct err *e)
{
	for (size_t i = 0; i < c->count && !p->shared; i++) {
		const int found = probe_seen(g, p, c->ids[i], e);

		if (found > 0)
			(void)snprintf(id, ID_HEX + 1, "%s", c->ids[i]);
		if (found != 0)
			return found;
	}
	return search_all(g, p, id, e);
}

/* Our id: 1, 0 if the engine knows none that sees what we write. */
static int
search_by_probe(struct engine *g, const struct clues *c, char id[ID_HEX + 1], struct err *e)
{
	struct probe p = {0};
	int found = 0;

	if (probe_make(&p, "")) {
		found = self_search(g, c, &p, id, e);
		(void)unlink(p.path);
		return found;
	}
	for (size_t i = 0; i < c->place_count && found == 0; i++) {
		if (!probe_make(&p, c->places[i]))
			continue;
		found = self_search(g, c, &p, id, e);
		(void)unlink(p.path);
	}
	return found;
}

/* Who we are does not change as long as we run: what was confirmed once is asked for alone. */
static struct {
	pthread_mutex_t mutex;
	char *host;
	char id[ID_HEX + 1];
} confirmed = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static int
find(struct engine *g, const struct clues *c, struct self *s, struct err *e)
{
	LOCKED(&confirmed.mutex);
	char id[ID_HEX + 1] = "";
	int found = 0;

	if (confirmed.host != NULL && strcmp(confirmed.host, engine_host(g)) == 0)
		found = self_take(g, confirmed.id, s, e);
	if (found != 0)
		return found;
	found = search_by_probe(g, c, id, e);
	if (found <= 0)
		return found;
	free(confirmed.host);
	confirmed.host = mem_string(engine_host(g));
	(void)memcpy(confirmed.id, id, sizeof(id));
	return self_take(g, id, s, e);
}

static void
clues_clear(struct clues *c)
{
	while (c->place_count > 0)
		free(c->places[--c->place_count]);
}

static void
find_clues(struct clues *c)
{
	const bool marked =
		access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0;

	read_file(c, "/proc/self/mountinfo", "containers/", true);
	read_file(c, "/proc/self/cgroup", NULL, false);
	/* The mark alone says nothing: it stays in disks that were once made from an image. */
	c->contained = c->count > 0 || (marked && c->overlay);
}

/* An address proves nothing: it may be a tunnel's end.  Only an engine that knows the container
 * that we run in is this host's. */
static int
refuse_address(const struct engine *g, struct err *e)
{
	return err_set(e, ERR_CONFLICT,
		"the engine at %s may be another host's, and this service works on the files of "
		"its own host: run it there with DOCKER_HOST=unix:///var/run/docker.sock, or in a "
		"container of that engine",
		engine_host(g));
}

int
self_admit(const struct engine *g, struct err *e)
{
	SCOPED(clues_clear) struct clues c = {0};

	if (engine_socket(g) != NULL)
		return 0;
	find_clues(&c);
	return c.contained || c.overlay ? 0 : refuse_address(g, e);
}

int
self_find(struct engine *g, struct self **ret_self, struct err *e)
{
	SCOPED(self_free_at) struct self *s = mem_new(sizeof(*s));
	SCOPED(clues_clear) struct clues c = {0};
	int found;

	engine_forget_api(g);
	find_clues(&c);
	found = c.contained || c.overlay ? find(g, &c, s, e) : 0;
	if (found < 0)
		return -1;
	if (found == 0 && c.contained)
		return err_set(e, ERR_CONFLICT,
			"this service runs in a container, and the engine at %s does not know it: "
			"mount the socket of the engine that runs it",
			engine_host(g));
	if (found == 0 && engine_socket(g) == NULL)
		return refuse_address(g, e);
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
