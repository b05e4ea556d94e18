#include "jobs/sources/compose_found.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/tar/names.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/hostpath/hostpath.h"

struct compose_found_finding {
	int root_fd;
	const char *folder;
	char *real;   /* of the folder */
	json_t *seen; /* {path: true}, of those that were taken */
	compose_take *take;
	void *ctx;
};

static bool
ends(const char *text, const char *with)
{
	const size_t len = strlen(text), end = strlen(with);

	return len >= end && strcmp(text + len - end, with) == 0;
}

static bool
is_yaml(const char *path)
{
	return ends(path, ".yaml") || ends(path, ".yml");
}

/* A name by which compose itself, or its users, find a file. */
static bool
is_usual(const char *name)
{
	static const char *const names[] = {".env", ".env.*", "*.env", "compose*.yaml",
		"compose*.yml", "docker-compose*.yaml", "docker-compose*.yml"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (fnmatch(names[i], name, 0) == 0)
			return true;
	return false;
}

static int consider(struct compose_found_finding *f, const char *path, struct err *e);

/* The file ${fd}, opened for its path alone, as a text; NULL. */
static char *
compose_found_text_of(int fd)
{
	char *text = mem_new(COMPOSE_FOUND_BYTES + 1);
	char path[64];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	SCOPED(fd_close_at) int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	len = file < 0 ? -1 : read(file, text, COMPOSE_FOUND_BYTES);
	text[len < 0 ? 0 : len] = '\0';
	return text;
}

/* What the file ${path} may mean by ${word}. */
static int
consider_word(struct compose_found_finding *f, const char *path, const char *word, struct err *e)
{
	const char *slash = strrchr(path, '/');

	while (strncmp(word, "./", 2) == 0)
		word += 2;
	if (!is_yaml(word) && !ends(word, ".env"))
		return 0;
	if (word[0] == '/')
		return consider(f, word, e);
	SCOPED(free_at) char *beside = mem_format("%.*s/%s", (int)(slash - path), path, word);
	SCOPED(free_at) char *below = mem_format("%s/%s", f->folder, word);

	return consider(f, beside, e) != 0 ? -1 : consider(f, below, e);
}

static int
consider_mentioned(struct compose_found_finding *f, const char *path, int fd, struct err *e)
{
	static const char between[] = " \t\r\n\"'[]{},:=";
	SCOPED(free_at) char *text = compose_found_text_of(fd);
	char *rest = NULL;

	for (char *word = strtok_r(text, between, &rest); word != NULL;
		word = strtok_r(NULL, between, &rest))
		if (consider_word(f, path, word, e) != 0)
			return -1;
	return 0;
}

/* Take ${path}, if it is a file of the project that was not met before. */
static int
consider(struct compose_found_finding *f, const char *path, struct err *e)
{
	SCOPED(hostpath_free) struct hostpath p = {.fd = -1};
	struct err ignored;

	if (!compose_is_below(f->folder, path) || json_object_get(f->seen, path) != NULL ||
		json_object_size(f->seen) >= COMPOSE_FOUND_MAX)
		return 0;
	if (hostpath_find(f->root_fd, path, &p, &ignored) != 0 || p.type != HOSTPATH_FILE ||
		p.stat.stx_size > COMPOSE_FOUND_BYTES)
		return 0;
	/* Without links: the same below the folder, wherever that is. */
	if (strncmp(p.real, f->real, strlen(f->real)) != 0 ||
		strcmp(p.real + strlen(f->real), path + strlen(f->folder)) != 0)
		return 0;
	(void)json_object_setn_new_nocheck(f->seen, path, strlen(path), json_true());
	if (f->take(f->ctx, path, e) != 0)
		return -1;
	return is_yaml(path) ? consider_mentioned(f, path, p.fd, e) : 0;
}

static int
compose_found_find(struct compose_found_finding *f, int folder_fd, struct err *e)
{
	SCOPED(fd_close_at)
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
	struct names names = {.count = 0};
	struct err ignored;
	int status = 0;

	if (fd < 0 || names_read(fd, false, &names, &ignored) != 0)
		return 0;
	for (size_t i = 0; i < names.count && status == 0; i++) {
		SCOPED(free_at) char *path = mem_format("%s/%s", f->folder, names.list[i].text);

		status = is_usual(names.list[i].text) ? consider(f, path, e) : 0;
	}
	names_free(&names);
	return status;
}

int
compose_found(int root_fd, const char *folder, compose_take *take, void *ctx, struct err *e)
{
	SCOPED(hostpath_free) struct hostpath p = {.fd = -1};
	SCOPED(json_decref_at) json_t *seen = json_object();
	struct compose_found_finding f = {
		.root_fd = root_fd, .folder = folder, .seen = seen, .take = take, .ctx = ctx};
	struct err ignored;

	if (hostpath_find(root_fd, folder, &p, &ignored) != 0 || p.type != HOSTPATH_FOLDER)
		return 0;
	f.real = p.real;
	return compose_found_find(&f, p.fd, e);
}

static int
compose_found_add_file(void *ctx, const char *path, struct err *e)
{
	return inventory_add_compose(ctx, path, e);
}

int
compose_add_found(struct inventory *v, int root_fd, size_t *ret_added, struct err *e)
{
	const size_t before = v->count;
	const json_t *unused;
	const char *folder;

	json_object_foreach (v->projects, folder, unused) {
		if (compose_found(root_fd, folder, compose_found_add_file, v, e) != 0)
			return -1;
	}
	*ret_added = v->count - before;
	if (*ret_added > 0)
		inventory_sort(v);
	return 0;
}
