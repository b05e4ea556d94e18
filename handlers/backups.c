#include "store/catalogue/backups.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "handlers/app.h"
#include "handlers/pages.h"
#include "handlers/start.h"

enum { NAME_MAX_BYTES = 200 };

int
backups_list_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	struct page page;
	json_t *list, *record;
	bool more;
	size_t i;

	if (page_asked(r, &page, e) != 0 ||
		backups_list(app->store, page.limit, page.after, &list, &more, e) != 0)
		return -1;
	json_array_foreach (list, i, record) {
		jobs_tell_copies(app->jobs, record);
	}
	page_answer(reply, "backups", list, more);
	return 0;
}

static int
start_backup(struct app *app, const struct request *r, char id[ID_SIZE], struct err *e)
{
	return jobs_backup(app->jobs, r->json, id, e);
}

int
backups_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	return start_operation(ctx, r, start_backup, reply, e);
}

int
backup_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	json_t *record;

	if (backups_get(app->store, r->id, &record, e) != 0)
		return -1;
	jobs_tell_copies(app->jobs, record);
	reply_json(reply, 200, record);
	return 0;
}

int
backup_delete(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;

	if (start_no_body(r, e) != 0 || jobs_delete(app->jobs, r->id, e) != 0)
		return -1;
	reply_empty(reply, 204);
	return 0;
}

/* {"locked": bool, "name": text or null}, of which at least one. */
static int
parse_change(const json_t *request, struct backups_change *ret_change, struct err *e)
{
	json_t *fields = (json_t *)(uintptr_t)request; /* jansson's iterator takes no const */
	const char *key;
	json_t *value;

	*ret_change = (struct backups_change){.locked = -1};
	json_object_foreach (fields, key, value) {
		const size_t len = json_string_length(value);

		if (strcmp(key, "locked") == 0) {
			if (!json_is_boolean(value))
				return err_set(e, ERR_INVALID, "\"locked\" is true or false");
			ret_change->locked = json_is_true(value);
		} else if (strcmp(key, "name") == 0) {
			if (!json_is_null(value) &&
				(len == 0 || len > NAME_MAX_BYTES ||
					strlen(json_string_value(value)) != len))
				return err_set(e, ERR_INVALID,
					"\"name\" is a text of 1 to %d bytes, or null",
					NAME_MAX_BYTES);
			ret_change->named = true;
			ret_change->name = json_string_value(value);
		} else {
			return err_set(e, ERR_INVALID,
				"unknown field \"%.64s\"; known are: locked, name", key);
		}
	}
	if (ret_change->locked >= 0 || ret_change->named)
		return 0;
	return err_set(e, ERR_INVALID, "the body says what to change: {\"locked\": true}");
}

int
backup_patch(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	struct backups_change change;
	json_t *record;

	if (backups_get(app->store, r->id, &record, e) != 0)
		return -1;
	json_decref(record);
	if (parse_change(r->json, &change, e) != 0 ||
		backups_change(app->store, r->id, &change, e) != 0)
		return -1;
	return backup_get(ctx, r, reply, e);
}

int
prune_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	json_t *result;

	if (jobs_prune(app->jobs, r->json, &result, e) != 0)
		return -1;
	reply_json(reply, 200, result);
	return 0;
}

static int
start_sweep(struct app *app, const struct request *r, char id[ID_SIZE], struct err *e)
{
	(void)r;
	return jobs_sweep(app->jobs, id, e);
}

int
sweep_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	return start_no_body(r, e) != 0 ? -1 : start_operation(ctx, r, start_sweep, reply, e);
}

static int
start_scrub(struct app *app, const struct request *r, char id[ID_SIZE], struct err *e)
{
	(void)r;
	return jobs_scrub(app->jobs, 0, id, e);
}

int
scrub_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	return start_no_body(r, e) != 0 ? -1 : start_operation(ctx, r, start_scrub, reply, e);
}

static int
start_restore(struct app *app, const struct request *r, char id[ID_SIZE], struct err *e)
{
	return jobs_restore(app->jobs, r->id, r->json, id, e);
}

int
restore_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	return start_operation(ctx, r, start_restore, reply, e);
}

static int
start_rehearse(struct app *app, const struct request *r, char id[ID_SIZE], struct err *e)
{
	return jobs_rehearse(app->jobs, r->id, r->json, id, e);
}

int
rehearse_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	return start_operation(ctx, r, start_rehearse, reply, e);
}

static int
start_verify(struct app *app, const struct request *r, char id[ID_SIZE], struct err *e)
{
	return jobs_verify(app->jobs, r->id, id, e);
}

int
verify_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	return start_no_body(r, e) != 0 ? -1 : start_operation(ctx, r, start_verify, reply, e);
}
