#ifndef HANDLERS_APP_H
#define HANDLERS_APP_H

#include "handlers/tickets.h"
#include "jobs/browse.h"
#include "jobs/jobs.h"
#include "server/route.h"
#include "server/visits.h"
#include "store/open/store.h"

/* What the handlers work on.  All borrowed. */
struct app {
	struct store *store;
	struct jobs *jobs;
	struct tickets *tickets;
	struct visits *visits;
	struct browse *browse;
};

extern const struct route routes[];

/* A listen_options.ticket. */
bool app_ticket(void *app, const struct request *r, const char *text);

/* The handlers; see api-spec/openapi.yaml for what each does. */
route_handler page_get, health_get, plan_get, coverage_get, thaw_post, recovery_get, recovery_post,
	backups_list_get, backups_post, backup_get, backup_delete, backup_patch, prune_post,
	archive_get, files_get, tickets_post, restore_post, rehearse_post, verify_post, sweep_post,
	copies_post, destinations_list_get, destination_get, destination_put, destination_delete,
	destination_probe_post, scrub_post, operations_list_get, operation_get, operation_delete,
	events_get, metrics_get, tasks_list_get, task_get, archive_put_begin, archive_put;

#endif
