#include "archive/write/dir_prefetch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "archive/disk/beneath.h"
#include "base/mem.h"
#include "base/scope.h"

enum { OPEN_DIR = O_RDONLY | O_DIRECTORY | O_NONBLOCK };

int
look_stat(int fd, const char *name, struct statx *ret_stat)
{
	return statx(fd, name,
		AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name == '\0' ? AT_EMPTY_PATH : 0),
		STATX_BASIC_STATS | STATX_BTIME, ret_stat);
}

void
scout_open(struct scout *ret_scout, int dir_fd, const char *name)
{
	int fd = beneath_open(dir_fd, name, OPEN_DIR | O_NOATIME, BENEATH_ONE_MOUNT);

	if (fd < 0 && errno == EPERM)
		fd = beneath_open(dir_fd, name, OPEN_DIR, BENEATH_ONE_MOUNT);
	*ret_scout = (struct scout){.name = name, .fd = fd, .error = fd < 0 ? errno : 0};
}

void
scout_free(struct scout *s)
{
	fd_close_at(&s->fd);
	s->fd = -1;
	names_free(&s->names);
	free(TAKE(s->looks));
}

/* Its names and what statx says of them; what cannot be listed is left to the walk, which tells. */
static void
look_through(struct scout *s)
{
	struct stat st;
	struct err ignored;

	if (fstat(s->fd, &st) != 0 || st.st_size > SCOUT_BYTES ||
		names_read(s->fd, false, &s->names, &ignored) != 0)
		return;
	s->listed = true;
	if (s->names.count == 0 || s->names.count >= SCOUT_NAMES)
		return;
	s->looks = mem_array(NULL, s->names.count, sizeof(*s->looks));
	for (size_t i = 0; i < s->names.count; i++) {
		const struct name *name = &s->names.list[i];
		struct dir_look *look = &s->looks[i];

		look->error = name->type == DT_DIR ? ENODATA : 0;
		if (look->error == 0 && look_stat(s->fd, name->text, &look->stat) != 0)
			look->error = errno;
	}
}

struct dir_prefetch_sending {
	struct dir_prefetch *scouts;
	int dir_fd;
};

static void
send_one(void *ctx, size_t i)
{
	const struct dir_prefetch_sending *sending = ctx;
	struct scout *s = &sending->scouts->list[i];

	scout_open(s, sending->dir_fd, s->name);
	if (s->fd >= 0)
		look_through(s);
}

struct dir_prefetch *
dir_prefetch_send(struct crew *crew, int dir_fd, const char *const *names, size_t count)
{
	struct dir_prefetch *scouts = mem_new(sizeof(*scouts));
	struct dir_prefetch_sending sending = {scouts, dir_fd};

	scouts->count = count;
	for (size_t i = 0; i < count; i++)
		scouts->list[i].name = names[i];
	crew_share(crew, send_one, &sending, count);
	return scouts;
}

bool
dir_prefetch_take(struct dir_prefetch *s, const char *name, struct scout *ret_scout)
{
	for (size_t i = 0; s != NULL && i < s->count; i++) {
		if (s->list[i].name != name) /* the very one of the list of names */
			continue;
		*ret_scout = s->list[i];
		s->list[i] = (struct scout){.fd = -1};
		return true;
	}
	return false;
}

void
dir_prefetch_free(struct dir_prefetch *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->count; i++)
		scout_free(&s->list[i]);
	free(s);
}
