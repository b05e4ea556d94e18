#include "engine/lender/guard.h"

#include <jansson.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/thread.h"
#include "engine/containers.h"
#include "engine/lender/cgroups.h"
#include "engine/lender/guard_lend.h"
#include "engine/lender/thaw.h"

/*
 * LOOK_MS: between two looks at what ought to run by now; a pause that was asked for before may be
 * carried out at any time.  LATE_MS: it is taken for settled when nothing was found frozen for so
 * long, and the engine answered.  TELL_MS: between two tries to make the engine's view right.
 * DEPUTY_MS: the other guard, if it does not hang as well, has told the engine by then.
 * ALONE_MS: an engine that is not back within this is somebody else's to mend.
 */
enum { LOOK_MS = 200, LATE_MS = 4000, TELL_MS = 5000, ALONE_MS = 10 * 60 * 1000, ANSWER_MS = 1000 };
enum { DEPUTY_MS = 200 };
enum { TURNS_MAX = 16, HELD_MAX = 4 * 1024 * 1024 };

static const int64_t NS_PER_MS = 1000000;

struct held_container {
	const char *id;
	bool by_engine; /* the engine pauses it, and is told */
	bool owners;	/* it stood still before */
};

struct guard {
	const char *engine_host;
	char *journal, *mark; /* its path; this guard's name in it */
	bool deputy;
	struct cgroups *cgroups;     /* NULL: there are none */
	struct buf held;	     /* 'e' or 'c', id, NUL, … */
	struct held_container *list; /* of what is armed, in the order of the cgroups */
	size_t count;
	bool journalled; /* the journal named it when it was armed */
	bool thawed;
	int64_t until_ns; /* of clock_boot_ns; 0: not armed */
	int64_t look_ns, quiet_ns, told_ns;
};

struct guard *
guard_new(const struct guard_options *o)
{
	const char *name = strrchr(o->socket, '/');
	struct guard *g = mem_new(sizeof(*g));
	struct err ignored;

	*g = (struct guard){.engine_host = o->engine,
		.deputy = o->deputy,
		.held = BUF_INIT(HELD_MAX),
		.mark = mem_string(name == NULL ? o->socket : name + 1),
		.journal = mem_format("%.*s/" GUARD_JOURNAL,
			name == NULL ? 0 : (int)(name - o->socket), o->socket)};
	if (o->cgroups != NULL && cgroups_open(o->cgroups, &g->cgroups, &ignored) != 0)
		g->cgroups = NULL;
	return g;
}

void
guard_free(struct guard *g)
{
	if (g == NULL)
		return;
	cgroups_close(g->cgroups);
	buf_free(&g->held);
	free(g->list);
	free(g->journal);
	free(g->mark);
	free(g);
}

void
guard_free_at(struct guard **g)
{
	guard_free(*g);
}

/* The containers of the journal, if it is this guard's; borrowed from ${*ret}, the caller's. */
static json_t *
journal_read(const struct guard *g, json_t **ret)
{
	const char *mark;

	*ret = json_load_file(g->journal, 0, NULL);
	mark = json_string_value(json_object_get(*ret, "guard"));
	return mark != NULL && strcmp(mark, g->mark) == 0 ? json_object_get(*ret, "containers")
							  : NULL;
}

/* The service has thawed all, whether it could say so or not. */
static bool
is_over(const struct guard *g)
{
	SCOPED(json_decref_at) json_t *journal = NULL;

	return g->journalled && journal_read(g, &journal) == NULL;
}

static void
disarm(struct guard *g)
{
	g->until_ns = 0;
	g->count = 0;
	g->thawed = false;
	buf_clear(&g->held);
}

static int
guard_hold(struct guard *g, const char *data, size_t len, struct err *e)
{
	if (len == 0 || data[len - 1] != '\0')
		return err_set(e, ERR_INVALID, "ids to be held have no end");
	for (size_t at = 0; at < len; at += strlen(data + at) + 1)
		if ((data[at] != 'e' && data[at] != 'c') || data[at + 1] == '\0')
			return err_set(e, ERR_INVALID, "what is to be held is no id");
	if (g->until_ns != 0)
		return err_set(e, ERR_INVALID, "it is armed already");
	return buf_add(&g->held, data, len) == 0 ? 0
						 : err_set(e, ERR_TOO_LARGE, "too many containers");
}

/* Make the list of what is held, and find their cgroups. */
static void
list_held(struct guard *g)
{
	SCOPED(free_at) const char **ids = NULL;
	struct err ignored;

	g->count = 0;
	for (size_t at = 0; at < g->held.len; at += strlen(g->held.data + at) + 1) {
		const char *text = g->held.data + at;

		g->list = mem_array(g->list, g->count + 1, sizeof(*g->list));
		ids = mem_array(ids, g->count + 1, sizeof(*ids));
		g->list[g->count] =
			(struct held_container){.id = text + 1, .by_engine = text[0] == 'e'};
		ids[g->count++] = text + 1;
	}
	if (g->cgroups != NULL && g->count > 0)
		(void)cgroups_find(g->cgroups, ids, g->count, &ignored);
}

static void
arm(struct guard *g, int64_t limit_ms)
{
	SCOPED(json_decref_at) json_t *journal = NULL;
	const int64_t now = clock_boot_ns();

	list_held(g);
	for (size_t i = 0; i < g->count; i++)
		g->list[i].owners = cgroups_state(g->cgroups, i) == CGROUP_FROZEN;
	g->journalled = journal_read(g, &journal) != NULL;
	g->until_ns = now + limit_ms * NS_PER_MS;
	g->look_ns = g->until_ns;
	g->quiet_ns = g->told_ns = 0;
}

int
guard_read_journal(struct guard *g)
{
	SCOPED(json_decref_at) json_t *journal = NULL;
	const json_t *list = journal_read(g, &journal), *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *id = json_string_value(json_object_get(item, "id"));
		const char *freezer = json_string_value(json_object_get(item, "freezer"));
		SCOPED(free_at)
		char *text = mem_format("%c%s",
			freezer != NULL && strcmp(freezer, "cgroup") == 0 ? 'c' : 'e',
			id == NULL ? "" : id);

		if (id != NULL)
			(void)buf_add(&g->held, text, strlen(text) + 1);
	}
	if (g->held.len == 0)
		return 0;
	arm(g, 0);
	for (i = 0; i < g->count; i++) /* it was armed before it died, and they ran then */
		g->list[i].owners = false;
	return (int)g->count;
}

/* ---- thawing by the kernel ---- */

/* Returns whether any was frozen. */
static bool
thaw_cgroups(struct guard *g)
{
	bool any = false;
	struct err ignored;

	for (size_t i = 0; i < g->count; i++) {
		const enum cgroup_state state = cgroups_state(g->cgroups, i);

		if (g->list[i].owners || (state != CGROUP_FROZEN && state != CGROUP_FREEZING))
			continue;
		(void)cgroups_set(g->cgroups, i, false, &ignored);
		any = true;
	}
	return any;
}

static size_t
guard_place_of(const struct guard *g, const char *id)
{
	size_t i = 0;

	while (i < g->count && strcmp(g->list[i].id, id) != 0)
		i++;
	return i;
}

static int
switch_one(void *ctx, const char *id, bool frozen, struct err *e)
{
	const struct guard *g = ctx;
	const size_t i = guard_place_of(g, id);

	return cgroups_has(g->cgroups, i)
		       ? cgroups_set(g->cgroups, i, frozen, e)
		       : err_set(e, ERR_UNSUPPORTED, "container %.12s has no cgroup here", id);
}

static int
look_at_one(void *ctx, const char *id)
{
	const struct guard *g = ctx;
	const enum cgroup_state state = cgroups_state(g->cgroups, guard_place_of(g, id));

	if (state == CGROUP_UNKNOWN)
		return -1;
	return state == CGROUP_FROZEN || state == CGROUP_FREEZING;
}

/* ---- telling the engine ---- */

enum round_kind { ROUND_ALL, ROUND_LATE }; /* late: only those that are paused now */

/* One container, by a thread of its own. */
struct turn {
	struct guard *guard;
	struct engine *engine;
	const struct held_container *of;
	enum round_kind kind;
	bool left; /* it may be frozen still, or the engine does not know that it runs */
	bool threaded;
	pthread_t thread;
};

/* 1: paused, 0: not, or gone; -1: the engine does not say. */
static int
is_paused(struct engine *engine, const char *id)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	struct err e;

	if (containers_inspect_within(engine, id, ANSWER_MS, &inspect, &e) != 0)
		return e.code == ERR_NOT_FOUND ? 0 : -1;
	return json_is_true(json_object_get(json_object_get(inspect, "State"), "Paused"));
}

static void *
take_turn(void *ctx)
{
	struct turn *t = ctx;
	const struct thaw_switch by = {switch_one, look_at_one, t->guard};
	struct thaw_result result;
	struct err ignored;
	int paused = 1;

	if (!t->of->by_engine) {
		if (t->kind == ROUND_ALL)
			thaw_pause_again(t->engine, &by, t->of->id);
		return NULL;
	}
	if (t->kind == ROUND_LATE)
		paused = is_paused(t->engine, t->of->id);
	t->left = paused < 0 || (paused == 1 && thaw_container(t->engine, &by, t->of->id, &result,
							&ignored) != 0);
	return NULL;
}

/* All of them side by side: one that takes its time keeps no other frozen. */
static size_t
take_turns(struct turn *turns, size_t count)
{
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		turns[i].threaded = thread_start(&turns[i].thread, take_turn, &turns[i]) == 0;
		if (!turns[i].threaded)
			(void)take_turn(&turns[i]);
	}
	for (size_t i = 0; i < count; i++) {
		if (turns[i].threaded)
			(void)pthread_join(turns[i].thread, NULL);
		left += turns[i].left;
	}
	return left;
}

/* How many are left. */
static size_t
guard_tell_engine(struct guard *g, struct engine *engine, enum round_kind kind)
{
	struct turn turns[TURNS_MAX];
	size_t count = 0, left = 0;

	for (size_t i = 0; i < g->count; i++) {
		if (g->list[i].owners)
			continue;
		turns[count++] = (struct turn){
			.guard = g, .engine = engine, .of = &g->list[i], .kind = kind};
		if (count < TURNS_MAX)
			continue;
		left += take_turns(turns, count);
		count = 0;
	}
	return left + take_turns(turns, count);
}

/* ---- when ---- */

int
guard_wait_ms(const struct guard *g)
{
	int64_t wait_ms;

	if (g->until_ns == 0 || g->look_ns == INT64_MAX)
		return -1;
	wait_ms = (g->look_ns - clock_boot_ns()) / NS_PER_MS + 1;
	if (wait_ms < 0)
		return 0;
	return wait_ms > ALONE_MS ? ALONE_MS : (int)wait_ms;
}

/* The service hangs, and the engine is told by nobody else.  False if that is to be tried again. */
static bool
told(struct guard *g, int64_t now)
{
	SCOPED(engine_close_at) struct engine *engine = NULL;
	struct err ignored;
	size_t left;

	if (g->told_ns == INT64_MAX)
		return true;
	if (now < g->told_ns || (g->deputy && now < g->until_ns + DEPUTY_MS * NS_PER_MS))
		return false;
	if (engine_open(g->engine_host, &engine, &ignored) != 0)
		return true;
	left = guard_tell_engine(g, engine, g->deputy ? ROUND_LATE : ROUND_ALL);
	g->told_ns = left == 0 ? INT64_MAX : clock_boot_ns() + TELL_MS * NS_PER_MS;
	return left == 0;
}

void
guard_look(struct guard *g)
{
	const int64_t now = clock_boot_ns();

	if (g->until_ns == 0 || now < g->look_ns)
		return;
	if (is_over(g)) {
		disarm(g);
		return;
	}
	if (thaw_cgroups(g) || g->quiet_ns == 0)
		g->quiet_ns = now;
	g->thawed = true;
	if (!told(g, now))
		g->quiet_ns = now;
	/* From then on it is its owner again who pauses it. */
	g->look_ns =
		now - g->quiet_ns > LATE_MS * NS_PER_MS ? INT64_MAX : now + LOOK_MS * NS_PER_MS;
}

/* Only of a pause the engine may still have some on its way. */
static bool
any_by_engine(const struct guard *g)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->list[i].by_engine)
			return true;
	return false;
}

int
guard_alone(struct guard *g)
{
	SCOPED(engine_close_at) struct engine *engine = NULL;
	const int64_t since = clock_boot_ns();
	int64_t quiet = since, now;
	enum round_kind kind = ROUND_ALL;
	struct err ignored;

	if (g->until_ns == 0 || is_over(g))
		return 0;
	(void)thaw_cgroups(g);
	if (engine_open(g->engine_host, &engine, &ignored) != 0)
		return 1;
	do {
		/* A new start may have put all right meanwhile, and freeze again. */
		if (is_over(g))
			return 0;
		const bool any = thaw_cgroups(g);
		const size_t left = guard_tell_engine(g, engine, kind);

		now = clock_boot_ns();
		if (any || left > 0)
			quiet = now;
		if (left == 0)
			kind = ROUND_LATE;
		if (now - quiet > LATE_MS * NS_PER_MS || (!any && left == 0 && !any_by_engine(g)))
			return 0;
		(void)usleep(LOOK_MS * 1000);
	} while (now - since < ALONE_MS * NS_PER_MS);
	return 1;
}

/* ---- its part of the wire ---- */

static int
take_limit(struct guard *g, const struct wire_message *m, struct err *e)
{
	uint32_t limit_ms;

	if (m->len != sizeof(limit_ms))
		return err_set(e, ERR_INVALID, "a limit is four bytes");
	if (g->held.len == 0 || g->until_ns != 0)
		return err_set(e, ERR_INVALID, "there is nothing to be armed");
	memcpy(&limit_ms, m->data, sizeof(limit_ms));
	arm(g, limit_ms);
	return 0;
}

int
guard_take(
	struct guard *g, int socket, const struct wire_message *m, bool *ret_thawed, struct err *e)
{
	switch (m->type) {
	case 'c':
		*ret_thawed = g->thawed;
		disarm(g);
		return 0;
	case 'g':
		return guard_hold(g, m->data, m->len, e);
	case 'a':
		return take_limit(g, m, e);
	case 'e':
		if (g->until_ns != 0)
			g->look_ns = g->until_ns = 1;
		return 0;
	case 'l':
		return g->until_ns != 0 ? err_set(e, ERR_INVALID, "it is armed already")
					: guard_lend(g->cgroups, socket, m, e);
	default:
		return 1;
	}
}
