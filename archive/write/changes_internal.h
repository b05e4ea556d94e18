#ifndef ARCHIVE_CHANGES_INTERNAL_H
#define ARCHIVE_CHANGES_INTERNAL_H

#include "archive/write/changes.h"

/* What changes.c and changes_find.c share; nobody else includes it. */

struct changes_name {
	char *text;
	bool gone;
	int64_t mtime_ns; /* of what is gone: the base's */
};

struct changes_folder {
	char *path; /* relative to the root */
	bool whole;
	struct changes_name *names; /* sorted bytewise */
	size_t count, room;
};

struct changes {
	struct changes_folder *folders; /* sorted bytewise by path, once they are found */
	size_t count, room;
	size_t names; /* of all folders */
};

/* So many names in all: 100 bytes each. */
enum { CHANGES_MAX = 1 << 24 };

/* A new folder at the end, its name copied. */
struct changes_folder *changes_add(struct changes *c, const char *path);

/* A name at the end of ${f}. */
void changes_add_name(
	struct changes *c, struct changes_folder *f, const char *name, bool gone, int64_t mtime_ns);
void changes_folder_clear(struct changes_folder *f);

/* All folders are there. */
void changes_sort(struct changes *c);

#endif
