#include "jobs/import/import_rules.h"

#include <limits.h>
#include <string.h>

#include "archive/tar/names.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/import/path_set.h"

static const char mark[] = ".wh.", opaque[] = ".wh..wh..opq";

struct rules {
	const struct expected *expected;
	struct import_rules_options options;
	size_t next;		  /* the promise behind the present one */
	const struct promise *at; /* the present one, or NULL */
	bool rest;		  /* of a tree: its directories have all come */
	struct buf last, place;	  /* places of the last member of this part, and of this one */
	struct path_set seen;	  /* of the present tree */
};

/* A path, and the mark of a layer's directory. */
enum { PLACE_MAX = MEMBER_PATH_MAX + 1 };

struct rules *
import_rules_new(const struct expected *p, const struct import_rules_options *options)
{
	struct rules *c = mem_new(sizeof(*c));

	c->expected = p;
	c->options = *options;
	c->last = (struct buf)BUF_INIT(PLACE_MAX);
	c->place = (struct buf)BUF_INIT(PLACE_MAX);
	return c;
}

void
import_rules_free_at(struct rules **at)
{
	struct rules *c = *at;

	if (c == NULL)
		return;
	buf_free(&c->last);
	buf_free(&c->place);
	path_set_clear(&c->seen);
	free(c);
}

static int
import_rules_rank(char byte)
{
	return byte == '\0' ? 0 : byte == '/' ? 1 : 1 + (unsigned char)byte;
}

/* The order of a walk: <0, 0, >0. */
static int
order(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return import_rules_rank(*a) - import_rules_rank(*b);
}

/* Whether ${path} is below the directory ${folder}. */
static bool
import_rules_is_below(const char *path, const char *folder)
{
	const size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && path[len] == '/';
}

static const char *
import_rules_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static bool
import_rules_is_mark(const struct rules *c, const struct member *m)
{
	return c->at->layer && m->type != MEMBER_DIR &&
	       strncmp(import_rules_base_name(m->path), mark, strlen(mark)) == 0;
}

/* What a mark marks: the name, or "" for its directory. */
static const char *
marked(const char *name)
{
	return strcmp(name, opaque) == 0 ? "" : name + strlen(mark);
}

/* Where the member stands in the order of its tree. */
static void
take_place(struct rules *c, const struct member *m)
{
	const char *name = import_rules_base_name(m->path);

	buf_clear(&c->place);
	(void)buf_add(&c->place, m->path, (size_t)(name - m->path));
	(void)buf_text(&c->place, import_rules_is_mark(c, m) ? marked(name) : name);
}

static void
swap_places(struct rules *c)
{
	const struct buf last = c->last;

	c->last = c->place;
	c->place = last;
}

/* Whether ${m} may follow in the present tree. */
static bool
follows(struct rules *c, const struct member *m)
{
	const bool directory = m->type == MEMBER_DIR;

	if (c->at == NULL || c->at->kind != PROMISE_TREE || c->at->file ||
		!import_rules_is_below(m->path, c->at->path) || (c->rest && directory))
		return false;
	take_place(c, m);
	return (!c->rest && !directory) || order(c->place.data, c->last.data) > 0;
}

/* A promised tree that need not be there. */
static bool
is_optional(const struct rules *c, const struct promise *p)
{
	if (p->kind != PROMISE_TREE)
		return false;
	return c->expected->incomplete ||
	       path_set_find(&c->seen, p->path, strlen(p->path)) != PATH_SET_NOT;
}

static int
unexpected(const struct rules *c, const struct member *m, struct err *e)
{
	const struct promise *p = c->next < c->expected->count ? &c->expected->list[c->next] : NULL;

	if (c->at != NULL && c->at->kind == PROMISE_TREE &&
		(import_rules_is_below(m->path, c->at->path) || strcmp(m->path, c->at->path) == 0))
		return err_set(e, ERR_CORRUPT,
			"%.200s is in the archive twice, or out of order: a tree's directories "
			"come "
			"first, and names are sorted",
			m->path);
	if (p == NULL)
		return err_set(e, ERR_CORRUPT,
			"%.200s is in the archive without standing in its backup.json, or out of "
			"order",
			m->path);
	return err_set(e, ERR_CORRUPT, "the archive has %.200s where %.200s should come", m->path,
		p->path);
}

/* Go on to the promise that begins with ${m}. */
static int
import_rules_begin(struct rules *c, const struct member *m, struct err *e)
{
	while (c->next < c->expected->count) {
		const struct promise *p = &c->expected->list[c->next];

		if (strcmp(p->path, m->path) == 0) {
			c->at = p;
			c->next++;
			c->rest = false;
			path_set_clear(&c->seen);
			buf_clear(&c->last);
			return 0;
		}
		if (!is_optional(c, p))
			break;
		c->next++;
	}
	return unexpected(c, m, e);
}

static int
check_plain(const struct member *m, struct err *e)
{
	if (m->type == MEMBER_FILE && !m->sparse && m->xattr_count == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, "%.200s is no plain file", m->path);
}

static int
check_root(const struct rules *c, const struct member *m, struct err *e)
{
	if (m->type == (c->at->file ? MEMBER_FILE : MEMBER_DIR))
		return 0;
	return err_set(
		e, ERR_CORRUPT, "%.200s should be a %s", m->path, c->at->file ? "file" : "folder");
}

static int
check_parent(const struct rules *c, const struct member *m, struct err *e)
{
	const char *name = import_rules_base_name(m->path);
	const size_t len = (size_t)(name - m->path) - 1;

	if (path_set_find(&c->seen, m->path, len) != PATH_SET_FOLDER)
		return err_set(
			e, ERR_CORRUPT, "%.200s: its folder is none in the archive", m->path);
	if (!import_rules_is_mark(c, m) && strlen(name) > NAME_MAX)
		return err_set(e, ERR_CORRUPT, "%.200s: the name is too long", m->path);
	if (strlen(c->at->path) == len && names_ours(name))
		return err_set(e, ERR_CORRUPT, "%.200s: a restore needs this name", m->path);
	if (c->at->layer && m->type == MEMBER_DIR && strncmp(name, mark, strlen(mark)) == 0)
		return err_set(e, ERR_CORRUPT, "%.200s is a folder that marks a deletion", m->path);
	/* the place: a mark stands for what it marks */
	if (m->type != MEMBER_DIR && c->place.data[c->place.len - 1] != '/' &&
		path_set_find(&c->seen, c->place.data, c->place.len) == PATH_SET_FOLDER)
		return err_set(
			e, ERR_CORRUPT, "%.200s is a folder of the archive as well", m->path);
	return 0;
}

static int
check_mark(const struct member *m, struct err *e)
{
	const char *name = import_rules_base_name(m->path), *what = marked(name);
	const bool names_one = what[0] != '\0' && strcmp(what, ".") != 0 && strcmp(what, "..") != 0;

	if (m->type == MEMBER_FILE && m->size == 0 && !m->sparse && m->xattr_count == 0 &&
		(strcmp(name, opaque) == 0 || (names_one && strncmp(what, mark, 4) != 0)))
		return 0;
	return err_set(e, ERR_CORRUPT, "%.200s marks nothing as deleted", m->path);
}

static int
check_link(const struct rules *c, const struct member *m, struct err *e)
{
	if (import_rules_is_below(m->link, c->at->path) &&
		path_set_find(&c->seen, m->link, strlen(m->link)) == PATH_SET_FILE)
		return 0;
	return err_set(e, ERR_CORRUPT,
		"%.200s is a hard link to %.200s, which is no file of the same tree that came "
		"before",
		m->path, m->link);
}

static int
check_device(const struct rules *c, const struct member *m, struct err *e)
{
	const bool whiteout = m->major == 0 && m->minor == 0 && m->type == MEMBER_CHAR;

	if (whiteout && c->at->layer)
		return err_set(e, ERR_CORRUPT,
			"%.200s is a device that overlay takes for a deletion", m->path);
	/* Behind 0/0 is nothing: a volume that holds an engine's layers is full of it. */
	if (whiteout || c->at->layer || c->options.devices)
		return 0;
	return err_set(e, ERR_CORRUPT,
		"%.200s is a device outside of a container's layer: whoever can open it has what "
		"is "
		"behind it; if you trust where the archive comes from, import it with "
		"?devices=true (dockerctl: --devices)",
		m->path);
}

static int
check_type(const struct rules *c, const struct member *m, struct err *e)
{
	switch (m->type) {
	case MEMBER_LINK:
		return check_link(c, m, e);
	case MEMBER_CHAR:
	case MEMBER_BLOCK:
		return check_device(c, m, e);
	case MEMBER_SYMLINK:
		if (strlen(m->link) < PATH_MAX)
			return 0;
		return err_set(e, ERR_CORRUPT, "%.200s: the link is too long", m->path);
	case MEMBER_FILE:
	case MEMBER_DIR:
	case MEMBER_FIFO:
		break;
	}
	return 0;
}

static int
import_rules_check_xattrs(const struct rules *c, const struct member *m, struct err *e)
{
	for (size_t i = 0; i < m->xattr_count; i++) {
		const char *name = m->xattrs[i].name;

		if (c->at->layer && (strncmp(name, "trusted.overlay.", 16) == 0 ||
					    strncmp(name, "user.overlay.", 13) == 0))
			return err_set(e, ERR_CORRUPT,
				"%.200s has the attribute %.100s, which only overlay itself may "
				"set",
				m->path, name);
	}
	return 0;
}

static int
check_in_tree(struct rules *c, const struct member *m, bool root, struct err *e)
{
	const bool is_file =
		m->type != MEMBER_DIR && m->type != MEMBER_LINK && !import_rules_is_mark(c, m);

	if ((root ? check_root(c, m, e) : check_parent(c, m, e)) != 0 || check_type(c, m, e) != 0 ||
		import_rules_check_xattrs(c, m, e) != 0)
		return -1;
	if (!root && import_rules_is_mark(c, m) && check_mark(m, e) != 0)
		return -1;
	if (m->type == MEMBER_DIR || is_file)
		return path_set_add(&c->seen, m->path, strlen(m->path),
			is_file ? PATH_SET_FILE : PATH_SET_FOLDER, e);
	return 0;
}

int
import_rules_member(
	struct rules *c, const struct member *m, const struct promise **ret_promise, struct err *e)
{
	const bool first = !follows(c, m);

	if (first && import_rules_begin(c, m, e) != 0)
		return -1;
	if (c->at->kind != PROMISE_TREE) {
		if (check_plain(m, e) != 0)
			return -1;
	} else {
		take_place(c, m);
		if (check_in_tree(c, m, first, e) != 0)
			return -1;
		c->rest = c->rest || m->type != MEMBER_DIR;
		swap_places(c);
	}
	*ret_promise = c->at;
	return first;
}

int
import_rules_end(struct rules *c, struct err *e)
{
	for (; c->next < c->expected->count; c->next++)
		if (!is_optional(c, &c->expected->list[c->next]))
			return err_set(e, ERR_CORRUPT,
				"%.200s stands in backup.json and is not in the archive",
				c->expected->list[c->next].path);
	return 0;
}
