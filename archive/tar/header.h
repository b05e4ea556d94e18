#ifndef ARCHIVE_TAR_HEADER_H
#define ARCHIVE_TAR_HEADER_H

#include <stdint.h>

/*
 * The header block of a tar archive.
 * Source: POSIX.1-2017, pax, "ustar Interchange Format".
 */
struct ustar {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[6];
	char version[2];
	char uname[32];
	char gname[32];
	char major[8];
	char minor[8];
	char prefix[155];
	char pad[12];
};

_Static_assert(sizeof(struct ustar) == 512, "a tar block has 512 bytes");

enum { USTAR_NAME = 100, USTAR_PREFIX = 155 };

/* The largest numbers of 7 and of 11 octal digits. */
#define USTAR_ID_MAX 2097151U
#define USTAR_NUMBER_MAX INT64_C(8589934591)

/* A sparse map has at most this many extents, of at most 2 * 20 bytes. */
enum { HEADER_EXTENTS_MAX = 64 * 1024, HEADER_MAP_MAX = (HEADER_EXTENTS_MAX + 2) * 40 + 512 };

#endif
