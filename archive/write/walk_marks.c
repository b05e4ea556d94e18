/* What stands for a deletion in the layer of a container, and what of a whole tree is met. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "archive/write/changes.h"
#include "archive/write/walk_internal.h"
#include "base/mem.h"
#include "base/scope.h"

static const char mark[] = ".wh.";

enum { NS_PER_S = 1000000000 };

int
walk_notice(struct walk *w, enum segment_notice n, struct err *e)
{
	if (w->v->notice(w->v->ctx, n, w->path.data, e) != 0)
		return -1;
	*e = (struct err){0};
	return 0;
}

int
walk_too_large(struct walk *w, const char *name, struct err *e)
{
	(void)err_set(e, ERR_UNREADABLE,
		"%.300s…/%.100s: the path is too long or deeper than %d directories", w->path.data,
		name, WALK_DEPTH_MAX);
	return walk_notice(w, SEGMENT_UNREADABLE, e);
}

/* What a layer has another use for: a name ".wh.…", which only a tar of an image knows where
 * overlay's own marks are devices; and in a whole tree a device that is such a mark elsewhere. */
int
walk_notice_mark(struct walk *w, const char *what, struct err *e)
{
	(void)err_set(e, ERR_UNSUPPORTED, "a container's layer cannot hold %s", what);
	return w->pass == WALK_REST ? walk_notice(w, SEGMENT_UNREADABLE, e) : 0;
}

static int
compare_path(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

static bool
is_opaque(const struct tree *t, const char *relative)
{
	return t->layer && t->opaque_count > 0 &&
	       bsearch(relative, t->opaque, t->opaque_count, sizeof(*t->opaque), compare_path) !=
		       NULL;
}

static bool
is_opaque_name(const char *name)
{
	return strcmp(name, ".wh..wh..opq") == 0 || strcmp(name, ".wh..opq") == 0;
}

/* Visit the mark that a layer's directory hides everything below it. */
int
walk_opaque(struct walk *w, const struct frame *f, struct err *e)
{
	struct walk_dir *dir = f->dir;
	struct walk_entry entry = {.kind = WALK_OPAQUE, .dir = dir, .name = ".wh..wh..opq"};
	size_t len = w->path.len;
	int result;

	if (w->pass != WALK_REST || (!f->opaque && !is_opaque(w->t, dir->path)))
		return 0;
	if (buf_text(&w->path, "/.wh..wh..opq") != 0)
		return walk_too_large(w, entry.name, e);
	entry.path = w->path.data;
	entry.stat.stx_mode = S_IFREG;
	entry.stat.stx_nlink = 1;
	result = w->v->entry(w->v->ctx, &entry, e);
	w->path.len = len;
	w->path.data[len] = '\0';
	return result;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* Files .wh.NAME become names that are gone, at their place; the driver's own are passed over. */
static void
take_named_marks(struct frame *f)
{
	struct names *n = &f->names;
	size_t count = 0;

	for (size_t i = 0; i < n->count; i++) {
		const char *text = n->list[i].text;
		const bool marked = strncmp(text, mark, sizeof(mark) - 1) == 0;

		f->opaque = f->opaque || is_opaque_name(text);
		if (!marked)
			n->list[count++] = n->list[i];
		else if (strncmp(text, ".wh..wh.", 8) != 0 && !is_opaque_name(text))
			n->list[count++] = (struct name){text + sizeof(mark) - 1, DT_WHT};
	}
	if (count < n->count && count > 1)
		qsort(n->list, count, sizeof(*n->list), by_text);
	n->count = count;
}

void
walk_filter(const struct walk *w, struct frame *f)
{
	const struct changes *changes = w->t->changes;

	if (changes != NULL) {
		f->changed = changes_folder(changes, f->dir->path);
		f->whole = (w->depth > 1 && f[-1].whole) ||
			   (f->changed != NULL && changes_whole(f->changed));
		if (f->whole)
			return;
		changes_filter(f->changed, w->pass == WALK_DIRECTORIES, &f->names);
	} else if (w->t->named_marks) {
		take_named_marks(f);
	} else {
		return;
	}
	free(TAKE(f->looks)); /* they are in the order of all names */
	f->looks_count = 0;
}

/* Tell that ${entry} is deleted, in a folder whose path has ${len}. */
int
walk_whiteout(struct walk *w, struct walk_entry *entry, size_t len, struct err *e)
{
	w->path.len = len;
	w->path.data[len] = '\0';
	if (buf_format(&w->path, "/.wh.%s", entry->name) != 0)
		return walk_too_large(w, entry->name, e);
	entry->kind = WALK_WHITEOUT;
	entry->path = w->path.data;
	entry->stat.stx_mode = S_IFCHR;
	return w->v->entry(w->v->ctx, entry, e);
}

/* When it was deleted, if a file says so; else when what is gone was modified. */
static void
date(const struct walk *w, struct walk_entry *entry)
{
	struct frame *f = &w->frames[w->depth - 1];
	SCOPED(free_at) char *name = mem_format("%s%s", mark, entry->name);
	const int64_t ns = f->changed == NULL ? 0 : changes_gone_ns(f->changed, entry->name);
	struct statx stat;

	entry->stat.stx_mtime.tv_sec = ns / NS_PER_S - (ns % NS_PER_S < 0);
	entry->stat.stx_mtime.tv_nsec = (uint32_t)((ns % NS_PER_S + NS_PER_S) % NS_PER_S);
	if (f->changed == NULL && look_stat(walk_dir_fd(f->dir, w->t->root_fd), name, &stat) == 0)
		entry->stat.stx_mtime = stat.stx_mtime;
}

int
walk_gone(struct walk *w, struct walk_entry *entry, size_t len, struct err *e)
{
	if (w->pass == WALK_DIRECTORIES)
		return 0;
	date(w, entry);
	return walk_whiteout(w, entry, len, e);
}
