#include "jobs/restore/data/target_place.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/disk/attributes.h"
#include "archive/disk/beneath.h"
#include "archive/restore/delta.h"
#include "archive/write/content.h"
#include "base/scope.h"

/* Above a quarter of the file, writing all of it beside costs about as much, and no downtime. */
enum { PLACE_SHARE = 4 };

enum { EXECUTABLE = 0111 };

/* Only the tree's own folders hold it, and no other name is or will be one of it.  Who writes to a
 * volume, or a folder that containers bind, is stopped; to the rest of the host others may. */
bool
target_may_place(const struct target *t, const struct member *m, uint32_t number)
{
	const struct member_index *l = tree_diff_ledger(t->differ);
	const struct member_index_entry *x = &l->entries[number];
	const uint32_t not =
		MEMBER_INDEX_STAYS | MEMBER_INDEX_ADDED | MEMBER_INDEX_LINKED | MEMBER_INDEX_WHOLE;

	return t->in_place_from > 0 && m->type == MEMBER_FILE && m->size >= t->in_place_from &&
	       (m->mode & EXECUTABLE) == 0 && (t->volume != NULL || t->bound) &&
	       tree_diff_steady(t->differ) && (x->flags & not ) == 0 &&
	       x->parent != MEMBER_INDEX_NONE &&
	       (l->entries[x->parent].flags & MEMBER_INDEX_STAYS) != 0;
}

/* What somebody runs or has mapped as a library gets a new inode: they keep what they have. */
static bool
is_program(int fd, const struct statx *st)
{
	char magic[4];

	return (st->stx_mode & EXECUTABLE) != 0 ||
	       (content_read(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
		       memcmp(magic, "\177ELF", sizeof(magic)) == 0);
}

/* The file that was compared, if it may be written to; else -1.  One that is written to all the
 * time would have to be looked over again after the stop. */
static int
open_live(const struct target *t, const char *path, const struct member_index_entry *x)
{
	const uint64_t not = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_VERITY;
	SCOPED(fd_close_at)
	int at = beneath_open(target_root(t), path, O_PATH, BENEATH_ONE_MOUNT);
	SCOPED(fd_close_at) int fd = -1;
	struct place itself;
	struct statx st;

	if (at < 0 || statx(at, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) != 0 ||
		!S_ISREG(st.stx_mode) || st.stx_nlink != 1 || st.stx_ino != x->inode ||
		(st.stx_attributes & not ) != 0)
		return -1;
	if (!t->still && tree_diff_touched(t->differ, &st))
		return -1;
	place_itself(&itself, at, false);
	fd = open(itself.path, O_RDONLY | O_NOATIME | O_CLOEXEC);
	return fd < 0 || is_program(fd, &st) ? -1 : TAKE_FD(fd);
}

static int
target_place_make(struct target *t, const char *path, int live, const struct member *m,
	struct reader *r, struct err *e)
{
	SCOPED(fd_close_at) int new = -1;
	SCOPED(fd_close_at) int old = -1;
	int made;

	if (tree_swap_delta_open(t->patch, path, &new, &old, e) != 0)
		return -1;
	if ((made = delta_make(live, m, r, m->size / PLACE_SHARE, new, old, e)) == 1)
		return 1;
	return made < 0 || tree_swap_delta_drop(t->patch, path, e) != 0 ? -1 : 0;
}

int
target_place(
	struct target *t, const struct member *m, uint32_t number, struct reader *r, struct err *e)
{
	struct member_index_entry *x = &tree_diff_ledger(t->differ)->entries[number];
	SCOPED(free_at) char *path = target_path_on_disk(t, m->path);
	SCOPED(fd_close_at) int live = open_live(t, path, x);
	int made;

	if (live < 0) { /* what was put beside earlier goes with note_staged */
		x->flags |= MEMBER_INDEX_WHOLE;
		return 0;
	}
	made = target_place_make(t, path, live, m, r, e);
	if (made == 1 && (x->flags & MEMBER_INDEX_PLACED) == 0 &&
		tree_swap_note(t->patch, TREE_SWAP_PLACE, path, e) != 0)
		made = -1;
	if (made < 0)
		return err_prefix(e, "%s", m->path);
	x->flags &= ~(uint32_t)MEMBER_INDEX_DELTA;
	x->flags |= made == 1 ? MEMBER_INDEX_STAGED | MEMBER_INDEX_DELTA | MEMBER_INDEX_PLACED
			      : MEMBER_INDEX_WHOLE;
	return 0;
}
