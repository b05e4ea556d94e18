#ifndef ARCHIVE_WRITE_DIR_PREFETCH_H
#define ARCHIVE_WRITE_DIR_PREFETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "archive/tar/names.h"
#include "base/crew.h"
#include "base/err.h"

/* What statx said of a name. */
struct dir_look {
	int error; /* errno, or 0 */
	struct statx stat;
};

/* As statx of ${name} in ${fd} ("": of ${fd}), with what a walk wants to know.  0, or -1 with
 * errno. */
int look_stat(int fd, const char *name, struct statx *ret_stat);

/*
 * Directories that are opened, listed and looked through before a walk comes to them, several at
 * once by whoever has time: a tree of many small directories would otherwise be one thread's.
 *
 * Limits: a directory whose own size passes SCOUT_BYTES is opened only, and one of SCOUT_NAMES
 * names or more is listed only: so a scout takes at most 100 KiB.
 */
enum { DIR_PREFETCH_BATCH = 16, SCOUT_NAMES = 128, SCOUT_BYTES = 64 * 1024 };

struct scout {
	const char *name; /* borrowed; NULL: taken */
	int fd;		  /* or -1 */
	int error;	  /* errno of its opening */
	bool listed;
	struct names names;	/* if it is listed */
	struct dir_look *looks; /* of all names, or NULL */
};

struct dir_prefetch {
	struct scout list[DIR_PREFETCH_BATCH];
	size_t count;
};

/* Open the directory ${name} in ${dir_fd}, of the same mount: ${ret_scout} has it, or the error. */
void scout_open(struct scout *ret_scout, int dir_fd, const char *name);
void scout_free(struct scout *s);

/**
 * dir_prefetch_send(crew, dir_fd, names, count):
 * Look into ${count}, at most DIR_PREFETCH_BATCH, directories by their names in ${dir_fd}.
 * dir_prefetch_take: the one of ${name}, now the caller's; false if it is not among them.
 */
struct dir_prefetch *dir_prefetch_send(
	struct crew *crew, int dir_fd, const char *const *names, size_t count);
bool dir_prefetch_take(struct dir_prefetch *s, const char *name, struct scout *ret_scout);
void dir_prefetch_free(struct dir_prefetch *s); /* NULL is allowed */

#endif
