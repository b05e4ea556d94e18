#include "jobs/restore/state/selection.h"

#include <stdlib.h>
#include <string.h>

#include "archive/tar/names.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"
#include "jobs/sources/order.h"

static const char *const lists[] = {"containers", "services", "volumes", "host_paths", "files"};
enum { LISTS = 5 };

static bool
selection_known(const char *key)
{
	for (size_t i = 0; i < LISTS; i++)
		if (strcmp(lists[i], key) == 0)
			return true;
	return false;
}

static int
selection_check_list(const char *key, const json_t *list, struct err *e)
{
	const json_t *name;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > SELECTION_MAX)
		return err_set(e, ERR_INVALID, "\"only\": \"%s\" is a list of at most %d texts",
			key, SELECTION_MAX);
	json_array_foreach (list, i, name) {
		const char *text = json_string_value(name);

		if (text == NULL || text[0] == '\0')
			return err_set(e, ERR_INVALID, "\"only\": \"%s\" is a list of texts", key);
		if (strcmp(key, "host_paths") == 0 && text[0] != '/')
			return err_set(
				e, ERR_INVALID, "host path \"%.200s\" is not absolute", text);
		if (strcmp(key, "files") == 0 && !names_safe_path(text))
			return err_set(e, ERR_INVALID,
				"file \"%.200s\": a path of the archive is wanted, as in "
				"\"volumes/data/name\"",
				text);
	}
	return 0;
}

int
selection_check(const json_t *only, struct err *e)
{
	json_t *fields = (json_t *)(uintptr_t)only; /* jansson's iterator takes no const */
	const char *key;
	json_t *list;
	size_t names = 0;

	if (!json_is_object(only))
		return err_set(e, ERR_INVALID, "\"only\" is an object");
	json_object_foreach (fields, key, list) {
		if (!selection_known(key))
			return err_set(e, ERR_INVALID,
				"\"only\" has the unknown field \"%.64s\"; known are: containers, "
				"services, volumes, host_paths, files",
				key);
		if (selection_check_list(key, list, e) != 0)
			return -1;
		names += json_array_size(list);
	}
	return names > 0 ? 0 : err_set(e, ERR_INVALID, "\"only\" names nothing");
}

static void
selection_mark(json_t *set, const char *name)
{
	(void)json_object_set_new(set, name, json_true());
}

/* The volumes, binds, networks and image of a container that is taken. */
static void
take_uses(json_t *selection, const json_t *inspect)
{
	json_t *networks = json_object_get(json_object_get(inspect, "NetworkSettings"), "Networks");
	const json_t *mount;
	const char *name;
	json_t *network;
	size_t i;

	selection_mark(json_object_get(selection, "images"), json_text(inspect, "Image", NULL));
	json_object_foreach (networks, name, network) {
		selection_mark(json_object_get(selection, "networks"), name);
	}
	json_array_foreach (json_object_get(inspect, "Mounts"), i, mount) {
		if (strcmp(json_text(mount, "Type", NULL), "volume") == 0)
			selection_mark(json_object_get(selection, "volumes"),
				json_text(mount, "Name", NULL));
		else if (strcmp(json_text(mount, "Type", NULL), "bind") == 0)
			selection_mark(json_object_get(selection, "binds"),
				json_text(mount, "Source", NULL));
	}
}

struct resolving {
	const struct contents *contents;
	json_t *selection;
	selection_present *present;
	void *ctx;
};

static int selection_take_container(const struct resolving *r, const char *name, struct err *e);

/* What ${inspect} needs and the host does not have. */
static int
take_needed(const struct resolving *r, const json_t *inspect, struct err *e)
{
	const char *name;
	json_t *other;

	json_object_foreach (r->contents->inspects, name, other) {
		int there;

		if (other == inspect || selection_container(r->selection, name) ||
			!order_needs(inspect, other, true))
			continue;
		if ((there = r->present(r->ctx, name, e)) < 0)
			return -1;
		if (there == 0 && selection_take_container(r, name, e) != 0)
			return -1;
	}
	return 0;
}

static int
selection_take_container(const struct resolving *r, const char *name, struct err *e)
{
	const json_t *inspect = json_object_get(r->contents->inspects, name);

	if (inspect == NULL)
		return err_set(e, ERR_NOT_FOUND, "the backup has no container %.200s", name);
	selection_mark(json_object_get(r->selection, "containers"), name);
	take_uses(r->selection, inspect);
	return take_needed(r, inspect, e);
}

/* The image of that name, with or without a digest. */
static void
take_image(const struct resolving *r, const char *name)
{
	const json_t *image, *tag;
	size_t i, k;

	json_array_foreach (json_object_get(r->contents->manifest, "images"), i, image) {
		json_array_foreach (json_object_get(image, "tags"), k, tag) {
			const char *text = json_is_string(tag) ? json_string_value(tag) : "";
			const size_t len = strlen(text);

			if (len > 0 && strncmp(name, text, len) == 0 &&
				(name[len] == '\0' || name[len] == '@'))
				selection_mark(json_object_get(r->selection, "images"),
					json_text(image, "id", NULL));
		}
	}
}

/* What the tasks of a service use. */
static void
take_template(const struct resolving *r, const json_t *template)
{
	const json_t *container = json_object_get(template, "ContainerSpec"), *part;
	size_t i;

	take_image(r, json_text(container, "Image", NULL));
	json_array_foreach (json_object_get(template, "Networks"), i, part) {
		selection_mark(
			json_object_get(r->selection, "networks"), json_text(part, "Target", NULL));
	}
	json_array_foreach (json_object_get(container, "Mounts"), i, part) {
		const char *type = json_text(part, "Type", NULL);

		if (strcmp(type, "volume") == 0 || strcmp(type, "bind") == 0)
			selection_mark(
				json_object_get(r->selection, type[0] == 'v' ? "volumes" : "binds"),
				json_text(part, "Source", NULL));
	}
}

static bool
take_service(const struct resolving *r, const char *name)
{
	const json_t *swarm = json_object_get(r->contents->manifest, "swarm"), *one;
	size_t i;

	json_array_foreach (json_object_get(swarm, "services"), i, one) {
		if (strcmp(json_text(one, "Spec", "Name"), name) != 0)
			continue;
		selection_mark(json_object_get(r->selection, "services"), name);
		take_template(r, json_object_get(json_object_get(one, "Spec"), "TaskTemplate"));
		return true;
	}
	return false;
}

/* True if a source of the manifest has ${value} at ${key} (or lies above it, for ${below}). */
static bool
has_source(
	const struct contents *c, const char *kind, const char *key, const char *value, bool below)
{
	const json_t *source;
	size_t i;

	json_array_foreach (json_object_get(c->manifest, "sources"), i, source) {
		const char *text = json_text(source, key, NULL);
		const size_t len = strlen(text);

		if (kind != NULL && strcmp(kind, json_text(source, "kind", NULL)) != 0)
			continue;
		if (strcmp(text, value) == 0 ||
			(below && strncmp(text, value, len) == 0 && value[len] == '/'))
			return true;
	}
	return false;
}

static int
selection_take_list(const struct resolving *r, const char *key, const json_t *list, struct err *e)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *name = json_string_value(item);
		const bool found =
			strcmp(key, "containers") == 0 ? selection_take_container(r, name, e) == 0
			: strcmp(key, "services") == 0 ? take_service(r, name)
			: strcmp(key, "volumes") == 0
				? has_source(r->contents, "volume", "name", name, false)
			: strcmp(key, "host_paths") == 0
				? has_source(r->contents, "host", "path", name, false) ||
					  has_source(r->contents, "bind", "path", name, false)
				: has_source(r->contents, NULL, "prefix", name, true);

		if (!found && strcmp(key, "containers") == 0)
			return -1;
		if (!found)
			return err_set(
				e, ERR_NOT_FOUND, "the backup has no %.200s in its %s", name, key);
		if (strcmp(key, "volumes") == 0)
			selection_mark(json_object_get(r->selection, "volumes"), name);
		else if (strcmp(key, "host_paths") == 0)
			selection_mark(json_object_get(r->selection, "binds"), name);
		else if (strcmp(key, "files") == 0)
			(void)json_array_append_new(
				json_object_get(r->selection, "files"), json_string(name));
	}
	return 0;
}

int
selection_resolve(const json_t *only, const struct contents *c, selection_present *present,
	void *ctx, json_t **ret_selection, struct err *e)
{
	SCOPED(json_decref_at)
	json_t *selection = json_pack("{s:{}, s:{}, s:{}, s:{}, s:{}, s:{}, s:[]}", "containers",
		"services", "volumes", "binds", "networks", "images", "files");
	const struct resolving r = {c, selection, present, ctx};

	for (size_t i = 0; i < LISTS; i++)
		if (selection_take_list(&r, lists[i], json_object_get(only, lists[i]), e) != 0)
			return -1;
	*ret_selection = TAKE(selection);
	return 0;
}

static bool
in(const json_t *selection, const char *set, const char *name)
{
	return selection == NULL || json_object_get(json_object_get(selection, set), name) != NULL;
}

bool
selection_container(const json_t *selection, const char *name)
{
	return in(selection, "containers", name);
}

bool
selection_service(const json_t *selection, const char *name)
{
	return in(selection, "services", name);
}

bool
selection_volume(const json_t *selection, const char *name)
{
	return in(selection, "volumes", name);
}

bool
selection_network(const json_t *selection, const char *name)
{
	return in(selection, "networks", name);
}

bool
selection_image(const json_t *selection, const char *id)
{
	return in(selection, "images", id);
}

/* Files of ${prefix} that are named. */
static char **
parts_of(const json_t *selection, const char *prefix, bool *ret_all)
{
	const json_t *files = json_object_get(selection, "files"), *file;
	char **parts = mem_new((json_array_size(files) + 1) * sizeof(*parts));
	const size_t len = strlen(prefix);
	size_t i, count = 0;

	*ret_all = false;
	json_array_foreach (files, i, file) {
		const char *path = json_string_value(file);

		if (strncmp(path, prefix, len) != 0)
			continue;
		if (path[len] == '\0')
			*ret_all = true;
		else if (path[len] == '/')
			parts[count++] = mem_string(path + len + 1);
	}
	if (count > 0 && !*ret_all)
		return parts;
	selection_parts_free(parts);
	return NULL;
}

/* Whether ${source} is taken as a whole. */
static bool
takes_source(const json_t *selection, const json_t *source)
{
	const char *kind = json_text(source, "kind", NULL), *name = json_text(source, "name", NULL);
	SCOPED(free_at) char *owner = mem_copy(name, strcspn(name, ":")); /* of a tmpfs */

	if (selection == NULL)
		return true;
	if (strcmp(kind, "layer") == 0)
		return selection_container(selection, name);
	if (strcmp(kind, "tmpfs") == 0)
		return selection_container(selection, owner);
	if (strcmp(kind, "volume") == 0)
		return selection_volume(selection, name);
	return in(selection, "binds", json_text(source, "path", NULL));
}

bool
selection_source(const json_t *selection, const json_t *source, char ***ret_parts)
{
	bool all = true;

	*ret_parts = NULL;
	if (takes_source(selection, source))
		return true;
	*ret_parts = parts_of(selection, json_text(source, "prefix", NULL), &all);
	return all || *ret_parts != NULL;
}

void
selection_parts_free(char **parts)
{
	for (char **part = parts; part != NULL && *part != NULL; part++)
		free(*part);
	free(parts);
}

char **
selection_parts_copy(char *const *parts)
{
	size_t count = 0;
	char **copy;

	if (parts == NULL)
		return NULL;
	while (parts[count] != NULL)
		count++;
	copy = mem_new((count + 1) * sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = mem_string(parts[i]);
	return copy;
}
