/* Changes of what is in a file, that its size or its times do not tell. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "writer.h"

enum { HOLED_SIZE = 2 << 20 };

/* Only the first store to a clean page moves the times; those after it move nothing. */
void
mapped_prepare(struct writer *w)
{
	char name[NAME_SIZE];

	make_files(w);
	for (unsigned i = 0; i < FILES; i++)
		w->maps[i] = map_file(name_of(name, "file", i), sizes[i]);
}

void
mapped_step(struct writer *w)
{
	for (int stores = 0; stores < 4; stores++) {
		const unsigned i = pick(w);

		/* Mostly to one page, as a first store to another would tell of it. */
		store(w, w->maps[i], below(w, 16) == 0 || sizes[i] < PAGE ? sizes[i] : PAGE);
		nap(w, PAUSE_US / 4);
	}
}

void
holes_prepare(struct writer *w)
{
	char name[NAME_SIZE];

	for (unsigned i = 0; i < FILES; i++) {
		const int fd = open_file(name_of(name, "file", i), O_CREAT | O_TRUNC);

		must(ftruncate(fd, HOLED_SIZE) == 0, "ftruncate");
		(void)close(fd);
		w->maps[i] = map_file(name, HOLED_SIZE);
	}
}

void
holes_step(struct writer *w)
{
	const unsigned i = pick(w);
	char name[NAME_SIZE];

	if (below(w, 4) > 0) {
		store(w, w->maps[i], HOLED_SIZE);
		return;
	}
	const int fd = open_file(name_of(name, "file", i), 0);

	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		     (off_t)below(w, HOLED_SIZE / PAGE) * PAGE, 32L * PAGE) == 0,
		"fallocate");
	(void)close(fd);
}

void
old_time_step(struct writer *w)
{
	const unsigned i = pick(w);
	char name[NAME_SIZE];
	struct stat was;
	const int fd = open_file(name_of(name, "file", i), 0);

	must(fstat(fd, &was) == 0, "fstat");
	change(w, fd, sizes[i]);
	nap(w, PAUSE_US / 8);
	must(futimens(fd, (struct timespec[]){was.st_atim, was.st_mtim}) == 0, "futimens");
	(void)close(fd);
}

/* To a past or a future that is far enough to look like a clock that was set. */
void
clock_step(struct writer *w)
{
	static const time_t dates[] = {0, 86400, 1000000000, 2000000000, 4102444800};
	const unsigned i = pick(w);
	const struct timespec when = {
		dates[below(w, sizeof(dates) / sizeof(*dates))], below(w, 1000000000)};
	char name[NAME_SIZE];
	const int fd = open_file(name_of(name, "file", i), 0);

	change(w, fd, sizes[i]);
	must(futimens(fd, (struct timespec[]){when, when}) == 0, "futimens");
	change(w, fd, sizes[i]);
	if (below(w, 2) == 0)
		must(futimens(fd, (struct timespec[]){when, when}) == 0, "futimens");
	(void)close(fd);
}

/* Twice within one tick of the clock, as often as not. */
void
same_size_step(struct writer *w)
{
	const unsigned i = pick(w);
	char name[NAME_SIZE];
	const int fd = open_file(name_of(name, "file", i), 0);

	change(w, fd, sizes[i]);
	if (below(w, 2) == 0)
		nap(w, PAUSE_US / 8);
	change(w, fd, sizes[i]);
	(void)close(fd);
}

void
truncate_step(struct writer *w)
{
	const unsigned i = pick(w);
	char name[NAME_SIZE];
	const int fd = open_file(name_of(name, "file", i), 0);
	const size_t kept = below(w, sizes[i]);

	must(ftruncate(fd, (off_t)kept) == 0, "ftruncate");
	nap(w, PAUSE_US / 4);
	if (below(w, 2) == 0)
		fill(w, fd, (off_t)kept, sizes[i] - kept);
	else
		must(ftruncate(fd, (off_t)sizes[i]) == 0, "ftruncate");
	(void)close(fd);
}

/* Now a small file, now a large one. */
void
border_step(struct writer *w)
{
	char name[NAME_SIZE];
	const int fd = open_file(name_of(name, "file", pick(w)), 0);
	const size_t size = 65536 - 600 + below(w, 1200);

	must(ftruncate(fd, (off_t)size) == 0, "ftruncate");
	change(w, fd, size);
	(void)close(fd);
}

/* file0 begins as a small file and becomes a large one. */
void
log_step(struct writer *w)
{
	char name[NAME_SIZE];
	const int fd = open_file(name_of(name, "file", pick(w)), O_APPEND);

	must(dprintf(fd, "%0*x\n", (int)below(w, 900), below(w, 1000000)) > 0, "dprintf");
	(void)close(fd);
}
