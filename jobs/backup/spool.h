#ifndef JOBS_BACKUP_SPOOL_H
#define JOBS_BACKUP_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * What one walk of the frozen pass found, kept until the containers run again: records in the order
 * in which they were put, in memory up to a limit, then in an unlinked file of the store.  Nothing
 * is compressed, synced or looked at while it is written.  Each belongs to one thread at a time.
 * Beside an encrypted store the file is hidden (store/keys/temp_cipher.h), but not what was cloned:
 * that is still in its source, on the same disk.
 */
struct spool;

enum spool_type {
	SPOOL_REUSE, /* a segment that is stored already: its recipe's runs */
	SPOOL_BEGIN, /* a segment of kind ${tag} follows */
	SPOOL_PAGES, /* all of its bytes are known by pages: a pointer to its file (live_pages.h) */
	SPOOL_DATA,  /* some of its bytes */
	SPOOL_CLONE, /* all of its bytes were cloned: a struct spool_clone */
	SPOOL_END
};

struct spool_clone {
	int64_t offset; /* for spool_cloned */
	int64_t size;
};

struct spool_record {
	enum spool_type type;
	uint32_t tag;
	const void *data; /* valid until the next call */
	size_t len;
};

/* All spools of a pass together hold SPOOL_MEMORY_MAX bytes in memory. */
enum { SPOOL_MEMORY_MAX = 12 * 1024 * 1024, SPOOL_RECORD_MAX = 1024 * 1024 };

struct spool_room {
	_Atomic int64_t left;
	bool hidden; /* the store is encrypted */
};

/* ${dir_fd}: where the files go if memory does not do; borrowed, as is ${room}. */
struct spool *spool_new(int dir_fd, struct spool_room *room);
void spool_free_at(struct spool **s);

/* Append a record; one of more than SPOOL_RECORD_MAX bytes of data becomes several. */
int spool_put(struct spool *s, enum spool_type type, uint32_t tag, const void *data, size_t len,
	struct err *e);

/**
 * spool_clone(s, fd, size, e):
 * Take the ${size} bytes of the file ${fd} by reference (FICLONERANGE), without reading them, and
 * put a SPOOL_CLONE record.  Returns 1; 0 if the file system cannot, which is tried once for each
 * spool; -1.
 */
int spool_clone(struct spool *s, int fd, int64_t size, struct err *e);

/* ${len} bytes that were cloned, from ${offset}; zeros where the file was shorter.  0 or -1. */
int spool_cloned(const struct spool *s, int64_t offset, void *data, size_t len, struct err *e);

/* The next record from the front: 1, 0 at the end, -1.  After the first call nothing is put. */
int spool_next(struct spool *s, struct spool_record *ret_record, struct err *e);

/* What the records take; cloned bytes take nothing. */
int64_t spool_bytes(const struct spool *s);

#endif
