/* Changes of what a name stands for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "writer.h"

void
rename_step(struct writer *w)
{
	const unsigned i = pick(w);
	char name[NAME_SIZE];
	struct stat was;

	must(stat(name_of(name, "file", i), &was) == 0, "stat");
	make_file(w, "new", sizes[i]);
	if (below(w, 2) == 0)
		must(utimensat(AT_FDCWD, "new", (struct timespec[]){was.st_atim, was.st_mtim}, 0) ==
				0,
			"utimensat");
	nap(w, PAUSE_US / 8);
	must(rename("new", name) == 0, "rename");
}

/* Two files of one size and one date change places. */
void
exchange_prepare(struct writer *w)
{
	const struct timespec date[2] = {{1600000000, 1}, {1600000000, 1}};
	char name[NAME_SIZE];

	for (unsigned i = 0; i < FILES; i++) {
		make_file(w, name_of(name, "file", i), sizes[i / 2]);
		must(utimensat(AT_FDCWD, name, date, 0) == 0, "utimensat");
	}
}

void
exchange_step(struct writer *w)
{
	const unsigned i = pick(w) / 2 * 2;
	char one[NAME_SIZE], other[NAME_SIZE];

	must(renameat2(AT_FDCWD, name_of(one, "file", i), AT_FDCWD, name_of(other, "file", i + 1),
		     RENAME_EXCHANGE) == 0,
		"renameat2");
}

/* 0 and z: names that come before and after the one that was first. */
void
links_prepare(struct writer *w)
{
	make_files(w);
	make_folder("0");
	make_folder("z");
}

void
links_step(struct writer *w)
{
	const unsigned i = pick(w);
	char name[NAME_SIZE], link_name[NAME_SIZE];

	(void)name_of(name, "file", i);
	(void)name_of(link_name, below(w, 2) == 0 ? "0/" : "z/", i);
	if (below(w, 4) == 0) {
		const int fd = open_file(name, 0);

		change(w, fd, sizes[i]);
		(void)close(fd);
	} else if (link(name, link_name) != 0) {
		must(errno == EEXIST && unlink(link_name) == 0, link_name);
	}
}

void
folders_prepare(struct writer *w)
{
	char name[NAME_SIZE], path[2 * NAME_SIZE];

	for (unsigned i = 0; i < FILES; i++) {
		make_folder(name_of(name, "folder", i));
		(void)snprintf(path, sizeof(path), "%s/deep", name);
		make_folder(path);
		(void)snprintf(path, sizeof(path), "%s/file", name);
		make_file(w, path, sizes[i]);
		(void)snprintf(path, sizeof(path), "%s/deep/file", name);
		make_file(w, path, sizes[FILES - 1 - i]);
	}
}

void
folders_step(struct writer *w)
{
	const unsigned i = pick(w);
	char one[NAME_SIZE], other[NAME_SIZE];

	(void)name_of(one, "folder", i);
	if (below(w, 2) == 0) {
		(void)name_of(other, "folder", (i + 1) % FILES);
		if (renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0)
			return;
		must(errno == ENOENT, "renameat2"); /* one of the two has its other name */
	}
	(void)name_of(other, "moved", i);
	if (rename(one, other) != 0)
		must(errno == ENOENT && rename(other, one) == 0, other);
}

/* File, folder with a file, symbolic link, and again. */
void
kinds_step(struct writer *w)
{
	const unsigned i = pick(w);
	char name[NAME_SIZE], path[2 * NAME_SIZE];
	struct stat was;

	must(lstat(name_of(name, "file", i), &was) == 0, "lstat");
	(void)snprintf(path, sizeof(path), "%s/file", name);
	if (S_ISREG(was.st_mode)) {
		must(unlink(name) == 0 && mkdir(name, 0700) == 0, name);
		make_file(w, path, sizes[i]);
	} else if (S_ISDIR(was.st_mode)) {
		must(unlink(path) == 0 && rmdir(name) == 0, name);
		must(symlink(i % 2 == 0 ? "file0" : "nowhere", name) == 0, name);
	} else {
		must(unlink(name) == 0, name);
		make_file(w, name, sizes[i]);
	}
}

void
large_prepare(struct writer *w)
{
	char name[NAME_SIZE];

	for (; w->count < w->entries; w->count++)
		make_file(w, name_of(name, "entry", w->count), w->count % 16 == 0 ? 12 : 0);
}

void
large_step(struct writer *w)
{
	char name[NAME_SIZE], other[NAME_SIZE];
	const unsigned i = below(w, w->count);

	(void)name_of(name, "entry", i);
	switch (below(w, 4)) {
	case 0:
		make_file(w, name, 1 + below(w, 40));
		break;
	case 1:
		must(unlink(name) == 0 || errno == ENOENT, name);
		break;
	case 2:
		must(rename(name, name_of(other, "moved", i)) == 0 || errno == ENOENT, name);
		break;
	default:
		make_file(w, name_of(name, "entry", w->count++), 10);
	}
}

/* No content changes.  tmpfs may not know xattrs of users. */
void
attributes_step(struct writer *w)
{
	const unsigned i = pick(w);
	const uint64_t value = next(w);
	char name[NAME_SIZE];

	(void)name_of(name, "file", i);
	switch (below(w, 5)) {
	case 0:
		must(chmod(name, 0600 | (value & 0177)) == 0, "chmod");
		break;
	case 1:
		must(chown(name, (uid_t)(value & 0xffff), (gid_t)(value >> 48)) == 0, "chown");
		break;
	case 2:
		must(setxattr(name, "user.trick", &value, 1 + value % 8, 0) == 0 ||
				errno == EOPNOTSUPP,
			"setxattr");
		break;
	case 3:
		must(removexattr(name, "user.trick") == 0 || errno == ENODATA ||
				errno == EOPNOTSUPP,
			"removexattr");
		break;
	default:
		must(symlink(name, "new") == 0, "symlink");
		must(rename("new", name_of(name, "link", i)) == 0, "rename");
	}
}
