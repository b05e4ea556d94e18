#ifndef JOBS_SOURCES_LENDING_H
#define JOBS_SOURCES_LENDING_H

#include "base/err.h"
#include "engine/lender/lender.h"
#include "jobs/sources/roots.h"

/**
 * lending_open(o, ret_lender, ret_host_fd, e):
 * Lend all sources of ${o}->inventory, in their order.  One that the engine or the lender refuses
 * is found and left out alone (omissions.h), taken off the inventory; what belonged to a container
 * that is gone meanwhile is forgotten.  Without a fault it costs one lender; with one, a lender for
 * it, or where the engine does not say which it is, one for each halving.
 * ${ret_host_fd}: the host's root (the lender's), or -1 where an engine lets nobody look at it:
 * then a backup does not know where its paths led.
 */
int lending_open(
	const struct roots_options *o, struct lender **ret_lender, int *ret_host_fd, struct err *e);

#endif
