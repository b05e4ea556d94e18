/* GET /metrics: what docs/monitoring.md lists. */
#include <microhttpd.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/scope.h"
#include "handlers/app.h"
#include "server/exposition.h"
#include "server/visits.h"

static const double NS = 1e9, MS = 1e3;

struct plan_metric {
	const char *name, *help;
	double (*value)(const struct figures_plan *p);
};

static double
last_success(const struct figures_plan *p)
{
	return (double)p->success_ns / NS;
}

static double
last_partial(const struct figures_plan *p)
{
	return (double)p->partial_ns / NS;
}

static double
omitted(const struct figures_plan *p)
{
	return (double)p->omitted;
}

static double
last_failure(const struct figures_plan *p)
{
	return (double)p->failure_ns / NS;
}

static double
duration(const struct figures_plan *p)
{
	return (double)p->duration_ms / MS;
}

static double
freeze(const struct figures_plan *p)
{
	return (double)p->freeze_ms / MS;
}

static double
freeze_max(const struct figures_plan *p)
{
	return (double)p->freeze_max_ms / MS;
}

static double
size(const struct figures_plan *p)
{
	return (double)p->size_bytes;
}

static double
stored(const struct figures_plan *p)
{
	return (double)p->stored_bytes;
}

static double
archive(const struct figures_plan *p)
{
	return (double)p->archive_bytes;
}

static const struct plan_metric plan_metrics[] = {
	{"fuel_backup_last_success_timestamp_seconds",
		"When the newest complete backup of the plan was begun; 0 if there is none.",
		last_success},
	{"fuel_backup_last_partial_timestamp_seconds",
		"When the newest partial backup of the plan was begun; 0 if there is none.",
		last_partial},
	{"fuel_backup_last_omitted_objects",
		"Objects that the newest complete or partial backup of the plan left out.",
		omitted},
	{"fuel_backup_last_failure_timestamp_seconds",
		"When the newest failed backup of the plan was begun; 0 if there is none.",
		last_failure},
	{"fuel_backup_last_duration_seconds", "How long the newest complete backup took.",
		duration},
	{"fuel_backup_last_freeze_seconds", "The freeze window of the newest complete backup.",
		freeze},
	{"fuel_backup_freeze_max_seconds", "The longest freeze window of the listed backups.",
		freeze_max},
	{"fuel_backup_last_size_bytes", "Plain size of the newest complete backup.", size},
	{"fuel_backup_last_stored_bytes", "What the newest complete backup added to the store.",
		stored},
	{"fuel_backup_last_archive_bytes", "Size of the newest complete backup's download.",
		archive},
};

static void
gauge(struct exposition *x, const char *name, const char *help, double value)
{
	exposition_family(x, name, "gauge", help);
	exposition_sample(x, NULL, value);
}

static void
add_plans(struct exposition *x, const struct figures *f)
{
	for (size_t m = 0; m < sizeof(plan_metrics) / sizeof(plan_metrics[0]); m++) {
		exposition_family(x, plan_metrics[m].name, "gauge", plan_metrics[m].help);
		for (int i = 0; i < f->plans_count; i++)
			exposition_sample(x, (const char *const[]){"plan", f->plans[i].name, NULL},
				plan_metrics[m].value(&f->plans[i]));
	}
}

static void
add_backups(struct exposition *x, const struct figures_backups *b)
{
	exposition_family(x, "fuel_backup_backups", "gauge", "Listed backups by state.");
	exposition_sample(x, (const char *const[]){"state", "complete", NULL}, (double)b->complete);
	exposition_sample(x, (const char *const[]){"state", "partial", NULL}, (double)b->partial);
	exposition_sample(x, (const char *const[]){"state", "failed", NULL}, (double)b->failed);
	exposition_sample(x, (const char *const[]){"state", "running", NULL}, (double)b->running);
	gauge(x, "fuel_backup_damaged_backups", "Listed backups that need a damaged chunk.",
		(double)b->damaged);
}

static void
add_store(struct exposition *x, const struct figures *f)
{
	gauge(x, "fuel_backup_store_packs_bytes", "Size of the store's packs.",
		(double)f->store.packs_bytes);
	gauge(x, "fuel_backup_store_free_bytes", "Free space of the store's file system.",
		(double)f->free_bytes);
	gauge(x, "fuel_backup_store_chunks", "Chunks in the store.", (double)f->store.chunks);
	gauge(x, "fuel_backup_store_plain_bytes", "Plain size of the store's chunks.",
		(double)f->store.plain_bytes);
	gauge(x, "fuel_backup_store_stored_bytes", "Compressed size of the store's chunks.",
		(double)f->store.stored_bytes);
	gauge(x, "fuel_backup_store_dedup_ratio",
		"Plain size of all complete backups, by the size of the packs; 0 while it is "
		"empty.",
		f->store.packs_bytes == 0
			? 0
			: (double)f->backups.plain_bytes / (double)f->store.packs_bytes);
	gauge(x, "fuel_backup_damaged_chunks", "Chunks that are known to be damaged.",
		(double)f->chunks_bad);
	gauge(x, "fuel_backup_scrub_last_success_timestamp_seconds",
		"When the last scrub, whole or a slice, ended without a fault; 0: not in seven "
		"days.",
		(double)f->scrub_ns / NS);
}

static void
add_operations(struct exposition *x, const struct figures *f)
{
	exposition_family(x, "fuel_backup_operations_total", "counter",
		"Operations that ended since the service started.");
	for (int i = 0; i < f->ended_count; i++)
		exposition_sample(x,
			(const char *const[]){
				"kind", f->ended[i].kind, "state", f->ended[i].state, NULL},
			(double)f->ended[i].count);
	exposition_histogram(x, "fuel_backup_duration_seconds",
		"How long backups took that succeeded since the service started.", &f->backup_s);
	exposition_histogram(x, "fuel_backup_freeze_seconds",
		"Freeze windows of backups that succeeded since the service started.",
		&f->freeze_s);
	gauge(x, "fuel_backup_operations_running", "Operations that run or are queued.",
		(double)f->running);
	gauge(x, "fuel_backup_schedule_last_timestamp_seconds",
		"When the schedule last began a backup; 0: never.",
		(double)f->schedule_last_ns / NS);
	gauge(x, "fuel_backup_schedule_next_timestamp_seconds",
		"When the schedule begins the next backup; 0: there is no schedule.",
		(double)f->schedule_next_ns / NS);
	gauge(x, "fuel_backup_rehearsal_last_timestamp_seconds",
		"When the schedule last began a rehearsal; 0: never.",
		(double)f->rehearsals_last_ns / NS);
	gauge(x, "fuel_backup_rehearsal_next_timestamp_seconds",
		"When the schedule begins the next rehearsal; 0: there is no such schedule.",
		(double)f->rehearsals_next_ns / NS);
	gauge(x, "fuel_backup_overdue", "1 if a backup of the default plan is overdue.",
		f->overdue ? 1 : 0);
	exposition_family(x, "fuel_backup_notifications_total", "counter",
		"Notifications since the service started.");
	exposition_sample(
		x, (const char *const[]){"outcome", "sent", NULL}, (double)f->notified.sent);
	exposition_sample(
		x, (const char *const[]){"outcome", "failed", NULL}, (double)f->notified.failed);
	exposition_sample(
		x, (const char *const[]){"outcome", "dropped", NULL}, (double)f->notified.dropped);
	gauge(x, "fuel_backup_notifications_waiting", "Notifications that are not sent yet.",
		(double)f->notified.waiting);
}

/* One family, a sample a destination. */
static void
add_copies(struct exposition *x, const struct figures *f)
{
	exposition_family(x, "fuel_backup_copies", "gauge",
		"Copies of listed backups by destination and state.");
	for (size_t i = 0; i < f->copies_count; i++) {
		const struct copies_figures *c = &f->copies[i];

		exposition_sample(x,
			(const char *const[]){
				"destination", c->destination, "state", "complete", NULL},
			(double)c->complete);
		exposition_sample(x,
			(const char *const[]){
				"destination", c->destination, "state", "waiting", NULL},
			(double)c->waiting);
		exposition_sample(x,
			(const char *const[]){
				"destination", c->destination, "state", "failed", NULL},
			(double)c->failed);
	}
	exposition_family(x, "fuel_backup_copy_newest_timestamp_seconds", "gauge",
		"When the newest backup that is copied to the destination was begun; 0 if none "
		"is.");
	for (size_t i = 0; i < f->copies_count; i++)
		exposition_sample(x,
			(const char *const[]){"destination", f->copies[i].destination, NULL},
			(double)f->copies[i].newest_ns / NS);
}

static void
add_visits(struct exposition *x, struct visits *visits)
{
	int count;
	SCOPED(free_at) struct visit *list = visits_list(visits, &count);
	char code[16];

	exposition_family(x, "fuel_backup_http_requests_total", "counter",
		"Requests that were answered since the service started.");
	for (int i = 0; i < count; i++) {
		(void)snprintf(code, sizeof(code), "%d", list[i].status);
		exposition_sample(x,
			(const char *const[]){"method", list[i].method, "route", list[i].pattern,
				"code", code, NULL},
			(double)list[i].count);
	}
}

int
metrics_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	struct exposition x = EXPOSITION_INIT;
	struct figures f;

	(void)r;
	if (jobs_figures(app->jobs, &f, e) != 0)
		return -1;
	exposition_family(&x, "fuel_backup_build_info", "gauge", "The version that runs.");
	exposition_sample(&x, (const char *const[]){"version", FB_VERSION, NULL}, 1);
	add_plans(&x, &f);
	add_backups(&x, &f.backups);
	add_store(&x, &f);
	add_operations(&x, &f);
	add_copies(&x, &f);
	add_visits(&x, app->visits);
	reply_text(reply, 200, EXPOSITION_TYPE, buf_take(&x.text));
	return 0;
}
