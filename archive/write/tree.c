/* What is asked about a tree without reading it. */
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "archive/disk/links.h"
#include "archive/write/segments.h"
#include "archive/write/walk.h"
#include "base/scope.h"

#define XFS_MAGIC 0x58465342 /* fs/xfs: not in linux/magic.h */

bool
tree_cacheable(int fd)
{
	struct statfs s;

	if (fstatfs(fd, &s) != 0)
		return false;
	switch ((unsigned long)s.f_type) {
	case EXT4_SUPER_MAGIC: /* ext2 and ext3 too */
	case XFS_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

struct measure {
	struct links links;
	struct tree_size size;
};

static void
measure_free(struct measure *m)
{
	links_free(&m->links);
}

static int
measure_entry(void *ctx, const struct walk_entry *entry, struct err *e)
{
	struct measure *m = ctx;
	const struct statx *s = &entry->stat;
	const int64_t size = (int64_t)s->stx_size, stored = (int64_t)s->stx_blocks * 512;
	bool fresh = true;

	(void)e;
	if (S_ISSOCK(s->stx_mode))
		return 0;
	m->size.files++;
	if (!S_ISREG(s->stx_mode))
		return 0;
	if (s->stx_nlink > 1)
		(void)links_find(&m->links, (uint64_t)s->stx_dev_major << 32 | s->stx_dev_minor,
			s->stx_ino, "", &fresh);
	if (fresh)
		m->size.bytes += stored < size && size >= 65536 ? stored : size;
	return 0;
}

static int
measure_notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	(void)ctx;
	(void)n;
	(void)path;
	(void)e;
	return 0;
}

int
tree_measure(const struct tree *t, struct tree_size *ret_size, struct err *e)
{
	SCOPED(measure_free) struct measure m = {0};
	const struct walk_visitor visitor = {measure_entry, measure_notice, &m};

	if (walk_tree(t, WALK_REST, &visitor, e) != 0)
		return -1;
	*ret_size = m.size;
	return 0;
}

struct left_out {
	int (*found)(void *ctx, enum segment_notice n, const char *path, struct err *e);
	void *ctx;
	size_t prefix_len;
};

static int
left_out_entry(void *ctx, const struct walk_entry *entry, struct err *e)
{
	(void)ctx;
	(void)entry;
	(void)e;
	return 0;
}

static int
left_out_notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	const struct left_out *l = ctx;

	if (n != SEGMENT_EXCLUDED && n != SEGMENT_MOUNT)
		return 0;
	path += l->prefix_len;
	return l->found(l->ctx, n, path + (path[0] == '/'), e);
}

int
tree_left_out(const struct tree *t,
	int (*found)(void *ctx, enum segment_notice n, const char *path, struct err *e), void *ctx,
	struct err *e)
{
	struct left_out l = {found, ctx, strlen(t->prefix)};
	const struct walk_visitor visitor = {left_out_entry, left_out_notice, &l};

	return walk_tree(t, WALK_DIRECTORIES, &visitor, e) != 0
		       ? -1
		       : walk_tree(t, WALK_REST, &visitor, e);
}
