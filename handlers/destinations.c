/* Destinations, and copies to them. */
#include "base/scope.h"
#include "handlers/app.h"
#include "handlers/start.h"

int
destinations_list_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	json_t *list;

	(void)r;
	if (jobs_destinations(app->jobs, &list, e) != 0)
		return -1;
	reply_json(reply, 200, json_pack("{s:o}", "destinations", list));
	return 0;
}

int
destination_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	json_t *document;

	if (jobs_destination(app->jobs, r->name, &document, e) != 0)
		return -1;
	reply_json(reply, 200, document);
	return 0;
}

int
destination_put(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	json_t *document;
	bool new;

	if (jobs_destination_put(app->jobs, r->name, r->json, &document, &new, e) != 0)
		return -1;
	reply_json(reply, new ? 201 : 200, document);
	return 0;
}

int
destination_delete(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;

	if (start_no_body(r, e) != 0 || jobs_destination_delete(app->jobs, r->name, e) != 0)
		return -1;
	reply_empty(reply, 204);
	return 0;
}

int
destination_probe_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	json_t *probe;

	if (start_no_body(r, e) != 0 || jobs_destination_probe(app->jobs, r->name, &probe, e) != 0)
		return -1;
	reply_json(reply, 200, probe);
	return 0;
}

static int
start_copy(struct app *app, const struct request *r, char id[ID_SIZE], struct err *e)
{
	return jobs_copy(app->jobs, r->id, r->json, id, e);
}

int
copies_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	return start_operation(ctx, r, start_copy, reply, e);
}
