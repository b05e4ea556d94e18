/* pages FILE RATE: write RATE pages of 16 KiB a second at random places of FILE, until it is
 * killed: a busy database. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 16384, TURNS = 50 };

int
main(int argc, char **argv)
{
	static unsigned char page[PAGE];
	const int fd = argc == 3 ? open(argv[1], O_WRONLY | O_CLOEXEC) : -1;
	const off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	const int rate = argc == 3 ? atoi(argv[2]) : 0;
	uint64_t x = 88172645463325252u;

	if (size < PAGE)
		return 1;
	for (;;) {
		for (int i = 0; i < rate / TURNS; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			memcpy(page + x % (PAGE - 8), &x, 8);
			if (pwrite(fd, page, PAGE, (off_t)(x % (uint64_t)(size / PAGE)) * PAGE) !=
				PAGE)
				return 1;
		}
		nanosleep(&(struct timespec){0, 1000000000 / TURNS}, NULL);
	}
}
