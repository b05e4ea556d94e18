#include "engine/lender/host_view.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender.h"
#include "engine/traits.h"

enum { RANDOM_SIZE = 4 };

struct host_view {
	int fd;		       /* borrowed: of the lender, or of the engine's memory */
	struct lender *lender; /* as long as it is looked at; or NULL */
};

/* The root that the host's first process has, which stays what it is. */
struct view_memory {
	pthread_mutex_t mutex;
	int fd; /* -1: not looked at yet */
};

static void *
memory_new(void)
{
	struct view_memory *m = mem_new(sizeof(*m));

	(void)pthread_mutex_init(&m->mutex, NULL);
	m->fd = -1;
	return m;
}

static void
memory_free(void *memory)
{
	struct view_memory *m = memory;

	fd_close_at(&m->fd);
	(void)pthread_mutex_destroy(&m->mutex);
	free(m);
}

static int
lend_root(struct engine *g, const struct self *self, const char *run_path,
	struct lender **ret_lender, struct err *e)
{
	const struct lender_root root = {.host = true};
	unsigned char random[RANDOM_SIZE];
	char hex[2 * RANDOM_SIZE + 1];

	random_bytes(random, sizeof(random));
	SCOPED(free_at)
	char *name =
		mem_format("fuel-backup-lender-host-%s", hex_text(random, sizeof(random), hex));
	const struct lender_options options = {.engine = g,
		.self = self,
		.run_path = run_path,
		.name = name,
		.roots = &root,
		.count = 1};

	return lender_open(&options, ret_lender, e);
}

/* What is to be kept is taken off its lender, which may go. */
static int
keep_root(struct view_memory *m, struct engine *g, const struct self *self, const char *run_path,
	struct err *e)
{
	SCOPED(lender_close_at) struct lender *lender = NULL;

	if (lend_root(g, self, run_path, &lender, e) != 0)
		return -1;
	m->fd = fcntl(lender_fd(lender, 0), F_DUPFD_CLOEXEC, 0);
	return m->fd < 0 ? err_errno(e, "the host's root folder") : 0;
}

int
host_view_open(struct engine *g, const struct self *self, const char *run_path,
	struct host_view **ret_view, struct err *e)
{
	struct view_memory *m = engine_memory(g, ENGINE_HOST_VIEW, memory_new, memory_free);
	SCOPED(host_view_close_at) struct host_view *v = mem_new(sizeof(*v));
	struct traits traits;
	LOCKED(&m->mutex);

	v->fd = -1;
	if (traits_find(g, &traits, e) != 0)
		return -1;
	if (traits.hides_host_root) {
		/* A mount of it ends with the container that has it. */
		if (lend_root(g, self, run_path, &v->lender, e) != 0)
			return -1;
		v->fd = lender_fd(v->lender, 0);
	} else {
		if (m->fd < 0 && keep_root(m, g, self, run_path, e) != 0)
			return -1;
		v->fd = m->fd;
	}
	*ret_view = TAKE(v);
	return 0;
}

void
host_view_close(struct host_view *v)
{
	if (v == NULL)
		return;
	lender_close(v->lender);
	free(v);
}

void
host_view_close_at(struct host_view **v)
{
	host_view_close(*v);
}

bool
host_view_has(const struct host_view *v, const char *path)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	SCOPED(fd_close_at) int fd = (int)syscall(SYS_openat2, v->fd, path, &how, sizeof(how));

	return fd >= 0;
}
