#ifndef STORE_OPEN_STORE_INTERNAL_H
#define STORE_OPEN_STORE_INTERNAL_H

#include "store/open/store.h"

/* The store without its catalogue: made, locked.  Then store_close. */
int store_hold(const char *path, const struct store_options *options, struct store **ret_store,
	struct err *e);

#endif
