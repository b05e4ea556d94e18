#ifndef BASE_TRUSTED_H
#define BASE_TRUSTED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Extended attributes trusted.* want SYS_ADMIN.  A process that lacks it has them read and set by
 * somebody who has it: its keeper, who is given a descriptor of the file, never a path.
 */
struct trusted_keeper {
	/* Whether any entry of the folder ${dir_fd} has such attributes: 1, 0, -1. */
	int (*any)(void *ctx, int dir_fd, struct err *e);
	/* Add all that ${name} in the folder ${fd} has ("": what ${fd} itself stands for), as
	 * trusted_record does. */
	int (*get)(void *ctx, int fd, const char *name, struct buf *records, struct err *e);
	/* Set one of what ${fd} stands for, or remove it (${value} NULL): 1, 0: that is not
	 * allowed, or the file system has none; -1. */
	int (*set)(
		void *ctx, int fd, const char *name, const void *value, size_t len, struct err *e);
	void *ctx;
};

/* A keeper's list is at most so long. */
enum { TRUSTED_MAX = 1024 * 1024 };

/* From now on, until trusted_end of the same, ${k} is asked; of several the last one.  Borrowed.
 * trusted_end waits until nobody asks it any more.  Thread-safe, as are all of these. */
void trusted_lend(const struct trusted_keeper *k);
void trusted_end(const struct trusted_keeper *k);

/* Whether there is a keeper. */
bool trusted_kept(void);

/* What the keeper answers; without one 0, and nothing is added. */
int trusted_any(int dir_fd, struct err *e);
int trusted_get(int fd, const char *name, struct buf *records, struct err *e);
int trusted_set(int fd, const char *name, const void *value, size_t len, struct err *e);

/* A record: the name, a NUL, the value's length (32 bits, of this machine), the value.  0, or -1 if
 * ${records} is full. */
int trusted_record(struct buf *records, const char *name, const void *value, size_t len);

/* The record at ${at}, which goes on to the next one: false at the end, or where it is broken. */
bool trusted_next(const struct buf *records, size_t *at, const char **ret_name,
	const void **ret_value, size_t *ret_len);

#endif
