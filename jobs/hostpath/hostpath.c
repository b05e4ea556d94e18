#include "jobs/hostpath/hostpath_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"

/* As the kernel's own limit (path_resolution(7)); and a path's components. */
enum { LINKS_MAX = 40, PARTS_MAX = PATH_MAX / 2 };

static const int64_t NS = 1000000000;

/* One way down from the root: what was passed is open, for a link may lead up again. */
struct way {
	int root_fd; /* borrowed */
	struct step {
		char *name;
		int fd;
		struct statx stat;
	} * steps;
	size_t count;
	char *rest; /* still to go */
	struct hostpath *found;
	int links;
};

static void
way_pop(struct way *w)
{
	struct step *s = &w->steps[--w->count];

	free(s->name);
	fd_close_at(&s->fd);
}

static void
way_clear(struct way *w)
{
	while (w->count > 0)
		way_pop(w);
	free(w->steps);
	free(w->rest);
}

static int
top_of(const struct way *w)
{
	return w->count == 0 ? w->root_fd : w->steps[w->count - 1].fd;
}

/* The path of what the way has come to; the caller's. */
static char *
hostpath_path_of(const struct way *w)
{
	char *path = mem_string("");

	for (size_t i = 0; i < w->count; i++) {
		char *longer = mem_format("%s/%s", path, w->steps[i].name);

		free(path);
		path = longer;
	}
	if (path[0] != '\0')
		return path;
	free(path);
	return mem_string("/");
}

int
hostpath_look(int fd, struct statx *ret_stat)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		STATX_BASIC_STATS | STATX_BTIME, ret_stat);
}

int
hostpath_open(int dir_fd, const char *name)
{
	const struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};

	return (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
}

/* Nobody but root can put something else into this folder. */
static bool
is_roots(const struct statx *st)
{
	return st->stx_uid == 0 && (st->stx_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* A link is safe if all folders down to it are. */
static bool
way_is_safe(const struct way *w)
{
	struct statx root;

	if (hostpath_look(w->root_fd, &root) != 0 || !is_roots(&root))
		return false;
	for (size_t i = 0; i < w->count; i++)
		if (!is_roots(&w->steps[i].stat))
			return false;
	return true;
}

static int
hostpath_follow(struct way *w, const char *name, int link_fd, const struct statx *st, struct err *e)
{
	SCOPED(free_at) char *folder = hostpath_path_of(w);
	SCOPED(free_at)
	char *path = mem_format("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
	char to[PATH_MAX];
	const ssize_t len = readlinkat(link_fd, "", to, sizeof(to) - 1);
	char *rest;

	if (len <= 0)
		return err_errno(e, "%s", path);
	to[len] = '\0';
	if (++w->links > LINKS_MAX)
		return err_set(e, ERR_CONFLICT, "%s: more than %d links one behind the other", path,
			LINKS_MAX);
	w->found->safe = w->found->safe && st->stx_uid == 0 && way_is_safe(w);
	(void)json_array_append_new(w->found->links,
		json_pack("{s:s, s:s%, s:I, s:I, s:b}", "path", path, "to", to, (size_t)len, "uid",
			(json_int_t)st->stx_uid, "gid", (json_int_t)st->stx_gid, "itself",
			(int)(w->rest[strspn(w->rest, "/")] == '\0')));
	rest = mem_format("%s/%s", to, w->rest);
	free(w->rest);
	w->rest = rest;
	while (to[0] == '/' && w->count > 0)
		way_pop(w);
	return 0;
}

/* Take the first component off what is still to go; NULL at the end; the caller's. */
static char *
next_name(struct way *w)
{
	const char *at = w->rest + strspn(w->rest, "/");
	const size_t len = strcspn(at, "/");
	char *name = len == 0 ? NULL : mem_copy(at, len);
	char *rest = mem_string(at + len);

	free(w->rest);
	w->rest = rest;
	return name;
}

static int
hostpath_push(struct way *w, const char *name, int fd, const struct statx *st, struct err *e)
{
	if (w->count == PARTS_MAX)
		return err_set(e, ERR_CONFLICT, "a path has more than %d folders", PARTS_MAX);
	w->steps = mem_array(w->steps, w->count + 1, sizeof(*w->steps));
	w->steps[w->count++] = (struct step){mem_string(name), fd, *st};
	return 0;
}

/* 1: one step further; 0: it is not there; -1. */
static int
go(struct way *w, const char *name, struct err *e)
{
	SCOPED(fd_close_at) int fd = -1;
	struct statx st;

	if (strcmp(name, ".") == 0)
		return 1;
	if (strcmp(name, "..") == 0) {
		if (w->count > 0)
			way_pop(w);
		return 1;
	}
	if (w->count > 0 && !S_ISDIR(w->steps[w->count - 1].stat.stx_mode)) {
		SCOPED(free_at) char *path = hostpath_path_of(w);

		return err_set(e, ERR_CONFLICT, "%s is no folder: move it away", path);
	}
	fd = hostpath_open(top_of(w), name);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || hostpath_look(fd, &st) != 0)
		return err_errno(e, "%s", name);
	if (S_ISLNK(st.stx_mode))
		return hostpath_follow(w, name, fd, &st, e) != 0 ? -1 : 1;
	if (hostpath_push(w, name, fd, &st, e) != 0)
		return -1;
	(void)TAKE_FD(fd);
	return 1;
}

static struct tree_id
hostpath_id_of(const struct statx *st)
{
	return (struct tree_id){(uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor, st->stx_ino};
}

static void
add_above(struct hostpath *p, const struct statx *st)
{
	(void)json_array_append_new(
		p->above, json_pack("{s:i, s:I, s:I}", "mode", (int)(st->stx_mode & 07777), "uid",
				  (json_int_t)st->stx_uid, "gid", (json_int_t)st->stx_gid));
}

static enum hostpath_type
hostpath_type_of(const struct statx *st)
{
	if (S_ISDIR(st->stx_mode))
		return HOSTPATH_FOLDER;
	return S_ISREG(st->stx_mode) ? HOSTPATH_FILE : HOSTPATH_OTHER;
}

/* The way has ended: ${missing}, the first name that is not there, or NULL. */
static int
arrive(struct way *w, const char *missing, struct err *e)
{
	struct hostpath *p = w->found;
	struct statx root;

	if (hostpath_look(w->root_fd, &root) != 0)
		return err_errno(e, "the host's root");
	p->chain = mem_array(NULL, w->count + 1, sizeof(*p->chain));
	p->chain[0] = hostpath_id_of(&root);
	for (size_t i = 0; i < w->count; i++)
		p->chain[i + 1] = hostpath_id_of(&w->steps[i].stat);
	p->there = w->count;
	p->stat = w->count == 0 ? root : w->steps[w->count - 1].stat;
	p->type = missing == NULL ? hostpath_type_of(&p->stat) : HOSTPATH_MISSING;
	p->fd = fcntl(top_of(w), F_DUPFD_CLOEXEC, 0);
	if (p->fd < 0)
		return err_errno(e, "the host's root");
	if (w->count > 0 || missing != NULL)
		add_above(p, &root);
	for (size_t i = 0; i < w->count; i++)
		if (missing != NULL || i + 1 < w->count)
			add_above(p, &w->steps[i].stat);
	p->real = hostpath_path_of(w);
	/* What is at the end may be anybody's: whoever owns a folder above says what it is. */
	if (w->count > 0 && missing == NULL)
		way_pop(w);
	p->safe = p->safe && way_is_safe(w);
	return 0;
}

/* What is not there is as its names say. */
static int
add_missing(struct way *w, const char *first, struct err *e)
{
	struct hostpath *p = w->found;
	SCOPED(free_at) char *name = mem_string(first);

	while (name != NULL) {
		char *longer;

		if (strcmp(name, "..") == 0)
			return err_set(e, ERR_CONFLICT,
				"%s leads up again from where nothing is: make that first",
				p->real);
		longer = mem_format("%s/%s", strcmp(p->real, "/") == 0 ? "" : p->real, name);
		if (strcmp(name, ".") == 0) {
			free(longer);
		} else {
			free(p->real);
			p->real = longer;
		}
		free(name);
		name = next_name(w);
	}
	return 0;
}

int
hostpath_find(int root_fd, const char *path, struct hostpath *ret_path, struct err *e)
{
	SCOPED(hostpath_free)
	struct hostpath p = {.links = json_array(), .above = json_array(), .safe = true, .fd = -1};
	SCOPED(way_clear)
	struct way w = {.root_fd = root_fd, .rest = mem_string(path), .found = &p};
	SCOPED(free_at) char *name = NULL;
	int more = 1;

	if (path[0] != '/')
		return err_set(e, ERR_INVALID, "%.200s is no absolute path", path);
	while (more == 1 && (name = next_name(&w)) != NULL) {
		if ((more = go(&w, name, e)) < 0)
			return err_prefix(e, "%.1000s", path);
		if (more == 1) {
			free(name);
			name = NULL;
		}
	}
	if (arrive(&w, name, e) != 0 || (name != NULL && add_missing(&w, name, e) != 0))
		return -1;
	*ret_path = p;
	p = (struct hostpath){.fd = -1};
	return 0;
}

void
hostpath_free(struct hostpath *p)
{
	free(p->real);
	json_decref(p->links);
	json_decref(p->above);
	free(p->chain);
	if (p->fd > 0)
		(void)close(p->fd);
	*p = (struct hostpath){.fd = -1};
}

static int64_t
born(const struct statx *st)
{
	return (st->stx_mask & STATX_BTIME) == 0
		       ? 0
		       : st->stx_btime.tv_sec * NS + st->stx_btime.tv_nsec;
}

json_t *
hostpath_json(const struct hostpath *p)
{
	static const char *const types[] = {"missing", "folder", "file", "other"};
	const struct tree_id *id = &p->chain[p->there];

	return json_pack("{s:s, s:O, s:O, s:I, s:I, s:I, s:s}", "real", p->real, "links", p->links,
		"above", p->above, "dev", (json_int_t)id->dev, "ino", (json_int_t)id->ino,
		"born_ns", (json_int_t)born(&p->stat), "type", types[p->type]);
}

bool
hostpath_same_fd(const struct hostpath *p, int fd)
{
	struct statx st;

	return p->type != HOSTPATH_MISSING && hostpath_look(fd, &st) == 0 &&
	       st.stx_ino == p->stat.stx_ino && st.stx_dev_major == p->stat.stx_dev_major &&
	       st.stx_dev_minor == p->stat.stx_dev_minor;
}

bool
hostpath_same_place(const struct hostpath *p, const json_t *place)
{
	const struct tree_id *id = &p->chain[p->there];

	return p->type != HOSTPATH_MISSING &&
	       json_integer_value(json_object_get(place, "dev")) == (json_int_t)id->dev &&
	       json_integer_value(json_object_get(place, "ino")) == (json_int_t)id->ino &&
	       json_integer_value(json_object_get(place, "born_ns")) ==
		       (json_int_t)born(&p->stat) &&
	       born(&p->stat) != 0;
}

const json_t *
hostpath_other_link(const json_t *links, const json_t *others, bool itself)
{
	const json_t *link, *other;
	size_t i, k;

	json_array_foreach (links, i, link) {
		bool found = false;

		if (json_truth(link, "itself", NULL) != itself)
			continue;
		json_array_foreach (others, k, other)
			found = found || (strcmp(json_text(link, "path", NULL),
						  json_text(other, "path", NULL)) == 0 &&
						 strcmp(json_text(link, "to", NULL),
							 json_text(other, "to", NULL)) == 0);
		if (!found)
			return link;
	}
	return NULL;
}

size_t
hostpath_itself(const json_t *links)
{
	const json_t *link;
	size_t i, count = 0;

	json_array_foreach (links, i, link)
		count += json_truth(link, "itself", NULL);
	return count;
}
