/* Goal: whatever a manifest says of where its sources were, a restore is planned to a path below
 * the host's root, without a link, and relinks only where a link or nothing is; or it is refused.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/tar/names.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/data/restore_data_internal.h"
#include "tests/fuzz/fuzz.h"

static char top[] = "/tmp/fb-place-fuzz-XXXXXX";

static void
clean(void)
{
	static const char *const names[] = {
		"a/b/file", "a/live", "a/b", "a", "etc/shadow", "etc", "way", NULL};

	for (const char *const *name = names; *name != NULL; name++) {
		SCOPED(free_at) char *path = mem_format("%s/%s", top, *name);

		if (unlink(path) != 0)
			(void)rmdir(path);
	}
	(void)rmdir(top);
}

/* A host in small: /a/b/file, /a/live -> b, /way -> a, /etc/shadow. */
static int
host(void)
{
	static int fd = -1;

	if (fd >= 0)
		return fd;
	CLAIM(mkdtemp(top) != NULL);
	(void)atexit(clean);
	fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLAIM(mkdirat(fd, "a", 0755) == 0 && mkdirat(fd, "a/b", 0755) == 0 &&
		mkdirat(fd, "etc", 0755) == 0 && symlinkat("b", fd, "a/live") == 0 &&
		symlinkat("a", fd, "way") == 0);
	SCOPED(fd_close_at) int file = openat(fd, "a/b/file", O_CREAT | O_CLOEXEC, 0600);
	SCOPED(fd_close_at) int shadow = openat(fd, "etc/shadow", O_CREAT | O_CLOEXEC, 0600);
	return fd;
}

static void
check_links(const json_t *relink, const char *source)
{
	const json_t *link;
	size_t i;

	json_array_foreach (relink, i, link) {
		const char *path = json_text(link, "path", NULL);
		SCOPED(free_at) char *to = NULL;
		struct err e;

		CLAIM(path[0] == '/' && names_safe_path(path + 1));
		CLAIM(json_text(link, "to", NULL)[0] != '\0');
		CLAIM(strcmp(strrchr(path, '/'), strrchr(source, '/')) == 0);
		CLAIM(hostpath_readlink(host(), path, &to, &e) >= 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(json_decref_at) json_t *source = json_loadb((const char *)data, size, 0, NULL);
	SCOPED(json_decref_at) json_t *relink = json_array();
	SCOPED(hostpath_free) struct hostpath now = {.fd = -1};
	SCOPED(hostpath_free) struct hostpath there = {.fd = -1};
	SCOPED(free_at) char *real = NULL;
	const char *path = json_text(source, "path", NULL);
	struct err e = {0};

	if (path[0] != '/' || !names_safe_path(path + 1) ||
		hostpath_find(host(), path, &now, &e) != 0)
		return 0;
	CLAIM(now.real[0] == '/' && (now.real[1] == '\0' || names_safe_path(now.real + 1)));
	if (restore_data_decide(
		    host(), path, &now, json_object_get(source, "place"), relink, &real, &e) != 0) {
		CLAIM(e.text[0] != '\0');
		return 0;
	}
	CLAIM(real[0] == '/' && (real[1] == '\0' || names_safe_path(real + 1)));
	check_links(relink, path);
	(void)hostpath_find(host(), real, &there, &e);
	return 0;
}
