/*
 * writers FOLDER SEED ENTRIES: one process per trick by which files change unnoticed, each in a
 * folder of its own below FOLDER, until killed.  For tests/engine/writers_test.py.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { SMALL = 20000, LARGE = 700000, HUGE = 3 << 20, PAGE = 16384, ENTRIES_MIN = 100 };

static uint64_t seed;
static long entries;

static uint64_t
chance(uint64_t limit)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 33) % limit;
}

static void
rest(void)
{
	const struct timespec t = {0, (long)(500000 + chance(20000000))};

	(void)nanosleep(&t, NULL);
}

/* Every call may fail for a moment, such as on a full disk: the next turn tries again. */
#define TRY(call) (void)!(call)

static void
fill(char *data, size_t len)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		const uint64_t word = chance(UINT64_C(1) << 30);

		memcpy(data + i, &word, 8);
	}
}

static void
write_file(const char *path, size_t len, int flags)
{
	static char data[HUGE];
	const int fd = open(path, O_WRONLY | O_CREAT | flags, 0640);

	fill(data, len);
	TRY(write(fd, data, len));
	TRY(close(fd));
}

static void
set_mtime(const char *path, time_t seconds, long ns)
{
	const struct timespec times[2] = {{seconds, ns}, {seconds, ns}};

	TRY(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}

/* The same two pages are dirtied through mappings that stay, before and after anybody reads them:
 * only the first store after a page was written out moves the file's times. */
static void
mapped(void)
{
	static char *maps[2];
	static const size_t sizes[2] = {SMALL, LARGE};
	static const char *const names[2] = {"small", "large"};

	for (int i = 0; i < 2; i++) {
		if (maps[i] == NULL) {
			const int fd = open(names[i], O_RDWR | O_CREAT, 0600);

			TRY(ftruncate(fd, (off_t)sizes[i]));
			maps[i] = mmap(NULL, sizes[i], PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			fill(maps[i], sizes[i]);
		}
		maps[i][sizes[i] / 2]++;
	}
}

static void
old_mtime(void)
{
	write_file("small", SMALL, 0);
	set_mtime("small", 1000000000, 5);
	write_file("large", LARGE, 0);
	set_mtime("large", 1000000000, 5);
}

static void
rename_over(void)
{
	write_file("new", chance(2) == 0 ? SMALL : LARGE, O_TRUNC);
	TRY(rename("new", "target"));
}

static void
same_size(void)
{
	char byte = (char)chance(256);
	const int fd = open("large", O_WRONLY | O_CREAT, 0600);

	write_file("small", SMALL, 0);
	TRY(ftruncate(fd, LARGE));
	TRY(pwrite(fd, &byte, 1, (off_t)chance(LARGE)));
	TRY(close(fd));
}

static void
hard_links(void)
{
	char name[16];

	write_file("base", 100 + chance(2) * LARGE, O_TRUNC);
	(void)snprintf(name, sizeof(name), "%c", (char)('a' + chance(26))); /* before and after */
	TRY(unlink(name));
	TRY(link("base", name));
	if (chance(5) == 0)
		TRY(unlink("base"));
}

static void
cut_and_extended(void)
{
	const int fd = open("file", O_RDWR | O_CREAT, 0600);
	const off_t size = (off_t)chance(2 * LARGE);
	char text[] = "written at the end";

	TRY(ftruncate(fd, (off_t)chance(SMALL)));
	TRY(ftruncate(fd, size));
	TRY(pwrite(fd, text, sizeof(text), size));
	TRY(close(fd));
}

static void
folder_renamed(void)
{
	static int turn;
	char from[16], to[16];

	(void)snprintf(from, sizeof(from), "d%d", turn % 3);
	(void)snprintf(to, sizeof(to), "d%d", ++turn % 3);
	TRY(mkdir("d0", 0755));
	write_file("d0/one", SMALL, 0);
	TRY(rename(from, to));
}

static void
file_or_folder(void)
{
	if (chance(2) == 0) {
		TRY(unlink("it/inner"));
		TRY(rmdir("it"));
		write_file("it", SMALL, O_TRUNC);
	} else {
		TRY(unlink("it"));
		TRY(mkdir("it", 0700));
		write_file("it/inner", SMALL, O_TRUNC);
	}
}

static void
many_entries(void)
{
	char name[32];
	static long made;

	for (; made < entries; made++) {
		(void)snprintf(name, sizeof(name), "e%ld", made);
		TRY(close(open(name, O_WRONLY | O_CREAT, 0600)));
	}
	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "e%ld", (long)chance((uint64_t)entries * 2));
		if (chance(2) == 0)
			TRY(unlink(name));
		else
			write_file(name, chance(500), O_TRUNC);
	}
}

static void
clock_set_back(void)
{
	write_file("past", SMALL, 0);
	set_mtime("past", (time_t)chance(1000000000), (long)chance(1000000000));
	write_file("future", SMALL, 0);
	set_mtime("future", 2000000000 + (time_t)chance(100000000), 999999999);
	set_mtime(".", 1500000000 + (time_t)chance(10), 1);
}

static void
pages(void)
{
	char page[PAGE];
	const int fd = open("rows.db", O_WRONLY | O_CREAT, 0600);

	TRY(ftruncate(fd, HUGE));
	for (uint64_t n = chance(5); n > 0; n--) {
		fill(page, sizeof(page));
		TRY(pwrite(fd, page, sizeof(page), (off_t)(chance(HUGE / PAGE) * PAGE)));
	}
	TRY(close(fd));
}

static void
log_lines(void)
{
	struct stat st;

	write_file("log", 200 + chance(30000), O_APPEND);
	if (stat("log", &st) == 0 && st.st_size > HUGE)
		TRY(rename("log", "log.1"));
}

static void
attributes(void)
{
	const uint64_t value = chance(1000);

	write_file("file", 10, 0);
	TRY(chmod("file", (mode_t)(0400 + chance(0377))));
	TRY(chown("file", (uid_t)chance(70000), (gid_t)chance(70000)));
	TRY(setxattr("file", "user.turn", &value, sizeof(value), 0));
	TRY(unlink("link"));
	TRY(symlink(chance(2) == 0 ? "file" : "nowhere", "link"));
}

static void
shifted(void)
{
	write_file("new", HUGE - chance(100000), O_TRUNC);
	if (chance(3) != 0) /* most of the time the old content stays, and a little changes */
		TRY(unlink("new"));
	else
		TRY(rename("new", "file"));
	const int fd = open("file", O_RDWR | O_CREAT, 0600);
	char byte = (char)chance(256);
	TRY(pwrite(fd, &byte, 1, (off_t)chance(HUGE)));
	TRY(close(fd));
}

static const struct {
	const char *name;
	void (*turn)(void);
} tricks[] = {
	{"mapped", mapped},
	{"old-mtime", old_mtime},
	{"rename-over", rename_over},
	{"same-size", same_size},
	{"hard-links", hard_links},
	{"cut", cut_and_extended},
	{"folder-renamed", folder_renamed},
	{"file-or-folder", file_or_folder},
	{"many", many_entries},
	{"clock", clock_set_back},
	{"pages", pages},
	{"log", log_lines},
	{"attributes", attributes},
	{"shifted", shifted},
};

static void
run(const char *folder, size_t i)
{
	if (chdir(folder) != 0 || (mkdir(tricks[i].name, 0755), chdir(tricks[i].name)) != 0)
		exit(1);
	seed += i * 7919;
	for (;;) {
		tricks[i].turn();
		rest();
	}
}

int
main(int argc, char **argv)
{
	const size_t count = sizeof(tricks) / sizeof(tricks[0]);

	if (argc != 4)
		return 2;
	seed = strtoull(argv[2], NULL, 10);
	entries = strtol(argv[3], NULL, 10);
	entries = entries < ENTRIES_MIN ? ENTRIES_MIN : entries;
	(void)umask(0);
	for (size_t i = 0; i < count; i++)
		if (fork() == 0)
			run(argv[1], i);
	while (wait(NULL) > 0)
		;
	return 0;
}
