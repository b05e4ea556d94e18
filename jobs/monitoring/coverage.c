#include "jobs/monitoring/coverage.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/lender/lender.h"
#include "engine/self.h"
#include "jobs/operations/inspect.h"
#include "store/catalogue/backups.h"

/* So many of the newest backups are looked at: more than one a minute in a day. */
enum { PAGE = 1000, BACKUPS_MAX = 3000 };

static const int64_t DAY_NS = INT64_C(86400) * 1000000000;

/* Whether ${record} can vouch for what is in it, at ${since} or later (times of this form sort as
 * text). */
static bool
vouches(const json_t *record, const char *since)
{
	return backups_readable(json_text(record, "state", NULL)) &&
	       !json_is_true(json_object_get(record, "damaged")) &&
	       !json_is_true(json_object_get(record, "future")) &&
	       strcmp(json_text(record, "origin", NULL), "import") != 0 &&
	       strcmp(json_text(record, "created_at", NULL), since) >= 0;
}

static bool
coverage_is_omitted(const json_t *record, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(record, "omitted"), i, one) {
		if (strcmp(json_text(one, "kind", NULL), "container") == 0 &&
			strcmp(json_text(one, "name", NULL), name) == 0)
			return true;
	}
	return false;
}

/* {name: time of the newest backup that has it}; they come newest first. */
static json_t *
covered_by(const json_t *backups, const char *since)
{
	json_t *covered = json_object();
	const json_t *record, *container;
	size_t i, k;

	json_array_foreach (backups, i, record) {
		if (!vouches(record, since))
			continue;
		json_array_foreach (json_object_get(record, "containers"), k, container) {
			const char *name = json_text(container, "name", NULL);

			if (json_object_get(covered, name) == NULL &&
				!coverage_is_omitted(record, name))
				(void)json_object_set(
					covered, name, json_object_get(record, "created_at"));
		}
	}
	return covered;
}

static const char *
coverage_name_of(const json_t *container)
{
	const char *name =
		json_string_value(json_array_get(json_object_get(container, "Names"), 0));

	if (name == NULL)
		return "";
	return name[0] == '/' ? name + 1 : name;
}

json_t *
coverage_judge(const json_t *containers, const char *self_id, const json_t *backups, int64_t now_ns)
{
	char since[CLOCK_TEXT_SIZE];
	SCOPED(json_decref_at)
	json_t *covered = covered_by(backups, clock_text(now_ns - DAY_NS, since));
	json_t *missing = json_array(), *left_out = json_array();
	const json_t *container, *oldest = NULL;
	json_int_t count = 0;
	size_t i;

	json_array_foreach (containers, i, container) {
		const json_t *labels = json_object_get(container, "Labels");
		const char *name = coverage_name_of(container);
		const json_t *at = json_object_get(covered, name);

		if (strcmp(json_text(container, "Id", NULL), self_id) == 0 ||
			json_object_get(labels, LENDER_LABEL) != NULL)
			continue;
		if (labels_service(labels, name) != NULL) /* no backup has it: it is Swarm's */
			continue;
		if (strcmp(json_text(labels, "fuel-backup.exclude", NULL), "true") == 0) {
			(void)json_array_append_new(left_out, json_string(name));
			continue;
		}
		count++;
		if (at == NULL)
			(void)json_array_append_new(missing, json_string(name));
		else if (oldest == NULL ||
			 strcmp(json_string_value(at), json_string_value(oldest)) < 0)
			oldest = at;
	}
	return json_pack("{s:I, s:o, s:o, s:o}", "containers", count, "missing", missing,
		"left_out", left_out, "oldest_at",
		oldest == NULL ? json_null() : json_string(json_string_value(oldest)));
}

/* The newest ones. */
static int
coverage_backups_read(struct store *s, json_t **ret_list, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = json_array();
	bool more = true;

	while (more && json_array_size(list) < BACKUPS_MAX) {
		SCOPED(json_decref_at) json_t *page = NULL;
		const size_t have = json_array_size(list);
		const char *after =
			have == 0 ? NULL : json_text(json_array_get(list, have - 1), "id", NULL);

		if (backups_list(s, PAGE, after, &page, &more, e) != 0)
			return -1;
		(void)json_array_extend(list, page);
	}
	*ret_list = TAKE(list);
	return 0;
}

int
coverage_take(struct store *s, struct engine *engine, int64_t now_ns, json_t **ret, struct err *e)
{
	SCOPED(json_decref_at) json_t *containers = NULL;
	SCOPED(json_decref_at) json_t *backups = NULL;
	SCOPED(self_free_at) struct self *self = NULL;
	struct err ignored; /* whoever cannot be told is a container like others */

	if (containers_list(engine, &containers, e) != 0 ||
		coverage_backups_read(s, &backups, e) != 0)
		return -1;
	(void)self_find(engine, &self, &ignored);
	*ret = coverage_judge(containers, self == NULL ? "" : self->id, backups, now_ns);
	return 0;
}
