/* Of a container that is made again: which volumes and folders it gets, and where. */
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/recreate/recreate_internal.h"

/* ${path} without what means nothing: "//", "/./", "x/../", a slash at its end.  The caller's. */
static char *
clean(const char *path)
{
	SCOPED(free_at) char *copy = mem_string(path);
	char *result = mem_new(strlen(path) + 2);
	char *rest = NULL;
	size_t len = 0;

	for (char *part = strtok_r(copy, "/", &rest); part != NULL;
		part = strtok_r(NULL, "/", &rest)) {
		if (strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			while (len > 0 && result[--len] != '/')
				;
			continue;
		}
		result[len++] = '/';
		memcpy(result + len, part, strlen(part));
		len += strlen(part);
	}
	if (len == 0)
		result[len++] = '/';
	result[len] = '\0';
	return result;
}

static bool
recreate_mounts_same_place(const char *a, size_t len, const char *b)
{
	SCOPED(free_at) char *first = mem_copy(a, len);
	SCOPED(free_at) char *clean_a = clean(first);
	SCOPED(free_at) char *clean_b = clean(b);

	return strcmp(clean_a, clean_b) == 0;
}

/* The place of a bind "SOURCE:DESTINATION[:MODE]", or "DESTINATION" alone (an anonymous volume). */
static const char *
bind_place(const char *bind, size_t *ret_len)
{
	const char *colon = strchr(bind, ':');
	const char *place = colon == NULL ? bind : colon + 1;

	*ret_len = strcspn(place, ":");
	return place;
}

static bool
bind_is_at(const char *bind, const char *destination)
{
	size_t len;
	const char *place = bind == NULL ? "" : bind_place(bind, &len);

	return bind != NULL && recreate_mounts_same_place(place, len, destination);
}

/* The item of ${list} at ${destination}, its index to ${ret_i}; NULL if there is none. */
static json_t *
bind_at(const json_t *list, const char *destination, size_t *ret_i)
{
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (!bind_is_at(json_string_value(item), destination))
			continue;
		*ret_i = i;
		return item;
	}
	return NULL;
}

static json_t *
mount_at(const json_t *list, const char *key, const char *destination)
{
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *place = recreate_text(item, key);

		if (recreate_mounts_same_place(place, strlen(place), destination))
			return item;
	}
	return NULL;
}

static bool
is_read_only(const json_t *mount)
{
	return json_is_false(json_object_get(mount, "RW"));
}

/* "SOURCE:DESTINATION[:ro]" for a mount of an inspect; a new text. */
static json_t *
bind_of(const json_t *mount, const char *source)
{
	return json_sprintf("%s:%s%s", source, recreate_text(mount, "Destination"),
		is_read_only(mount) ? ":ro" : "");
}

static json_t *
list_in(json_t *host, const char *key)
{
	if (!json_is_array(json_object_get(host, key)))
		(void)json_object_set_new(host, key, json_array());
	return json_object_get(host, key);
}

/* A colon parts the fields of a bind: what has one itself goes where it may. */
static void
recreate_mounts_add_mount(json_t *host, const json_t *mount, const char *source)
{
	const char *destination = recreate_text(mount, "Destination");

	if (strchr(source, ':') == NULL && strchr(destination, ':') == NULL) {
		(void)json_array_append_new(list_in(host, "Binds"), bind_of(mount, source));
		return;
	}
	(void)json_array_append_new(list_in(host, "Mounts"),
		json_pack("{s:s, s:s, s:s, s:b}", "Type", recreate_text(mount, "Type"), "Source",
			source, "Target", destination, "ReadOnly", is_read_only(mount)));
}

/* What lends ${mount} to the container, by its volumes-from. */
static bool
is_lent(const json_t *host, const json_t *inspect, const json_t *mount,
	const struct recreate_options *o)
{
	const char *destination = recreate_text(mount, "Destination");
	json_t *own = json_object_get(json_object_get(inspect, "Config"), "Volumes");
	const json_t *item;
	const char *place;
	json_t *unused;
	size_t i;
	bool unknown = false;

	json_array_foreach (json_object_get(host, "VolumesFrom"), i, item) {
		const char *ref = json_string_value(item);
		SCOPED(free_at)
		char *name = mem_copy(ref == NULL ? "" : ref, ref == NULL ? 0 : strcspn(ref, ":"));
		const json_t *lender = o->lender == NULL ? NULL : o->lender(o->ctx, name);
		const json_t *lent =
			mount_at(json_object_get(lender, "Mounts"), "Destination", destination);

		unknown = unknown || lender == NULL;
		if (lent != NULL &&
			strcmp(recreate_text(lent, "Name"), recreate_text(mount, "Name")) == 0)
			return true;
	}
	if (!unknown)
		return false;
	json_object_foreach (own, place, unused) { /* its own, then, as far as one can know */
		if (recreate_mounts_same_place(place, strlen(place), destination))
			return false;
	}
	return true;
}

/* "REF[:MODE]": with the container of now.  True if one is not there. */
static bool
map_lenders(json_t *host, const struct recreate_options *o)
{
	json_t *list = json_object_get(host, "VolumesFrom");
	SCOPED(json_decref_at) json_t *mapped = json_array();
	const json_t *item;
	size_t i;
	bool lost = false;

	if (o->container == NULL || json_array_size(list) == 0)
		return false;
	json_array_foreach (list, i, item) {
		const char *ref = json_string_value(item);
		const size_t len = ref == NULL ? 0 : strcspn(ref, ":");
		SCOPED(free_at) char *name = mem_copy(ref == NULL ? "" : ref, len);
		const char *now = ref == NULL ? NULL : o->container(o->ctx, name);

		if (now != NULL) {
			(void)json_array_append_new(mapped, json_sprintf("%s%s", now, ref + len));
			continue;
		}
		lost = true;
		recreate_leave_out(o,
			"volumes-from %.100s: that container is not there; its volumes are bound "
			"by their names",
			name);
	}
	(void)json_object_set(host, "VolumesFrom", mapped);
	return lost;
}

void
recreate_mounts(json_t *host, const json_t *inspect, const struct recreate_options *o)
{
	SCOPED(json_decref_at) json_t *recorded = json_deep_copy(host);
	const bool borrows = json_array_size(json_object_get(host, "VolumesFrom")) > 0;
	const bool lost = map_lenders(host, o);
	const json_t *mount;
	size_t i, k = 0;

	json_array_foreach (json_object_get(inspect, "Mounts"), i, mount) {
		const char *type = recreate_text(mount, "Type");
		const char *at = recreate_text(mount, "Destination");
		const char *name = recreate_text(mount, "Name");
		const bool volume = strcmp(type, "volume") == 0;
		json_t *binds = json_object_get(host, "Binds");
		json_t *bind = bind_at(binds, at, &k);
		json_t *item = mount_at(json_object_get(host, "Mounts"), "Target", at);

		if (volume && item != NULL && recreate_text(item, "Source")[0] == '\0')
			(void)json_object_set_new(item, "Source", json_string(name));
		if (volume && bind != NULL && strchr(json_string_value(bind), ':') == NULL)
			(void)json_array_set_new(binds, k, bind_of(mount, name));
		if (bind != NULL || item != NULL || (!volume && !lost))
			continue;
		if (borrows && !lost && is_lent(recorded, inspect, mount, o))
			continue;
		if (volume || strcmp(type, "bind") == 0)
			recreate_mounts_add_mount(
				host, mount, volume ? name : recreate_text(mount, "Source"));
	}
}
