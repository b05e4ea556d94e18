#include "jobs/rehearsal/rehearsal_containers.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/layers/layers.h"
#include "engine/networks.h"
#include "engine/recreate/recreate.h"
#include "engine/volumes.h"
#include "jobs/operations/inspect.h"
#include "jobs/rehearsal/clone_config.h"
#include "jobs/restore/containers/image_ids.h"
#include "jobs/sources/order.h"

/* From this API version on a network may be without an address of the host's. */
enum { API_ISOLATED = 148 };

/* ---- planned ---- */

static int64_t
limit_of(const struct clone *clone)
{
	const json_int_t bytes = json_integer_value(
		json_object_get(json_object_get(clone->inspect, "HostConfig"), "Memory"));

	return bytes <= 0 ? INT64_MAX : bytes < CLONE_MEMORY_MIN ? CLONE_MEMORY_MIN : bytes;
}

/* Those that had been limited to less than a fair part get that; until a round finds none. */
static void
share_memory(struct rehearsal_containers *c)
{
	int64_t left = c->memory_bytes;
	size_t others = c->count;
	bool changed = true;

	while (changed && others > 0) {
		const int64_t part = left / (int64_t)others;

		changed = false;
		for (size_t i = 0; i < c->count; i++)
			if (c->list[i].memory_bytes == 0 && limit_of(&c->list[i]) < part) {
				c->list[i].memory_bytes = limit_of(&c->list[i]);
				left -= c->list[i].memory_bytes;
				others--;
				changed = true;
			}
	}
	for (size_t i = 0; i < c->count; i++)
		if (c->list[i].memory_bytes == 0)
			c->list[i].memory_bytes = left / (int64_t)others;
}

int
rehearsal_containers_plan(struct rehearsal_containers *c, struct err *e)
{
	SCOPED(free_at) const char **names = NULL;

	c->count = json_object_size(c->contents->inspects);
	c->list = mem_new((c->count + 1) * sizeof(*c->list));
	if (c->memory_bytes / CLONE_MEMORY_MIN < (int64_t)c->count)
		return err_set(e, ERR_INVALID,
			"\"memory_bytes\": %zu containers need at least %lld", c->count,
			(long long)c->count * CLONE_MEMORY_MIN);
	order_containers(c->contents->inspects, &names);
	for (size_t i = 0; i < c->count; i++) {
		c->list[i].name = names[i];
		c->list[i].inspect = json_object_get(c->contents->inspects, names[i]);
	}
	share_memory(c);
	return 0;
}

void
rehearsal_containers_clear(struct rehearsal_containers *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->list[i].id);
	free(c->list);
	free(c->holder);
}

/* ---- made ---- */

/* What an ordinary network of the engine's own cannot stand for. */
static void
tell_network(const struct rehearsal_containers *c, const char *name)
{
	const json_t *recorded = json_object_get(c->contents->networks, name);
	const char *driver = json_text(recorded, "Driver", NULL);

	if (driver[0] != '\0' && strcmp(driver, "bridge") != 0)
		clone_config_unproven(
			c->unproven, NULL, "network %s: driver %s; it is a bridge", name, driver);
	if (json_truth(recorded, "EnableIPv6", NULL))
		clone_config_unproven(c->unproven, NULL, "network %s: IPv6", name);
	if (recorded != NULL && !json_truth(recorded, "Internal", NULL))
		clone_config_unproven(
			c->unproven, NULL, "network %s: the way from it to the outside", name);
}

/* No way out, and no address of the host's in it either, where the engine can do without. */
static int
make_network(const struct rehearsal_containers *c, const char *network, struct err *e)
{
	SCOPED(free_at) char *name = clone_config_name(c->id, network);
	const int api = engine_api(c->engine, e);
	SCOPED(json_decref_at)
	json_t *body = json_pack("{s:s, s:s, s:b, s:o, s:{s:s}}", "Name", name, "Driver", "bridge",
		"Internal", 1, "Labels", clone_config_labels(c->id, c->store), "Options",
		"com.docker.network.bridge.inhibit_ipv4", "true");

	if (api < 0)
		return -1;
	if (api >= API_ISOLATED)
		(void)json_object_set_new(json_object_get(body, "Options"),
			"com.docker.network.bridge.gateway_mode_ipv4", json_string("isolated"));
	if (networks_recreate(c->engine, body, e) != 0)
		return err_prefix(e, "network %s", name);
	tell_network(c, network);
	return 0;
}

static int
make_networks(const struct rehearsal_containers *c, struct err *e)
{
	SCOPED(json_decref_at) json_t *made = json_object();

	for (size_t i = 0; i < c->count; i++) {
		SCOPED(json_decref_at) json_t *names = clone_config_networks(c->list[i].inspect);
		const json_t *name;
		size_t k;

		json_array_foreach (names, k, name) {
			const char *text = json_string_value(name);

			if (json_object_get(made, text) != NULL)
				continue;
			if (make_network(c, text, e) != 0)
				return -1;
			(void)json_object_set_new(made, text, json_true());
		}
	}
	return 0;
}

static bool
wants_holder(const struct rehearsal_containers *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(json_text(json_object_get(c->list[i].inspect, "HostConfig"),
				   "NetworkMode", NULL),
			    "host") == 0)
			return true;
	return false;
}

/* A container of our own image that does nothing but have a network without an interface to
 * anywhere (pause_container.h). */
static int
make_holder(struct rehearsal_containers *c, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = NULL;
	SCOPED(free_at) char *id = NULL;

	if (!c->self->container)
		return err_set(e, ERR_UNSUPPORTED,
			"the backup has containers on the host's network: to rehearse them the "
			"service has to run in a container itself");
	c->holder = mem_format("fuel-backup-holder-%s", c->id);
	body = json_pack("{s:s, s:[s], s:[s], s:s, s:o, s:{s:[s]}, s:{s:s, s:{s:s}, s:[s], s:[s], "
			 "s:{s:s}}}",
		"Image", c->self->image, "Entrypoint", json_text(c->self->inspect, "Path", NULL),
		"Cmd", "hold", "User", "0:0", "Labels", clone_config_labels(c->id, c->store),
		"Healthcheck", "Test", "NONE", "HostConfig", "NetworkMode", "none", "LogConfig",
		"Type", "none", "CapDrop", "ALL", "CapAdd", "NET_ADMIN", "Sysctls",
		"net.ipv4.ip_nonlocal_bind", "1");
	if (containers_create(c->engine, c->holder, body, &id, e) != 0 ||
		containers_start(c->engine, id, e) != 0)
		return err_prefix(e, "container %s", c->holder);
	return 0;
}

static const char *
recorded_name(void *ctx, const char *id)
{
	const struct rehearsal_containers *c = ctx;
	const size_t len = strlen(id);

	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->list[i].name, id) == 0 ||
			(len >= 12 &&
				strncmp(json_text(c->list[i].inspect, "Id", NULL), id, len) == 0))
			return c->list[i].name;
	return NULL;
}

static int
connect_clone(
	const struct rehearsal_containers *c, const char *id, const json_t *connects, struct err *e)
{
	const json_t *item;
	size_t i;

	json_array_foreach (connects, i, item) {
		if (networks_connect(c->engine, json_text(item, "network", NULL), id,
			    json_object_get(item, "endpoint"), e) != 0)
			return -1;
	}
	return 0;
}

static int
make_clone(struct rehearsal_containers *c, struct clone *clone,
	const struct rehearsal_data *vessels, struct err *e)
{
	const struct clone_config_options options = {.id = c->id,
		.store = c->store,
		.image = image_ids_here(c->image_ids, json_text(clone->inspect, "Image", NULL)),
		.api = engine_api(c->engine, e),
		.memory_bytes = clone->memory_bytes,
		.cpus = c->cpus,
		.unlimited = c->unlimited,
		.holder = c->holder,
		.volumes = rehearsal_data_volumes(vessels),
		.binds = rehearsal_data_binds(vessels),
		.container = recorded_name,
		.ctx = c};
	SCOPED(free_at) char *name = clone_config_name(c->id, clone->name);
	SCOPED(json_decref_at) json_t *body = NULL;
	SCOPED(json_decref_at) json_t *connects = NULL;

	if (options.api < 0 ||
		clone_config_body(clone->inspect, &options, c->unproven, &body, &connects, e) !=
			0 ||
		containers_create(c->engine, name, body, &clone->id, e) != 0)
		return -1;
	return connect_clone(c, clone->id, connects, e);
}

static int
rehearsal_containers_add_layer(
	struct rehearsal_data *vessels, const char *name, const struct layer *layer, struct err *e)
{
	if (layer->path == NULL)
		return err_set(e, ERR_UNSUPPORTED, "container %s: %s", name, layer->why);
	rehearsal_data_add_layer(vessels, name, layer);
	return 0;
}

/* The folders of the writable layers of all that were made join what is to be filled. */
static int
rehearsal_containers_add_layers(
	const struct rehearsal_containers *c, struct rehearsal_data *vessels, struct err *e)
{
	const struct layers_options options = {
		.engine = c->engine, .self = c->self, .run_path = c->run_path};
	SCOPED(json_decref_at) json_t *inspects = json_array();
	struct layer *layers = NULL;
	size_t count, at = 0;
	int status = 0;

	for (size_t i = 0; i < c->count; i++) {
		json_t *made;

		if (c->list[i].id == NULL)
			continue;
		if (containers_inspect(c->engine, c->list[i].id, &made, e) != 0)
			return err_prefix(e, "container %s", c->list[i].name);
		(void)json_array_append_new(inspects, made);
	}
	count = json_array_size(inspects);
	if (layers_find(&options, inspects, &layers, e) != 0)
		return -1;
	for (size_t i = 0; i < c->count && status == 0; i++)
		if (c->list[i].id != NULL)
			status = rehearsal_containers_add_layer(
				vessels, c->list[i].name, &layers[at++], e);
	layers_free(layers, count);
	return status;
}

/* The engine did what it could, and said no. */
static bool
rehearsal_containers_refused(const struct err *e)
{
	return e->code == ERR_ENGINE || e->code == ERR_NOT_FOUND || e->code == ERR_CONFLICT ||
	       e->code == ERR_INVALID;
}

int
rehearsal_containers_make(
	struct rehearsal_containers *c, struct rehearsal_data *vessels, struct err *e)
{
	if (make_networks(c, e) != 0 || (wants_holder(c) && make_holder(c, e) != 0))
		return -1;
	for (size_t i = 0; i < c->count; i++) {
		struct clone *clone = &c->list[i];

		if (make_clone(c, clone, vessels, e) == 0)
			continue;
		if (!rehearsal_containers_refused(e))
			return err_prefix(e, "container %s", clone->name);
		clone->fault = *e;
		free(clone->id); /* what there is of it is swept */
		clone->id = NULL;
	}
	return rehearsal_containers_add_layers(c, vessels, e);
}

/* ---- removed ---- */

struct rehearsal_containers_kind {
	int (*list)(struct engine *g, json_t **ret_array, struct err *e);
	int (*remove)(struct engine *g, const char *name, struct err *e);
	const char *key; /* of what ${remove} takes */
};

static int
sweep_kind(struct engine *g, const struct rehearsal_containers_kind *k, const char *store,
	struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item;
	int status = 0;
	struct err why;
	size_t i;

	if (k->list(g, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, item) {
		const json_t *labels = json_object_get(item, "Labels");

		if (json_object_get(labels, CLONE_CONFIG_LABEL) == NULL ||
			strcmp(json_text(labels, CLONE_CONFIG_STORE_LABEL, NULL), store) != 0 ||
			k->remove(g, json_text(item, k->key, NULL), &why) == 0 ||
			why.code == ERR_NOT_FOUND)
			continue;
		*e = why;
		status = -1;
	}
	return status;
}

int
rehearsal_containers_sweep(struct engine *g, const char *store, struct err *e)
{
	/* Containers first: they hold the others. */
	static const struct rehearsal_containers_kind kinds[] = {
		{containers_list, containers_discard, "Id"}, {volumes_list, volumes_remove, "Name"},
		{networks_list, networks_remove, "Id"}};
	struct err why;
	int status = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (sweep_kind(g, &kinds[i], store, &why) != 0) {
			if (status == 0)
				*e = why;
			status = -1;
		}
	return status;
}
