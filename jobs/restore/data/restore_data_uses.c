/* Which containers use the data that a restore writes to, whatever they call them. */
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/volumes.h"
#include "jobs/hostpath/volume_place.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/data/restore_data_internal.h"

/* Where a mount of a container is on the host; looked at once a restore. */
struct restore_data_mount {
	char *key; /* "volume:NAME" or "bind:PATH" */
	struct hostpath at;
};

/* The host's path of the volume ${name}; the caller's, NULL if it has none or is gone. */
static char *
volume_path(const struct restore_data *f, const char *name)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const char *device, *mountpoint;
	struct err ignored;

	if (volumes_inspect(f->restore->request->engine, name, &inspect, &ignored) != 0)
		return NULL;
	device = volume_device(inspect);
	mountpoint = json_text(inspect, "Mountpoint", NULL);
	if (device != NULL)
		return mem_string(device);
	return mountpoint[0] == '/' ? mem_string(mountpoint) : NULL;
}

static const struct hostpath *
restore_data_uses_look_up(struct restore_data *f, const char *type, const char *name)
{
	SCOPED(free_at) char *key = mem_format("%s:%s", type, name);
	SCOPED(free_at) char *path = NULL;
	struct restore_data_mount *m;
	struct err ignored;

	for (size_t i = 0; i < f->mount_count; i++)
		if (strcmp(f->mounts[i].key, key) == 0)
			return &f->mounts[i].at;
	f->mounts = mem_array(f->mounts, f->mount_count + 1, sizeof(*f->mounts));
	m = &f->mounts[f->mount_count++];
	*m = (struct restore_data_mount){.key = TAKE(key), .at = {.fd = -1}};
	path = strcmp(type, "volume") == 0 ? volume_path(f, name) : mem_string(name);
	if (path != NULL && path[0] == '/')
		(void)hostpath_find(lender_fd(f->view, 0), path, &m->at, &ignored);
	return &m->at;
}

void
restore_data_mounts_free(struct restore_data *f)
{
	for (size_t i = 0; i < f->mount_count; i++) {
		free(f->mounts[i].key);
		hostpath_free(&f->mounts[i].at);
	}
	free(f->mounts);
}

/* Whether what ${a} ends at is on the way of ${b}. */
static bool
on_the_way(const struct hostpath *a, const struct hostpath *b)
{
	if (a->chain == NULL || b->chain == NULL || a->type == HOSTPATH_MISSING)
		return false;
	for (size_t i = 0; i <= b->there; i++)
		if (a->chain[a->there].dev == b->chain[i].dev &&
			a->chain[a->there].ino == b->chain[i].ino)
			return true;
	return false;
}

/* True if one of two paths is the other or lies in it. */
static bool
overlap(const char *a, const char *b)
{
	const size_t len_a = strlen(a), len_b = strlen(b), len = len_a < len_b ? len_a : len_b;
	const char *longer = len_a < len_b ? b : a;

	return strncmp(a, b, len) == 0 && (longer[len] == '\0' || longer[len] == '/');
}

/* By what it is called. */
static bool
restore_data_uses_names(
	const struct target *t, const char *type, const char *name, const char *source)
{
	if (t->volume != NULL && strcmp(type, "volume") == 0 && strcmp(name, t->volume) == 0)
		return true;
	if (strcmp(type, "bind") != 0 || source[0] != '/')
		return false;
	return (t->volume == NULL && t->path[0] == '/' && overlap(source, t->path)) ||
	       (t->real != NULL && overlap(source, t->real));
}

bool
restore_data_mounts(
	struct restore_data *f, const json_t *inspect, const struct target *t, bool writable)
{
	const json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(inspect, "Mounts"), i, mount) {
		const char *type = json_text(mount, "Type", NULL);
		const char *name = json_text(mount, "Name", NULL);
		const char *source = json_text(mount, "Source", NULL);
		const bool volume = strcmp(type, "volume") == 0;
		const struct hostpath *at;

		if (writable && !json_truth(mount, "RW", NULL))
			continue;
		if (restore_data_uses_names(t, type, name, source))
			return true;
		if (f->view == NULL || t->found.chain == NULL ||
			(!volume && strcmp(type, "bind") != 0))
			continue;
		at = restore_data_uses_look_up(f, type, volume ? name : source);
		if (on_the_way(at, &t->found) || on_the_way(&t->found, at))
			return true;
	}
	return false;
}
