#include "store/backups.h"

#include "base/mem.h"
#include "base/scope.h"
#include "handlers/app.h"
#include "handlers/pages.h"
#include "handlers/start.h"

int
backups_list_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	struct page page;
	json_t *list;
	bool more;

	if (page_asked(r, &page, e) != 0 ||
		backups_list(app->store, page.limit, page.after, &list, &more, e) != 0)
		return -1;
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
	reply_json(reply, 200, record);
	return 0;
}

int
backup_delete(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	char id[ID_SIZE];
	struct err ignored;

	if (start_no_body(r, e) != 0 || backups_delete(app->store, r->id, e) != 0)
		return -1;
	(void)jobs_sweep(app->jobs, id, &ignored); /* not while the service stops */
	reply_empty(reply, 204);
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
