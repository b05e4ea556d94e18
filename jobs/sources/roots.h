#ifndef JOBS_SOURCES_ROOTS_H
#define JOBS_SOURCES_ROOTS_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/lender/host_view.h"
#include "engine/lender/lender.h"
#include "engine/self.h"
#include "jobs/sources/inventory.h"

/*
 * The roots of an inventory's sources, lent.
 */
struct roots {
	struct lender *lender;
	size_t *numbers;  /* of source i: its number with the lender */
	bool *files;	  /* of source i: its root is a single file */
	int host_fd;	  /* the host's root (hostpath.h), borrowed of the lender; or -1 */
	pthread_t closer; /* ends the lender, once it is dismissed */
	bool closing;
	struct engine *engine;
	json_t *stranded; /* stranded.h */
	json_t *made; /* names of volumes that were made anew by being lent: removed at the end */
};

struct roots_options {
	struct engine *engine;
	const struct self *self;
	struct inventory *inventory;
	const char *store_path; /* as this process sees it */
	const char *run_path;
	const char *name; /* of the lender's container */
	enum lender_cgroups cgroups;
};

/**
 * roots_open(options, ret_roots, e):
 * Lend them all; take sources off the inventory that are sockets or devices, that lie on a pseudo
 * file system, that are optional and absent, or that another source holds.
 */
int roots_open(const struct roots_options *options, struct roots **ret_roots, struct err *e);

/* The lender is not needed any more: its end, which takes a tenth of a second, begins.  What else
 * is in ${r} stays until roots_close, which waits for that end. */
void roots_dismiss(struct roots *r);
void roots_close(struct roots *r);
void roots_close_at(struct roots **r);

/* Whom to ask what the host has; to be closed by roots_host_close. */
struct roots_host {
	struct engine *engine;
	const struct self *self;
	const char *run_path;	/* as roots_options has it */
	struct host_view *view; /* NULL before it is needed */
};

/* Whether the host has ${path}, seen with the engine's eyes, and without making it. */
int roots_host_has(struct roots_host *h, const char *path, bool *ret_has, struct err *e);
void roots_host_close(struct roots_host *h);

#endif
