#include "archive/disk/look.h"

#include <sys/stat.h>

void
look_free(struct look *l)
{
	attributes_free(&l->xattrs);
}

/* A folder may be O_PATH. */
static void
look_place_of(struct place *p, int fd, enum member_type type)
{
	if (type == MEMBER_DIR)
		place_itself(p, fd, true);
	else
		place_open(p, fd);
}

int
look_at(struct look *l, int fd, int flags, struct err *e)
{
	struct place place;
	struct stat st;

	attributes_init(&l->xattrs);
	if (fstat(fd, &st) != 0)
		return err_errno(e, "cannot be looked at");
	const enum member_type type = S_ISDIR(st.st_mode) ? MEMBER_DIR : MEMBER_FILE;

	look_place_of(&place, fd, type);
	if (attributes_read(&l->xattrs, &place, flags, e) != 0)
		return -1;
	l->member = (struct member){.type = type,
		.mode = st.st_mode & 07777,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.mtime_ns = member_time_of(&st.st_mtim),
		.xattrs = l->xattrs.xattrs,
		.xattr_count = l->xattrs.count};
	return 0;
}

int
look_apply(const struct look *l, int fd, int flags, struct err *e)
{
	struct place place;

	look_place_of(&place, fd, l->member.type);
	return attributes_apply_all(&place, &l->member, flags, e);
}
