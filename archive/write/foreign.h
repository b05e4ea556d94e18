#ifndef ARCHIVE_WRITE_FOREIGN_H
#define ARCHIVE_WRITE_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/stream.h"

/*
 * Archives of other tools: tar in any dialect, cpio, zip, 7z, rar; plain or compressed by gzip,
 * bzip2, xz, lzma, lzip, lz4, zstd, compress.  libarchive reads them (libarchive.org).  They are
 * hostile until proven otherwise: nothing is written outside of the folder, through a link, or
 * beyond the limits; no program is run to unpack them.
 */
struct foreign_options {
	const char *folder; /* empty, 0700; an absolute path without links */
	int spool_dir_fd; /* where a format that is read from its end is kept meanwhile; borrowed */
	unsigned strip;	  /* that many leading components go; what has no more is left out */
	bool devices;	  /* device nodes are made; else they are refused */
	int64_t bytes_max; /* of content, and of what is kept meanwhile */
	/* Whether to go on, now and then: 0, -1.  And something to be told of a member. */
	int (*check)(void *ctx, struct err *e);
	void (*warn)(void *ctx, const char *text);
	void *ctx;
};

enum { FOREIGN_FORMAT_SIZE = 128, FOREIGN_MEMBERS_MAX = 10 * 1000 * 1000 };

struct foreign_result {
	char format[FOREIGN_FORMAT_SIZE]; /* "GNU tar format, gzip" */
	int64_t members;		  /* that were unpacked */
	int64_t bytes;			  /* of content */
};

/**
 * foreign_unpack(in, o, ret_result, e):
 * Unpack all of ${in} below ${o->folder}, with owners, modes, times, links, ACLs and extended
 * attributes as they are in the archive.  0, -1: ERR_REFUSED (it is no archive, is damaged or ends
 * early, or has a member that is not taken: named), ERR_NO_SPACE, ERR_IO, errors of ${in} and
 * ${o->check}.
 */
int foreign_unpack(const struct source *in, const struct foreign_options *o,
	struct foreign_result *ret_result, struct err *e);

/**
 * foreign_path(name, strip, path, size):
 * The path of a member below its folder: without "." and empty components and without the first
 * ${strip}, in ${path}, of ${size} bytes.  Returns 1; 0: nothing of it is left; -1: it has "..", or
 * is too long.
 */
int foreign_path(const char *name, unsigned strip, char *path, size_t size);

#endif
