/* What an earlier run, or an earlier freeze, left frozen: its journal names it. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/guard.h"
#include "engine/self.h"
#include "jobs/freeze/freeze_internal.h"
#include "jobs/operations/inspect.h"
#include "jobs/operations/run_state.h"

/* Pauses that were asked for before the death may be carried out only now. */
static const useconds_t LATE_US = 1000 * 1000;

/* A lender that lends nothing but freezers; the caller's. */
static int
open_lender(struct engine *g, const char *run_path, struct lender **ret_lender, struct err *e)
{
	SCOPED(self_free_at) struct self *self = NULL;
	SCOPED(free_at)
	char *name = mem_format("fuel-backup-thaw-%lld", (long long)clock_real_ns());
	struct lender_options options = {
		.engine = g, .run_path = run_path, .name = name, .cgroups = LENDER_CGROUPS};

	if (self_find(g, &self, e) != 0)
		return -1;
	options.self = self;
	return lender_open(&options, ret_lender, e);
}

/* All of them are taken for frozen: the journal is written before and removed after. */
static void
freeze_recover_select_items(struct frozen_set *s, const json_t *list)
{
	const json_t *item;
	size_t i;

	s->items = mem_array(NULL, json_array_size(list) + 1, sizeof(*s->items));
	json_array_foreach (list, i, item) {
		const char *freezer = json_text(item, "freezer", NULL);
		const bool cgroup = strcmp(freezer, freezer_cgroup.name) == 0;

		s->items[s->count] = (struct frozen){.id = mem_string(json_text(item, "id", NULL)),
			.name = mem_string(json_text(item, "name", NULL)),
			.place = s->count,
			.by = cgroup ? &freezer_cgroup : &freezer_docker,
			.hold = HOLD_FROZEN};
		s->count++;
	}
}

static int
freeze_recover_borrow_cgroups(struct frozen_set *s, struct lender *l, struct err *e)
{
	SCOPED(free_at) const char **ids = mem_array(NULL, s->count + 1, sizeof(char *));

	for (size_t i = 0; i < s->count; i++)
		ids[i] = s->items[i].id;
	return lender_freezers(l, ids, s->count, &s->cgroups, e);
}

/* One that has no cgroup any more is gone: nothing holds it. */
static void
forget_gone(struct frozen_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].by == &freezer_cgroup &&
			!cgroups_has(s->cgroups, s->items[i].place))
			s->items[i].hold = HOLD_NONE;
}

static bool
any_by(const struct frozen_set *s, const struct freezer *by)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].by == by)
			return true;
	return false;
}

static int
thaw_all(struct frozen_set *s, struct err *e)
{
	frozen_let_go(s);
	freeze_release(s);
	if (freeze_first_error(s, e) != 0 || !any_by(s, &freezer_docker))
		return freeze_first_error(s, e);
	(void)usleep(LATE_US);
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].by == &freezer_docker)
			s->items[i].hold = HOLD_FROZEN;
	freezer_docker.release(s);
	return freeze_first_error(s, e);
}

static int
recover_list(struct engine *g, const json_t *list, const char *run_path, struct err *e)
{
	SCOPED(lender_close_at) struct lender *lender = NULL;
	struct frozen_set s = {.engine = g, .mutex = PTHREAD_MUTEX_INITIALIZER};
	int status;

	freeze_recover_select_items(&s, list);
	status = open_lender(g, run_path, &lender, e);
	if (status == 0)
		status = freeze_recover_borrow_cgroups(&s, lender, e);
	if (status == 0)
		forget_gone(&s);
	/* The engine's own pause can be undone without. */
	if (status == 0 || (!any_by(&s, &freezer_cgroup) && e->code != ERR_UNREACHABLE))
		status = thaw_all(&s, e);
	frozen_clear(&s);
	return status;
}

int
freeze_recover(
	struct engine *g, int run_fd, const char *run_path, json_t **ret_thawed, struct err *e)
{
	SCOPED(json_decref_at) json_t *journal = run_state_read(run_fd, GUARD_JOURNAL);
	SCOPED(json_decref_at) json_t *names = json_array();
	/* Up to version 0.1 it was the list alone. */
	const json_t *list =
		json_is_array(journal) ? journal : json_object_get(journal, "containers");
	const json_t *item;
	size_t i;

	if (json_array_size(list) > 0 && recover_list(g, list, run_path, e) != 0)
		return -1;
	json_array_foreach (list, i, item) {
		(void)json_array_append(names, json_object_get(item, "name"));
	}
	if (run_state_remove(run_fd, GUARD_JOURNAL, e) != 0)
		return -1;
	if (ret_thawed != NULL)
		*ret_thawed = TAKE(names);
	return 0;
}
