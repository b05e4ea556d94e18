#include "jobs/copies/destinations.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/scope.h"
#include "jobs/copies/destination.h"
#include "jobs/operations/run_state.h"

static const char folder_name[] = "destinations";
static const char suffix[] = ".json";

/* The folder, made if need be. */
static int
folder_open(struct store *s, struct err *e)
{
	int fd;

	if (mkdirat(store_fd(s), folder_name, 0700) != 0 && errno != EEXIST)
		return err_errno(e, "the store's folder %s cannot be made", folder_name);
	fd = openat(store_fd(s), folder_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 ? fd : err_errno(e, "the store's folder %s", folder_name);
}

static int
no_such(const char *name, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND,
		"there is no destination %.32s: GET /destinations lists them, PUT makes one", name);
}

static int
check_name(const char *name, struct err *e)
{
	return destination_name_valid(name) ? 0
					    : err_set(e, ERR_INVALID,
						      "a destination's name is 1 to %d of a-z, 0-9 "
						      "and '-', and begins with none",
						      (int)DESTINATION_NAME_MAX);
}

static int
load(int folder, const char *name, json_t **ret_document, struct err *e)
{
	SCOPED(free_at) char *file = mem_format("%s%s", name, suffix);

	if (run_state_load(folder, file, ret_document, e) != 0)
		return err_prefix(e, "%s", folder_name);
	return *ret_document != NULL ? 0 : no_such(name, e);
}

/* By name; a name is in ${array} as a text first. */
static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char *all[DESTINATIONS_MAX];
	size_t count;
};

static void
names_free(struct names *n)
{
	while (n->count > 0)
		free(n->all[--n->count]);
}

static int
names_read(int folder, struct names *n, struct err *e)
{
	const int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SCOPED(dir_close_at) DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL)
		return err_errno(e, "the store's folder %s", folder_name);
	for (const struct dirent *i; (i = readdir(dir)) != NULL && n->count < DESTINATIONS_MAX;) {
		const size_t len = strlen(i->d_name), end = strlen(suffix);
		SCOPED(free_at) char *name = NULL;

		if (len <= end || strcmp(i->d_name + len - end, suffix) != 0)
			continue;
		name = mem_copy(i->d_name, len - end);
		if (destination_name_valid(name))
			n->all[n->count++] = TAKE(name);
	}
	qsort(n->all, n->count, sizeof(n->all[0]), by_text);
	return 0;
}

int
destinations_list(struct store *s, json_t **ret_array, struct err *e)
{
	SCOPED(fd_close_at) int folder = folder_open(s, e);
	SCOPED(json_decref_at) json_t *array = json_array();
	SCOPED(names_free) struct names names = {.count = 0};

	if (folder < 0 || names_read(folder, &names, e) != 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		json_t *document;

		if (load(folder, names.all[i], &document, e) == 0)
			(void)json_array_append_new(array, document);
		else if (e->code != ERR_NOT_FOUND) /* deleted meanwhile */
			return -1;
	}
	*ret_array = TAKE(array);
	return 0;
}

int
destinations_get(struct store *s, const char *name, json_t **ret_document, struct err *e)
{
	SCOPED(fd_close_at) int folder = -1;

	if (!destination_name_valid(name))
		return no_such(name, e);
	folder = folder_open(s, e);
	return folder < 0 ? -1 : load(folder, name, ret_document, e);
}

json_t *
destinations_settings(const json_t *document)
{
	json_t *settings = json_copy((json_t *)(uintptr_t)document);

	(void)json_object_del(settings, "name");
	(void)json_object_del(settings, "probe");
	return settings;
}

int
destinations_put(struct store *s, const char *name, const json_t *settings, const json_t *probe,
	struct err *e)
{
	SCOPED(fd_close_at) int folder = -1;
	SCOPED(free_at) char *file = mem_format("%s%s", name, suffix);
	SCOPED(json_decref_at) json_t *document = json_copy((json_t *)(uintptr_t)settings);
	SCOPED(names_free) struct names names = {.count = 0};

	if (check_name(name, e) != 0)
		return -1;
	folder = folder_open(s, e);
	if (folder < 0 || names_read(folder, &names, e) != 0)
		return -1;
	if (names.count == DESTINATIONS_MAX && faccessat(folder, file, F_OK, 0) != 0)
		return err_set(e, ERR_CONFLICT, "there are %d destinations: delete one first",
			(int)DESTINATIONS_MAX);
	(void)json_object_set_new(document, "name", json_string(name));
	(void)json_object_set_new(
		document, "probe", probe == NULL ? json_null() : json_deep_copy(probe));
	return run_state_write(folder, file, document, e);
}

int
destinations_delete(struct store *s, const char *name, struct err *e)
{
	SCOPED(fd_close_at) int folder = -1;
	SCOPED(free_at) char *file = mem_format("%s%s", name, suffix);

	if (!destination_name_valid(name))
		return no_such(name, e);
	folder = folder_open(s, e);
	if (folder < 0)
		return -1;
	if (unlinkat(folder, file, 0) == 0)
		return 0;
	return errno == ENOENT ? no_such(name, e) : err_errno(e, "destination %s", name);
}
