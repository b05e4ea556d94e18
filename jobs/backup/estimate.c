#include "jobs/backup/estimate.h"

#include <stdlib.h>
#include <string.h>

#include "archive/write/changes.h"
#include "archive/write/segments.h"
#include "base/id.h"
#include "base/scope.h"
#include "jobs/backup/summary.h"
#include "jobs/backup/walker.h"
#include "jobs/operations/inspect.h"
#include "jobs/sources/sources.h"
#include "store/catalogue/backups.h"

/* An odd number, so that the median is one of them; looked for among the latest. */
enum { HISTORY = 5, LOOK_AT = 50 };

/* Measured on Docker 20.10: pause and unpause of one container among many in parallel take 23 ms
 * of the engine, a stat walk with look-ups 300 files a millisecond. */
enum { PAUSE_MS = 23, CGROUP_MS = 5, FILES_PER_MS = 300 };

static json_t *
estimate_sources_json(const struct sources *s, int64_t *ret_files, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = json_array();

	*ret_files = 0;
	for (size_t i = 0; i < s->inventory->count; i++) {
		const struct plan_source *source = &s->inventory->sources[i];
		struct tree t = {
			.root_fd = inventory_root(s->roots->lender, source, s->roots->numbers[i]),
			.prefix = source->prefix,
			.layer = source->kind == SOURCE_LAYER,
			.named_marks = source->form == LAYER_NAMED,
			.excludes = (const char *const *)s->inventory->excludes->patterns};
		SCOPED(changes_free_at) struct changes *changes = NULL;
		struct tree_size size;

		if (source->left_out)
			continue;
		if (source->base != NULL &&
			walker_changes(s->roots->lender, source, t.root_fd, &changes, e) != 0)
			return NULL;
		t.changes = changes;
		if (tree_measure(&t, &size, e) != 0)
			return NULL;
		*ret_files += size.files;
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:I, s:I}", "kind",
				      source_kind_name(source->kind), "name", source->name, "path",
				      source->path, "bytes", (json_int_t)size.bytes, "files",
				      (json_int_t)size.files));
	}
	return TAKE(list);
}

static int
by_value(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The median window of the last backups of this plan with this freezer; -1: none. */
static int64_t
from_history(const struct backup_request *r, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	int64_t windows[HISTORY];
	const json_t *record;
	size_t count = 0, i;
	bool more;

	if (backups_list(r->store, LOOK_AT, NULL, &list, &more, e) != 0)
		return -1;
	json_array_foreach (list, i, record) {
		const json_t *ms = json_object_get(record, "freeze_ms");

		if (count < HISTORY && json_is_integer(ms) &&
			backups_readable(json_text(record, "state", NULL)) &&
			strcmp(json_text(record, "freeze", "freezer"), r->settings->freezer) == 0 &&
			plan_same(r->plan, json_object_get(record, "plan")))
			windows[count++] = json_integer_value(ms);
	}
	if (count == 0)
		return -1;
	qsort(windows, count, sizeof(windows[0]), by_value);
	return windows[count / 2];
}

static int64_t
from_estimate(const struct backup_request *r, const struct inventory *v, int64_t files)
{
	const json_t *inspect;
	int64_t running = 0;
	size_t i;

	json_array_foreach (v->containers, i, inspect) {
		running += strcmp(container_state(inspect), "running") == 0;
	}
	return files / FILES_PER_MS +
	       (strcmp(r->settings->freezer, "cgroup") == 0 ? CGROUP_MS : running * PAUSE_MS);
}

static int
preview(const struct backup_request *r, struct sources *s, json_t **ret_plan, struct err *e)
{
	char id[ID_SIZE];
	const struct sources_options options = {
		.store = r->store, .engine = r->engine, .plan = r->plan, .name = id};
	json_t *sources;
	int64_t files, history;

	id_new(id);
	if (sources_open(s, &options, e) != 0)
		return -1;
	sources = estimate_sources_json(s, &files, e);
	if (sources == NULL)
		return -1;
	history = from_history(r, e);
	*ret_plan = json_pack("{s:O, s:o, s:o, s:O, s:o, s:O, s:o, s:{s:I, s:s}}", "plan",
		r->plan->document, "containers", summary_containers(s->inventory, NULL), "services",
		summary_services(s->inventory), "images", s->inventory->images, "sources", sources,
		"warnings", s->inventory->warnings, "omitted",
		omissions_json(s->inventory->omissions), "freeze", "predicted_ms",
		(json_int_t)(history < 0 ? from_estimate(r, s->inventory, files) : history), "from",
		history < 0 ? "estimate" : "backups");
	return 0;
}

int
estimate_take(const struct backup_request *request, json_t **ret_plan, struct err *e)
{
	struct sources s = {.run_fd = -1};
	const int status = preview(request, &s, ret_plan, e);

	sources_close(&s);
	return status;
}
