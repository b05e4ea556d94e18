/*
 * Graph drivers of Docker that tell no path: which tree is whose stands in small files,
 * <DockerRootDir>/image/<driver>/layerdb/mounts/<container>/{mount-id,init-id}.  A lender lends
 * that folder, once.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/layers/layer_ways.h"

enum { ID_MAX = 128 };

static const struct driver {
	const char *name;
	const char *folder; /* of its trees, below DockerRootDir */
	enum layer_form form;
} drivers[] = {
	{"vfs", "vfs/dir", LAYER_TREE},
	{"btrfs", "btrfs/subvolumes", LAYER_TREE},
	{"aufs", "aufs/diff", LAYER_NAMED},
};

static const struct driver *
driver_of(const char *name)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strcmp(drivers[i].name, name) == 0)
			return &drivers[i];
	return NULL;
}

static bool
fits(const struct layer_look *look)
{
	const char *root = layer_text(look->info, "DockerRootDir", NULL);

	return root[0] == '/' && driver_of(layer_text(look->info, "Driver", NULL)) != NULL &&
	       !layer_in_containerd(look);
}

/* The id in the file ${name} of container ${id}: one part of a path.  The caller's, or NULL. */
static char *
read_id(int mounts, const char *id, const char *name, struct err *e)
{
	SCOPED(free_at) char *path = mem_format("%s/%s", id, name);
	SCOPED(fd_close_at)
	int fd = openat(mounts, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[ID_MAX];
	const ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (len < 0) {
		(void)err_errno(e, "the engine's note of its layer, %s", path);
		return NULL;
	}
	if (len > 0 && text[0] != '.' && memchr(text, '/', (size_t)len) == NULL)
		return mem_copy(text, (size_t)len);
	(void)err_set(e, ERR_ENGINE, "the engine's note of its layer, %s, names none", path);
	return NULL;
}

static int
take(const struct layer_look *look, size_t i, const struct driver *d, struct err *e)
{
	const char *root = layer_text(look->info, "DockerRootDir", NULL);
	const int mounts = look->memory->mounts_folder;
	struct layer *layer = &look->layers[i];
	SCOPED(free_at) char *tree = read_id(mounts, layer_id(look, i), "mount-id", e);
	SCOPED(free_at) char *base = NULL;

	if (tree == NULL)
		return -1;
	if (d->form == LAYER_TREE) {
		base = read_id(mounts, layer_id(look, i), "init-id", e);
		if (base == NULL)
			return -1;
		layer->base = mem_format("%s/%s/%s", root, d->folder, base);
		layer->born = layer_born(look, i);
	}
	layer->form = d->form;
	layer->path = mem_format("%s/%s/%s", root, d->folder, tree);
	return 0;
}

static void
forget(struct layer_memory *m)
{
	free(m->mounts_path);
	m->mounts_path = NULL;
	fd_close_at(&m->mounts_folder);
	m->mounts_folder = -1;
}

/* ${ret_kept}: by an earlier call. */
static int
lend(struct layer_look *look, const struct driver *d, bool *ret_kept, struct err *e)
{
	struct layer_memory *m = look->memory;
	SCOPED(free_at)
	char *path = mem_format("%s/image/%s/layerdb/mounts",
		layer_text(look->info, "DockerRootDir", NULL), d->name);

	*ret_kept = m->mounts_path != NULL && strcmp(m->mounts_path, path) == 0;
	if (*ret_kept)
		return 0;
	forget(m);
	m->mounts_folder = layer_lend(look->options, path, e);
	if (m->mounts_folder < 0)
		return -1;
	m->mounts_path = TAKE(path);
	return 0;
}

/* What cannot be had this way is said of each, and another way may have it. */
static bool
take_all(struct layer_look *look, const struct driver *d)
{
	bool all = true;
	struct err e;

	for (size_t i = 0; i < look->count; i++) {
		if (look->layers[i].path != NULL || take(look, i, d, &e) == 0)
			continue;
		layer_say(&look->layers[i], "%s", e.text);
		all = false;
	}
	return all;
}

static int
find(struct layer_look *look, struct err *e)
{
	const struct driver *d = driver_of(layer_text(look->info, "Driver", NULL));
	bool kept = true;

	/* The engine's data may have been moved away and made anew: a folder that was lent earlier
	 * is another one then. */
	while (d != NULL && kept) {
		if (lend(look, d, &kept, e) != 0) {
			for (size_t i = 0; i < look->count; i++)
				if (look->layers[i].path == NULL)
					layer_say(&look->layers[i], "%s", e->text);
			return e->code == ERR_UNREACHABLE ? -1 : 0;
		}
		if (take_all(look, d))
			return 0;
		if (kept)
			forget(look->memory);
	}
	return 0;
}

const struct layer_way layer_trees = {"graph driver's notes", fits, find};
