#include "jobs/restore/obstacles.h"

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "engine/containers.h"
#include "engine/images.h"
#include "engine/networks.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/image_ids.h"
#include "jobs/restore/containers/services.h"
#include "jobs/restore/data/restore_data.h"
#include "jobs/restore/obstacles_internal.h"
#include "jobs/restore/state/selection.h"

/* So many stand in the error of a restore; a dry run has all. */
enum { TOLD_MAX = 3 };

void
obstacles_add(struct obstacles *o, const char *name, const char *format, ...)
{
	json_t *detail;
	va_list args;

	va_start(args, format);
	detail = text_json_format(format, args);
	va_end(args);
	(void)json_array_append_new(
		o->list, json_pack("{s:s, s:s, s:o, s:s}", "check", o->check, "name", name,
				 "detail", detail, "advice", o->advice));
}

bool
obstacles_is_made(const struct restore_container *item)
{
	return !item->keeps && !item->bystander && item->way != WAY_IN_PLACE;
}

bool
obstacles_is_started(const struct restore_container *item)
{
	return !item->keeps && !item->bystander &&
	       strcmp(container_state(item->inspect), "stopped") != 0;
}

bool
obstacles_is_ours(const struct obstacles *o, const char *id)
{
	const struct restore *r = o->restore;

	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].present != NULL &&
			strcmp(json_text(r->items[i].present, "Id", NULL), id) == 0)
			return true;
	return false;
}

bool
obstacles_is_remade(const struct obstacles *o, const char *id)
{
	const struct restore *r = o->restore;

	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].present != NULL && obstacles_is_made(&r->items[i]) &&
			strcmp(json_text(r->items[i].present, "Id", NULL), id) == 0)
			return true;
	return false;
}

/* Whether the backup brings the image ${id}. */
static bool
brings_image(const struct restore *r, const char *id)
{
	const json_t *image;
	size_t i;

	json_array_foreach (json_object_get(r->contents->manifest, "images"), i, image) {
		if (strcmp(json_text(image, "id", NULL), id) == 0 &&
			json_text(image, "file", NULL)[0] != '\0')
			return true;
	}
	return false;
}

static int
check_images(struct obstacles *o, struct err *e)
{
	const struct restore *r = o->restore;

	for (size_t i = 0; i < r->count; i++) {
		const struct restore_container *item = &r->items[i];
		const char *recorded = json_text(item->inspect, "Image", NULL);
		const char *id = image_ids_here(r->image_ids, recorded);
		SCOPED(json_decref_at) json_t *image = NULL;

		if (!obstacles_is_made(item) || brings_image(r, recorded) ||
			images_inspect(r->request->engine, id, &image, e) == 0)
			continue;
		if (e->code != ERR_NOT_FOUND)
			return -1;
		obstacles_add(o, item->name, "its image %s (%s) is neither here nor in the backup",
			json_text(item->inspect, "Config", "Image"), id);
	}
	return 0;
}

static bool
has_text(const json_t *list, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (json_is_string(item) && strcmp(json_string_value(item), text) == 0)
			return true;
	}
	return false;
}

/* Of networks that are made. */
static int
check_network_drivers(struct obstacles *o, struct err *e)
{
	const json_t *drivers = json_object_get(json_object_get(o->info, "Plugins"), "Network");
	const struct restore *r = o->restore;
	const char *swarm = json_text(json_object_get(o->info, "Swarm"), "LocalNodeState", NULL);
	const char *name;
	json_t *recorded;

	json_object_foreach (r->contents->networks, name, recorded) {
		SCOPED(json_decref_at) json_t *present = NULL;
		const char *driver = json_text(recorded, "Driver", NULL);

		if (!selection_network(r->selection, name) || networks_predefined(name) ||
			networks_find(r->request->engine, name, &present, e) == 0)
			continue;
		if (e->code != ERR_NOT_FOUND)
			return -1;
		if (json_array_size(drivers) > 0 && !has_text(drivers, driver))
			obstacles_add(o, name, "this engine has no network driver \"%s\"", driver);
		else if (strcmp(json_text(recorded, "Scope", NULL), "swarm") == 0 &&
			 strcmp(swarm, "active") != 0)
			obstacles_add(
				o, name, "it is a swarm's network, and this engine is in no swarm");
	}
	return 0;
}

/* Services are of a Swarm, which only a manager changes; and nobody knows a secret. */
static int
check_swarm(struct obstacles *o, struct err *e)
{
	const struct restore *r = o->restore;
	SCOPED(json_decref_at) json_t *lacking = services_lacking(r, e);
	const json_t *one;
	size_t i;

	if (lacking == NULL)
		return -1;
	json_array_foreach (r->manages ? NULL : r->services, i, one) {
		obstacles_add(o, json_text(one, "name", NULL),
			"it is a Swarm's service, and this engine is no manager of a Swarm");
	}
	json_array_foreach (lacking, i, one) {
		obstacles_add(o, json_string_value(one),
			"the value of this secret is neither here nor in the backup");
	}
	return 0;
}

/* The one list; in the order in which they are told. */
static const struct {
	const char *name;
	int (*check)(struct obstacles *o, struct err *e);
	const char *advice;
} checks[] = {
	{"image", check_images, "pull or load the image first, or restore from another backup"},
	{"network-driver", check_network_drivers,
		"install what this engine lacks, or leave out the containers that use it"},
	{"network", obstacles_networks,
		"disconnect it, or restore without {\"networks\": true}, by which the network "
		"stays"},
	{"swarm", check_swarm,
		"restore on a manager (or make one: `docker swarm init`), with the secrets "
		"that the backup lacks made before (`docker secret create`); or name in \"only\" "
		"what is "
		"wanted"},
	{"subnet", obstacles_subnets,
		"remove the network that is in the way, or make this one "
		"under its name with other addresses"},
	{"interface", obstacles_interfaces,
		"make the interface, or remove the network that has it, or leave out the "
		"containers that use this one"},
	{"port", obstacles_ports, "stop what has it"},
	{"address", obstacles_addresses,
		"stop the container that has it, or remove the network, so that it is made as it "
		"was"},
	{"engine", obstacles_engine,
		"restore on a host that can do this, or leave the container out"},
	{"volume", obstacles_volumes, "install what this engine lacks"},
	{"name", obstacles_names,
		"put a file system there that takes such names, or leave this out"},
	{"space", obstacles_space, "make room there"},
};

static int
find_all(struct obstacles *o, struct err *e)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		o->check = checks[i].name;
		o->advice = checks[i].advice;
		if (checks[i].check(o, e) != 0)
			return -1;
	}
	return 0;
}

/* Whether anything of the restore depends on what the host itself has. */
static bool
concerns_host(const struct restore *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (obstacles_is_started(&r->items[i]))
			return true;
	return json_object_size(r->contents->networks) > 0;
}

int
obstacles_find(const struct restore *r, json_t **ret_list, struct err *e)
{
	int root_fd, status;

	SCOPED(json_decref_at) json_t *info = NULL;
	SCOPED(json_decref_at) json_t *containers = NULL;
	SCOPED(json_decref_at) json_t *networks = NULL;
	SCOPED(json_decref_at) json_t *list = json_array();
	struct obstacles o = {.restore = r, .list = list};

	if (engine_info(r->request->engine, &info, e) != 0 ||
		containers_list(r->request->engine, &containers, e) != 0 ||
		networks_list(r->request->engine, &networks, e) != 0)
		return -1;
	o.info = info;
	o.containers = containers;
	o.networks = networks;
	if (concerns_host(r) && restore_data_host(r->refill, &root_fd, e) == 0)
		host_sockets_read(root_fd, &o.host);
	status = find_all(&o, e);
	host_sockets_free(&o.host);
	if (status != 0)
		return -1;
	*ret_list = TAKE(list);
	return 0;
}

int
obstacles_refuse(const struct restore *r, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	SCOPED(free_at) char *text = mem_string("");
	const json_t *item;
	size_t i;

	if (obstacles_find(r, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, item) {
		char *longer;

		if (i == TOLD_MAX)
			break;
		longer = mem_format("%s%s%s: %s (%s)", text, i == 0 ? "" : "; ",
			json_text(item, "name", NULL), json_text(item, "detail", NULL),
			json_text(item, "advice", NULL));
		free(text);
		text = longer;
	}
	if (json_array_size(list) == 0)
		return 0;
	return err_set(e, ERR_CONFLICT, "%s%s", text,
		json_array_size(list) > TOLD_MAX ? "; and more, which a dry run lists" : "");
}
