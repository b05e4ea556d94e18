#ifndef JOBS_SPOOL_H
#define JOBS_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * What the frozen pass found, kept until the containers run again: records in the order in which
 * they were put, in memory up to a limit, then in an unlinked file of the store.  Nothing is
 * compressed, synced or looked at while it is written.  Not thread-safe.
 */
struct spool;

enum spool_type {
	SPOOL_SOURCE, /* the records that follow belong to source ${tag} */
	SPOOL_REUSE,  /* a segment that is stored already: its recipe's runs */
	SPOOL_BEGIN,  /* a segment of kind ${tag} follows */
	SPOOL_DATA,   /* some of its bytes */
	SPOOL_END
};

struct spool_record {
	enum spool_type type;
	uint32_t tag;
	const void *data; /* valid until the next call */
	size_t len;
};

enum { SPOOL_MEMORY_MAX = 12 * 1024 * 1024, SPOOL_RECORD_MAX = 1024 * 1024 };

/* ${dir_fd}: where the file goes if memory does not do; borrowed. */
struct spool *spool_new(int dir_fd);
void spool_free_at(struct spool **s);

/* Append a record; one of more than SPOOL_RECORD_MAX bytes of data becomes several. */
int spool_put(struct spool *s, enum spool_type type, uint32_t tag, const void *data, size_t len,
	struct err *e);

/* The next record from the front: 1, 0 at the end, -1.  After the first call nothing is put. */
int spool_next(struct spool *s, struct spool_record *ret_record, struct err *e);

int64_t spool_bytes(const struct spool *s);

#endif
