#include "engine/lender/hidden_attributes.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender_wire.h"

enum { DEPTH_MAX = 1000, LIST_MAX = 64 * 1024 };

struct hidden_attributes_search {
	uint32_t flags;
	int64_t since_ns;
	dev_t device;
	int64_t count;
	char *first;
	char list[LIST_MAX];
};

static bool
hidden_attributes_starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool
is_hidden(const struct hidden_attributes_search *s, const char *name)
{
	const bool overlay = hidden_attributes_starts(name, "trusted.overlay.");

	if ((s->flags & HIDDEN_OVERLAY_ONLY) != 0)
		return overlay && (s->flags & HIDDEN_LAYER) == 0;
	return hidden_attributes_starts(name, "trusted.") &&
	       !(overlay && (s->flags & HIDDEN_LAYER) != 0);
}

/* Count ${path} of the tree, whose attributes are the ${len} bytes of the list. */
static void
hidden_attributes_judge(struct hidden_attributes_search *s, ssize_t len, const char *path)
{
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(s->list + at) + 1) {
		if (!is_hidden(s, s->list + at))
			continue;
		if (s->count++ == 0)
			s->first = mem_string(path);
		return;
	}
}

static void search_folder(struct hidden_attributes_search *s, int fd, const char *path, int depth);

static void
hidden_attributes_search_entry(struct hidden_attributes_search *s, int dir_fd,
	const struct dirent *x, const char *dir, int depth)
{
	SCOPED(free_at)
	char *path = mem_format("%s%s%s", dir, dir[0] == '\0' ? "" : "/", x->d_name);
	char at[NAME_MAX + 64];
	struct stat st;

	(void)snprintf(at, sizeof(at), "/proc/self/fd/%d/%s", dir_fd, x->d_name);
	hidden_attributes_judge(s, llistxattr(at, s->list, LIST_MAX), path);
	if ((x->d_type != DT_DIR && x->d_type != DT_UNKNOWN) || depth == DEPTH_MAX)
		return;
	const int fd = openat(
		dir_fd, x->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_dev != s->device) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	search_folder(s, fd, path, depth + 1);
}

/* Takes ${fd}. */
static void
search_folder(struct hidden_attributes_search *s, int fd, const char *path, int depth)
{
	SCOPED(dir_close_at) DIR *dir = fdopendir(fd);
	const struct dirent *x;

	while (dir != NULL && clock_since_ms(s->since_ns) < HIDDEN_MS && (x = readdir(dir)) != NULL)
		if (strcmp(x->d_name, ".") != 0 && strcmp(x->d_name, "..") != 0)
			hidden_attributes_search_entry(s, dirfd(dir), x, path, depth);
}

int
hidden_attributes_tell(int socket, int root_fd, uint32_t flags, struct err *e)
{
	SCOPED(free_at) struct hidden_attributes_search *s = mem_new(sizeof(*s));
	SCOPED(free_at) char *text = NULL;
	const int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
	char root[64];
	struct stat st;

	s->flags = flags;
	s->since_ns = clock_mono_ns();
	(void)snprintf(root, sizeof(root), "/proc/self/fd/%d", root_fd);
	hidden_attributes_judge(s, listxattr(root, s->list, LIST_MAX), ".");
	if (fd >= 0 && fstat(fd, &st) == 0) {
		s->device = st.st_dev;
		search_folder(s, fd, "", 0);
	}
	if (s->count == 0)
		return 0;
	text = mem_format("%lld %.*s", (long long)s->count, WIRE_MAX - 32, s->first);
	free(s->first);
	return wire_send(socket, 'p', text, strlen(text) + 1, e);
}
