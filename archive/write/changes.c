#include "archive/write/changes.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "archive/write/changes_internal.h"
#include "base/mem.h"
#include "base/scope.h"

struct changes_folder *
changes_add(struct changes *c, const char *path)
{
	if (c->count == c->room) {
		c->room = c->room == 0 ? 64 : 2 * c->room;
		c->folders = mem_array(c->folders, c->room, sizeof(*c->folders));
	}
	c->folders[c->count] = (struct changes_folder){.path = mem_string(path)};
	return &c->folders[c->count++];
}

void
changes_add_name(
	struct changes *c, struct changes_folder *f, const char *name, bool gone, int64_t mtime_ns)
{
	if (f->count == f->room) {
		f->room = f->room == 0 ? 8 : 2 * f->room;
		f->names = mem_array(f->names, f->room, sizeof(*f->names));
	}
	f->names[f->count++] = (struct changes_name){mem_string(name), gone, mtime_ns};
	c->names++;
}

void
changes_folder_clear(struct changes_folder *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->names[i].text);
	free(f->names);
	free(f->path);
}

void
changes_free(struct changes *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->count; i++)
		changes_folder_clear(&c->folders[i]);
	free(c->folders);
	free(c);
}

void
changes_free_at(struct changes **c)
{
	changes_free(*c);
}

static int
by_path(const void *a, const void *b)
{
	return strcmp(
		((const struct changes_folder *)a)->path, ((const struct changes_folder *)b)->path);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(
		((const struct changes_name *)a)->text, ((const struct changes_name *)b)->text);
}

void
changes_sort(struct changes *c)
{
	if (c->count > 1)
		qsort(c->folders, c->count, sizeof(*c->folders), by_path);
}

static struct changes_folder *
find(const struct changes *c, const char *path)
{
	const struct changes_folder key = {.path = (char *)(uintptr_t)path};

	return c->count == 0 ? NULL
			     : bsearch(&key, c->folders, c->count, sizeof(*c->folders), by_path);
}

const struct changes_folder *
changes_folder(const struct changes *c, const char *path)
{
	return find(c, path);
}

bool
changes_whole(const struct changes_folder *f)
{
	return f->whole;
}

static const struct changes_name *
find_name(const struct changes_folder *f, const char *text)
{
	const struct changes_name key = {.text = (char *)(uintptr_t)text};

	return f->count == 0 ? NULL : bsearch(&key, f->names, f->count, sizeof(*f->names), by_text);
}

/* The folder of ${path}, made where it is missing, as one of which nothing else changed. */
static struct changes_folder *
put(struct changes *c, const char *path)
{
	struct changes_folder *f = find(c, path);

	if (f != NULL)
		return f;
	(void)changes_add(c, path);
	changes_sort(c);
	return find(c, path);
}

/* See that ${path} itself is met, by each folder above it. */
static void
show_itself(struct changes *c, const char *path)
{
	SCOPED(free_at) char *above = mem_string(path);
	char *slash;

	while (above[0] != '\0') {
		slash = strrchr(above, '/');

		const char *name = &path[slash == NULL ? 0 : slash - above + 1];
		SCOPED(free_at) char *text = mem_copy(name, strcspn(name, "/"));

		above[slash == NULL ? 0 : slash - above] = '\0';

		struct changes_folder *f = put(c, above);

		if (find_name(f, text) != NULL)
			continue;
		changes_add_name(c, f, text, false, 0);
		qsort(f->names, f->count, sizeof(*f->names), by_text);
	}
}

void
changes_show(struct changes *c, const char *path)
{
	show_itself(c, path);
	put(c, path)->whole = true;
}

static bool
has(const struct names *n, const char *text)
{
	size_t low = 0, high = n->count;

	while (low < high) {
		const size_t middle = (low + high) / 2;
		const int order = strcmp(n->list[middle].text, text);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

void
changes_filter(const struct changes_folder *f, bool directories, struct names *names)
{
	const size_t room = names->count + (f == NULL ? 0 : f->count) + 1;
	struct name *list = mem_array(NULL, room, sizeof(*list));
	size_t count = 0;

	for (size_t i = 0; f != NULL && i < names->count; i++)
		if (find_name(f, names->list[i].text) != NULL)
			list[count++] = names->list[i];
	for (size_t i = 0; f != NULL && !directories && i < f->count; i++)
		if (f->names[i].gone && !has(names, f->names[i].text))
			list[count++] = (struct name){f->names[i].text, DT_WHT};
	if (count > 1)
		qsort(list, count, sizeof(*list), by_name);
	free(names->list);
	names->list = list;
	names->count = count;
}

int64_t
changes_gone_ns(const struct changes_folder *f, const char *name)
{
	const struct changes_name *n = find_name(f, name);

	return n == NULL ? 0 : n->mtime_ns;
}
