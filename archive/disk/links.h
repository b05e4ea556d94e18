#ifndef ARCHIVE_DISK_LINKS_H
#define ARCHIVE_DISK_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The inodes with several links that a walk has met, with their first paths. */
struct link_inode {
	uint64_t device, ino;
	char *path;   /* of the member that holds the content */
	bool missing; /* that member was left out after all */
};

struct links {
	struct link_inode **slots; /* open addressing; a power of two */
	size_t room, count;
};

/**
 * links_find(l, device, ino, path, ret_new):
 * The entry of the inode; a new one with ${path} if it was not there.  Owned by ${l}, does not
 * move.
 */
struct link_inode *links_find(
	struct links *l, uint64_t device, uint64_t ino, const char *path, bool *ret_new);
void links_free(struct links *l);

#endif
