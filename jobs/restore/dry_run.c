#include "jobs/restore/dry_run.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/networks.h"
#include "engine/volumes.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/differing.h"
#include "jobs/restore/data/restore_data.h"
#include "jobs/restore/data/target.h"
#include "jobs/restore/obstacles.h"
#include "jobs/restore/state/selection.h"

/* What a stop, a start and the wait for what is started take at least, and what a disk writes: the
 * estimate of the downtime. */
enum { STOP_MS = 150, START_MS = 250, STAY_MS = 1500, CREATE_MS = 50, BYTES_PER_MS = 200 * 1000 };

struct dry_run {
	json_t *entries;
	int64_t from, told; /* entries before the page; entries so far */
	int64_t left_out;   /* behind it */
};

static const char *const changes[] = {"added", "changed", "deleted"};

struct dry_run *
dry_run_new(int64_t from)
{
	struct dry_run *o = mem_new(sizeof(*o));

	o->from = from;
	o->entries = json_array();
	return o;
}

void
dry_run_free(struct dry_run *o)
{
	if (o == NULL)
		return;
	json_decref(o->entries);
	free(o);
}

/* Names that are no UTF-8 are shown as far as JSON can. */
static json_t *
path_json(const char *prefix, const char *path)
{
	SCOPED(free_at) char *full = mem_format("%s%s%s", prefix, *path == '\0' ? "" : "/", path);
	json_t *json = json_string(full);

	for (char *at = full; json == NULL && *at != '\0'; at++)
		if ((*at & 0x80) != 0)
			*at = '?';
	return json == NULL ? json_string(full) : json;
}

int
dry_run_tell(void *ctx, const struct tree_diff_notice *n, struct err *e)
{
	struct target *t = ctx;
	struct dry_run *o = t->told;

	(void)target_count(t, n, e);
	if (n->emptied)
		return 0;
	if (o->told++ < o->from)
		return 0;
	if (json_array_size(o->entries) >= DRY_RUN_ENTRIES_MAX) {
		o->left_out++;
		return 0;
	}
	return json_array_append_new(
		o->entries, json_pack("{s:s, s:o, s:b, s:I}", "change", changes[n->change], "path",
				    path_json(t->prefix, n->path), "folder", n->directory, "bytes",
				    (json_int_t)n->bytes));
}

static json_t *
counts_json(const struct target *t)
{
	json_t *json = json_pack("{s:s}", "prefix", t->prefix);

	for (size_t i = 0; i < TREE_DIFF_KINDS; i++)
		(void)json_object_set_new(json, changes[i],
			json_pack("{s:I, s:I}", "entries", (json_int_t)t->counts[i], "bytes",
				(json_int_t)t->bytes[i]));
	return json;
}

/* Of a single file: it is as a whole. */
static void
tell_file(struct dry_run *o, struct target *t)
{
	const struct tree_diff_notice n = {
		.change = t->absent ? TREE_DIFF_ADDED : TREE_DIFF_CHANGED,
		.path = "",
		.bytes = t->size};
	struct err ignored;

	if (t->way != TARGET_TREE && !t->same) {
		t->told = o;
		(void)dry_run_tell(t, &n, &ignored);
	}
}

static json_t *
dry_run_sources_json(const struct restore *r, int64_t *ret_space)
{
	json_t *list = json_array();
	struct target *targets;
	const size_t count = restore_data_targets(r->refill, &targets);

	*ret_space = 0;
	for (size_t i = 0; i < count; i++) {
		tell_file(r->outlook, &targets[i]);
		if (targets[i].counts[0] + targets[i].counts[1] + targets[i].counts[2] > 0)
			(void)json_array_append_new(list, counts_json(&targets[i]));
		*ret_space +=
			targets[i].bytes[TREE_DIFF_ADDED] + targets[i].bytes[TREE_DIFF_CHANGED];
	}
	return list;
}

static int64_t
downtime_ms(const struct restore *r, int64_t space)
{
	int64_t ms = 0;
	bool any = false;

	for (size_t i = 0; i < r->count; i++) {
		if (r->items[i].keeps)
			continue;
		any = true;
		ms += START_MS + (r->items[i].way == WAY_IN_PLACE ? 0 : CREATE_MS);
	}
	return any ? ms + STOP_MS + STAY_MS + space / BYTES_PER_MS : 0;
}

/* A port of the host that ${item} publishes, and another container has now. */
static void
clashes_of(const struct restore *r, const struct restore_container *item, const json_t *others,
	json_t *list)
{
	json_t *bindings =
		json_object_get(json_object_get(item->inspect, "HostConfig"), "PortBindings");
	const char *port;
	json_t *places;

	(void)r;
	json_object_foreach (bindings, port, places) {
		const json_t *place, *other;
		size_t i, k;

		json_array_foreach (places, i, place) {
			const char *wanted = json_text(place, "HostPort", NULL);
			const char *slash = strchr(port, '/');

			json_array_foreach (others, k, other) {
				if (wanted[0] != '\0' &&
					strcmp(wanted, json_text(other, "port", NULL)) == 0 &&
					(slash == NULL || strcmp(slash + 1, json_text(other, "type",
										    NULL)) == 0))
					(void)json_array_append_new(list,
						json_pack("{s:s, s:s, s:s, s:s}", "container",
							item->name, "port", wanted, "protocol",
							json_text(other, "type", NULL), "taken_by",
							json_text(other, "name", NULL)));
			}
		}
	}
}

static bool
is_ours(const struct restore *r, const char *id)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].present != NULL &&
			strcmp(json_text(r->items[i].present, "Id", NULL), id) == 0)
			return true;
	return false;
}

/* What containers that are not in the backup publish: {"port", "type", "name"}. */
static int
published(const struct restore *r, json_t **ret_list, struct err *e)
{
	SCOPED(json_decref_at) json_t *all = NULL;
	json_t *list;
	const json_t *c, *port;
	size_t i, k;

	if (containers_list(r->request->engine, &all, e) != 0)
		return -1;
	list = json_array();
	json_array_foreach (all, i, c) {
		const char *name =
			json_string_value(json_array_get(json_object_get(c, "Names"), 0));

		if (is_ours(r, json_text(c, "Id", NULL)))
			continue;
		json_array_foreach (json_object_get(c, "Ports"), k, port) {
			const json_t *number = json_object_get(port, "PublicPort");

			if (json_is_integer(number))
				(void)json_array_append_new(list,
					json_pack("{s:o, s:s, s:s}", "port",
						json_sprintf("%d", (int)json_integer_value(number)),
						"type", json_text(port, "Type", NULL), "name",
						name == NULL ? "" : name + (name[0] == '/')));
		}
	}
	*ret_list = list;
	return 0;
}

static int
ports_json(const struct restore *r, json_t **ret_list, struct err *e)
{
	SCOPED(json_decref_at) json_t *others = NULL;

	if (published(r, &others, e) != 0)
		return -1;
	*ret_list = json_array();
	for (size_t i = 0; i < r->count; i++)
		if (!r->items[i].keeps)
			clashes_of(r, &r->items[i], others, *ret_list);
	return 0;
}

/* The container that has ${address} on the network ${network}; the caller's, NULL: none. */
static char *
dry_run_holder_of(const json_t *network, const char *address, const struct restore *r)
{
	json_t *holders = json_object_get(network, "Containers");
	const size_t len = strlen(address);
	const char *id;
	json_t *holder;

	json_object_foreach (holders, id, holder) {
		const char *v4 = json_text(holder, "IPv4Address", NULL);
		const char *v6 = json_text(holder, "IPv6Address", NULL);

		if (!is_ours(r, id) && ((strncmp(v4, address, len) == 0 && v4[len] == '/') ||
					       (strncmp(v6, address, len) == 0 && v6[len] == '/')))
			return mem_string(json_text(holder, "Name", NULL));
	}
	return NULL;
}

/* Addresses that ${item} has to have on ${name}, and another container has now. */
static void
addresses_of(const struct restore *r, const struct restore_container *item, const char *name,
	const json_t *network, json_t *list)
{
	static const char *const kinds[] = {"IPv4Address", "IPv6Address"};
	const json_t *networks =
		json_object_get(json_object_get(item->inspect, "NetworkSettings"), "Networks");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *address =
			json_text(json_object_get(networks, name), "IPAMConfig", kinds[i]);
		SCOPED(free_at)
		char *holder = address[0] == '\0' ? NULL : dry_run_holder_of(network, address, r);

		if (holder != NULL)
			(void)json_array_append_new(list,
				json_pack("{s:s, s:s, s:s, s:s}", "container", item->name,
					"network", name, "address", address, "taken_by", holder));
	}
}

static json_t *
addresses_json(const struct restore *r)
{
	json_t *list = json_array();
	const char *name;
	json_t *recorded;

	json_object_foreach (r->contents->networks, name, recorded) {
		SCOPED(json_decref_at) json_t *present = NULL;
		struct err e;

		if (!selection_network(r->selection, name) ||
			networks_find(r->request->engine, name, &present, &e) != 0)
			continue;
		for (size_t i = 0; i < r->count; i++)
			if (!r->items[i].keeps && !r->items[i].bystander)
				addresses_of(r, &r->items[i], name, present, list);
	}
	return list;
}

static bool
has_other_addresses(const json_t *recorded, const json_t *present)
{
	SCOPED(json_decref_at) json_t *fields = differing_fields("network", recorded, present);
	const json_t *field;
	size_t i;

	json_array_foreach (fields, i, field) {
		if (strcmp(json_string_value(field), "IPAM") == 0)
			return true;
	}
	return false;
}

static json_t *
networks_json(const struct restore *r)
{
	json_t *list = json_array();
	const char *name;
	json_t *recorded;

	json_object_foreach (r->contents->networks, name, recorded) {
		SCOPED(json_decref_at) json_t *present = NULL;
		const char *what = NULL;
		struct err e;

		if (!selection_network(r->selection, name))
			continue;
		if (networks_find(r->request->engine, name, &present, &e) != 0)
			what = "created";
		else if (has_other_addresses(recorded, present))
			what = "other_addresses";
		if (what != NULL)
			(void)json_array_append_new(
				list, json_pack("{s:s, s:s}", "name", name, "change", what));
	}
	return list;
}

/* What is to be made: of volumes their names, of images their ids. */
static json_t *
missing_json(const struct restore *r, const char *what, const char *key)
{
	json_t *list = json_array();
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(r->contents->manifest, what), i, item) {
		const char *name = json_text(item, key, NULL);
		SCOPED(json_decref_at) json_t *present = NULL;
		struct err e;
		const bool image = strcmp(what, "images") == 0;

		if (!(image ? selection_image(r->selection, name)
			    : selection_volume(r->selection, name)))
			continue;
		const bool there =
			image ? json_object_get(r->image_ids, name) != NULL
			      : volumes_inspect(r->request->engine, name, &present, &e) == 0;

		if (!there)
			(void)json_array_append_new(list, json_string(name));
	}
	return list;
}

int
dry_run_json(const struct restore *r, json_t **ret_json, struct err *e)
{
	json_t *ports, *sources, *obstacles;
	int64_t space;

	if (obstacles_find(r, &obstacles, e) != 0)
		return -1;
	if (ports_json(r, &ports, e) != 0) {
		json_decref(obstacles);
		return -1;
	}
	sources = dry_run_sources_json(r, &space);
	*ret_json = json_pack("{s:b, s:o, s:I, s:O, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o}",
		"dry_run", 1, "sources", sources, "entries_from", (json_int_t)r->outlook->from,
		"entries", r->outlook->entries, "entries_left_out",
		(json_int_t)r->outlook->left_out, "images", missing_json(r, "images", "id"),
		"volumes", missing_json(r, "volumes", "Name"), "networks", networks_json(r),
		"ports", ports, "addresses", addresses_json(r), "space_bytes", (json_int_t)space,
		"downtime_ms", (json_int_t)downtime_ms(r, space), "obstacles", obstacles);
	return 0;
}
