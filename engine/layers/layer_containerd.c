/*
 * containerd's own Snapshots/Mounts: of containers in any state.
 *
 * The service cannot see the socket, which is the host's: a lender that has its folder mounted
 * lends a descriptor of that folder, once, and by this descriptor the service connects whenever it
 * wants, also after containerd was started again and has made another socket there.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/layers/layer_ways.h"
#include "engine/lender/lender.h"

enum { PLACES_MAX = 3, PATH_SIZE = 108 };

/* Where containerd's socket is if the engine does not say so: that of the system's packages, and of
 * a containerd that dockerd starts. */
static const char *const usual[] = {
	"/run/containerd/containerd.sock", "/var/run/docker/containerd/containerd.sock"};

static void
layer_containerd_forget(struct layer_memory *m)
{
	containerd_close(m->containerd);
	m->containerd = NULL;
	fd_close_at(&m->containerd_folder);
	m->containerd_folder = -1;
}

static int
layer_containerd_connect_to(const struct layer_look *look, const char *socket, struct err *e)
{
	struct layer_memory *m = look->memory;
	const char *names =
		layer_text(json_object_get(look->info, "Containerd"), "Namespaces", "Containers");
	char path[PATH_SIZE];

	layer_containerd_forget(m);
	(void)snprintf(path, sizeof(path), "%s", socket);
	if (look->options->self->container) {
		SCOPED(free_at)
		char *folder = mem_copy(socket, (size_t)(strrchr(socket, '/') - socket));

		m->containerd_folder = layer_lend(look->options, folder, e);
		if (m->containerd_folder < 0)
			return -1;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d%s", m->containerd_folder,
			strrchr(socket, '/'));
	}
	return containerd_open(path, names[0] == '\0' ? "moby" : names, &m->containerd, e);
}

/* The folder of a committed snapshot: that of a view of it, where that makes no copy. */
static char *
base_of(const struct layer_look *look, const char *driver, const char *id)
{
	SCOPED(free_at) char *parent = mem_format("%s-init", id);
	SCOPED(containerd_mount_clear) struct containerd_mount view = {0};
	struct err ignored;

	if (containerd_view(look->memory->containerd, driver, parent, &view, &ignored) != 0)
		return NULL;
	return view.source != NULL && view.source[0] == '/' && view.upper == NULL
		       ? TAKE(view.source)
		       : NULL;
}

/* Of overlays the upper directory; of other snapshotters the folder with the whole tree. */
static void
layer_containerd_take(const struct layer_look *look, size_t i, struct containerd_mount *mount)
{
	struct layer *layer = &look->layers[i];
	const char *driver = layer_driver(look, i), *id = layer_id(look, i);
	const bool bind = mount->type != NULL && strcmp(mount->type, "bind") == 0;

	if (mount->upper != NULL) {
		layer->form = strstr(driver, "fuse") != NULL ? LAYER_NAMED : LAYER_UPPER;
		layer->path = TAKE(mount->upper);
	} else if (bind && mount->source != NULL && mount->source[0] == '/') {
		layer->base = base_of(look, driver, id);
		if (layer->base == NULL) {
			layer_say(layer,
				"snapshotter \"%s\" keeps whole trees, and does not tell what this "
				"one began with",
				driver);
		} else {
			layer->form = LAYER_TREE;
			layer->path = TAKE(mount->source);
			layer->born = layer_born(look, i);
		}
	} else {
		layer_say(layer, "containerd mounts it as \"%s\", which is no folder of the host",
			mount->type == NULL ? "" : mount->type);
	}
	containerd_mount_clear(mount);
}

/* 1 if this containerd knows at least one of them, 0 if none. */
static int
layer_containerd_ask(struct layer_look *look, struct err *e)
{
	int known = 0;

	for (size_t i = 0; i < look->count; i++) {
		struct layer *layer = &look->layers[i];
		struct containerd_mount mount = {0};

		if (layer->path != NULL)
			continue;
		if (containerd_mount(look->memory->containerd, layer_driver(look, i),
			    layer_id(look, i), &mount, e) == 0) {
			layer_containerd_take(look, i, &mount);
			known = 1;
		} else if (e->code == ERR_NOT_FOUND || e->code == ERR_ENGINE) {
			layer_say(layer, "%s", e->text);
		} else {
			return -1;
		}
	}
	return known;
}

/* That it cannot be had this way is no failure: the next way may have it. */
static void
say_all(struct layer_look *look, const char *why)
{
	for (size_t i = 0; i < look->count; i++)
		if (look->layers[i].path == NULL)
			layer_say(&look->layers[i], "%s", why);
}

static int
layer_containerd_find(struct layer_look *look, struct err *e)
{
	const char *told = layer_text(look->info, "Containerd", "Address");
	const char *places[PLACES_MAX] = {told, usual[0], usual[1]};

	if (look->memory->containerd != NULL) {
		const int known = layer_containerd_ask(look, e);

		if (known > 0)
			return 0;
	}
	for (size_t i = 0; i < (told[0] == '/' ? 1 : PLACES_MAX); i++) {
		if (places[i][0] != '/')
			continue;
		if (layer_containerd_connect_to(look, places[i], e) == 0 &&
			layer_containerd_ask(look, e) > 0)
			return 0;
		if (e->code == ERR_UNREACHABLE && look->memory->containerd == NULL)
			return -1; /* the engine itself */
		say_all(look, e->text);
	}
	layer_containerd_forget(look->memory);
	return 0;
}

const struct layer_way layer_containerd = {
	"containerd", layer_in_containerd, layer_containerd_find};
