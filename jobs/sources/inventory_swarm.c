/* A Swarm's objects of an inventory: services, with the secrets, configs and networks that they
 * name.  Tasks are none: Swarm makes them. */
#include <fnmatch.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/images.h"
#include "engine/networks.h"
#include "engine/swarm.h"
#include "engine/volumes.h"
#include "jobs/sources/inventory_internal.h"

static const json_t *
container_spec(const json_t *spec)
{
	return json_object_get(json_object_get(spec, "TaskTemplate"), "ContainerSpec");
}

/* A service is selected as a container of its name, with its labels and those of its tasks. */
static bool
is_taken(const struct plan *plan, const json_t *service)
{
	const json_t *spec = json_object_get(service, "Spec");
	SCOPED(json_decref_at) json_t *labels = json_object();
	SCOPED(json_decref_at) json_t *like = NULL;

	(void)json_object_update(labels, json_object_get(container_spec(spec), "Labels"));
	(void)json_object_update(labels, json_object_get(spec, "Labels"));
	like = json_pack("{s:s, s:{s:O}}", "Name", swarm_name(service), "Config", "Labels", labels);
	return plan_takes(plan, like);
}

static bool
has_named(const json_t *objects, const char *name)
{
	const json_t *object;
	size_t i;

	json_array_foreach (objects, i, object) {
		if (strcmp(swarm_name(object), name) == 0)
			return true;
	}
	return false;
}

/* ---- networks ---- */

static const json_t *
network_of(const json_t *networks, const char *id)
{
	const json_t *network;
	size_t i;

	json_array_foreach (networks, i, network) {
		if (strcmp(json_text(network, "Id", NULL), id) == 0)
			return network;
	}
	return NULL;
}

static int
take_network(struct inventory *v, struct engine *g, const json_t *network, struct err *e)
{
	SCOPED(json_decref_at)
	json_t *like = json_pack("{s:s, s:{s:{s:{s:s}}}}", "Name", "a service", "NetworkSettings",
		"Networks", json_text(network, "Name", NULL), "NetworkID",
		json_text(network, "Id", NULL));

	return inventory_take_networks(v, g, like, e);
}

/* In another Swarm networks have other ids: a service names them. */
static int
name_networks(
	struct inventory *v, struct engine *g, json_t *list, const json_t *networks, struct err *e)
{
	json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		const json_t *network = network_of(networks, json_text(one, "Target", NULL));

		if (network == NULL)
			continue;
		(void)json_object_set(one, "Target", json_object_get(network, "Name"));
		if (take_network(v, g, network, e) != 0)
			return -1;
	}
	return 0;
}

/* ---- secrets and configs ---- */

/* Those that ${spec} names, without their data if ${kind} is "secrets". */
static void
take_named(struct inventory *v, const json_t *spec, const char *kind, const char *field,
	const char *name_field, const json_t *there)
{
	json_t *list = json_object_get(v->swarm, kind), *object;
	const json_t *reference;
	size_t i, k;

	json_array_foreach (json_object_get(container_spec(spec), field), i, reference) {
		const char *name = json_text(reference, name_field, NULL);

		if (has_named(list, name))
			continue;
		json_array_foreach (there, k, object) {
			if (strcmp(swarm_name(object), name) == 0)
				(void)json_array_append_new(
					list, json_pack("{s:O, s:n}", "Spec",
						      json_object_get(object, "Spec"), "value"));
		}
	}
}

/* ---- services ---- */

/* Volumes of this node that no task mounts now, as of a service that is scaled to none; and binds.
 */
static int
take_mounts(struct inventory *v, struct engine *g, const struct plan *plan, const json_t *spec,
	struct err *e)
{
	SCOPED(json_decref_at) json_t *mounts = json_array();
	SCOPED(json_decref_at) json_t *like = NULL;
	const json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(container_spec(spec), "Mounts"), i, mount) {
		const char *source = json_text(mount, "Source", NULL);
		SCOPED(json_decref_at) json_t *volume = NULL;
		struct err ignored;

		if (strcmp(json_text(mount, "Type", NULL), "volume") != 0 || source[0] == '\0' ||
			volumes_inspect(g, source, &volume, &ignored) != 0)
			continue;
		(void)json_array_append_new(
			mounts, json_pack("{s:s, s:s, s:s}", "Type", "volume", "Name", source,
					"Source", json_text(volume, "Mountpoint", NULL)));
	}
	like = json_pack("{s:s, s:O}", "Name", json_text(spec, "Name", NULL), "Mounts", mounts);
	return inventory_take_mounts(v, plan, like, e);
}

/* If it is here: on another node it may not be. */
static int
take_image(struct inventory *v, struct engine *g, const json_t *spec, struct err *e)
{
	SCOPED(json_decref_at) json_t *image = NULL;
	SCOPED(json_decref_at) json_t *like = NULL;
	struct err ignored;

	if (images_inspect(g, json_text(container_spec(spec), "Image", NULL), &image, &ignored) !=
		0)
		return 0;
	like = json_pack("{s:s, s:s}", "Name", json_text(spec, "Name", NULL), "Image",
		json_text(image, "Id", NULL));
	return inventory_take_image(v, g, like, e);
}

static int
take_service(struct inventory *v, struct engine *g, const struct plan *plan, const json_t *service,
	const json_t *networks, struct err *e)
{
	SCOPED(json_decref_at) json_t *spec = json_deep_copy(json_object_get(service, "Spec"));
	json_t *template = json_object_get(spec, "TaskTemplate");
	size_t running, wanted;

	if (name_networks(v, g, json_object_get(template, "Networks"), networks, e) != 0 ||
		name_networks(v, g, json_object_get(spec, "Networks"), networks, e) != 0 ||
		take_image(v, g, spec, e) != 0 || take_mounts(v, g, plan, spec, e) != 0 ||
		swarm_tasks(g, swarm_name(service), &running, &wanted, NULL, e) != 0)
		return -1;
	return json_array_append_new(json_object_get(v->swarm, "services"),
		json_pack("{s:O, s:I}", "Spec", spec, "running", (json_int_t)running));
}

static int
by_service(const void *a, const void *b)
{
	return strcmp(swarm_name(*(json_t *const *)a), swarm_name(*(json_t *const *)b));
}

/* The engine gives them in no order. */
static void
sort(json_t *list)
{
	const size_t count = json_array_size(list);
	SCOPED(free_at) json_t **items = mem_array(NULL, count + 1, sizeof(json_t *));

	for (size_t i = 0; i < count; i++)
		items[i] = json_incref(json_array_get(list, i));
	qsort(items, count, sizeof(*items), by_service);
	(void)json_array_clear(list);
	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(list, items[i]);
}

static int
take_services(struct inventory *v, struct engine *g, const struct plan *plan, struct err *e)
{
	SCOPED(json_decref_at) json_t *secrets = NULL;
	SCOPED(json_decref_at) json_t *configs = NULL;
	SCOPED(json_decref_at) json_t *networks = NULL;
	const json_t *service;
	size_t i;

	if (swarm_list(g, "secrets", &secrets, e) != 0 ||
		swarm_list(g, "configs", &configs, e) != 0 || networks_list(g, &networks, e) != 0)
		return -1;
	json_array_foreach (v->services, i, service) {
		const json_t *spec = json_object_get(service, "Spec");

		take_named(v, spec, "secrets", "Secrets", "SecretName", secrets);
		take_named(v, spec, "configs", "Configs", "ConfigName", configs);
		if (take_service(v, g, plan, service, networks, e) != 0 &&
			omissions_add(v->omissions, "service", swarm_name(service),
				"see why the engine cannot tell of it, or exclude it", e) != 0)
			return -1;
	}
	return 0;
}

/* What only a manager could tell. */
static void
tell_tasks(struct inventory *v)
{
	const json_t *container;
	size_t i;

	json_array_foreach (v->containers, i, container) {
		if (container_service(container) != NULL)
			inventory_warn(v,
				"container %s is a task of the Swarm service %s: its volumes and "
				"binds are in the backup; the service is in that of a manager "
				"alone, "
				"which this node is not",
				container_name(container), container_service(container));
	}
}

/* A manager that has lost its quorum tells of nothing; the rest is captured. */
static int
cannot_tell(struct inventory *v, struct err *e)
{
	return omissions_add(v->omissions, "service", "(all)",
		"see that the Swarm has a leader (`docker node ls`)", e);
}

int
inventory_find_services(
	struct inventory *v, struct engine *g, const struct plan *plan, struct err *e)
{
	SCOPED(json_decref_at) json_t *info = NULL;
	SCOPED(json_decref_at) json_t *services = NULL;
	json_t *service;
	size_t i;

	if (engine_info(g, &info, e) != 0)
		return -1;
	if (swarm_role(info) != SWARM_MANAGER)
		return 0;
	v->services = json_array();
	v->swarm = json_pack("{s:[], s:[], s:[]}", "services", "secrets", "configs");
	if (swarm_list(g, "services", &services, e) != 0)
		return cannot_tell(v, e);
	sort(services);
	json_array_foreach (services, i, service) {
		if (is_taken(plan, service))
			(void)json_array_append(v->services, service);
	}
	return 0;
}

bool
inventory_is_task(const struct inventory *v, const json_t *container)
{
	const char *service = container_service(container);

	return service != NULL && has_named(v->services, service);
}

int
inventory_take_swarm(struct inventory *v, struct engine *g, const struct plan *plan, struct err *e)
{
	if (v->services == NULL) {
		tell_tasks(v);
		return 0;
	}
	if (json_array_size(v->services) == 0 || take_services(v, g, plan, e) == 0)
		return 0;
	return cannot_tell(v, e);
}
