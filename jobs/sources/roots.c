#include "jobs/sources/roots.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/traits.h"
#include "engine/volumes.h"
#include "jobs/hostpath/hostpath.h"
#include "jobs/hostpath/protected.h"
#include "jobs/hostpath/volume_place.h"
#include "jobs/sources/compose_found.h"
#include "jobs/sources/lending.h"
#include "jobs/sources/nested.h"
#include "jobs/sources/stranded.h"

static const char *
roots_refusal(int fd, enum source_kind kind)
{
	struct stat st;
	struct statfs fs;

	if (fstat(fd, &st) != 0 || fstatfs(fd, &fs) != 0)
		return "it cannot be looked at";
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return "it is a socket, a pipe or a device";
	if (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC ||
		fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC ||
		fs.f_type == DEBUGFS_MAGIC || fs.f_type == TRACEFS_MAGIC)
		return "it is a view of the kernel, not files";
	return kind == SOURCE_LAYER && !S_ISDIR(st.st_mode) ? "it is no directory" : NULL;
}

static void
roots_drop(struct roots *r, struct inventory *v, size_t i, const char *reason)
{
	const size_t behind = v->count - i - 1;

	inventory_drop(v, i, reason);
	memmove(&r->numbers[i], &r->numbers[i + 1], behind * sizeof(r->numbers[0]));
	memmove(&r->files[i], &r->files[i + 1], behind * sizeof(r->files[0]));
}

static void
classify(struct roots *r, struct inventory *v)
{
	for (size_t i = v->count; i-- > 0;) {
		const int fd = lender_fd(r->lender, r->numbers[i]);
		const char *reason = roots_refusal(fd, v->sources[i].kind);
		struct stat st;

		if (reason != NULL)
			roots_drop(r, v, i, reason);
		else
			r->files[i] = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	}
}

/* True if ${inner} is what is found at its path below ${outer}, on the same mount. */
static bool
roots_holds(int outer_fd, const char *rest, int inner_fd)
{
	const struct open_how how = {.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS};
	SCOPED(fd_close_at)
	int fd = (int)syscall(SYS_openat2, outer_fd, rest, &how, sizeof(how));
	struct stat a, b;

	return fd >= 0 && fstat(fd, &a) == 0 && fstat(inner_fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static bool
roots_covered(const struct roots *r, const struct inventory *v, size_t i)
{
	const struct plan_source *inner = &v->sources[i];

	for (size_t k = 0; k < v->count; k++) {
		const struct plan_source *outer = &v->sources[k];
		const size_t len = strlen(outer->path);

		if (k == i || r->files[k] || outer->kind < SOURCE_BIND ||
			strncmp(inner->path, outer->path, len) != 0 || inner->path[len] != '/')
			continue;
		if (roots_holds(lender_fd(r->lender, r->numbers[k]), inner->path + len + 1,
			    lender_fd(r->lender, r->numbers[i])))
			return true;
	}
	return false;
}

/* Binds within binds or host paths would be in the archive twice. */
static void
roots_drop_covered(struct roots *r, struct inventory *v)
{
	for (size_t i = v->count; i-- > 0;)
		if (v->sources[i].kind >= SOURCE_BIND && roots_covered(r, v, i))
			roots_drop(r, v, i, NULL);
}

/* What the engine says of a volume; NULL if it is not in the list. */
static const json_t *
volume_of(const struct inventory *v, const char *name)
{
	const json_t *volume;
	size_t i;

	json_array_foreach (v->volumes, i, volume) {
		if (strcmp(json_text(volume, "Name", NULL), name) == 0)
			return volume;
	}
	return NULL;
}

/* On the host itself no engine mounts what is lent: so the places must be what is meant. */
static int
take_host_places(const struct roots_options *o, struct err *e)
{
	struct inventory *v = o->inventory;

	for (size_t i = v->count; i-- > 0 && !o->self->container;) {
		char *path;

		if (v->sources[i].kind != SOURCE_VOLUME)
			continue;
		if (volume_host_path(volume_of(v, v->sources[i].name), &path, e) != 0) {
			if (omissions_add(v->omissions, "volume", v->sources[i].name, NULL, e) != 0)
				return -1;
			inventory_drop(v, i, NULL);
			continue;
		}
		free(v->sources[i].path);
		v->sources[i].path = path;
	}
	return 0;
}

/* Note where the path of each source led that is the folder or file that was lent. */
static void
note_places(const struct roots *r, struct inventory *v)
{
	for (size_t i = 0; i < v->count && r->host_fd >= 0; i++) {
		SCOPED(hostpath_free) struct hostpath p = {.fd = -1};
		struct plan_source *s = &v->sources[i];
		const char *path = s->kind >= SOURCE_BIND     ? s->path
				   : s->kind == SOURCE_VOLUME ? volume_device(volume_of(v, s->name))
							      : NULL;
		struct err e;

		if (path != NULL && hostpath_find(r->host_fd, path, &p, &e) == 0 &&
			hostpath_same_fd(&p, lender_fd(r->lender, r->numbers[i])))
			s->place = hostpath_json(&p);
	}
}

/* The store and what else is never written to is no part of any backup: left out, and told. */
static int
leave_protected(struct roots *r, const struct roots_options *o, struct err *e)
{
	SCOPED(protected_free_at) struct protected *x = NULL;
	struct inventory *v = o->inventory;

	if (protected_new(o->engine, o->self, o->store_path, r->host_fd, PROTECTED_FROM_READING, &x,
		    e) != 0)
		return -1;
	for (size_t i = v->count; i-- > 0;) {
		struct plan_source *s = &v->sources[i];
		const int fd = lender_fd(r->lender, r->numbers[i]);
		const char *held = protected_held(x, fd);
		SCOPED(hostpath_free) struct hostpath p = {.fd = -1};
		struct err why;

		if (s->kind <= SOURCE_TMPFS || s->path[0] != '/')
			continue;
		if (hostpath_find(r->host_fd, s->path, &p, &why) == 0 &&
			protected_check(x, &p, s->kind == SOURCE_VOLUME, &why) != 0) {
			roots_drop(r, v, i, "it belongs to this service or to the engine");
			continue;
		}
		protected_inside(x, fd, &s->left, &s->left_count);
		if (held != NULL)
			inventory_warn(v, "%s %s holds %s: that is left out",
				source_kind_name(s->kind), s->name, held);
	}
	return 0;
}

/* An engine that refuses a mount of what is not there is asked for one; the container is never
 * started. */
static int
has_by_probe(
	struct engine *g, const struct self *self, const char *path, bool *ret_has, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = NULL;
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *name = mem_format("fuel-backup-probe-%.12s", self->id);
	int status;

	body = json_pack("{s:s, s:[s], s:{s:s}, s:{s:s, s:[{s:s, s:s, s:s, s:b}]}}", "Image",
		self->image, "Cmd", "version", "Labels", LENDER_LABEL,
		json_text(self->inspect, "Name", NULL), "HostConfig", "NetworkMode", "none",
		"Mounts", "Type", "bind", "Source", path, "Target", "/probe", "ReadOnly", 1);
	status = containers_create(g, name, body, &id, e);
	if (status != 0 && e->code == ERR_CONFLICT) { /* the engine died before one was removed */
		if (containers_remove(g, name, e) != 0)
			return -1;
		status = containers_create(g, name, body, &id, e);
	}
	if (status != 0) {
		*ret_has = false;
		return e->code == ERR_ENGINE && e->number == 400 ? 0 : -1;
	}
	*ret_has = true;
	return containers_remove(g, id, e);
}

int
roots_host_has(struct roots_host *h, const char *path, bool *ret_has, struct err *e)
{
	struct traits traits;

	if (!h->self->container) {
		*ret_has = access(path, F_OK) == 0;
		return 0;
	}
	if (traits_find(h->engine, &traits, e) != 0)
		return -1;
	if (!traits.makes_missing_sources)
		return has_by_probe(h->engine, h->self, path, ret_has, e);
	if (h->view == NULL && host_view_open(h->engine, h->self, h->run_path, &h->view, e) != 0)
		return -1;
	*ret_has = host_view_has(h->view, path);
	return 0;
}

void
roots_host_close(struct roots_host *h)
{
	host_view_close(h->view);
	h->view = NULL;
}

/* Take off the optional ones that are not there. */
static int
drop_absent(const struct roots_options *o, struct err *e)
{
	SCOPED(roots_host_close)
	struct roots_host host = {o->engine, o->self, o->run_path, NULL};
	struct inventory *v = o->inventory;

	for (size_t i = v->count; i-- > 0;) {
		bool has = true;

		if (!v->sources[i].optional)
			continue;
		if (roots_host_has(&host, v->sources[i].path, &has, e) != 0)
			return -1;
		if (!has)
			inventory_drop(v, i, "the host does not have it");
	}
	return 0;
}

/* With the mounts within sources, and the files of compose projects that no label names: another
 * lender, where there are any. */
static int
lend_nested(struct roots *r, const struct roots_options *o, struct err *e)
{
	size_t added, found = 0;

	if (nested_add(r->lender, o->self->container, o->inventory, &added, e) != 0)
		return -1;
	if (r->host_fd >= 0 && compose_add_found(o->inventory, r->host_fd, &found, e) != 0)
		return -1;
	if (added + found == 0)
		return 0;
	lender_close(r->lender);
	r->lender = NULL;
	return lending_open(o, &r->lender, &r->host_fd, e);
}

/* A volume that went away with its container is made anew, empty, when it is lent. */
static int
leave_made(struct roots *r, const struct roots_options *o, struct err *e)
{
	struct inventory *v = o->inventory;
	const json_t *name;
	size_t i;

	if (lender_made(o->engine, &r->made, e) != 0)
		return -1;
	json_array_foreach (r->made, i, name) {
		for (size_t k = 0; k < v->count; k++) {
			if (v->sources[k].kind != SOURCE_VOLUME ||
				strcmp(v->sources[k].name, json_string_value(name)) != 0)
				continue;
			inventory_warn(v, "volume %s was removed while the backup was made",
				v->sources[k].name);
			inventory_leave_out(v, k);
		}
	}
	return json_array_size(r->made) > 0 && inventory_forget_gone(v, o->engine, e) < 0 ? -1 : 0;
}

int
roots_open(const struct roots_options *o, struct roots **ret_roots, struct err *e)
{
	SCOPED(roots_close_at) struct roots *r = mem_new(sizeof(*r));

	r->engine = o->engine;
	r->stranded = stranded_note(o->inventory->containers);
	if (drop_absent(o, e) != 0 || take_host_places(o, e) != 0)
		return -1;
	if (lending_open(o, &r->lender, &r->host_fd, e) != 0)
		return -1;
	if (lend_nested(r, o, e) != 0 || leave_made(r, o, e) != 0)
		return -1;
	r->numbers = mem_array(NULL, o->inventory->count, sizeof(*r->numbers));
	r->files = mem_array(NULL, o->inventory->count, sizeof(*r->files));
	for (size_t i = 0; i < o->inventory->count; i++)
		r->numbers[i] = i;
	note_places(r, o->inventory);
	if (r->host_fd >= 0 && leave_protected(r, o, e) != 0)
		return -1;
	classify(r, o->inventory);
	roots_drop_covered(r, o->inventory);
	*ret_roots = TAKE(r);
	return 0;
}

static void *
end_lender(void *ctx)
{
	lender_close(ctx);
	return NULL;
}

void
roots_dismiss(struct roots *r)
{
	r->closing = pthread_create(&r->closer, NULL, end_lender, r->lender) == 0;
	if (r->closing)
		r->lender = NULL;
}

/* Nobody uses them: they are empty, and their containers took the real ones with them. */
static void
remove_made(struct roots *r)
{
	const json_t *name;
	struct err ignored;
	size_t i;

	json_array_foreach (r->made, i, name)
		(void)volumes_remove(r->engine, json_string_value(name), &ignored);
	json_decref(r->made);
}

void
roots_close(struct roots *r)
{
	if (r == NULL)
		return;
	if (r->closing)
		(void)pthread_join(r->closer, NULL);
	lender_close(r->lender);
	remove_made(r);
	stranded_remove(r->engine, r->stranded);
	json_decref(r->stranded);
	free(r->numbers);
	free(r->files);
	free(r);
}

void
roots_close_at(struct roots **r)
{
	roots_close(*r);
}
