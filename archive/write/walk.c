#include "archive/write/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "archive/disk/beneath.h"
#include "archive/tar/member.h"
#include "archive/tar/names.h"
#include "archive/write/dir_prefetch.h"
#include "archive/write/walk_internal.h"
#include "base/mem.h"
#include "base/scope.h"

enum { OPEN_DIR = O_RDONLY | O_DIRECTORY | O_NONBLOCK };

/* Names of a directory are looked at so many at once, by whoever has time: 270 KiB a level, and a
 * millisecond and a half of one thread.  In shares of 32, so that the last ones end together.
 * Smaller directories are not worth waking anybody: of those several are looked into at once. */
enum { LOOKS = 1024, SHARE = 32, LOOKS_MIN = SCOUT_NAMES };

/* Scouts of all levels together: descriptors, and 6 MiB at the most. */
enum { SCOUTS_MAX = 4 * DIR_PREFETCH_BATCH };

struct walk_dir *
walk_dir_hold(struct walk_dir *dir)
{
	if (dir != NULL)
		dir->refs++;
	return dir;
}

void
walk_dir_release(struct walk_dir *dir)
{
	if (dir == NULL || --dir->refs > 0)
		return;
	fd_close_at(&dir->fd);
	free(dir->path);
	free(dir);
}

int
walk_dir_fd(struct walk_dir *dir, int root_fd)
{
	if (dir->fd < 0)
		dir->fd = beneath_open(root_fd, dir->path, OPEN_DIR, BENEATH_ONE_MOUNT);
	return dir->fd;
}

static void
call_back(struct walk *w, struct frame *f)
{
	w->scouts -= f->scouts == NULL ? 0 : f->scouts->count;
	dir_prefetch_free(TAKE(f->scouts));
}

static void
pop(struct walk *w)
{
	struct frame *f = &w->frames[--w->depth];

	call_back(w, f);
	names_free(&f->names);
	free(f->looks);
	walk_dir_release(f->dir);
	w->path.len = f->path_len;
	if (w->path.data != NULL)
		w->path.data[w->path.len] = '\0';
}

static void
walk_free(struct walk *w)
{
	while (w->depth > 0)
		pop(w);
	free(w->frames);
	buf_free(&w->path);
}

/* The present entry could not be looked at, or (SEGMENT_UNLISTED) opened: errno says why. */
static int
notice_errno(struct walk *w, enum segment_notice n, struct err *e)
{
	if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
		return walk_notice(w, SEGMENT_VANISHED, e);
	(void)err_errno(e, "cannot open");
	e->code = ERR_UNREADABLE;
	return walk_notice(w, n, e);
}

static bool
walk_excluded(const struct walk *w, const char *path)
{
	if (w->t->excludes == NULL)
		return false;
	for (const char *const *p = w->t->excludes; *p != NULL; p++)
		if (fnmatch(*p, path, 0) == 0)
			return true;
	return false;
}

/* Go into the directory of ${scout}, which is taken. */
static int
walk_push(struct walk *w, struct scout *scout, const char *relative, size_t path_len, struct err *e)
{
	struct walk_dir *dir = mem_new(sizeof(*dir));
	const int fd = scout->fd;
	struct frame *f;

	*dir = (struct walk_dir){.fd = fd, .refs = 1, .path = mem_string(relative)};
	if (w->depth == w->room) {
		w->room = w->room == 0 ? 16 : 2 * w->room;
		w->frames = mem_array(w->frames, w->room, sizeof(*w->frames));
	}
	f = &w->frames[w->depth++];
	*f = (struct frame){.dir = dir, .path_len = path_len};
	if (w->depth > WALK_OPEN_MAX)
		fd_close_at(&w->frames[w->depth - 1 - WALK_OPEN_MAX].dir->fd);
	if (w->depth > WALK_OPEN_MAX)
		w->frames[w->depth - 1 - WALK_OPEN_MAX].dir->fd = -1;
	if (scout->listed) {
		f->names = scout->names;
		f->looks = scout->looks;
		f->looks_count = f->looks == NULL ? 0 : f->names.count;
	} else if (names_read(fd, w->pass == WALK_DIRECTORIES, &f->names, e) != 0) {
		if (e->number == ENOENT) /* removed since it was opened */
			return walk_notice(w, SEGMENT_VANISHED, e);
		e->code = ERR_UNREADABLE;
		return walk_notice(w, SEGMENT_UNLISTED, e);
	}
	walk_filter(w, f);
	return walk_opaque(w, f, e);
}

/* A directory's names that are looked at together. */
struct looking {
	struct frame *frame;
	int dir_fd;
};

static void
look_share(void *ctx, size_t share)
{
	const struct looking *l = ctx;
	struct frame *f = l->frame;
	const size_t end =
		(share + 1) * SHARE < f->looks_count ? (share + 1) * SHARE : f->looks_count;

	for (size_t i = share * SHARE; i < end; i++) {
		const struct name *name = &f->names.list[f->looks_first + i];
		struct dir_look *look = &f->looks[i];

		look->error = name->type == DT_DIR ? ENODATA : 0;
		if (look->error == 0 && look_stat(l->dir_fd, name->text, &look->stat) != 0)
			look->error = errno;
	}
}

static void
look_ahead(const struct walk *w, struct frame *f, int dir_fd, size_t first)
{
	struct looking l = {f, dir_fd};

	if (f->looks == NULL)
		f->looks = mem_array(NULL, LOOKS, sizeof(*f->looks));
	f->looks_first = first;
	f->looks_count = f->names.count - first < LOOKS ? f->names.count - first : LOOKS;
	crew_share(w->t->crew, look_share, &l, (f->looks_count + SHARE - 1) / SHARE);
}

/* As stat_at, of a name of the frame's directory. */
static int
walk_look_at(const struct walk *w, struct frame *f, int dir_fd, const struct name *name,
	struct statx *ret_stat)
{
	const size_t i = (size_t)(name - f->names.list);
	const struct dir_look *look;

	if (i - f->looks_first >= f->looks_count) {
		if (w->pass != WALK_REST || f->names.count < LOOKS_MIN)
			return look_stat(dir_fd, name->text, ret_stat);
		look_ahead(w, f, dir_fd, i);
	}
	look = &f->looks[i - f->looks_first];
	if (look->error == 0)
		*ret_stat = look->stat;
	errno = look->error;
	return look->error == 0 ? 0 : -1;
}

static bool
is_mount(const struct statx *s)
{
	return (s->stx_attributes_mask & s->stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* Nobody looks into what is left out.  ${len}: of the path above ${name}. */
static bool
walk_left_out(const struct walk *w, size_t len, const char *name)
{
	SCOPED(free_at) char *path = NULL;

	if (w->t->excludes == NULL || *w->t->excludes == NULL)
		return false;
	path = mem_format("%.*s/%s", (int)len, w->path.data, name);
	return walk_excluded(w, path);
}

/* Look into the directories that come next at this level, as many as may be. */
static void
send_scouts(struct walk *w, struct frame *f, int dir_fd, size_t len)
{
	const char *names[DIR_PREFETCH_BATCH];
	size_t count = 0;

	call_back(w, f);
	for (size_t i = f->next - 1;
		i < f->names.count && count < DIR_PREFETCH_BATCH && w->scouts + count < SCOUTS_MAX;
		i++) {
		const struct name *name = &f->names.list[i];

		if (name->type == DT_DIR && !walk_left_out(w, len, name->text))
			names[count++] = name->text;
	}
	if (count < 2) /* it would be the walk's own step */
		return;
	f->scouts = dir_prefetch_send(w->t->crew, dir_fd, names, count);
	w->scouts += count;
}

/* Descend into the directory ${name}, the walk's present path.  The path before had ${len}. */
static int
walk_enter(struct walk *w, struct frame *f, const char *name, size_t len, struct err *e)
{
	const int parent = walk_dir_fd(f->dir, w->t->root_fd);
	struct scout scout = {.fd = -1, .error = errno};

	if (w->depth >= WALK_DEPTH_MAX) {
		(void)err_set(
			e, ERR_UNREADABLE, "it is deeper than %d directories", WALK_DEPTH_MAX);
		return walk_notice(w, SEGMENT_UNLISTED, e);
	}
	if (parent >= 0 && !dir_prefetch_take(f->scouts, name, &scout)) {
		if (w->pass == WALK_REST && w->t->crew != NULL)
			send_scouts(w, f, parent, len);
		if (!dir_prefetch_take(f->scouts, name, &scout))
			scout_open(&scout, parent, name);
	}
	errno = scout.error;
	if (scout.fd < 0 && errno == EXDEV)
		return 0; /* a mount: told by the pass over directories */
	if (scout.fd < 0)
		return notice_errno(w, SEGMENT_UNLISTED, e);
	return walk_push(w, &scout, w->path.data + strlen(w->t->prefix) + 1, len, e);
}

/* Whether this is one of those that are left out whatever they are called. */
static bool
is_left(const struct walk *w, const struct statx *st)
{
	for (size_t i = 0; i < w->t->left_count; i++)
		if (w->t->left[i].ino == st->stx_ino &&
			w->t->left[i].dev ==
				((uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor))
			return true;
	return false;
}

static int
visit_directory(
	struct walk *w, struct frame *f, const struct walk_entry *entry, size_t len, struct err *e)
{
	if (w->v->entry(w->v->ctx, entry, e) != 0)
		return -1;
	if (is_mount(&entry->stat))
		return walk_notice(w, SEGMENT_MOUNT, e);
	return walk_enter(w, f, entry->name, len, e);
}

static int
visit_rest(struct walk *w, struct walk_entry *entry, size_t len, struct err *e)
{
	if (is_mount(&entry->stat))
		return walk_notice(w, SEGMENT_MOUNT, e);
	if (!w->t->layer || !S_ISCHR(entry->stat.stx_mode) || entry->stat.stx_rdev_major != 0 ||
		entry->stat.stx_rdev_minor != 0)
		return w->v->entry(w->v->ctx, entry, e);
	return w->t->changes != NULL ? walk_notice_mark(w, "the device 0/0", e)
				     : walk_whiteout(w, entry, len, e);
}

/* The next name of the innermost directory, whose path has been appended to the walk's. */
static int
visit_name(struct walk *w, const struct name *name, size_t len, struct err *e)
{
	struct frame *f = &w->frames[w->depth - 1];
	struct walk_entry entry = {.dir = f->dir, .name = name->text, .path = w->path.data};
	int fd;

	if (w->t->layer && strncmp(name->text, ".wh.", 4) == 0)
		return walk_notice_mark(w, "a file whose name begins with \".wh.\"", e);
	if (name->type == DT_WHT && (w->t->changes != NULL || w->t->named_marks))
		return walk_gone(w, &entry, len, e);
	if (w->pass == WALK_REST && name->type == DT_DIR && w->t->left_count == 0)
		return walk_enter(w, f, name->text, len, e);
	if ((fd = walk_dir_fd(f->dir, w->t->root_fd)) < 0 ||
		(name->type == DT_DIR && w->t->left_count > 0
				? look_stat(fd, name->text, &entry.stat)
				: walk_look_at(w, f, fd, name, &entry.stat)) != 0)
		return notice_errno(w, SEGMENT_UNREADABLE, e);
	if (is_left(w, &entry.stat))
		return w->pass == WALK_REST ? walk_notice(w, SEGMENT_EXCLUDED, e) : 0;
	if (!S_ISDIR(entry.stat.stx_mode))
		return w->pass == WALK_REST ? visit_rest(w, &entry, len, e) : 0;
	if (w->pass == WALK_DIRECTORIES)
		return visit_directory(w, f, &entry, len, e);
	return walk_enter(w, f, name->text, len, e);
}

static int
walk_step(struct walk *w, struct err *e)
{
	struct frame *f = &w->frames[w->depth - 1];
	const struct name *name = &f->names.list[f->next++];
	size_t len = w->path.len, depth = w->depth;

	if (depth == 1 && names_ours(name->text))
		return 0;
	if (buf_format(&w->path, "/%s", name->text) != 0 || w->path.len > MEMBER_PATH_MAX) {
		w->path.len = len;
		w->path.data[len] = '\0';
		return walk_too_large(w, name->text, e);
	}
	if (walk_excluded(w, w->path.data)
			? (w->pass == WALK_REST && walk_notice(w, SEGMENT_EXCLUDED, e) != 0)
			: visit_name(w, name, len, e) != 0)
		return -1;
	if (w->depth == depth) {
		w->path.len = len;
		w->path.data[len] = '\0';
	}
	return 0;
}

static int
walk_directory(struct walk *w, const struct walk_entry *root, struct err *e)
{
	struct scout scout = {.fd = -1};

	if (w->pass == WALK_DIRECTORIES && w->v->entry(w->v->ctx, root, e) != 0)
		return -1;
	if ((scout.fd = beneath_open(w->t->root_fd, "", OPEN_DIR, BENEATH_ONE_MOUNT)) < 0)
		return notice_errno(w, SEGMENT_UNREADABLE, e);
	if (walk_push(w, &scout, "", w->path.len, e) != 0)
		return -1;
	while (w->depth > 0) {
		if (w->frames[w->depth - 1].next < w->frames[w->depth - 1].names.count) {
			if (walk_step(w, e) != 0)
				return -1;
		} else {
			pop(w);
		}
	}
	return 0;
}

int
walk_tree(const struct tree *t, enum walk_pass pass, const struct walk_visitor *v, struct err *e)
{
	SCOPED(walk_free)
	struct walk w = {.t = t, .v = v, .pass = pass, .path = BUF_INIT(MEMBER_PATH_MAX + 512)};
	struct walk_entry root = {.path = t->prefix};

	if (buf_text(&w.path, t->prefix) != 0)
		return err_set(e, ERR_INVALID, "the prefix of a tree is too long");
	if (look_stat(t->root_fd, "", &root.stat) != 0)
		return notice_errno(&w, SEGMENT_UNREADABLE, e);
	if (S_ISDIR(root.stat.stx_mode))
		return walk_directory(&w, &root, e);
	return pass == WALK_REST ? v->entry(v->ctx, &root, e) : 0;
}
