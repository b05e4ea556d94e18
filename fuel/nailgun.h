#ifndef FUEL_NAILGUN_H
#define FUEL_NAILGUN_H

#include "base/err.h"
#include "fuel/keystone.h"

/* Nailgun, the service behind Fuel's web UI.  Thread-safe. */
struct nailgun;

enum { NAILGUN_MS = 10000 /* of a request, as a whole */ };

/* ${url}: "http://10.20.0.2:8000".  ${keystone} (borrowed): where its token is from, or NULL. */
int nailgun_open(
	const char *url, struct keystone *keystone, struct nailgun **ret_nailgun, struct err *e);
void nailgun_close(struct nailgun *n); /* NULL: nothing */

/* 0 if none of its tasks is running or pending.  ERR_OCCUPIED names one that is; ERR_PREFLIGHT: it
 * could not be found out. */
int nailgun_idle(struct nailgun *n, struct err *e);

#endif
