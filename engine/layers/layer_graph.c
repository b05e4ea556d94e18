/* A graph driver of overlayfs tells the upper directory itself. */
#include <string.h>

#include "base/mem.h"
#include "engine/layers/layer_ways.h"

static bool
layer_graph_fits(const struct layer_look *look)
{
	(void)look;
	return true;
}

static int
layer_graph_find(struct layer_look *look, struct err *e)
{
	(void)e;
	for (size_t i = 0; i < look->count; i++) {
		const json_t *driver =
			json_object_get(json_array_get(look->inspects, i), "GraphDriver");
		const char *upper = layer_text(driver, "Data", "UpperDir");

		if (upper[0] != '/')
			continue;
		look->layers[i].path = mem_string(upper);
		/* Beside overlay's marks it writes some by name, or those alone where it may make
		 * no devices. */
		if (strcmp(layer_driver(look, i), "fuse-overlayfs") == 0)
			look->layers[i].form = LAYER_NAMED;
	}
	return 0;
}

const struct layer_way layer_graph = {"graph driver", layer_graph_fits, layer_graph_find};
