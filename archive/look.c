#include "archive/look.h"

#include <sys/stat.h>

void
look_free(struct look *l)
{
	attributes_free(&l->xattrs);
}

int
look_at(struct look *l, int fd, struct err *e)
{
	struct place place;
	struct stat st;

	attributes_init(&l->xattrs);
	place_itself(&place, fd, true);
	if (fstat(fd, &st) != 0)
		return err_errno(e, "a root");
	if (attributes_read(&l->xattrs, &place, false, e) != 0)
		return -1;
	l->member = (struct member){.type = MEMBER_DIR,
		.mode = st.st_mode & 07777,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec,
		.xattrs = l->xattrs.xattrs,
		.xattr_count = l->xattrs.count};
	return 0;
}

int
look_apply(const struct look *l, int fd, struct err *e)
{
	struct place place;

	place_itself(&place, fd, true);
	return attributes_apply(&place, &l->member, e);
}
