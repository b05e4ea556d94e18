/* Where the data of a restore go: where the backup's data were, never where a link leads today. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/tar/names.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/volumes.h"
#include "jobs/hostpath/volume_place.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/data/restore_data_internal.h"

/* ---- the host's root ---- */

int
restore_data_view(struct restore_data *f, struct err *e)
{
	static const struct lender_root root = {.host = true};
	SCOPED(free_at) char *name = mem_format("fuel-backup-lender-%s-view", f->id);

	if (f->view != NULL)
		return 0;
	if (lender_open(&(struct lender_options){.engine = f->restore->request->engine,
				.self = f->restore->self,
				.run_path = f->run_path,
				.name = name,
				.roots = &root,
				.count = 1},
		    &f->view, e) != 0)
		return err_prefix(e,
			"the host's folders cannot be looked at, and without that nobody knows "
			"where a restore would write");
	return protected_new(f->restore->request->engine, f->restore->self,
		store_path(f->restore->request->store), lender_fd(f->view, 0),
		PROTECTED_FROM_WRITING, &f->protected, e);
}

int
restore_data_host(struct restore_data *f, int *ret_fd, struct err *e)
{
	if (restore_data_view(f, e) != 0)
		return -1;
	*ret_fd = lender_fd(f->view, 0);
	return 0;
}

int
restore_data_host_has(struct restore_data *f, const char *path, bool *ret_has, struct err *e)
{
	SCOPED(hostpath_free) struct hostpath found = {.fd = -1};
	int root_fd;

	*ret_has = false;
	if (restore_data_host(f, &root_fd, e) != 0)
		return -1;
	if (hostpath_find(root_fd, path, &found, e) != 0)
		return e->code == ERR_CONFLICT ? 0 : -1;
	*ret_has = found.type != HOSTPATH_MISSING;
	return 0;
}

static int
restore_data_place_host_of(const struct restore_data *f)
{
	return lender_fd(f->view, 0);
}

/* ---- the decision ---- */

static int
refuse_link(const json_t *now, const json_t *links, struct err *e)
{
	const char *path = json_text(now, "path", NULL), *to = json_text(now, "to", NULL);
	const json_t *link;
	size_t i;

	json_array_foreach (links, i, link) {
		if (strcmp(json_text(link, "path", NULL), path) == 0)
			return err_set(e, ERR_CONFLICT,
				"%.1000s is a link to %.1000s now, and led to %.1000s when the "
				"backup was made: put it back, then restore",
				path, to, json_text(link, "to", NULL));
	}
	return err_set(e, ERR_CONFLICT,
		"%.1000s is a link now, to %.1000s, and was none when the backup was made: nothing "
		"is written where it leads; move it away, then restore",
		path, to);
}

/* A backup that does not say where its paths led: links are followed if they are root's. */
static int
decide_unknown(const struct hostpath *now, char **ret_real, struct err *e)
{
	const json_t *link = json_array_get(now->links, 0);

	if (link != NULL && !now->safe)
		return err_set(e, ERR_CONFLICT,
			"%.1000s is a link, to %.1000s, and others than root can change where that "
			"leads; this backup does not say where its data were: put a folder in its "
			"place, or restore them beside with \"as\"",
			json_text(link, "path", NULL), json_text(link, "to", NULL));
	*ret_real = mem_string(now->real);
	return 0;
}

/* Whether the link ${link} is ${path} itself: its folder is where that of ${path} leads now. */
static int
is_path(int host_fd, const char *link, const char *path, struct err *e)
{
	const char *name = strrchr(path, '/'), *last = strrchr(link, '/');
	SCOPED(free_at) char *folder = mem_copy(path, (size_t)(name - path) + 1);
	SCOPED(free_at) char *of_link = mem_copy(link, (size_t)(last - link) + (last == link));
	SCOPED(hostpath_free) struct hostpath p = {.fd = -1};

	if (hostpath_find(host_fd, folder, &p, e) != 0)
		return -1;
	return strcmp(name, last) == 0 && strcmp(p.real, of_link) == 0;
}

/* One link that the path itself was, to be put back if it is another now.  Only the path's own link
 * is: what it leads to in turn is somebody else's. */
static int
decide_link(int host_fd, const char *source, const json_t *link, json_t *relink, struct err *e)
{
	const char *path = json_text(link, "path", NULL), *to = json_text(link, "to", NULL);
	SCOPED(free_at) char *was = NULL;
	json_t *again;
	int there, own;

	if (path[0] != '/' || !names_safe_path(path + 1) || to[0] == '\0')
		return err_set(e, ERR_CORRUPT, "backup.json: the link \"%.200s\"", path);
	if ((there = hostpath_readlink(host_fd, path, &was, e)) < 0)
		return -1;
	if (there == 1 && strcmp(was, to) == 0)
		return 0;
	if ((own = is_path(host_fd, path, source, e)) < 0)
		return -1;
	if (own == 0)
		return err_set(e, ERR_CONFLICT,
			"%.1000s was a link to %.1000s when the backup was made, and is another "
			"now, "
			"or none: put it back, then restore",
			path, to);
	again = json_deep_copy(link);
	if (there == 1)
		(void)json_object_set_new(again, "was", json_string(was));
	return json_array_append_new(relink, again);
}

static int
decide_links(int host_fd, const char *source, const json_t *links, json_t *relink, struct err *e)
{
	const json_t *link;
	size_t i;

	json_array_foreach (links, i, link) {
		if (json_truth(link, "itself", NULL) &&
			decide_link(host_fd, source, link, relink, e) != 0)
			return -1;
	}
	return 0;
}

int
restore_data_decide(int host_fd, const char *path, const struct hostpath *now, const json_t *place,
	json_t *relink, char **ret_real, struct err *e)
{
	const json_t *links = json_object_get(place, "links"), *other;
	const char *real = json_text(place, "real", NULL);

	if (!json_is_object(place))
		return decide_unknown(now, ret_real, e);
	if (real[0] != '/' || (real[1] != '\0' && !names_safe_path(real + 1)))
		return err_set(e, ERR_CORRUPT, "backup.json: the place \"%.200s\"", real);
	/* The very same folder, whatever it is called by now. */
	if (hostpath_same_place(now, place)) {
		*ret_real = mem_string(now->real);
		return 0;
	}
	if ((other = hostpath_other_link(now->links, links, false)) != NULL)
		return refuse_link(other, links, e);
	/* Above were links, and folders are there now, or nothing: the path as it is called. */
	if (hostpath_other_link(links, now->links, false) != NULL &&
		json_array_size(now->links) == 0) {
		*ret_real = mem_string(now->real);
		return 0;
	}
	other = hostpath_other_link(now->links, links, true);
	if (other != NULL && hostpath_itself(links) == 0)
		return refuse_link(other, links, e);
	if (decide_links(host_fd, path, links, relink, e) != 0)
		return -1;
	*ret_real = mem_string(real);
	return 0;
}

/* A file of several names is not written to for one of them, unless it was that one already. */
static int
restore_data_place_check_names(const struct hostpath *p, const json_t *place, struct err *e)
{
	if (p->type != HOSTPATH_FILE || p->stat.stx_nlink == 1 || p->safe ||
		hostpath_same_place(p, place))
		return 0;
	return err_set(e, ERR_CONFLICT,
		"%.1000s has another name on this host now, which would be overwritten too: move "
		"it away, then restore",
		p->real);
}

/* Look at ${t->real} without following anything. */
static int
find_real(const struct restore_data *f, struct target *t, struct err *e)
{
	hostpath_free(&t->found);
	if (hostpath_find(restore_data_place_host_of(f), t->real, &t->found, e) != 0)
		return -1;
	if (json_array_size(t->found.links) > 0)
		return refuse_link(json_array_get(t->found.links, 0), NULL, e);
	return 0;
}

static int
place_at(struct restore_data *f, struct target *t, const char *path, const json_t *place,
	struct err *e)
{
	SCOPED(hostpath_free) struct hostpath now = {.fd = -1};

	if (hostpath_find(restore_data_place_host_of(f), path, &now, e) != 0)
		return -1;
	t->relink = json_array();
	t->above = json_incref(json_object_get(place, "above"));
	if (restore_data_decide(restore_data_place_host_of(f), path, &now, place, t->relink,
		    &t->real, e) != 0 ||
		find_real(f, t, e) != 0 || restore_data_place_check_names(&t->found, place, e) != 0)
		return -1;
	return protected_check(f->protected, &t->found, false, e);
}

/* The volume ${t} as it is now, or as it will be made; NULL: the backup has none. */
static const json_t *
recorded_volume(const struct restore_data *f, const char *name)
{
	const json_t *volume;
	size_t i;

	json_array_foreach (json_object_get(f->restore->contents->manifest, "volumes"), i, volume) {
		if (strcmp(json_text(volume, "Name", NULL), name) == 0)
			return volume;
	}
	return NULL;
}

/* A volume is where the engine says, never where the backup says. */
static int
place_volume(struct restore_data *f, struct target *t, const json_t *place, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	SCOPED(hostpath_free) struct hostpath p = {.fd = -1};
	const json_t *volume;
	const char *mountpoint;

	t->absent = volumes_inspect(f->restore->request->engine, t->volume, &inspect, e) != 0;
	if (t->absent && e->code != ERR_NOT_FOUND)
		return -1;
	volume = t->absent ? recorded_volume(f, t->volume) : inspect;
	mountpoint = t->absent ? "" : json_text(inspect, "Mountpoint", NULL);
	free(t->path);
	t->path = mem_string(mountpoint);
	if (volume_device(volume) != NULL)
		return place_at(f, t, volume_device(volume), place, e);
	if (!t->absent && !f->restore->self->container) {
		free(t->path);
		t->path = NULL;
		if (volume_host_path(inspect, &t->path, e) != 0) {
			t->path = mem_string("");
			return -1;
		}
	}
	if (mountpoint[0] != '/')
		return 0;
	if (hostpath_find(restore_data_place_host_of(f), mountpoint, &p, e) != 0)
		return -1;
	if (protected_check(f->protected, &p, true, e) != 0)
		return -1;
	t->outside = volume_has_own_folder(inspect, &p);
	t->found = p;
	p = (struct hostpath){.fd = -1};
	return 0;
}

static void
tell_links(const struct restore_data *f, const struct target *t)
{
	const json_t *link;
	size_t i;

	if (strcmp(t->real, t->path) != 0)
		restore_warn(f->restore, "the data of %s go to %s", t->path, t->real);
	json_array_foreach (t->relink, i, link)
		restore_warn(f->restore, "the link %s leads to %s again%s%s",
			json_text(link, "path", NULL), json_text(link, "to", NULL),
			json_object_get(link, "was") == NULL ? "" : ", and not any more to ",
			json_text(link, "was", NULL));
}

int
restore_data_place(struct restore_data *f, struct target *t, const json_t *source, struct err *e)
{
	const json_t *place = json_object_get(source, "place");
	const bool file = json_truth(source, "file", NULL);

	if (restore_data_view(f, e) != 0)
		return -1;
	if (t->volume != NULL)
		return place_volume(f, t, place, e) != 0 ? err_prefix(e, "volume %s", t->volume)
							 : 0;
	if (place_at(f, t, t->path, place, e) != 0)
		return -1;
	tell_links(f, t);
	t->absent = t->found.type == HOSTPATH_MISSING;
	t->way = !file ? TARGET_TREE : t->absent ? TARGET_MAKE : TARGET_OVERWRITE;
	if (t->way == TARGET_MAKE && strcmp(strrchr(t->real, '/'), strrchr(t->path, '/')) != 0)
		return err_set(e, ERR_CONFLICT,
			"%.1000s was a link to %.1000s, which is missing: make that file first",
			t->path, t->real);
	return 0;
}

/* ---- what was lent is what is meant ---- */

static char *
folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == path ? mem_string("/") : mem_copy(path, (size_t)(slash - path));
}

int
restore_data_check_lent(struct restore_data *f, struct target *t, struct err *e)
{
	SCOPED(hostpath_free) struct hostpath p = {.fd = -1};
	SCOPED(free_at) char *path = NULL;

	if (t->real == NULL)
		return 0;
	path = t->way == TARGET_MAKE ? folder_of(t->real) : mem_string(t->real);
	if (restore_data_view(f, e) != 0 ||
		hostpath_find(restore_data_place_host_of(f), path, &p, e) != 0)
		return -1;
	if (json_array_size(p.links) > 0)
		return refuse_link(json_array_get(p.links, 0), NULL, e);
	if (protected_check(f->protected, &p, false, e) != 0)
		return -1;
	if (!hostpath_same_fd(&p, lender_fd(t->lender, t->number)))
		return err_set(e, ERR_CONFLICT,
			"%.1000s is not what the engine mounts there: somebody changes where that "
			"leads while it is looked at, or the engine sees another tree of files",
			path);
	hostpath_free(&t->found);
	t->found = p;
	p = (struct hostpath){.fd = -1};
	return 0;
}

int
restore_data_make_missing(struct restore_data *f, struct target *t, struct err *e)
{
	SCOPED(free_at) char *folder = NULL;

	if (t->real == NULL || t->way == TARGET_OVERWRITE)
		return 0;
	folder = t->way == TARGET_MAKE ? folder_of(t->real) : mem_string(t->real);
	return hostpath_make(restore_data_place_host_of(f), folder, t->above, e);
}

/* ---- links ---- */

int
restore_data_relink(struct restore_data *f, struct err *e)
{
	for (size_t i = 0; i < f->count; i++) {
		const json_t *link;
		size_t k;

		json_array_foreach (f->targets[i].relink, k, link) {
			const char *path = json_text(link, "path", NULL);
			SCOPED(free_at) char *folder = folder_of(path);

			if (hostpath_make(restore_data_place_host_of(f), folder,
				    f->targets[i].above, e) != 0 ||
				hostpath_link(restore_data_place_host_of(f), path,
					json_text(link, "to", NULL),
					json_string_value(json_object_get(link, "was")), link,
					e) != 0)
				return -1;
		}
	}
	return 0;
}

/* A link that was not changed yet, or is back already, is left alone. */
int
restore_data_unlink(struct restore_data *f, const struct target *t, struct err *e)
{
	const json_t *link;
	size_t k;

	json_array_foreach (t->relink, k, link) {
		const char *path = json_text(link, "path", NULL);
		const char *was = json_string_value(json_object_get(link, "was"));
		SCOPED(free_at) char *is = NULL;
		int there;

		if (restore_data_view(f, e) != 0 ||
			(there = hostpath_readlink(restore_data_place_host_of(f), path, &is, e)) <
				0)
			return -1;
		if (there == 1 && strcmp(is, json_text(link, "to", NULL)) == 0 &&
			hostpath_link(restore_data_place_host_of(f), path, was, is, NULL, e) != 0)
			return -1;
	}
	return 0;
}

/* ---- several names of one tree ---- */

static bool
is_tree(const struct target *t)
{
	return t->container == NULL && t->way == TARGET_TREE;
}

/* Whether ${inner} is the folder that ${outer} is, or lies in it; the latter to ${ret_deeper}. */
static bool
restore_data_place_is_in(const struct target *inner, const struct target *outer, bool *ret_deeper)
{
	const struct hostpath *i = &inner->found, *o = &outer->found;

	if (i->chain == NULL || o->chain == NULL || o->type != HOSTPATH_FOLDER)
		return false;
	for (size_t k = 0; k <= i->there; k++)
		if (i->chain[k].dev == o->chain[o->there].dev &&
			i->chain[k].ino == o->chain[o->there].ino) {
			*ret_deeper = k < i->there || i->type == HOSTPATH_MISSING;
			return true;
		}
	return false;
}

static void
restore_data_place_leave(struct target *outer, const struct tree_id *id)
{
	outer->left = mem_array(outer->left, outer->left_count + 1, sizeof(*outer->left));
	outer->left[outer->left_count++] = *id;
}

/* Two that are one: the first that is asked for as a whole stands for both. */
static void
pair(struct target *a, struct target *b)
{
	struct target *first = a->parts != NULL && b->parts == NULL ? b : a;
	struct target *second = first == a ? b : a;

	second->twin = first;
}

void
restore_data_find_twins(struct restore_data *f)
{
	for (size_t i = 0; i < f->count; i++)
		for (size_t k = 0; k < f->count; k++) {
			struct target *inner = &f->targets[k], *outer = &f->targets[i];
			bool deeper = false;

			if (i == k || !is_tree(outer) || inner->container != NULL ||
				inner->twin != NULL || outer->twin != NULL ||
				!restore_data_place_is_in(inner, outer, &deeper))
				continue;
			if (!deeper && i < k)
				pair(outer, inner);
			else if (deeper && inner->found.type != HOSTPATH_MISSING)
				restore_data_place_leave(
					outer, &inner->found.chain[inner->found.there]);
			else if (deeper && outer->parts == NULL && !outer->absent)
				inner->twin = outer; /* it comes back with all that is around it */
		}
}
