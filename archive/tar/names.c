#include "archive/tar/names.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/tar/member.h"
#include "base/mem.h"
#include "base/scope.h"

enum { LIST_BUFFER = 64 * 1024 };

static int
names_compare(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static bool
names_wanted(const struct dirent64 *d, bool directories)
{
	if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
		return false;
	return !directories || d->d_type == DT_DIR || d->d_type == DT_UNKNOWN;
}

/* Each entry is its type and its name with a NUL. */
static int
take_entries(struct names *n, const char *data, size_t len, bool directories)
{
	for (size_t at = 0; at < len;) {
		const struct dirent64 *d = (const struct dirent64 *)(const void *)(data + at);

		at += d->d_reclen;
		if (!names_wanted(d, directories))
			continue;
		if (buf_add(&n->text, &d->d_type, 1) != 0 ||
			buf_add(&n->text, d->d_name, strlen(d->d_name) + 1) != 0)
			return -1;
		n->count++;
	}
	return 0;
}

static void
sort_entries(struct names *n)
{
	const char *at = n->text.data;

	n->list = n->count > 0 ? mem_array(NULL, n->count, sizeof(*n->list)) : NULL;
	for (size_t i = 0; i < n->count; i++) {
		n->list[i].type = (unsigned char)*at;
		n->list[i].text = at + 1;
		at += strlen(at + 1) + 2;
	}
	if (n->count > 1)
		qsort(n->list, n->count, sizeof(*n->list), names_compare);
}

int
names_read(int fd, bool directories, struct names *ret_names, struct err *e)
{
	SCOPED(free_at) char *data = mem_array(NULL, LIST_BUFFER, 1);
	struct names n = {.text = BUF_INIT(NAMES_MAX)};
	ssize_t len;

	if (lseek(fd, 0, SEEK_SET) != 0)
		return err_errno(e, "cannot rewind a directory");
	while ((len = getdents64(fd, data, LIST_BUFFER)) > 0) {
		if (take_entries(&n, data, (size_t)len, directories) != 0) {
			names_free(&n);
			return err_set(e, ERR_TOO_LARGE, "a directory's names pass 1 GiB");
		}
	}
	if (len < 0) {
		names_free(&n);
		return err_errno(e, "cannot list a directory");
	}
	sort_entries(&n);
	*ret_names = n;
	return 0;
}

void
names_free(struct names *n)
{
	free(n->list);
	buf_free(&n->text);
	memset(n, 0, sizeof(*n));
}

bool
names_ours(const char *name)
{
	return strncmp(name, ".fuel-backup-", strlen(".fuel-backup-")) == 0;
}

bool
names_safe_path(const char *path)
{
	if (*path == '\0' || strlen(path) > MEMBER_PATH_MAX)
		return false;
	while (true) {
		size_t len = strcspn(path, "/");

		if (len == 0 || (len == 1 && path[0] == '.') ||
			(len == 2 && path[0] == '.' && path[1] == '.') || len > NAME_MAX)
			return false;
		if (path[len] == '\0')
			return true;
		path += len + 1;
	}
}

bool
names_safe_member(const char *path)
{
	static const char mark[] = ".wh.";
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
	SCOPED(free_at) char *without = NULL;

	if (strlen(name) <= NAME_MAX || strncmp(name, mark, strlen(mark)) != 0)
		return names_safe_path(path);
	without = mem_format("%.*s%s", (int)(name - path), path, name + strlen(mark));
	return strlen(path) <= MEMBER_PATH_MAX && names_safe_path(without);
}

bool
names_safe_part(const char *path)
{
	const char *slash = strchr(path, '/');

	return names_safe_path(path) && slash != NULL && strchr(slash + 1, '/') == NULL;
}
