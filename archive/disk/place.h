#ifndef ARCHIVE_PLACE_H
#define ARCHIVE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

/* Where the attributes are: a name below a directory, or what a descriptor stands for. */
struct place {
	char path[320];
	bool follow; /* the path ends in a magic link */
	int fd;	     /* what is open, instead of the path; else -1 */
	int of;	     /* the folder of ${name}, or, ${name} being "", what this is */
	const char *name;
};

/* For reading alone: what stands under a name may be another thing a moment later.  ${name}: one
 * part, no '/'. */
void place_below(struct place *p, int dir_fd, const char *name);

/* What ${fd}, which may be O_PATH, stands for, whatever has become of its name. */
void place_itself(struct place *p, int fd, bool directory);
void place_open(struct place *p, int fd); /* not O_PATH */

/* The system calls, by whichever form fits: as they answer, errno included. */
ssize_t place_list(const struct place *p, char *list, size_t size);
ssize_t place_get(const struct place *p, const char *name, void *value, size_t size);
int place_remove(const struct place *p, const char *name);
int place_set(const struct place *p, const char *name, const void *value, size_t len);
int place_chown(const struct place *p, uid_t uid, gid_t gid);
int place_chmod(const struct place *p, mode_t mode);
int place_times(const struct place *p, const struct timespec times[2]);

#endif
