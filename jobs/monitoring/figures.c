#include "jobs/monitoring/figures.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"
#include "store/catalogue/backups.h"

/* Of the newest operations, where the last scrub is looked for. */
enum { OPERATIONS_MAX = 1000 };

/* Seconds.  A backup takes from a moment, if nothing has changed, to hours; a freeze a few
 * milliseconds by cgroups, a tenth of a second by the engine (docs/freeze.md), and at most 600. */
static const double backup_bounds[] = {
	1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800};
static const double freeze_bounds[] = {
	0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 600};

enum {
	BACKUP_BOUNDS = sizeof(backup_bounds) / sizeof(backup_bounds[0]),
	FREEZE_BOUNDS = sizeof(freeze_bounds) / sizeof(freeze_bounds[0])
};

struct tally {
	pthread_mutex_t mutex;
	struct figures_count ended[FIGURES_KINDS * 4];
	int ended_count;
	struct histogram backup_s, freeze_s;
	int64_t round;	     /* grows with each operation that ends */
	int64_t known_round; /* of the two below; -1: they are not known */
	int64_t chunks_bad;
	int64_t scrub_ns;
};

struct tally *
tally_new(void)
{
	struct tally *t = mem_new(sizeof(*t));

	(void)pthread_mutex_init(&t->mutex, NULL);
	t->known_round = -1;
	t->backup_s = (struct histogram){.bounds = backup_bounds, .count = BACKUP_BOUNDS};
	t->freeze_s = (struct histogram){.bounds = freeze_bounds, .count = FREEZE_BOUNDS};
	return t;
}

void
tally_free(struct tally *t)
{
	if (t == NULL)
		return;
	(void)pthread_mutex_destroy(&t->mutex);
	free(t);
}

/* The time that ${key} of ${object} tells; 0 if it tells none. */
static int64_t
time_ns(const json_t *object, const char *key)
{
	const char *text = json_text(object, key, NULL);
	struct tm tm = {0};
	const char *rest;
	int milliseconds = 0;

	if (text[0] == '\0' || (rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm)) == NULL)
		return 0;
	if (rest[0] == '.')
		for (int i = 1; i <= 3 && rest[i] >= '0' && rest[i] <= '9'; i++)
			milliseconds = 10 * milliseconds + (rest[i] - '0');
	return (int64_t)timegm(&tm) * 1000000000 + milliseconds * 1000000;
}

static int64_t
figures_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* With the lock held: what a backup that succeeded took. */
static void
observe(struct tally *t, const json_t *document)
{
	const json_t *result = json_object_get(document, "result");

	histogram_add(&t->backup_s,
		(double)(time_ns(document, "ended_at") - time_ns(document, "created_at")) / 1e9);
	if (figures_number(result, "freeze_ms") >= 0)
		histogram_add(&t->freeze_s, (double)figures_number(result, "freeze_ms") / 1e3);
}

void
tally_ended(struct tally *t, const json_t *document)
{
	/* a dry run of a restore is none */
	const char *kind = json_is_true(json_object_get(document, "dry_run"))
				   ? "dry-run"
				   : json_text(document, "kind", NULL);
	const char *state = json_text(document, "state", NULL);
	int i = 0;
	LOCKED(&t->mutex);

	t->round++;
	if (strcmp(kind, "backup") == 0 && strcmp(state, "succeeded") == 0)
		observe(t, document);
	while (i < t->ended_count &&
		(strcmp(t->ended[i].kind, kind) != 0 || strcmp(t->ended[i].state, state) != 0))
		i++;
	if (i == FIGURES_KINDS * 4)
		return;
	if (i == t->ended_count) {
		(void)snprintf(t->ended[i].kind, sizeof(t->ended[i].kind), "%s", kind);
		(void)snprintf(t->ended[i].state, sizeof(t->ended[i].state), "%s", state);
		t->ended_count++;
	}
	t->ended[i].count++;
}

/* What the plan of a backup is called. */
static void
name_plan(const struct plan *plan, const json_t *document, char name[FIGURES_PLAN_NAME])
{
	SCOPED(json_decref_at) json_t *taken = NULL;
	SCOPED(free_at) char *text = NULL;
	unsigned char digest[32];

	if (document == NULL || plan_same(plan, document)) {
		(void)strcpy(name, "default");
		return;
	}
	taken = json_copy((json_t *)(uintptr_t)document);
	(void)json_object_del(taken, "keep");
	(void)json_object_del(taken, "on_error");
	(void)json_object_del(taken, "schedule");
	(void)json_object_del(taken, "rehearse");
	(void)json_object_del(taken, "copies");
	text = json_dumps(taken, JSON_COMPACT | JSON_SORT_KEYS);
	(void)EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
	(void)hex_text(digest, (FIGURES_PLAN_NAME - 1) / 2, name);
}

static struct figures_plan *
find_plan(struct figures *f, const char *name)
{
	for (int i = 0; i < f->plans_count; i++)
		if (strcmp(f->plans[i].name, name) == 0)
			return &f->plans[i];
	if (f->plans_count == FIGURES_PLANS)
		return NULL;
	(void)strcpy(f->plans[f->plans_count].name, name);
	return &f->plans[f->plans_count++];
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* They come newest first, by the order in which they were made. */
static void
add_backup(struct figures *f, const struct plan *plan, const json_t *record)
{
	const char *state = json_text(record, "state", NULL);
	/* a time that is still to come tells nothing */
	const int64_t created_ns =
		json_is_true(json_object_get(record, "future")) ? 0 : time_ns(record, "created_at");
	char name[FIGURES_PLAN_NAME];
	struct figures_plan *p;

	if (!backups_readable(state) && strcmp(state, "failed") != 0)
		return;
	name_plan(plan, json_object_get(record, "plan"), name);
	p = find_plan(f, name);
	if (p == NULL)
		return;
	if (strcmp(state, "failed") == 0) {
		p->failure_ns = later(p->failure_ns, created_ns);
		return;
	}
	if (figures_number(record, "freeze_ms") > p->freeze_max_ms)
		p->freeze_max_ms = figures_number(record, "freeze_ms");
	if (p->id[0] == '\0' && p->partial_ns == 0)
		p->omitted = figures_number(record, "omitted_total");
	if (strcmp(state, "partial") == 0) {
		p->partial_ns = later(p->partial_ns, created_ns);
		return;
	}
	p->success_ns = later(p->success_ns, created_ns);
	if (p->id[0] != '\0')
		return;
	(void)snprintf(p->id, sizeof(p->id), "%s", json_text(record, "id", NULL));
	p->duration_ms = figures_number(record, "duration_ms");
	p->freeze_ms = figures_number(record, "freeze_ms");
	p->size_bytes = figures_number(record, "size_bytes");
	p->stored_bytes = figures_number(record, "stored_bytes");
	p->archive_bytes = figures_number(record, "archive_bytes");
}

static int
take_plans(struct figures *f, struct store *s, const struct plan *plan, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *record;
	bool more;
	size_t i;

	if (backups_list(s, FIGURES_BACKUPS, NULL, &list, &more, e) != 0)
		return -1;
	(void)find_plan(f, "default"); /* it is there also before its first backup */
	json_array_foreach (list, i, record)
		add_backup(f, plan, record);
	return 0;
}

static int
last_scrub(struct operations *ops, int64_t *ret_ns, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *document;
	bool more;
	size_t i;

	*ret_ns = 0;
	if (operations_list(ops, OPERATIONS_MAX, NULL, &list, &more, e) != 0)
		return -1;
	json_array_foreach (list, i, document) {
		if (strcmp(json_text(document, "kind", NULL), "scrub") != 0 ||
			strcmp(json_text(document, "state", NULL), "succeeded") != 0)
			continue;
		*ret_ns = time_ns(document, "ended_at");
		return 0;
	}
	return 0;
}

/* What only an operation can change is read again only after one. */
static int
take_dear(
	struct tally *t, struct figures *f, struct store *s, struct operations *ops, struct err *e)
{
	int64_t round;

	(void)pthread_mutex_lock(&t->mutex);
	round = t->round;
	f->chunks_bad = t->chunks_bad;
	f->scrub_ns = t->scrub_ns;
	memcpy(f->ended, t->ended, sizeof(f->ended));
	f->ended_count = t->ended_count;
	f->backup_s = t->backup_s;
	f->freeze_s = t->freeze_s;
	const bool known = t->known_round == round;
	(void)pthread_mutex_unlock(&t->mutex);
	if (known)
		return 0;
	if (figures_chunks_bad(s, &f->chunks_bad, e) != 0 || last_scrub(ops, &f->scrub_ns, e) != 0)
		return -1;
	LOCKED(&t->mutex);
	t->chunks_bad = f->chunks_bad;
	t->scrub_ns = f->scrub_ns;
	t->known_round = round;
	return 0;
}

int
figures_take(struct tally *t, struct store *s, struct operations *ops, const struct plan *plan,
	struct figures *ret_figures, struct err *e)
{
	struct figures *f = ret_figures;

	*f = (struct figures){0};
	if (take_plans(f, s, plan, e) != 0 || figures_backups(s, &f->backups, e) != 0 ||
		store_stats(s, &f->store, e) != 0 || take_dear(t, f, s, ops, e) != 0)
		return -1;
	f->free_bytes = store_free_bytes(s, e);
	return f->free_bytes < 0 ? -1 : 0;
}
