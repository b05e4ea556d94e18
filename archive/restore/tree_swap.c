/*
 * Invariants, so that tree_swap_undo may be called after a crash at any point, any number of times:
 *
 * 1. `journal` is renamed to this name when all of it is durable.  Until `begun` exists, which is
 *    made when was/ and will/ have the attributes of every folder that the journal names (old/ and
 *    new/ cannot keep them, for moving entries changes mtimes), nothing in the tree was touched.
 * 2. An entry of the journal is in one of three states, told apart by what exists:
 *	new/PATH			the old one is in the tree, or in old/
 *	no new/PATH, old/PATH		the new one is in the tree
 *	no new/PATH, no old/PATH	the new one is in the tree, where nothing was before
 *    For what is to be deleted there is no new/PATH, and old/PATH tells alone.
 * 3. Where the tree is written to in place (TREE_SWAP_PLACE), kept/PATH has what stood there, and
 * is on the disk before `begun` is.  An undo writes that back, however much of the new was written,
 * as often as it is called, and it is on the disk before `begun` goes.
 * 4. `begun` is removed when all old entries are back and all folders look as they did, and only
 *    then the rest of the work folder: without `begun` nothing in it is needed by an undo.
 * 5. `undoing` is on the disk before the first entry is taken back, so that nobody takes what is in
 *    the tree from then on for what tree_swap_run has left there (tree_swap_undoing).
 * 6. What cannot be found out is an error: no call that fails passes for "it is not there".
 *
 * What no order of calls can give: the mtime of BESIDE, if the process dies between making or
 * removing the work folder in it and the very next call, which puts that mtime back.
 */
#include "archive/restore/tree_swap_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/disk/beneath.h"
#include "archive/disk/look.h"
#include "archive/disk/remove_tree.h"
#include "base/mem.h"
#include "base/scope.h"

static bool
is_folder(enum tree_swap_what what)
{
	return what == TREE_SWAP_FOLDER || what == TREE_SWAP_KEEP;
}

static int
put_time(int fd, const struct stat *st, struct err *e)
{
	struct place place;

	place_itself(&place, fd, true);
	return attributes_apply_mtime(
		&place, st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec, e);
}

/* The work folder.  That it is made, or removed, is not seen in the folder that holds it. */
static int
make_top(const struct tree_swap *p, struct err *e)
{
	struct stat st;

	if (fstat(p->beside_fd, &st) != 0)
		return err_errno(e, "a root");
	if (mkdirat(p->beside_fd, p->work, 0700) == 0)
		return put_time(p->beside_fd, &st, e);
	return errno == EEXIST ? 0 : err_errno(e, "%s", p->work);
}

/* Where a user may write he may also have put a folder of his own under that name.  Nobody else can
 * put anything into ours, or look into it. */
static int
check_ours(const struct tree_swap *p, struct err *e)
{
	struct stat st;

	if (fstat(p->work_fd, &st) != 0)
		return err_errno(e, "%s", p->work);
	if (st.st_uid == geteuid() && (st.st_mode & 077) == 0)
		return 0;
	return err_set(e, ERR_CONFLICT,
		"%s is not the folder that this service made: remove it, and try again", p->work);
}

/* With SELinux what is made inside takes after the work folder: as in the tree, not as beside it.
 */
static void
take_label(const struct tree_swap *p)
{
	enum { LABEL_MAX = 1024 };
	char path[32], label[LABEL_MAX];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", p->root_fd);
	len = getxattr(path, "security.selinux", label, sizeof(label));
	if (len > 0)
		(void)fsetxattr(p->work_fd, "security.selinux", label, (size_t)len, 0);
}

static int
make_work(struct tree_swap *p, struct err *e)
{
	if (make_top(p, e) != 0 ||
		(p->work_fd = tree_swap_make_dir(p->beside_fd, p->work, e)) < 0 ||
		check_ours(p, e) != 0)
		return -1;
	take_label(p);
	if ((p->new_fd = tree_swap_make_dir(p->work_fd, "new", e)) < 0 ||
		(p->old_fd = tree_swap_make_dir(p->work_fd, "old", e)) < 0 ||
		(p->was_fd = tree_swap_make_dir(p->work_fd, "was", e)) < 0)
		return -1;
	return (p->will_fd = tree_swap_make_dir(p->work_fd, "will", e)) < 0 ? -1 : 0;
}

int
tree_swap_open(
	int root_fd, int beside_fd, const char *id, struct tree_swap **ret_patch, struct err *e)
{
	struct tree_swap *p = mem_new(sizeof(*p));

	p->root_fd = root_fd;
	p->beside_fd = beside_fd;
	p->work_fd = p->new_fd = p->old_fd = p->was_fd = p->will_fd = p->delta_fd = p->kept_fd = -1;
	p->work = mem_format(".fuel-backup-%s", id);
	p->new_name = mem_format("%s/new", p->work);
	if (make_work(p, e) != 0 || tree_swap_find_attributes(p, e) != 0) {
		tree_swap_close(p);
		return -1;
	}
	*ret_patch = p;
	return 0;
}

void
tree_swap_close(struct tree_swap *p)
{
	if (p == NULL)
		return;
	file_close_at(&p->notes);
	fd_close_at(&p->work_fd);
	fd_close_at(&p->new_fd);
	fd_close_at(&p->old_fd);
	fd_close_at(&p->was_fd);
	fd_close_at(&p->will_fd);
	fd_close_at(&p->delta_fd);
	fd_close_at(&p->kept_fd);
	free(p->work);
	free(p->new_name);
	free(p);
}

bool
tree_swap_there(int beside_fd, const char *id)
{
	SCOPED(free_at) char *work = mem_format(".fuel-backup-%s", id);

	return faccessat(beside_fd, work, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int
tree_swap_fd(const struct tree_swap *p)
{
	return p->new_fd;
}

const char *
tree_swap_name(const struct tree_swap *p)
{
	return p->new_name;
}

static FILE *
open_notes(const struct tree_swap *p, const char *name, int flags, const char *mode)
{
	SCOPED(fd_close_at) int fd = openat(p->work_fd, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, mode);

	if (file != NULL)
		(void)TAKE_FD(fd);
	return file;
}

int
tree_swap_note(struct tree_swap *p, enum tree_swap_what what, const char *path, struct err *e)
{
	if (p->notes == NULL)
		p->notes = open_notes(p, "journal.part", O_WRONLY | O_CREAT | O_TRUNC, "w");
	if (p->notes == NULL || fputc((int)what, p->notes) == EOF ||
		fwrite(path, 1, strlen(path) + 1, p->notes) != strlen(path) + 1)
		return err_errno(e, "the journal of a tree");
	p->dressed = p->dressed || (what == TREE_SWAP_FOLDER && path[0] == '\0');
	return 0;
}

static int
close_notes(struct tree_swap *p, struct err *e)
{
	if (!p->dressed && tree_swap_note(p, TREE_SWAP_KEEP, "", e) != 0)
		return -1;
	if (fflush(p->notes) != 0 || fsync(fileno(p->notes)) != 0 ||
		renameat(p->work_fd, "journal.part", p->work_fd, "journal") != 0)
		return err_errno(e, "the journal of a tree");
	file_close_at(&p->notes);
	p->notes = NULL;
	return 0;
}

/* One line of the journal: 1, 0 at its end, -1. */
static int
next_note(FILE *notes, enum tree_swap_what *ret_what, char **line, size_t *room, struct err *e)
{
	const ssize_t len = getdelim(line, room, '\0', notes);

	if (len < 0 && feof(notes) != 0)
		return 0;
	if (len < 2 || (*line)[len - 1] != '\0' || len > MEMBER_PATH_MAX + 2)
		return err_set(e, ERR_IO, "the journal of a tree cannot be read");
	*ret_what = (enum tree_swap_what)(*line)[0];
	return 1;
}

typedef int apply(struct tree_swap *p, enum tree_swap_what what, const char *path, struct err *e);

static int
each_note(struct tree_swap *p, apply *step, struct err *e)
{
	SCOPED(file_close_at) FILE *notes = open_notes(p, "journal", O_RDONLY, "r");
	SCOPED(free_at) char *line = NULL;
	enum tree_swap_what what = TREE_SWAP_FOLDER;
	size_t room = 0;
	int more;

	if (notes == NULL)
		return err_errno(e, "the journal of a tree");
	while ((more = next_note(notes, &what, &line, &room, e)) > 0)
		if (step(p, what, line + 1, e) != 0)
			return err_prefix(e, "%s", line + 1);
	return more;
}

int
tree_swap_folder(int root, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	SCOPED(free_at) char *dir = mem_copy(path, slash == NULL ? 0 : (size_t)(slash - path));

	*ret_name = slash == NULL ? path : slash + 1;
	return beneath_open(root, dir, O_PATH | O_DIRECTORY, BENEATH_ONE_MOUNT);
}

static int
make_mirrors(struct tree_swap *p, enum tree_swap_what what, const char *path, struct err *e)
{
	(void)e;
	if (!is_folder(what))
		return 0;
	beneath_make(p->old_fd, path);
	beneath_make(p->was_fd, path);
	beneath_make(p->will_fd, path);
	return 0;
}

/* ${path} from one tree to the other.  ${lacking}: what it not being there means, 0 or -1. */
static int
move(int from_root, int to_root, const char *path, int lacking, struct err *e)
{
	const char *name;
	SCOPED(fd_close_at) int from = tree_swap_folder(from_root, path, &name);

	if (from < 0)
		return lacking == 0 && (errno == ENOENT || errno == ENOTDIR)
			       ? 0
			       : err_errno(e, "its folder cannot be opened");
	SCOPED(fd_close_at) int to = tree_swap_folder(to_root, path, &name);

	if (to < 0)
		return err_errno(e, "its new folder cannot be opened");
	if (renameat2(from, name, to, name, RENAME_NOREPLACE) == 0 ||
		(lacking == 0 && errno == ENOENT))
		return 0;
	return err_errno(e, "cannot be moved%s", errno == EBUSY ? ", for it is a mount" : "");
}

/* 1, 0, -1 */
static int
there(int root, const char *path, struct err *e)
{
	const char *name;
	SCOPED(fd_close_at) int dir = tree_swap_folder(root, path, &name);

	if (dir >= 0 && faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno(e, "cannot be looked for");
}

static int
swap_entry(struct tree_swap *p, enum tree_swap_what what, const char *path, struct err *e)
{
	if (is_folder(what))
		return 0;
	if (what == TREE_SWAP_PLACE)
		return tree_swap_place(p, path, e);
	if (move(p->root_fd, p->old_fd, path, 0, e) != 0)
		return -1;
	return what == TREE_SWAP_DELETE ? 0 : move(p->new_fd, p->root_fd, path, -1, e);
}

/* Once all mirrors are made: what the folder looks like and what it will; and that files to be
 * written to are what they were. */
static int
remember_looks(struct tree_swap *p, enum tree_swap_what what, const char *path, struct err *e)
{
	if (what == TREE_SWAP_PLACE)
		return tree_swap_may_place(p, path, e);
	if (!is_folder(what))
		return 0;
	if (tree_swap_dress(p, p->root_fd, p->was_fd, path, e) != 0)
		return -1;
	return tree_swap_dress(
		p, what == TREE_SWAP_FOLDER ? p->new_fd : p->root_fd, p->will_fd, path, e);
}

static int
dress_new(struct tree_swap *p, enum tree_swap_what what, const char *path, struct err *e)
{
	return is_folder(what) ? tree_swap_dress(p, p->will_fd, p->root_fd, path, e) : 0;
}

static int
dress_old(struct tree_swap *p, enum tree_swap_what what, const char *path, struct err *e)
{
	return is_folder(what) ? tree_swap_dress(p, p->was_fd, p->root_fd, path, e) : 0;
}

/* Whether the file system of ${fd} has a journal, which brings to the disk with one folder all that
 * was made and renamed before. */
static bool
is_journalled(int fd)
{
	SCOPED(free_at) char *link = NULL;
	char device[256], journal[300];
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) != 0 || fstat(fd, &st) != 0)
		return false;
	if (fs.f_type != EXT4_SUPER_MAGIC)
		return fs.f_type == XFS_SUPER_MAGIC;
	/* ext4 without a journal, and ext2, have the same magic, and no such folder */
	link = mem_format("/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
	const ssize_t len = readlink(link, device, sizeof(device) - 1);

	if (len <= 0)
		return false;
	device[len] = '\0';
	(void)snprintf(journal, sizeof(journal), "/proc/fs/jbd2/%s-8", strrchr(device, '/') + 1);
	return access(journal, F_OK) == 0;
}

/* All that was made and renamed so far is on the disk; content need not be. */
static int
tree_swap_settle(int fd, struct err *e)
{
	return (is_journalled(fd) ? fsync(fd) : syncfs(fd)) != 0 ? err_errno(e, "a swap") : 0;
}

static int
tree_swap_mark(const struct tree_swap *p, const char *name, struct err *e)
{
	SCOPED(fd_close_at) int fd = tree_swap_make_dir(p->work_fd, name, e);

	return fd < 0 ? -1 : tree_swap_settle(p->work_fd, e);
}

static int
unmark_begun(const struct tree_swap *p, struct err *e)
{
	if (unlinkat(p->work_fd, "begun", AT_REMOVEDIR) == 0)
		return tree_swap_settle(p->work_fd, e);
	return errno == ENOENT ? 0 : err_errno(e, "begun");
}

int
tree_swap_run(struct tree_swap *p, struct err *e)
{
	if (close_notes(p, e) != 0 || each_note(p, make_mirrors, e) != 0 ||
		each_note(p, remember_looks, e) != 0 || tree_swap_mark(p, "begun", e) != 0 ||
		each_note(p, swap_entry, e) != 0)
		return -1;
	return each_note(p, dress_new, e);
}

bool
tree_swap_begun(const struct tree_swap *p)
{
	return faccessat(p->work_fd, "begun", F_OK, 0) == 0;
}

bool
tree_swap_undoing(const struct tree_swap *p)
{
	return faccessat(p->work_fd, "undoing", F_OK, 0) == 0;
}

/* What somebody has made in the place of what was deleted goes where nothing is needed any more. */
static int
tree_swap_set_aside(struct tree_swap *p, const char *path, struct err *e)
{
	const char *name;
	SCOPED(fd_close_at) int dir = tree_swap_folder(p->root_fd, path, &name);
	int failed = dir < 0 ? -1 : 0;

	for (int i = 0; failed == 0; i++) {
		char aside[32];

		(void)snprintf(aside, sizeof(aside), ".made-again-%d", i);
		if (renameat2(dir, name, p->will_fd, aside, RENAME_NOREPLACE) == 0 ||
			errno == ENOENT)
			return 0;
		failed = errno == EEXIST ? 0 : -1;
	}
	return err_errno(e, "cannot be moved aside");
}

/* The new entry goes back to new/.  Where there is none any more, something has to stand for it, or
 * another try would take the old one for it. */
static int
withdraw(struct tree_swap *p, const char *path, struct err *e)
{
	const int is_there = there(p->root_fd, path, e);
	const char *name;

	if (is_there != 0)
		return is_there < 0 ? -1 : move(p->root_fd, p->new_fd, path, -1, e);
	SCOPED(fd_close_at) int dir = tree_swap_folder(p->new_fd, path, &name);

	return dir < 0 || mkdirat(dir, name, 0700) != 0 ? err_errno(e, "cannot be stood for") : 0;
}

static int
take_back(struct tree_swap *p, enum tree_swap_what what, const char *path, struct err *e)
{
	int is_there;

	if (is_folder(what))
		return 0;
	if (what == TREE_SWAP_PLACE)
		return tree_swap_replace(p, path, e);
	if (what == TREE_SWAP_ENTRY) {
		if ((is_there = there(p->new_fd, path, e)) < 0)
			return -1;
		if (is_there == 0 && withdraw(p, path, e) != 0)
			return -1;
	}
	if ((is_there = there(p->old_fd, path, e)) != 1)
		return is_there;
	if (what == TREE_SWAP_DELETE && tree_swap_set_aside(p, path, e) != 0)
		return -1;
	return move(p->old_fd, p->root_fd, path, -1, e);
}

int
tree_swap_undo(struct tree_swap *p, struct err *e)
{
	const int begun = there(p->work_fd, "begun", e);

	if (begun < 0)
		return -1;
	/* delta/ has no use any more, and an undo may need its room */
	if (begun == 1 &&
		(tree_swap_mark(p, "undoing", e) != 0 || remove_tree(p->work_fd, "delta", e) != 0 ||
			each_note(p, take_back, e) != 0 || each_note(p, dress_old, e) != 0 ||
			tree_swap_settle(p->work_fd, e) != 0))
		return -1;
	return tree_swap_finish(p, e);
}

/* Most of it goes before the time is looked at: others may use the folder that holds all this. */
int
tree_swap_finish(struct tree_swap *p, struct err *e)
{
	struct stat st;

	if (unmark_begun(p, e) != 0 || remove_tree(p->work_fd, "old", e) != 0 ||
		remove_tree(p->work_fd, "new", e) != 0)
		return -1;
	if (fstat(p->beside_fd, &st) != 0)
		return err_errno(e, "a root");
	return remove_tree(p->beside_fd, p->work, e) != 0 ? -1 : put_time(p->beside_fd, &st, e);
}
