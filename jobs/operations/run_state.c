#include "jobs/operations/run_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/scope.h"

int
run_state_write(int run_fd, const char *name, const json_t *content, struct err *e)
{
	SCOPED(free_at) char *text = json_dumps(content, JSON_COMPACT);
	SCOPED(free_at) char *temporary = mem_format("%s.new", name);
	SCOPED(fd_close_at)
	int fd = openat(run_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	SCOPED(fd_close_at) int folder = openat(run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const size_t len = text == NULL ? 0 : strlen(text);

	if (text == NULL)
		return err_set(e, ERR_INTERNAL, "run/%s cannot be encoded", name);
	if (fd < 0 || folder < 0 || write(fd, text, len) != (ssize_t)len || fsync(fd) != 0 ||
		renameat(run_fd, temporary, run_fd, name) != 0 || fsync(folder) != 0)
		return err_errno(e, "run/%s of the store cannot be written", name);
	return 0;
}

json_t *
run_state_read(int run_fd, const char *name)
{
	SCOPED(fd_close_at) int fd = openat(run_fd, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
}

int
run_state_load(int run_fd, const char *name, json_t **ret_note, struct err *e)
{
	SCOPED(fd_close_at) int fd = openat(run_fd, name, O_RDONLY | O_CLOEXEC);
	json_error_t at;

	*ret_note = NULL;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, "run/%s of the store", name);
	*ret_note = json_loadfd(fd, 0, &at);
	if (json_is_object(*ret_note))
		return 0;
	json_decref(*ret_note);
	*ret_note = NULL;
	return err_set(e, ERR_CORRUPT, "run/%s of the store is damaged (line %d: %s)", name,
		at.line, at.text);
}

int
run_state_remove(int run_fd, const char *name, struct err *e)
{
	if (unlinkat(run_fd, name, 0) != 0 && errno != ENOENT)
		return err_errno(e, "run/%s of the store cannot be removed", name);
	return 0;
}

static bool
is_note(const char *name)
{
	const size_t len = strlen(name);

	return len > 5 && strcmp(name + len - 5, ".json") == 0;
}

/* A file's times are those of the kernel's last tick, which may be some milliseconds ago. */
static const int64_t TICK_NS = 50 * 1000000;

static bool
is_older(int run_fd, const char *name, int64_t before_ns)
{
	struct stat st;

	return fstatat(run_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec < before_ns - TICK_NS;
}

void
run_state_sweep(int run_fd, int64_t before_ns)
{
	const int fd = openat(run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SCOPED(dir_close_at) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' && !is_note(entry->d_name) &&
			strncmp(entry->d_name, RUN_STATE_LEFT, strlen(RUN_STATE_LEFT)) != 0 &&
			is_older(run_fd, entry->d_name, before_ns))
			(void)unlinkat(run_fd, entry->d_name, 0);
	}
}
