#include "engine/layers/layers.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/layers/layer_ways.h"
#include "engine/lender/lender.h"

enum { WHY_MAX = 400, RANDOM_SIZE = 4 };

static const struct layer_way *const ways[] = {
	&layer_graph, &layer_trees, &layer_containerd, &layer_mounts};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

const char *
layer_text(const json_t *object, const char *first, const char *second)
{
	const json_t *value = json_object_get(object, first);
	const char *text =
		json_string_value(second == NULL ? value : json_object_get(value, second));

	return text == NULL ? "" : text;
}

const char *
layer_id(const struct layer_look *look, size_t i)
{
	return layer_text(json_array_get(look->inspects, i), "Id", NULL);
}

const char *
layer_driver(const struct layer_look *look, size_t i)
{
	const json_t *inspect = json_array_get(look->inspects, i);
	const char *driver = layer_text(inspect, "GraphDriver", "Name");

	/* From API 1.52 on; engines that start there tell nothing else. */
	if (driver[0] == '\0')
		driver = layer_text(json_object_get(json_object_get(inspect, "Storage"), "RootFS"),
			"Snapshot", "Name");
	return driver[0] != '\0' ? driver : layer_text(look->info, "Driver", NULL);
}

bool
layer_in_containerd(const struct layer_look *look)
{
	const json_t *status, *row;
	size_t i;

	status = json_object_get(look->info, "DriverStatus");
	json_array_foreach (status, i, row) {
		const char *value = json_string_value(json_array_get(row, 1));

		if (value != NULL && strncmp(value, "io.containerd.snapshotter.", 26) == 0)
			return true;
	}
	return false;
}

void
layer_say(struct layer *layer, const char *format, ...)
{
	char text[WHY_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	free(layer->why);
	layer->why = mem_string(text);
}

char *
layer_born(const struct layer_look *look, size_t i)
{
	const char *root = layer_text(look->info, "DockerRootDir", NULL);
	const json_t *inspect = json_array_get(look->inspects, i);
	SCOPED(free_at)
	char *folder = mem_format("%s/containers/%s", root, layer_id(look, i));
	const size_t len = strlen(folder);

	/* Podman, which speaks the same, keeps them elsewhere. */
	return strncmp(layer_text(inspect, "ResolvConfPath", NULL), folder, len) == 0 ||
			       layer_in_containerd(look)
		       ? TAKE(folder)
		       : NULL;
}

int
layer_lend(const struct layers_options *o, const char *folder, struct err *e)
{
	SCOPED(lender_close_at) struct lender *lender = NULL;
	unsigned char random[RANDOM_SIZE];
	char hex[2 * RANDOM_SIZE + 1];
	const struct lender_root root = {.path = folder};

	if (!o->self->container) {
		const int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

		return fd < 0 ? err_errno(e, "%s", folder) : fd;
	}
	random_bytes(random, sizeof(random));
	SCOPED(free_at)
	char *name =
		mem_format("fuel-backup-lender-layers-%s", hex_text(random, sizeof(random), hex));
	const struct lender_options options = {.engine = o->engine,
		.self = o->self,
		.run_path = o->run_path,
		.name = name,
		.roots = &root,
		.count = 1};

	if (lender_open(&options, &lender, e) != 0)
		return -1;
	return fcntl(lender_fd(lender, 0), F_DUPFD_CLOEXEC, 0);
}

static void *
memory_new(void)
{
	struct layer_memory *m = mem_new(sizeof(*m));

	(void)pthread_mutex_init(&m->mutex, NULL);
	m->containerd_folder = -1;
	m->mounts_folder = -1;
	return m;
}

static void
memory_free(void *memory)
{
	struct layer_memory *m = memory;

	containerd_close(m->containerd);
	fd_close_at(&m->containerd_folder);
	fd_close_at(&m->mounts_folder);
	free(m->mounts_path);
	(void)pthread_mutex_destroy(&m->mutex);
	free(m);
}

struct layer_memory *
layer_memory(struct engine *g)
{
	return engine_memory(g, ENGINE_LAYERS, memory_new, memory_free);
}

static bool
all_known(const struct layer_look *look)
{
	for (size_t i = 0; i < look->count; i++)
		if (look->layers[i].path == NULL)
			return false;
	return true;
}

static int
layers_ask(struct layer_look *look, const struct layer_way *way, struct err *e)
{
	if (!way->fits(look))
		return 0;
	if (way->find(look, e) != 0)
		return err_prefix(e, "where containers' layers are (%s)", way->name);
	for (size_t i = 0; i < look->count; i++)
		if (look->layers[i].path != NULL && look->layers[i].teller == NULL)
			look->layers[i].teller = way->name;
	return 0;
}

static int
ask_all(struct layer_look *look, struct err *e)
{
	for (size_t i = 0; i < WAYS && !all_known(look); i++) {
		/* What the first way is told by the inspects alone costs no question. */
		if (i == 1) {
			if (engine_info(look->options->engine, &look->info, e) != 0)
				return -1;
			look->memory->in_containerd = layer_in_containerd(look);
		}
		if (layers_ask(look, ways[i], e) != 0)
			return -1;
	}
	for (size_t i = 0; i < look->count; i++)
		if (look->layers[i].path == NULL && look->layers[i].why == NULL)
			layer_say(&look->layers[i],
				"storage driver \"%s\" gives no path of the writable layer",
				layer_driver(look, i));
	return 0;
}

int
layers_find(const struct layers_options *o, const json_t *inspects, struct layer **ret_layers,
	struct err *e)
{
	struct layer_look look = {.options = o,
		.inspects = inspects,
		.count = json_array_size(inspects),
		.memory = layer_memory(o->engine)};
	int status;
	LOCKED(&look.memory->mutex);

	look.layers = mem_new((look.count + 1) * sizeof(*look.layers));
	status = ask_all(&look, e);
	json_decref(look.info);
	if (status != 0) {
		layers_free(look.layers, look.count);
		return -1;
	}
	*ret_layers = look.layers;
	return 0;
}

void
layers_free(struct layer *layers, size_t count)
{
	for (size_t i = 0; layers != NULL && i < count; i++) {
		free(layers[i].path);
		free(layers[i].base);
		free(layers[i].born);
		free(layers[i].why);
	}
	free(layers);
}
