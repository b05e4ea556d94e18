/* The service as a whole: /health, /plan, /thaw, /recovery. */
#include "handlers/app.h"
#include "handlers/start.h"

int
health_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	json_t *health;
	bool well;

	(void)r;
	(void)e;
	health = jobs_health(app->jobs, &well);
	reply_json(reply, well ? 200 : 503, health);
	return 0;
}

int
plan_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	json_t *plan;

	(void)r;
	if (jobs_plan(app->jobs, &plan, e) != 0)
		return -1;
	reply_json(reply, 200, plan);
	return 0;
}

int
coverage_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	json_t *coverage;

	(void)r;
	if (jobs_coverage(app->jobs, &coverage, e) != 0)
		return -1;
	reply_json(reply, 200, coverage);
	return 0;
}

int
thaw_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	json_t *thawed;

	if (start_no_body(r, e) != 0 || jobs_thaw(app->jobs, &thawed, e) != 0)
		return -1;
	reply_json(reply, 200, thawed);
	return 0;
}

int
recovery_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;

	(void)r;
	(void)e;
	reply_json(reply, 200, jobs_recovery(app->jobs));
	return 0;
}

int
recovery_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	json_t *state;

	if (jobs_recover(app->jobs, r->json, &state, e) != 0)
		return -1;
	reply_json(reply, 200, state);
	return 0;
}
