#include "jobs/hostpath/protected.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"

struct protected
{
	struct protected_place {
		char *words;	       /* "/var/backup/fuel, the store of this service" */
		bool engine;	       /* volumes lie in it */
		bool mounted;	       /* into this service */
		struct tree_id *chain; /* of "/", …, itself */
		size_t depth;	       /* its own is chain[depth] */
	} * list;
	size_t count;
};

/* What is not there can neither be written to nor be in the way. */
static void
protected_add(struct protected *x, int root_fd, const char *path, const char *what, bool engine)
{
	SCOPED(hostpath_free) struct hostpath p = {.fd = -1};
	struct err ignored;

	if (path[0] != '/' || hostpath_find(root_fd, path, &p, &ignored) != 0 ||
		p.type == HOSTPATH_MISSING || p.there == 0)
		return;
	x->list = mem_array(x->list, x->count + 1, sizeof(*x->list));
	x->list[x->count++] = (struct protected_place){.words = mem_format("%s, %s", path, what),
		.engine = engine,
		.chain = TAKE(p.chain),
		.depth = p.there};
}

static void
add_own_mounts(struct protected *x, int root_fd, const struct self *self)
{
	const size_t first = x->count;
	const json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(self->inspect, "Mounts"), i, mount)
		protected_add(x, root_fd, json_text(mount, "Source", NULL),
			"a mount of this service", false);
	for (i = first; i < x->count; i++)
		x->list[i].mounted = true;
}

int
protected_new(struct engine *g, const struct self *self, const char *store_path, int root_fd,
	enum protected_for what, struct protected **ret_protected, struct err *e)
{
	static const char *const kernel[] = {"/proc", "/sys", "/dev", NULL};
	static const char *const runtime[] = {"/run/containerd", "/run/docker", "/var/run/docker",
		"/run/crio", "/run/runc", NULL};
	SCOPED(protected_free_at) struct protected *x = mem_new(sizeof(*x));
	SCOPED(free_at) char *store = self_host_path(self, store_path);
	SCOPED(json_decref_at) json_t *info = NULL;

	if (engine_info(g, &info, e) != 0)
		return -1;
	protected_add(
		x, root_fd, store == NULL ? store_path : store, "the store of this service", false);
	protected_add(
		x, root_fd, json_text(info, "DockerRootDir", NULL), "the engine's data", true);
	protected_add(x, root_fd, "/var/lib/containerd", "the data of containerd", true);
	for (const char *const *path = kernel; *path != NULL; path++)
		protected_add(x, root_fd, *path, "the kernel's own", false);
	for (const char *const *path = runtime; *path != NULL; path++)
		protected_add(x, root_fd, *path, "the state of the engine", true);
	if (self->container && what == PROTECTED_FROM_WRITING)
		add_own_mounts(x, root_fd, self);
	*ret_protected = TAKE(x);
	return 0;
}

void
protected_free(struct protected *x)
{
	for (size_t i = 0; x != NULL && i < x->count; i++) {
		free(x->list[i].words);
		free(x->list[i].chain);
	}
	if (x != NULL)
		free(x->list);
	free(x);
}

void
protected_free_at(struct protected **x)
{
	protected_free(*x);
}

static bool
equal(const struct tree_id *a, const struct tree_id *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* Whether ${p} is ${place}, or lies in it. */
static bool
protected_is_below(const struct hostpath *p, const struct protected_place *place)
{
	for (size_t k = 1; k <= p->there; k++)
		if (equal(&p->chain[k], &place->chain[place->depth]))
			return true;
	return false;
}

int
protected_check(const struct protected *x, const struct hostpath *p, bool volume, struct err *e)
{
	for (size_t i = 0; i < x->count; i++) {
		const struct protected_place *place = &x->list[i];

		if (!place->mounted && !(volume && place->engine) && protected_is_below(p, place))
			return err_set(e, ERR_CONFLICT,
				"%.1000s belongs to %.1000s: nothing is ever written there",
				p->real, place->words);
	}
	return 0;
}

bool
protected_is_mounted(const struct protected *x, const struct hostpath *p)
{
	for (size_t i = 0; i < x->count; i++)
		if (x->list[i].mounted && protected_is_below(p, &x->list[i]))
			return true;
	return false;
}

/* Whether ${place} lies in the folder that looks like ${st}. */
static bool
is_inside(const struct protected_place *place, const struct stat *st)
{
	const struct tree_id id = {
		(uint64_t)major(st->st_dev) << 32 | minor(st->st_dev), st->st_ino};

	for (size_t k = 0; k < place->depth; k++)
		if (equal(&place->chain[k], &id))
			return true;
	return false;
}

void
protected_inside(const struct protected *x, int fd, struct tree_id **list, size_t *count)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return;
	for (size_t i = 0; i < x->count; i++) {
		if (!is_inside(&x->list[i], &st))
			continue;
		*list = mem_array(*list, *count + 1, sizeof(**list));
		(*list)[(*count)++] = x->list[i].chain[x->list[i].depth];
	}
}

const char *
protected_held(const struct protected *x, int fd)
{
	struct stat st;

	for (size_t i = 0; fstat(fd, &st) == 0 && i < x->count; i++)
		if (is_inside(&x->list[i], &st))
			return x->list[i].words;
	return NULL;
}
