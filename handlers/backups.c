#include "store/backups.h"

#include "base/mem.h"
#include "base/scope.h"
#include "handlers/app.h"
#include "handlers/start.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

int
backups_list_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	json_t *list, *next;
	const char *after;
	int64_t limit;
	bool more;

	if (request_integer(r, "limit", 1, LIST_MAX, LIST_DEFAULT, &limit, e) != 0 ||
		request_after(r, &after, e) != 0 ||
		backups_list(app->store, (int)limit, after, &list, &more, e) != 0)
		return -1;
	next = more ? json_incref(json_object_get(
			      json_array_get(list, json_array_size(list) - 1), "id"))
		    : json_null();
	reply_json(reply, 200, json_pack("{s:o, s:o}", "backups", list, "next", next));
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
	reply_json(reply, 200, record);
	return 0;
}

int
backup_delete(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;

	if (start_no_body(r, e) != 0 || backups_delete(app->store, r->id, e) != 0)
		return -1;
	reply_empty(reply, 204);
	return 0;
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
start_verify(struct app *app, const struct request *r, char id[ID_SIZE], struct err *e)
{
	return jobs_verify(app->jobs, r->id, id, e);
}

int
verify_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	return start_no_body(r, e) != 0 ? -1 : start_operation(ctx, r, start_verify, reply, e);
}
