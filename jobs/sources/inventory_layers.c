/* The writable layers of an inventory's containers. */
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/layers/layers.h"
#include "engine/lender/lender.h"
#include "jobs/sources/inventory_internal.h"
#include "jobs/sources/layer_copy.h"

int
inventory_root(const struct lender *l, const struct plan_source *s, size_t number)
{
	return s->copy != NULL ? layer_copy_fd(s->copy) : lender_fd(l, number);
}

/* A layer that is read through the engine, in the freeze. */
static int
add_copy(struct inventory *v, struct engine *g, const json_t *inspect, const char *folder,
	const struct layer *layer, struct err *e)
{
	SCOPED(free_at)
	char *prefix = mem_format("containers/%s/layer", container_name(inspect));
	SCOPED(free_at) char *name = mem_string(container_name(inspect));
	SCOPED(free_at) char *path = mem_format("container:%s", json_text(inspect, "Id", NULL));
	struct plan_source source = {.kind = SOURCE_LAYER,
		.name = name,
		.path = path,
		.prefix = prefix,
		.form = LAYER_NAMED};

	if (layer_copy_new(g, inspect, folder, &source.copy, e) != 0)
		return err_prefix(e, "%s", layer->why);
	if (inventory_add(v, &source, e) != 0) {
		layer_copy_free(source.copy);
		return -1;
	}
	inventory_warn(v,
		"the layer of container %s was read through the engine (%s): extended attributes, "
		"ACLs, fractions of seconds, holes and hard links between folders are not in the "
		"backup",
		name, layer->why);
	return 0;
}

static int
add_layer(struct inventory *v, struct engine *g, const json_t *inspect, const char *folder,
	const struct layer *layer, struct err *e)
{
	SCOPED(free_at)
	char *prefix = mem_format("containers/%s/layer", container_name(inspect));
	SCOPED(free_at) char *name = mem_string(container_name(inspect));

	if (layer->path == NULL)
		return add_copy(v, g, inspect, folder, layer, e);
	return inventory_add(v,
		&(struct plan_source){.kind = SOURCE_LAYER,
			.name = name,
			.path = layer->path,
			.prefix = prefix,
			.form = layer->form,
			.base = layer->base,
			.born = layer->born},
		e);
}

/* Of a container whose layer cannot be had all the rest is captured. */
int
inventory_take_layers(struct inventory *v, struct engine *g, const struct self *self,
	const char *store_path, struct err *e)
{
	SCOPED(free_at) char *run_path = mem_format("%s/run", store_path);
	const struct layers_options options = {.engine = g, .self = self, .run_path = run_path};
	struct layer *layers = NULL;
	const json_t *item;
	SCOPED(free_at) char *keys = mem_format("%s/keys", store_path);
	/* Into the folder of an encrypted store nothing goes that is plain. */
	const char *copies = access(keys, F_OK) == 0 ? "/tmp" : run_path;
	int status = 0;
	size_t i;

	if (layers_find(&options, v->containers, &layers, e) != 0)
		return -1;
	json_array_foreach (v->containers, i, item) {
		if (status != 0 ||
			container_service(item) != NULL) /* Swarm never goes on with it */
			continue;
		if (add_layer(v, g, item, copies, &layers[i], e) == 0)
			continue;
		status = inventory_cannot(v, g, item, "layer", container_name(item),
			"keep its data in volumes, or move the engine to overlay2 or overlayfs", e);
	}
	layers_free(layers, json_array_size(v->containers));
	return status;
}
