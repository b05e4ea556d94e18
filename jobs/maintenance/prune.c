#include "jobs/maintenance/prune.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/rollback.h"
#include "store/catalogue/backups.h"

/* Backups read at once; and of how many, the newest, a prune knows: one an hour for eleven years.
 */
enum { PAGE = 1000, PRUNE_MAX = 100000 };

struct candidate {
	json_t *shown; /* {"id", "created_at"} */
	int64_t time_s;
	bool locked, damaged, partial, proven;
	bool ours;     /* made by the schedule, or manual ones may go, too */
	bool doubtful; /* its time cannot be trusted */
};

struct candidates {
	struct candidate *list;
	size_t count;
};

static void
candidates_free_at(struct candidates *c)
{
	for (size_t i = 0; i < c->count; i++)
		json_decref(c->list[i].shown);
	free(c->list);
}

int
prune_parse(const json_t *request, struct prune *p, struct err *e)
{
	json_t *fields = (json_t *)(uintptr_t)request; /* jansson's iterator takes no const */
	bool keeps = p->plan->keeps;
	const char *key;
	json_t *value;

	p->keep = p->plan->keep;
	if (request != NULL && !json_is_object(request))
		return err_set(e, ERR_INVALID, "the request is an object, or empty");
	json_object_foreach (fields, key, value) {
		if (strcmp(key, "keep") == 0) {
			if (keep_parse(value, &p->keep, e) != 0)
				return -1;
			keeps = true;
		} else if (strcmp(key, "dry_run") != 0) {
			return err_set(e, ERR_INVALID,
				"unknown field \"%.64s\"; known are: keep, dry_run", key);
		} else if (!json_is_boolean(value)) {
			return err_set(e, ERR_INVALID, "\"dry_run\" is true or false");
		} else {
			p->dry_run = json_is_true(value);
		}
	}
	if (keeps)
		return 0;
	return err_set(e, ERR_INVALID,
		"the plan has no \"keep\": say what is to be kept, as {\"keep\": {\"daily\": 7}}");
}

static int64_t
seconds_of(const char *created_at)
{
	struct tm tm = {0};

	(void)strptime(created_at, "%Y-%m-%dT%H:%M:%S", &tm);
	return (int64_t)timegm(&tm);
}

static void
candidate_add(const struct prune *p, struct candidates *to, const json_t *record)
{
	const char *created_at = json_text(record, "created_at", NULL);

	to->list = mem_array(to->list, to->count + 1, sizeof(*to->list));
	to->list[to->count++] = (struct candidate){
		.shown = json_pack("{s:s, s:s}", "id", json_text(record, "id", NULL), "created_at",
			created_at),
		.time_s = seconds_of(created_at),
		.locked = json_is_true(json_object_get(record, "locked")),
		.damaged = json_is_true(json_object_get(record, "damaged")),
		.partial = strcmp(json_text(record, "state", NULL), "partial") == 0,
		.proven = json_is_string(json_object_get(record, "proven_at")),
		.ours = p->keep.manual ||
			strcmp(json_text(record, "origin", NULL), "schedule") == 0,
	};
}

/* The complete and partial backups of the plan, newest first. */
static int
candidates_load(const struct prune *p, struct candidates *to, struct err *e)
{
	SCOPED(free_at) char *needed = NULL;
	char after[ID_SIZE] = "";
	bool more = true;

	if (rollback_backup(p->store, &needed, e) != 0)
		return -1;

	while (more && to->count < PRUNE_MAX) {
		SCOPED(json_decref_at) json_t *page = NULL;
		const json_t *record;
		size_t i;

		if (backups_list(
			    p->store, PAGE, after[0] == '\0' ? NULL : after, &page, &more, e) != 0)
			return -1;
		json_array_foreach (page, i, record) {
			(void)snprintf(after, sizeof(after), "%s", json_text(record, "id", NULL));
			/* What was imported did not come by a plan's schedule, and goes by hand;
			 * and a restore may need the one that it restores. */
			if (backups_readable(json_text(record, "state", NULL)) &&
				json_object_get(record, "imported") == NULL &&
				(needed == NULL || strcmp(after, needed) != 0) &&
				plan_same(p->plan, json_object_get(record, "plan")))
				candidate_add(p, to, record);
		}
	}
	return 0;
}

/* Whose times contradict the order in which they were made, or are still to come. */
static void
doubt(struct candidates *c)
{
	SCOPED(free_at) int64_t *times = mem_array(NULL, c->count + 1, sizeof(*times));
	SCOPED(free_at) bool *doubtful = mem_array(NULL, c->count + 1, sizeof(*doubtful));

	for (size_t i = 0; i < c->count; i++)
		times[i] = c->list[i].time_s;
	keep_doubt(times, c->count, (clock_real_ns() + BACKUPS_SLACK_NS) / 1000000000, doubtful);
	for (size_t i = 0; i < c->count; i++)
		c->list[i].doubtful = doubtful[i];
}

/* Of several that are proven the newest is the one to be sure of. */
static void
spare_proven(struct candidates *c)
{
	bool seen = false;

	for (size_t i = 0; i < c->count; i++) {
		c->list[i].proven = c->list[i].proven && !seen && !c->list[i].damaged;
		seen = seen || c->list[i].proven;
	}
}

/* Whether the rules count it. */
static bool
counts(const struct candidate *c)
{
	return c->ours && !c->damaged && !c->doubtful;
}

/* The rules that keep each of the complete ones among themselves, or (${partial}) each of the
 * partial ones among all. */
static void
judge_among(const struct prune *p, const struct candidates *c, bool partial, unsigned *rules)
{
	SCOPED(free_at) int64_t *times = mem_array(NULL, c->count + 1, sizeof(*times));
	SCOPED(free_at) unsigned *kept = mem_array(NULL, c->count + 1, sizeof(*kept));
	SCOPED(free_at) size_t *places = mem_array(NULL, c->count + 1, sizeof(*places));
	size_t count = 0;

	for (size_t i = 0; i < c->count; i++) {
		if (!counts(&c->list[i]) || (c->list[i].partial && !partial))
			continue;
		places[count] = i;
		times[count++] = c->list[i].time_s;
	}
	keep_judge(&p->keep, times, count, kept);
	for (size_t k = 0; k < count; k++)
		if (c->list[places[k]].partial == partial)
			rules[places[k]] = kept[k];
}

static unsigned *
prune_judge(const struct prune *p, const struct candidates *c)
{
	unsigned *rules = mem_new((c->count + 1) * sizeof(*rules));

	judge_among(p, c, false, rules);
	judge_among(p, c, true, rules);
	return rules;
}

static json_t *
reasons(const struct candidate *c, unsigned rules)
{
	json_t *list = json_array();

	for (int rule = 0; rule < KEEP_RULES; rule++)
		if ((rules >> rule & 1) != 0)
			(void)json_array_append_new(
				list, json_string(keep_name((enum keep_rule)rule)));
	if (c->locked)
		(void)json_array_append_new(list, json_string("locked"));
	if (c->damaged)
		(void)json_array_append_new(list, json_string("damaged"));
	if (c->proven)
		(void)json_array_append_new(list, json_string("proven"));
	if (!c->ours)
		(void)json_array_append_new(list, json_string("manual"));
	if (c->doubtful)
		(void)json_array_append_new(list, json_string("clock"));
	return list;
}

/* Remove it, or tell whether that would be done: 1, 0 (it is being read), -1. */
static int
remove_one(const struct prune *p, const char *id, struct err *e)
{
	if (operations_work_on(p->operations, id) || backups_being_read(p->store, id))
		return 0;
	if (p->dry_run)
		return 1;
	const int removed = backups_prune(p->store, id, e);
	if (removed == 1)
		log_info("prune: backup %s is removed", id);
	return removed;
}

static int
prune_settle(const struct prune *p, const struct candidate *c, unsigned rules, json_t *result,
	struct err *e)
{
	SCOPED(json_decref_at) json_t *why = reasons(c, rules);
	const bool stays = json_array_size(why) > 0;
	const int removed = stays ? 0 : remove_one(p, json_text(c->shown, "id", NULL), e);

	if (removed < 0)
		return -1;
	if (removed == 1)
		return json_array_append(json_object_get(result, "removed"), c->shown);
	if (!stays)
		(void)json_array_append_new(why, json_string("read"));
	(void)json_object_set(c->shown, "reasons", why);
	return json_array_append(json_object_get(result, "kept"), c->shown);
}

int
prune_run(const struct prune *p, json_t **ret_result, struct err *e)
{
	SCOPED(candidates_free_at) struct candidates c = {0};
	SCOPED(json_decref_at)
	json_t *result = json_pack("{s:b, s:[], s:[]}", "dry_run", p->dry_run, "removed", "kept");

	if (candidates_load(p, &c, e) != 0)
		return -1;
	doubt(&c);
	spare_proven(&c);
	SCOPED(free_at) unsigned *rules = prune_judge(p, &c);
	for (size_t i = 0; i < c.count; i++)
		if (prune_settle(p, &c.list[i], rules[i], result, e) != 0)
			return -1;
	*ret_result = TAKE(result);
	return 0;
}
