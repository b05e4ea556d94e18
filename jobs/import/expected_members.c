#include "jobs/import/expected_members.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "archive/tar/names.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/content/manifest.h"
#include "jobs/operations/inspect.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* While it is read: names that have been met. */
struct expected_members_reading {
	struct expected *p;
	json_t *images, *containers, *networks, *volumes; /* {name: item}, items borrowed */
	json_t *layers;					  /* {container's name: source} */
	json_t *tmpfs;					  /* {container's name: [source]} */
	json_t *prefixes;				  /* {prefix: source} */
};

static int
expected_members_refuse(struct err *e, const char *list, const json_t *item, const char *what)
{
	SCOPED(free_at) char *text = json_dumps(item, JSON_COMPACT | JSON_ENCODE_ANY);

	return err_set(e, ERR_CORRUPT, "backup.json: %s: %s: %.200s", list, what,
		text == NULL ? "" : text);
}

bool
expected_members_hex(const char *text, const char *head)
{
	const size_t len = strlen(head);

	return strncmp(text, head, len) == 0 && strlen(text) == len + 64 &&
	       strspn(text + len, "0123456789abcdef") == 64;
}

/* As the engine's own rule for names: [a-zA-Z0-9][a-zA-Z0-9_.-]*. */
static bool
expected_members_is_name(const char *text)
{
	const size_t len = strlen(text);

	return len > 0 && len <= EXPECTED_MEMBERS_NAME_MAX && strspn(text, LETTERS) > 0 &&
	       strspn(text, LETTERS "_.-") == len;
}

static bool
is_one_part(const char *text)
{
	return names_safe_path(text) && strchr(text, '/') == NULL &&
	       strlen(text) <= EXPECTED_MEMBERS_NAME_MAX - strlen(".json");
}

static bool
all_texts(const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (!json_is_string(item))
			return false;
	}
	return json_is_array(list) && json_array_size(list) <= EXPECTED_MEMBERS_ITEMS_MAX;
}

/* The list ${name}, or NULL. */
static const json_t *
expected_members_list_of(const struct expected *p, const char *name, struct err *e)
{
	const json_t *list = json_object_get(p->manifest, name);

	if (json_is_array(list) && json_array_size(list) <= EXPECTED_MEMBERS_ITEMS_MAX)
		return list;
	(void)err_set(e, ERR_CORRUPT, "backup.json: \"%s\" is no list of at most %d", name,
		EXPECTED_MEMBERS_ITEMS_MAX);
	return NULL;
}

/* Note that ${name} has been met; -1 if it had been before. */
static int
expected_members_meet(json_t *met, const char *name, const json_t *item)
{
	if (json_object_get(met, name) != NULL)
		return -1;
	return json_object_set(met, name, (json_t *)(uintptr_t)item);
}

static void
promise(struct expected *p, struct promise next)
{
	if ((p->count & (p->count - 1)) == 0)
		p->list = mem_array(p->list, p->count == 0 ? 1 : 2 * p->count, sizeof(*p->list));
	p->list[p->count++] = next;
}

/* RFC 3339 in UTC with milliseconds, and nothing else. */
static int
read_time(const char *text, int64_t *ret_ns)
{
	char again[CLOCK_TEXT_SIZE];
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (rest == NULL || strlen(rest) != 5 || rest[0] != '.' || tm.tm_year < 70 ||
		tm.tm_year > 300)
		return -1;
	*ret_ns = ((int64_t)timegm(&tm) * 1000 + strtol(rest + 1, NULL, 10)) * 1000000;
	return strcmp(clock_text(*ret_ns, again), text) == 0 ? 0 : -1;
}

/* What the backup leaves out; older manifests do not say. */
static bool
expected_members_is_omitted(const json_t *list)
{
	const json_t *one;
	size_t i;

	if (list == NULL)
		return true;
	json_array_foreach (list, i, one) {
		const json_t *advice = json_object_get(one, "advice");

		if (!json_is_string(json_object_get(one, "kind")) ||
			!json_is_string(json_object_get(one, "name")) ||
			!json_is_string(json_object_get(one, "reason")) ||
			!(json_is_null(advice) || json_is_string(advice)) ||
			json_object_size(one) != 4)
			return false;
	}
	return json_is_array(list) && json_array_size(list) <= OMISSIONS_MAX;
}

static int
read_head(struct expected *p, struct err *e)
{
	const char *id = json_text(p->manifest, "id", NULL);
	const json_t *format = json_object_get(p->manifest, "format");

	if (!json_is_integer(format))
		return err_set(e, ERR_CORRUPT, "backup.json is none of a backup: it has no format");
	if (json_integer_value(format) != MANIFEST_FORMAT)
		return err_set(e, ERR_UNSUPPORTED,
			"the archive's format is not %d: it was made by another version",
			MANIFEST_FORMAT);
	if (!id_valid(id))
		return err_set(e, ERR_CORRUPT, "backup.json: \"%.64s\" is no backup's id", id);
	memcpy(p->id, id, ID_SIZE);
	if (read_time(json_text(p->manifest, "created_at", NULL), &p->created_ns) != 0)
		return err_set(e, ERR_CORRUPT, "backup.json: created_at is no time");
	p->incomplete = json_truth(p->manifest, "incomplete", NULL);
	if (!expected_members_is_omitted(json_object_get(p->manifest, "omitted")))
		return err_set(e, ERR_CORRUPT, "backup.json: omitted is not what it should be");
	if (!all_texts(json_object_get(p->manifest, "warnings")) ||
		!json_is_object(json_object_get(p->manifest, "plan")) ||
		!json_is_object(json_object_get(p->manifest, "engine")))
		return err_set(e, ERR_CORRUPT,
			"backup.json: warnings, plan or engine are not what they should be");
	return 0;
}

static int
read_images(struct expected_members_reading *r, struct err *e)
{
	const json_t *list = expected_members_list_of(r->p, "images", e), *image;
	size_t i;

	if (list == NULL)
		return -1;
	json_array_foreach (list, i, image) {
		const char *id = json_text(image, "id", NULL);
		SCOPED(free_at) char *file = NULL;

		if (!expected_members_hex(id, "sha256:"))
			return expected_members_refuse(e, "images", image, "the id is none");
		file = mem_format("images/%s.tar", id + strlen("sha256:"));
		if (strcmp(json_text(image, "file", NULL), file) != 0)
			return expected_members_refuse(
				e, "images", image, "its file is not that of its id");
		if (!all_texts(json_object_get(image, "tags")))
			return expected_members_refuse(e, "images", image, "its tags are no texts");
		if (expected_members_meet(r->images, id, image) != 0)
			return expected_members_refuse(e, "images", image, "it is there twice");
		promise(r->p,
			(struct promise){.kind = PROMISE_IMAGE, .path = TAKE(file), .item = image});
	}
	return 0;
}

static int
check_container(const struct expected_members_reading *r, const json_t *c, struct err *e)
{
	const char *state = json_text(c, "state", NULL);

	if (!expected_members_is_name(json_text(c, "name", NULL)))
		return expected_members_refuse(e, "containers", c, "the name is none");
	if (!expected_members_hex(json_text(c, "id", NULL), ""))
		return expected_members_refuse(e, "containers", c, "the id is none");
	if (!r->p->incomplete && json_object_get(r->images, json_text(c, "image", NULL)) == NULL)
		return expected_members_refuse(
			e, "containers", c, "its image is not in the archive");
	if (strcmp(state, "running") != 0 && strcmp(state, "paused") != 0 &&
		strcmp(state, "stopped") != 0)
		return expected_members_refuse(e, "containers", c, "the state is none");
	return 0;
}

/* Sources that are a container's own, layers and tmpfs mounts, by their containers' names. */
static void
note_own(struct expected_members_reading *r)
{
	const json_t *source;
	size_t i;

	json_array_foreach (json_object_get(r->p->manifest, "sources"), i, source) {
		const char *kind = json_text(source, "kind", NULL);
		const char *name = json_text(source, "name", NULL);
		SCOPED(free_at) char *container = mem_copy(name, strcspn(name, ":"));
		json_t *list;

		if (strcmp(kind, "layer") == 0)
			(void)expected_members_meet(r->layers, name, source);
		if (strcmp(kind, "tmpfs") != 0)
			continue;
		list = json_object_get(r->tmpfs, container);
		if (list == NULL) {
			list = json_array();
			(void)json_object_set_new(r->tmpfs, container, list);
		}
		(void)json_array_append(list, (json_t *)(uintptr_t)source);
	}
}

static void
promise_tmpfs(struct expected_members_reading *r, const char *container)
{
	const json_t *source;
	size_t i;

	json_array_foreach (json_object_get(r->tmpfs, container), i, source) {
		promise(r->p, (struct promise){.kind = PROMISE_TREE,
				      .path = mem_string(json_text(source, "prefix", NULL)),
				      .item = source});
	}
}

static int
read_containers(struct expected_members_reading *r, struct err *e)
{
	const json_t *list = expected_members_list_of(r->p, "containers", e), *c;
	size_t i;

	if (list == NULL)
		return -1;
	note_own(r);
	json_array_foreach (list, i, c) {
		const char *name = json_text(c, "name", NULL);
		const json_t *layer;

		if (check_container(r, c, e) != 0)
			return -1;
		if (expected_members_meet(r->containers, name, c) != 0)
			return expected_members_refuse(e, "containers", c, "it is there twice");
		promise(r->p, (struct promise){.kind = PROMISE_INSPECT,
				      .path = mem_format("containers/%s/inspect.json", name),
				      .item = c});
		if ((layer = json_object_get(r->layers, name)) != NULL)
			promise(r->p, (struct promise){.kind = PROMISE_TREE,
					      .path = mem_format("containers/%s/layer", name),
					      .item = layer,
					      .layer = true});
		promise_tmpfs(r, name);
	}
	return 0;
}

static int
read_networks(struct expected_members_reading *r, struct err *e)
{
	const json_t *list = expected_members_list_of(r->p, "networks", e), *item;
	size_t i;

	if (list == NULL)
		return -1;
	json_array_foreach (list, i, item) {
		const char *name = json_string_value(item);

		if (name == NULL || !is_one_part(name))
			return expected_members_refuse(e, "networks", item, "the name is none");
		if (expected_members_meet(r->networks, name, item) != 0)
			return expected_members_refuse(e, "networks", item, "it is there twice");
		promise(r->p, (struct promise){.kind = PROMISE_NETWORK,
				      .path = mem_format("networks/%s.json", name),
				      .item = item});
	}
	return 0;
}

static int
read_volumes(struct expected_members_reading *r, struct err *e)
{
	const json_t *list = expected_members_list_of(r->p, "volumes", e), *volume;
	size_t i;

	if (list == NULL)
		return -1;
	json_array_foreach (list, i, volume) {
		const char *name = json_text(volume, "Name", NULL);

		if (!is_one_part(name))
			return expected_members_refuse(e, "volumes", volume, "the name is none");
		if (expected_members_meet(r->volumes, name, volume) != 0)
			return expected_members_refuse(e, "volumes", volume, "it is there twice");
	}
	return 0;
}

/* Where a source of this kind and name stands; the caller's, NULL if there can be none. */
static char *
expected_members_place_of(const struct expected_members_reading *r, const char *kind,
	const char *name, const char *path)
{
	const bool absolute = path[0] == '/' && names_safe_path(path + 1);

	if (strcmp(kind, "layer") == 0 && json_object_get(r->containers, name) != NULL)
		return mem_format("containers/%s/layer", name);
	if (strcmp(kind, "tmpfs") == 0 && absolute) {
		const size_t len = strcspn(name, ":");
		SCOPED(free_at) char *container = mem_copy(name, len);

		if (json_object_get(r->containers, container) != NULL && name[len] == ':' &&
			strcmp(name + len + 1, path) == 0)
			return mem_format("containers/%s/tmpfs%s", container, path);
		return NULL;
	}
	if (strcmp(kind, "volume") == 0 && json_object_get(r->volumes, name) != NULL)
		return mem_format("volumes/%s", name);
	if (strcmp(kind, "bind") == 0 && absolute && strcmp(path, name) == 0)
		return mem_format("binds%s", path);
	if (strcmp(kind, "host") == 0 && absolute && strcmp(path, name) == 0)
		return mem_format("host%s", path);
	return NULL;
}

static int
read_sources(struct expected_members_reading *r, struct err *e)
{
	const json_t *list = expected_members_list_of(r->p, "sources", e), *source;
	size_t i;

	if (list == NULL)
		return -1;
	json_array_foreach (list, i, source) {
		const char *kind = json_text(source, "kind", NULL);
		const bool of_host = kind[0] == 'b' || kind[0] == 'h';
		const bool file = json_truth(source, "file", NULL);
		SCOPED(free_at)
		char *place = expected_members_place_of(
			r, kind, json_text(source, "name", NULL), json_text(source, "path", NULL));

		if (place == NULL || strcmp(place, json_text(source, "prefix", NULL)) != 0 ||
			(file && !of_host))
			return expected_members_refuse(
				e, "sources", source, "its place is not that of its name");
		if (expected_members_meet(r->prefixes, place, source) != 0)
			return expected_members_refuse(e, "sources", source, "it is there twice");
		if (strcmp(kind, "layer") != 0 && strcmp(kind, "tmpfs") != 0)
			promise(r->p, (struct promise){.kind = PROMISE_TREE,
					      .path = TAKE(place),
					      .item = source,
					      .file = file});
	}
	return 0;
}

static void
reading_clear(struct expected_members_reading *r)
{
	json_decref(r->images);
	json_decref(r->containers);
	json_decref(r->networks);
	json_decref(r->volumes);
	json_decref(r->layers);
	json_decref(r->tmpfs);
	json_decref(r->prefixes);
}

int
expected_members_read(const json_t *manifest, struct expected **ret_promises, struct err *e)
{
	SCOPED(expected_members_free_at) struct expected *p = mem_new(sizeof(*p));
	SCOPED(reading_clear)
	struct expected_members_reading r = {p, json_object(), json_object(), json_object(),
		json_object(), json_object(), json_object(), json_object()};

	p->manifest = manifest;
	promise(p, (struct promise){.kind = PROMISE_TEXT, .path = mem_string("RESTORE.txt")});
	if (read_head(p, e) != 0 || read_images(&r, e) != 0 || read_containers(&r, e) != 0 ||
		read_networks(&r, e) != 0 || read_volumes(&r, e) != 0 || read_sources(&r, e) != 0)
		return -1;
	*ret_promises = TAKE(p);
	return 0;
}

void
expected_members_free_at(struct expected **at)
{
	struct expected *p = *at;

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->count; i++)
		free(p->list[i].path);
	free(p->list);
	free(p);
}

int
expected_members_kept(const struct promise *p, const json_t *inspect, struct err *e)
{
	const bool network = p->kind == PROMISE_NETWORK;
	const char *key = "Name", *found, *wanted;

	found = network ? json_text(inspect, key, NULL) : container_name(inspect);
	wanted = network ? json_string_value(p->item) : json_text(p->item, "name", NULL);
	if (strcmp(found, wanted) == 0 && !network) {
		key = "Id";
		found = json_text(inspect, key, NULL);
		wanted = json_text(p->item, "id", NULL);
	}
	if (strcmp(found, wanted) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT,
		"%.200s: its %s is \"%.80s\", and backup.json says \"%.80s\"", p->path, key, found,
		wanted);
}
