/* Goal: a fuzz target takes every file of its corpus, with any compiler: replay FOLDER. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/scope.h"
#include "tests/fuzz/fuzz.h"

static int
take_file(int dir, const char *name)
{
	SCOPED(fd_close_at) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	SCOPED(free_at) uint8_t *data = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return -1;
	data = mem_new((size_t)st.st_size + 1);
	if (read(fd, data, (size_t)st.st_size) != st.st_size)
		return -1;
	(void)LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	return 0;
}

int
main(int argc, char **argv)
{
	SCOPED(dir_close_at) DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *entry;
	int taken = 0;

	if (dir == NULL) {
		(void)fprintf(stderr, "replay: name a folder of inputs\n");
		return 2;
	}
	(void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (take_file(dirfd(dir), entry->d_name) != 0) {
			perror(entry->d_name);
			return 1;
		}
		taken++;
	}
	(void)printf("%s: %d inputs\n", argv[1], taken);
	return taken > 0 ? 0 : 1; /* a corpus that is empty shows nothing */
}
