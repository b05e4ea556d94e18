#include "jobs/restore/data/stand_ins.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/data/restore_data.h"
#include "jobs/restore/data/target.h"

/* A name that was made in a folder. */
struct made {
	int folder_fd;
	char *name;
	bool folder; /* it is one itself */
};

struct stand_ins {
	struct made *list;
	size_t count;
};

static void
stand_ins_note(struct stand_ins *s, int folder_fd, const char *name, bool folder)
{
	s->list = mem_array(s->list, s->count + 1, sizeof(*s->list));
	s->list[s->count++] = (struct made){.folder_fd = fcntl(folder_fd, F_DUPFD_CLOEXEC, 0),
		.name = mem_string(name),
		.folder = folder};
}

/* The folder ${name} of ${at}, made if there is none. */
static int
stand_ins_enter(struct stand_ins *s, int at, const char *name, struct err *e)
{
	if (mkdirat(at, name, 0700) == 0)
		stand_ins_note(s, at, name, true);
	else if (errno != EEXIST)
		return err_errno(e, "%s", name);
	const int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s", name) : fd;
}

/* An empty file at ${path} below ${root_fd}, if nothing is there. */
static int
make_at(struct stand_ins *s, int root_fd, const char *path, struct err *e)
{
	SCOPED(free_at) char *copy = mem_string(path);
	SCOPED(fd_close_at) int at = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
	char *rest = NULL, *name = strtok_r(copy, "/", &rest), *next;

	for (; name != NULL && (next = strtok_r(NULL, "/", &rest)) != NULL; name = next) {
		const int below = stand_ins_enter(s, at, name, e);

		if (below < 0)
			return -1;
		(void)close(at);
		at = below;
	}
	if (name == NULL)
		return 0;
	SCOPED(fd_close_at)
	int fd = openat(at, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0)
		stand_ins_note(s, at, name, false);
	return fd < 0 && errno != EEXIST ? err_errno(e, "%s", path) : 0;
}

/* What of ${source} lies below the root of ${t}; NULL if it does not. */
static const char *
stand_ins_below(const struct target *t, const char *source)
{
	const size_t len = t->path == NULL ? 0 : strlen(t->path);

	if (!t->active || t->volume != NULL || t->container != NULL || len == 0 ||
		strncmp(source, t->path, len) != 0)
		return NULL;
	if (t->way == TARGET_MAKE) /* its root is the folder that it comes into */
		return source[len] == '\0' ? strrchr(source, '/') + 1 : NULL;
	return t->way == TARGET_TREE && source[len] == '/' ? source + len + 1 : NULL;
}

static int
stand_ins_make_one(struct stand_ins *s, const struct restore *r, const char *source, struct err *e)
{
	struct target *targets;
	const size_t count = restore_data_targets(r->refill, &targets);

	for (size_t i = 0; i < count; i++) {
		const char *path = stand_ins_below(&targets[i], source);

		if (path != NULL)
			return make_at(s, target_root(&targets[i]), path, e) != 0
				       ? err_prefix(e, "%s", source)
				       : 0;
	}
	return 0;
}

int
stand_ins_make(struct restore *r, struct stand_ins **ret_stand_ins, struct err *e)
{
	*ret_stand_ins = mem_new(sizeof(**ret_stand_ins));
	for (size_t i = 0; i < r->count; i++) {
		const json_t *host = json_object_get(r->items[i].inspect, "HostConfig"), *mount;
		size_t k;

		if (r->items[i].way == WAY_IN_PLACE)
			continue;
		json_array_foreach (json_object_get(host, "Mounts"), k, mount) {
			const char *source = json_text(mount, "Source", NULL);

			if (strcmp(json_text(mount, "Type", NULL), "bind") == 0 &&
				source[0] == '/' &&
				stand_ins_make_one(*ret_stand_ins, r, source, e) != 0)
				return -1;
		}
	}
	return 0;
}

void
stand_ins_remove(struct stand_ins *s)
{
	if (s == NULL)
		return;
	for (size_t i = s->count; i-- > 0;) {
		(void)unlinkat(s->list[i].folder_fd, s->list[i].name,
			s->list[i].folder ? AT_REMOVEDIR : 0);
		(void)close(s->list[i].folder_fd);
		free(s->list[i].name);
	}
	free(s->list);
	free(s);
}
