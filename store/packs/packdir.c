#include "store/packs/packdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/scope.h"

struct packdir {
	struct store *store;
	packdir_visit *visit;
	void *ctx;
};

static int
packdir_folder_open(struct store *s, int at, const char *name, DIR **ret_dir, struct err *e)
{
	const int fd = s->io.openat(s->io.ctx, at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	*ret_dir = fd < 0 ? NULL : fdopendir(fd);
	if (*ret_dir != NULL)
		return 0;
	const int failed = err_errno(e, "cannot read the folder packs/%s", name);
	if (fd >= 0)
		(void)s->io.close(s->io.ctx, fd);
	return failed;
}

static int
file_visit(const struct packdir *p, const char *name, struct err *e)
{
	unsigned char uuid[RECORD_UUID_SIZE];

	return packs_uuid(name, uuid) ? p->visit(p->ctx, uuid, e) : 0;
}

/* Read the folder ${name}; those of packs/ itself are read one level down. */
static int
folder_read(const struct packdir *p, int at, const char *name, bool top, struct err *e)
{
	SCOPED(dir_close_at) DIR *dir = NULL;

	if (packdir_folder_open(p->store, at, name, &dir, e) != 0)
		return -1;
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (entry == NULL)
			return errno == 0 ? 0 : err_errno(e, "cannot read packs/%s", name);
		const bool inner = strlen(entry->d_name) == 2 &&
				   strspn(entry->d_name, "0123456789abcdef") == 2;
		if (!top && file_visit(p, entry->d_name, e) != 0)
			return -1;
		if (top && inner && folder_read(p, dirfd(dir), entry->d_name, false, e) != 0)
			return -1;
	}
}

int
packdir_each(struct store *s, packdir_visit *visit, void *ctx, struct err *e)
{
	const struct packdir p = {s, visit, ctx};

	return folder_read(&p, s->fd, "packs", true, e);
}
