/* Destinations, and copying to them. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/copies/copy.h"
#include "jobs/copies/destinations.h"
#include "jobs/copies/probe.h"
#include "jobs/state.h"
#include "store/catalogue/backups.h"

int
jobs_destinations(struct jobs *j, json_t **ret_array, struct err *e)
{
	return destinations_list(j->store, ret_array, e);
}

int
jobs_destination(struct jobs *j, const char *name, json_t **ret_document, struct err *e)
{
	return destinations_get(j->store, name, ret_document, e);
}

int
jobs_destination_put(struct jobs *j, const char *name, const json_t *settings,
	json_t **ret_document, bool *ret_new, struct err *e)
{
	SCOPED(json_decref_at) json_t *before = NULL;
	SCOPED(json_decref_at) json_t *probe = NULL;

	if (destination_check(settings, e) != 0)
		return -1;
	*ret_new = destinations_get(j->store, name, &before, e) != 0;
	if (*ret_new && e->code != ERR_NOT_FOUND)
		return -1;
	/* Before anybody is asked: a name that cannot be, or one too many. */
	if (destinations_put(j->store, name, settings, NULL, e) != 0)
		return -1;
	probe = probe_run(settings);
	if (destinations_put(j->store, name, settings, probe, e) != 0)
		return -1;
	return destinations_get(j->store, name, ret_document, e);
}

int
jobs_destination_probe(struct jobs *j, const char *name, json_t **ret_probe, struct err *e)
{
	SCOPED(json_decref_at) json_t *document = NULL;
	SCOPED(json_decref_at) json_t *settings = NULL;
	SCOPED(json_decref_at) json_t *probe = NULL;

	if (destinations_get(j->store, name, &document, e) != 0)
		return -1;
	settings = destinations_settings(document);
	probe = probe_run(settings);
	if (destinations_put(j->store, name, settings, probe, e) != 0)
		return -1;
	*ret_probe = TAKE(probe);
	return 0;
}

int
jobs_destination_delete(struct jobs *j, const char *name, struct err *e)
{
	return destinations_delete(j->store, name, e);
}

/* Start it now. */
static int
start(struct jobs *j, const char *backup, const char *destination, char id[ID_SIZE], struct err *e)
{
	struct copy_request *r = mem_new(sizeof(*r));
	char host[HOST_NAME_SIZE];

	*r = (struct copy_request){j->store, j->copies, j->operations, mem_string(backup),
		mem_string(destination), mem_string(host_facts_name(j->facts, host))};
	return operations_start(j->operations,
		&(struct operation_start){.kind = "copy",
			.backup = backup,
			.lane = LANE_COPY,
			.run = copy_run,
			.arg = r,
			.arg_free = copy_request_free},
		id, e);
}

/* {"destination": name} */
static int
copy_parse(const json_t *request, const char **ret_destination, struct err *e)
{
	json_t *fields = (json_t *)(uintptr_t)request; /* jansson's iterator takes no const */
	const char *key;
	json_t *value;

	*ret_destination = json_string_value(json_object_get(request, "destination"));
	json_object_foreach (fields, key, value) {
		if (strcmp(key, "destination") != 0)
			return err_set(e, ERR_INVALID,
				"unknown field \"%.64s\"; known is: destination", key);
	}
	return *ret_destination != NULL
		       ? 0
		       : err_set(e, ERR_INVALID,
				 "the body says where to: {\"destination\": \"NAME\"}");
}

int
jobs_copy(
	struct jobs *j, const char *backup, const json_t *request, char id[ID_SIZE], struct err *e)
{
	const char *destination;
	SCOPED(json_decref_at) json_t *record = NULL;

	if (backups_get(j->store, backup, &record, e) != 0 ||
		copy_parse(request, &destination, e) != 0 ||
		copy_check(j->store, destination, e) != 0)
		return -1;
	if (!backups_readable(json_string_value(json_object_get(record, "state"))))
		return err_set(e, ERR_CONFLICT,
			"backup %s is not complete: there is nothing to copy", backup);
	return start(j, backup, destination, id, e);
}

/* A copier_begin. */
static int
copy_due(void *ctx, const char *backup, const char *destination, struct err *e)
{
	struct jobs *j = ctx;
	SCOPED(json_decref_at) json_t *record = NULL;
	char id[ID_SIZE];

	if (backups_get(j->store, backup, &record, e) != 0 && e->code == ERR_NOT_FOUND) {
		copies_forget(j->copies, backup); /* it was pruned */
		return 0;
	}
	return copy_check(j->store, destination, e) != 0 ? -1
							 : start(j, backup, destination, id, e);
}

int
jobs_copying_begin(struct jobs *j, struct err *e)
{
	if (copies_open(j->store, &j->copies, e) != 0)
		return -1;
	return copier_open(j->copies, copy_due, j, &j->copier, e);
}

void
jobs_copy_after(struct jobs *j, struct operation *o, const json_t *destinations, json_t *result)
{
	char backup[ID_SIZE];
	const json_t *name;
	struct err e;
	size_t i;

	if (json_array_size(destinations) == 0)
		return;
	operation_about(o, backup);
	json_array_foreach (destinations, i, name) {
		/* The backup is complete, whatever becomes of this. */
		if (copies_want(j->copies, backup, json_string_value(name), 0, &e) != 0)
			log_warn("backup %s is not copied to %s: %s", backup,
				json_string_value(name), e.text);
	}
	(void)json_object_set_new(result, "copies", json_deep_copy(destinations));
	copier_wake(j->copier);
}

void
jobs_tell_copies(struct jobs *j, json_t *record)
{
	const char *id = json_string_value(json_object_get(record, "id"));

	(void)json_object_set_new(record, "copies", copies_of(j->copies, id));
}

void
jobs_copies_pruned(struct jobs *j, const json_t *removed)
{
	const json_t *backup;
	size_t i;

	json_array_foreach (removed, i, backup) {
		copies_forget(j->copies, json_string_value(json_object_get(backup, "id")));
	}
}
