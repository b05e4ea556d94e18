/* What a restore is asked for. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "jobs/restore/restore.h"
#include "jobs/restore/restore_as.h"
#include "jobs/restore/state/astute.h"
#include "jobs/restore/state/selection.h"

/* Whoever names the file itself wants it. */
static bool
asks_for_astute(const json_t *only)
{
	const json_t *file;
	size_t i;

	json_array_foreach (json_object_get(only, "files"), i, file) {
		const char *path = json_string_value(file);

		if (strcmp(path, "host" ASTUTE_PATH) == 0 || strcmp(path, "binds" ASTUTE_PATH) == 0)
			return true;
	}
	return false;
}

/* Where a request's field that is true or false goes, or NULL. */
static bool *
truth_of(struct restore_request *r, const char *key)
{
	if (strcmp(key, "host_paths") == 0)
		return &r->host_paths;
	if (strcmp(key, "astute") == 0)
		return &r->astute;
	if (strcmp(key, "tags") == 0)
		return &r->tags;
	if (strcmp(key, "networks") == 0)
		return &r->networks;
	return strcmp(key, "dry_run") == 0 ? &r->dry_run : NULL;
}

/* Where a request's field that is a text goes, or NULL. */
static char **
restore_text_of(struct restore_request *r, const char *key)
{
	if (strcmp(key, "as") == 0)
		return &r->as;
	return strcmp(key, "confirm") == 0 ? &r->confirm : NULL;
}

int
restore_parse(const json_t *request, struct restore_request *r, struct err *e)
{
	json_t *fields = (json_t *)(uintptr_t)request; /* jansson's iterator takes no const */
	const char *key;
	json_t *value;

	if (request != NULL && !json_is_object(request))
		return err_set(e, ERR_INVALID, "the request is an object, or empty");
	json_object_foreach (fields, key, value) {
		bool *field = truth_of(r, key);
		char **text = restore_text_of(r, key);

		if (strcmp(key, "only") == 0) {
			if (selection_check(value, e) != 0)
				return -1;
			r->only = json_incref(value);
			continue;
		}
		if (strcmp(key, "entries_from") == 0) {
			r->entries_from = json_integer_value(value);
			if (!json_is_integer(value) || r->entries_from < 0)
				return err_set(
					e, ERR_INVALID, "\"entries_from\" is a number from 0");
			continue;
		}
		if (text != NULL) {
			if (!json_is_string(value))
				return err_set(e, ERR_INVALID, "\"%s\" is a text", key);
			*text = mem_string(json_string_value(value));
			continue;
		}
		if (field == NULL)
			return err_set(e, ERR_INVALID,
				"unknown field \"%.64s\"; known are: host_paths, astute, tags, "
				"networks, dry_run, entries_from, only, as, confirm",
				key);
		if (!json_is_boolean(value))
			return err_set(e, ERR_INVALID, "\"%s\" is true or false", key);
		*field = json_is_true(value);
	}
	r->astute = r->astute || asks_for_astute(r->only);
	if (r->entries_from > 0 && !r->dry_run)
		return err_set(e, ERR_INVALID, "\"entries_from\" is for a dry run");
	return r->as == NULL ? 0 : restore_as_check(r->only, r->as, e);
}

int
restore_confirmed(const struct restore_request *r, const char *backup, struct err *e)
{
	if (r->confirm != NULL && strcmp(r->confirm, backup) != 0)
		return err_set(e, ERR_INVALID,
			"\"confirm\" is \"%.64s\", but the backup to restore is %s: nothing was "
			"done",
			r->confirm, backup);
	if (r->confirm != NULL || r->dry_run || r->only != NULL)
		return 0;
	return err_set(e, ERR_INVALID,
		"this overwrites what is on the host with backup %s: ask for it with {\"confirm\": "
		"\"%s\"}, see first what would change with {\"dry_run\": true}, or name the parts "
		"that are wanted in \"only\"",
		backup, backup);
}

void
restore_request_free(void *arg)
{
	struct restore_request *request = arg;

	free(request->backup);
	json_decref(request->only);
	free(request->as);
	free(request->confirm);
	free(request);
}
