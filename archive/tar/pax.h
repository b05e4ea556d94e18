#ifndef ARCHIVE_TAR_PAX_H
#define ARCHIVE_TAR_PAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/tar/header.h"
#include "archive/tar/member.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * Numbers and records of tar headers, read.  All strings are kept byte for byte, whatever their
 * character set and whatever the process's locale.
 * Source: POSIX.1-2017, pax; GNU tar manual, "Extensions to the Archive Format".
 */

enum { PAX_TEXT_MAX = 4 * 1024 * 1024 }; /* more than member_write_header ever makes */

/* Offsets in files are below this, so that sums of two never overflow. */
#define PAX_SIZE_MAX (INT64_MAX / 4)

/* The records of one extended header that mean something here. */
struct pax {
	struct buf text; /* the strings below lie in it */
	const char *path, *link;
	bool has_uid, has_gid, has_size, has_mtime, sparse;
	int64_t uid, gid, size, realsize;
	member_time mtime_ns;
	struct member_xattr *xattrs; /* sorted by name, names decoded */
	size_t xattr_count, xattr_room;
	int64_t sparse_major, sparse_minor;
	const char *sparse_name;
};

void pax_init(struct pax *p);
void pax_free(struct pax *p);
void pax_clear(struct pax *p);

/**
 * pax_parse(p, text, e):
 * Take in the records of ${text}, whose content moves to ${p}.  ERR_CORRUPT if they are malformed
 * or there are two such headers; ERR_UNSUPPORTED for sparse files of the older kinds.
 */
int pax_parse(struct pax *p, struct buf *text, struct err *e);

/* A global header may hold comments only: ERR_UNSUPPORTED otherwise. */
int pax_check_global(char *text, size_t len, struct err *e);

/* An octal or base-256 number.  -1 if it is none or does not fit. */
int ustar_number(const char *field, size_t size, int64_t *ret_number);

bool ustar_checksum_fits(const struct ustar *u);

#endif
