#ifndef WRITERS_WRITER_H
#define WRITERS_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	FILES = 16,
	NAME_SIZE = 64,
	PAGE = 4096,
	PAUSE_US = 30 * 1000,	   /* a backup's live pass of such a tree takes some 100 ms */
	LONG_PAUSE_US = 400 * 1000 /* so that some changes stand alone */
};

/* Of file0, file1, …: on both sides of 64 KiB, from where on a file is in no run of small ones. */
extern const size_t sizes[FILES];

/* The process of one trick.  It works in its own folder. */
struct writer {
	uint64_t random;
	unsigned entries; /* that the large directory begins with */
	unsigned count;
	char *maps[FILES];
};

/* End the process, with errno's text, unless ${done}. */
void must(bool done, const char *what);

uint64_t next(struct writer *w);
unsigned below(struct writer *w, size_t limit);
/* A file's number: 0 every other time, the last ones hardly ever, so that there are all ages. */
unsigned pick(struct writer *w);
void nap(struct writer *w, unsigned limit_us);

/* ${prefix}${number}, in ${name}. */
const char *name_of(char name[NAME_SIZE], const char *prefix, unsigned number);
int open_file(const char *name, int flags);
/* Random bytes: at most 512 KiB. */
void fill(struct writer *w, int fd, off_t offset, size_t len);
void make_file(struct writer *w, const char *name, size_t size);
void make_files(struct writer *w);
void make_folder(const char *name);
char *map_file(const char *name, size_t size);
/* Make one byte another, somewhere in the open file or in the mapping. */
void change(struct writer *w, int fd, size_t size);
void store(struct writer *w, char *map, size_t size);

/* contents.c */
void mapped_prepare(struct writer *w);
void mapped_step(struct writer *w);
void holes_prepare(struct writer *w);
void holes_step(struct writer *w);
void old_time_step(struct writer *w);
void clock_step(struct writer *w);
void same_size_step(struct writer *w);
void truncate_step(struct writer *w);
void border_step(struct writer *w);
void log_step(struct writer *w);

/* trees.c */
void rename_step(struct writer *w);
void exchange_prepare(struct writer *w);
void exchange_step(struct writer *w);
void links_prepare(struct writer *w);
void links_step(struct writer *w);
void folders_prepare(struct writer *w);
void folders_step(struct writer *w);
void kinds_step(struct writer *w);
void large_prepare(struct writer *w);
void large_step(struct writer *w);
void attributes_step(struct writer *w);

/* databases.c */
void pages_prepare(struct writer *w);
void pages_step(struct writer *w);
void sqlite_prepare(struct writer *w);
void sqlite_step(struct writer *w);

#endif
