#include "handlers/app.h"

const struct route routes[] = {
	{"GET", "/", "", .open = true, .handler = page_get},
	{"GET", "/page.js", "", .open = true, .handler = page_get},
	{"GET", "/page.css", "", .open = true, .handler = page_get},
	{"GET", "/health", "", .open = true, .handler = health_get},
	{"GET", "/api-spec", "", .handler = page_get},
	{"GET", "/plan", "", .handler = plan_get},
	{"POST", "/thaw", "", .handler = thaw_post},
	{"GET", "/backups", "limit,after", .handler = backups_list_get},
	{"POST", "/backups", "", .handler = backups_post},
	{"GET", "/backups/{id}", "", .handler = backup_get},
	{"DELETE", "/backups/{id}", "", .handler = backup_delete},
	{"GET", "/backups/{id}/archive", "format", .ticket = true, .handler = archive_get},
	{"POST", "/backups/{id}/tickets", "", .handler = tickets_post},
	{"POST", "/backups/{id}/restore", "", .handler = restore_post},
	{"POST", "/backups/{id}/verify", "", .handler = verify_post},
	{"GET", "/operations", "limit,after", .handler = operations_list_get},
	{"GET", "/operations/{id}", "wait", .handler = operation_get},
	{"DELETE", "/operations/{id}", "", .handler = operation_delete},
	{"GET", "/operations/{id}/events", "", .handler = events_get},
	{.method = NULL},
};
