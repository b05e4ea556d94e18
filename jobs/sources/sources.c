#include "jobs/sources/sources.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/scope.h"

/* Asking costs the creation of a container, and a host becomes a Fuel master by an installation,
 * not while this service runs: so it is asked once. */
static int
add_fuel(const struct sources *s, const struct sources_options *o, struct err *e)
{
	static atomic_int known; /* 0: not yet, 1: it is one, -1: it is none */
	bool fuel = false;

	if (atomic_load(&known) == 0) {
		SCOPED(roots_host_close)
		struct roots_host host = {o->engine, s->self, s->run_path, NULL};

		if (roots_host_has(&host, "/etc/fuel", &fuel, e) != 0)
			return -1;
		atomic_store(&known, fuel ? 1 : -1);
	}
	if (atomic_load(&known) == 1)
		plan_add_fuel(o->plan);
	return 0;
}

int
sources_open(struct sources *s, const struct sources_options *o, struct err *e)
{
	SCOPED(free_at) char *lender = mem_format("fuel-backup-lender-%s", o->name);
	struct roots_options options = {.engine = o->engine, .name = lender, .cgroups = o->cgroups};

	s->run_path = mem_format("%s/run", store_path(o->store));
	s->run_fd = openat(store_fd(o->store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->run_fd < 0)
		return err_errno(e, "%s cannot be opened", s->run_path);
	if (self_find(o->engine, &s->self, e) != 0)
		return -1;
	if (o->plan->embedded && add_fuel(s, o, e) != 0)
		return -1;
	if (inventory_take(o->engine, s->self, o->plan, store_path(o->store), &s->inventory, e) !=
		0)
		return -1;
	options.self = s->self;
	options.inventory = s->inventory;
	options.store_path = store_path(o->store);
	options.run_path = s->run_path;
	return roots_open(&options, &s->roots, e);
}

void
sources_close(struct sources *s)
{
	roots_close(s->roots);
	inventory_free(s->inventory);
	self_free(s->self);
	free(s->run_path);
	fd_close_at(&s->run_fd);
}
