#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const size_t sizes[FILES] = {4096, 70000, 511, 65536, 60000, 131073, 1, 200000, 65535, 65537, 30000,
	300000, 8192, 98304, 512, 66000};

void
must(bool done, const char *what)
{
	if (done)
		return;
	perror(what);
	_exit(1);
}

/* SplitMix64: Steele, Lea, Flood 2014, DOI 10.1145/2660193.2660195. */
uint64_t
next(struct writer *w)
{
	uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

unsigned
below(struct writer *w, size_t limit)
{
	return (unsigned)(next(w) % limit);
}

unsigned
pick(struct writer *w)
{
	return (unsigned)__builtin_ctzll(next(w) | UINT64_C(1) << (FILES - 1));
}

void
nap(struct writer *w, unsigned limit_us)
{
	(void)usleep(below(w, limit_us));
}

const char *
name_of(char name[NAME_SIZE], const char *prefix, unsigned number)
{
	(void)snprintf(name, NAME_SIZE, "%s%u", prefix, number);
	return name;
}

int
open_file(const char *name, int flags)
{
	const int fd = open(name, flags | O_RDWR | O_CLOEXEC, 0640);

	must(fd >= 0, name);
	return fd;
}

void
fill(struct writer *w, int fd, off_t offset, size_t len)
{
	static uint64_t bytes[(512 * 1024) / sizeof(uint64_t)];

	for (size_t i = 0; i * sizeof(uint64_t) < len; i++)
		bytes[i] = next(w);
	must(pwrite(fd, bytes, len, offset) == (ssize_t)len, "pwrite");
}

void
make_file(struct writer *w, const char *name, size_t size)
{
	const int fd = open_file(name, O_CREAT | O_TRUNC);

	fill(w, fd, 0, size);
	(void)close(fd);
}

void
make_files(struct writer *w)
{
	char name[NAME_SIZE];

	for (unsigned i = 0; i < FILES; i++)
		make_file(w, name_of(name, "file", i), sizes[i]);
}

void
change(struct writer *w, int fd, size_t size)
{
	const off_t offset = below(w, size);
	char byte = 0;

	must(pread(fd, &byte, 1, offset) == 1, "pread");
	byte = (char)(byte ^ (char)(1 + below(w, 127)));
	must(pwrite(fd, &byte, 1, offset) == 1, "pwrite");
}

char *
map_file(const char *name, size_t size)
{
	const int fd = open_file(name, 0);
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	must(map != MAP_FAILED, "mmap");
	(void)close(fd);
	return map;
}

void
store(struct writer *w, char *map, size_t size)
{
	volatile char *byte = map + below(w, size);

	*byte = (char)(*byte ^ (char)(1 + below(w, 127)));
}

void
make_folder(const char *name)
{
	must(mkdir(name, 0751) == 0 || errno == EEXIST, name);
}
