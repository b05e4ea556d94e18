#include "jobs/restore/restore_as_place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/disk/beneath.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"

static int
open_view(struct restore_as_place *p, const struct restore_as_place_options *o, struct err *e)
{
	static const struct lender_root root = {.host = true};
	SCOPED(free_at) char *name = mem_format("fuel-backup-lender-%s-view", o->id);

	if (lender_open(&(struct lender_options){.engine = o->engine,
				.self = o->self,
				.run_path = o->run_path,
				.name = name,
				.roots = &root,
				.count = 1},
		    &p->view, e) != 0)
		return err_prefix(e, "the host's folders cannot be looked at");
	return protected_new(o->engine, o->self, o->store_path, lender_fd(p->view, 0),
		PROTECTED_FROM_WRITING, &p->protected, e);
}

int
restore_as_place_find(struct restore_as_place *p, const struct restore_as_place_options *o,
	const char *folder, const char *name, struct err *e)
{
	SCOPED(hostpath_free) struct hostpath found = {.fd = -1};

	if (open_view(p, o, e) != 0 || hostpath_find(lender_fd(p->view, 0), folder, &found, e) != 0)
		return -1;
	if (found.type != HOSTPATH_FOLDER)
		return err_set(e, ERR_CONFLICT, "the host has no folder %s: make it first", folder);
	if (json_array_size(found.links) > 0 && !found.safe)
		return err_set(e, ERR_CONFLICT,
			"%s is a link, and others than root can change where it leads: name the "
			"folder that is meant, %s",
			json_text(json_array_get(found.links, 0), "path", NULL), found.real);
	if (protected_check(p->protected, &found, false, e) != 0)
		return -1;
	if (protected_is_mounted(p->protected, &found))
		return err_set(e, ERR_CONFLICT,
			"%s is mounted into this service: choose another folder", found.real);
	if (name != NULL && faccessat(found.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, ERR_CONFLICT, "there is %s/%s already: choose another name",
			strcmp(folder, "/") == 0 ? "" : folder, name);
	p->real = TAKE(found.real);
	return 0;
}

int
restore_as_place_check(const struct restore_as_place *p, int fd, struct err *e)
{
	SCOPED(hostpath_free) struct hostpath now = {.fd = -1};

	if (hostpath_find(lender_fd(p->view, 0), p->real, &now, e) != 0)
		return -1;
	if (json_array_size(now.links) == 0 && hostpath_same_fd(&now, fd))
		return 0;
	return err_set(e, ERR_CONFLICT,
		"%s is not what it was a moment ago: somebody changes where that leads", p->real);
}

int
restore_as_place_open(int parent_fd, const char *name, struct err *e)
{
	SCOPED(fd_close_at)
	int fd = beneath_open(parent_fd, name, O_RDONLY | O_DIRECTORY, BENEATH_ONE_MOUNT);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_errno(e, "%s", name);
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return err_set(e, ERR_CONFLICT,
			"somebody has put another folder in the place of %s: end that, and try "
			"again",
			name);
	return TAKE_FD(fd);
}

void
restore_as_place_clear(struct restore_as_place *p)
{
	lender_close(p->view);
	protected_free(p->protected);
	free(p->real);
	*p = (struct restore_as_place){0};
}
