#include "jobs/monitoring/health.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "base/thread.h"
#include "engine/self.h"
#include "jobs/operations/inspect.h"

struct health {
	struct health_options options;
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* a look has ended, or one is wanted */
	pthread_t thread;
	bool started, stopping;
	bool wanted;
	int askers;	  /* that wait for a look */
	int64_t begun_ns; /* of the look under way; 0: there is none */

	/* The thread's alone. */
	int64_t until_ns;	    /* the engine's time is over then */
	bool known;		    /* who we are */
	char unknown[ERR_TEXT_MAX]; /* else why not */
	int64_t tried_ns;

	/* What was seen last; NULL before.  Replaced, never changed. */
	json_t *seen;
	int64_t seen_ns, seen_real_ns;
	int64_t seen_from_ns;	 /* when that look began */
	char operation[ID_SIZE]; /* that ran when it could last be seen */
};

/* A look under way, in the thread. */
struct health_look {
	struct health *health;
	json_t *engine, *store;
	json_t *missing; /* sentences */
};

static void miss(struct health_look *l, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void
miss(struct health_look *l, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)json_array_append_new(l->missing, text_json_format(format, args));
	va_end(args);
}

/* An engine_give_up. */
static bool
too_long(void *ctx)
{
	struct health *h = ctx;
	LOCKED(&h->mutex);

	return h->stopping || clock_mono_ns() > h->until_ns;
}

/* Once it is known it stays so, until the engine was away.  The search may make a file, to see
 * where it appears: not at each look. */
static void
look_at_self(struct health_look *l)
{
	struct health *h = l->health;
	SCOPED(self_free_at) struct self *self = NULL;
	struct err e;

	if (!h->known &&
		(h->tried_ns == 0 || clock_since_ms(h->tried_ns) > HEALTH_SELF_SECONDS * 1000)) {
		h->known = self_find(h->options.engine, &self, &e) == 0;
		h->tried_ns = clock_mono_ns();
		(void)snprintf(h->unknown, sizeof(h->unknown), "%s", h->known ? "" : e.text);
	}
	if (!h->known)
		miss(l, "%s", h->unknown);
}

/* ${e}: why it does not answer. */
static void
engine_is_away(struct health_look *l, struct err *e)
{
	struct health *h = l->health;
	const struct engine *engine = h->options.engine;
	const bool dead = engine_socket_dead(engine);

	if (dead)
		(void)err_set(e, ERR_UNREACHABLE,
			"the engine was started anew, and the socket %s that is mounted here is "
			"the "
			"old one's: this service ends, and has the new one when it is started "
			"again",
			engine_socket(engine));
	else if (e->code == ERR_CANCELLED)
		(void)err_set(e, ERR_UNREACHABLE, "the engine at %s has not answered within %d s",
			engine_host(engine), HEALTH_ENGINE_MS / 1000);
	l->engine = json_pack("{s:b, s:n, s:n, s:o, s:b}", "reachable", 0, "version", "api",
		"error", text_json(e->text), "socket_dead", (int)dead);
	miss(l, "%s", e->text);
	h->known = false;
	h->tried_ns = 0;
}

static void
look_at_engine(struct health_look *l)
{
	struct health *h = l->health;
	SCOPED(json_decref_at) json_t *version = NULL;
	struct engine *engine = h->options.engine;
	struct err e;
	char api[16];
	int number = -1;

	h->until_ns = clock_mono_ns() + HEALTH_ENGINE_MS * INT64_C(1000000);
	if (engine_version(engine, &version, &e) == 0)
		number = engine_api(engine, &e);
	if (number < 0) {
		engine_is_away(l, &e);
		return;
	}
	(void)snprintf(api, sizeof(api), "%d.%d", number / 100, number % 100);
	l->engine = json_pack("{s:b, s:s, s:s, s:n, s:b}", "reachable", 1, "version",
		json_text(version, "Version", NULL), "api", api, "error", "socket_dead", 0);
	look_at_self(l);
}

/* Whether what stands at the store's path is still the folder that is held, and can be written. */
static void
look_at_folder(struct health_look *l, struct store *s)
{
	struct stat at, held;
	struct statvfs v;

	if (stat(store_path(s), &at) != 0 || fstat(store_fd(s), &held) != 0 ||
		at.st_dev != held.st_dev || at.st_ino != held.st_ino)
		miss(l,
			"the store's folder is not at %s any more: put it back, and start the "
			"service again",
			store_path(s));
	if (fstatvfs(store_fd(s), &v) != 0 || (v.f_flag & ST_RDONLY) != 0 ||
		faccessat(store_fd(s), "run", W_OK, 0) != 0)
		miss(l, "the store %s cannot be written to", store_path(s));
}

static void
look_at_store(struct health_look *l)
{
	struct store *s = l->health->options.store;
	struct store_stats stats = {0};
	struct err e;
	const int64_t free_bytes = store_free_bytes(s, &e);

	if (free_bytes < 0)
		miss(l, "%s", e.text);
	else if (free_bytes < SPACE_MIN_BYTES)
		miss(l, "the store %s has %lld MiB left; at least %lld are needed", store_path(s),
			(long long)(free_bytes >> 20), (long long)(SPACE_MIN_BYTES >> 20));
	if (store_stats(s, &stats, &e) != 0)
		miss(l, "%s", e.text);
	look_at_folder(l, s);
	l->store = json_pack("{s:o, s:I, s:I, s:I, s:b}", "path", text_json(store_path(s)),
		"free_bytes", (json_int_t)(free_bytes < 0 ? 0 : free_bytes), "packs_bytes",
		(json_int_t)stats.packs_bytes, "chunks", (json_int_t)stats.chunks, "encrypted",
		(int)store_encrypted(s));
}

static void
look_at_plan(struct health_look *l)
{
	const struct health_options *o = &l->health->options;
	struct err e;

	if (o->plan(o->ctx, &e) != 0)
		miss(l, "%s", e.text);
}

static void
look_at_leftovers(struct health_look *l)
{
	const struct health_options *o = &l->health->options;

	char running[ID_SIZE] = "";

	/* While a backup runs, the note is its own. */
	operations_glance(o->operations, running);
	if (running[0] == '\0' && faccessat(store_fd(o->store), "run/frozen.json", F_OK, 0) == 0)
		miss(l, "containers that an earlier run froze may be frozen still: thaw them "
			"(dockerctl thaw)");
	if (o->recovering(o->ctx))
		miss(l, "what an earlier run left is not put right yet; it is tried again and "
			"again");
}

static void (*const looks[])(struct health_look *l) = {
	look_at_engine,
	look_at_store,
	look_at_plan,
	look_at_leftovers,
};

/* What is missing is logged when it changes. */
static void
health_tell(const json_t *before, const json_t *missing)
{
	const json_t *sentence;
	size_t i;

	if (json_equal(json_object_get(before, "missing"), missing))
		return;
	if (json_array_size(missing) == 0 && before != NULL)
		log_info("a backup can begin again");
	json_array_foreach (missing, i, sentence)
		log_warn("no backup can begin: %s", json_string_value(sentence));
}

static json_t *
health_look(struct health *h)
{
	struct health_look l = {.health = h, .missing = json_array()};

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
		looks[i](&l);
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "status",
		json_array_size(l.missing) == 0 ? "ok" : "degraded", "version", FB_VERSION,
		"engine", l.engine, "store", l.store, "missing", l.missing);
}

static struct timespec
after_ms(int64_t ms)
{
	const int64_t at = clock_mono_ns() + ms * 1000000;

	return (struct timespec){.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
}

/* With the lock held, which is let go of meanwhile. */
static void
health_look_again(struct health *h)
{
	SCOPED(json_decref_at) json_t *before = NULL;
	const int64_t begun_ns = clock_mono_ns();
	json_t *seen;

	h->wanted = false;
	h->begun_ns = begun_ns;
	(void)pthread_mutex_unlock(&h->mutex);
	seen = health_look(h);
	(void)pthread_mutex_lock(&h->mutex);
	before = h->seen;
	h->seen = seen;
	h->seen_from_ns = begun_ns;
	h->seen_ns = clock_mono_ns();
	h->seen_real_ns = clock_real_ns();
	h->begun_ns = 0;
	(void)pthread_cond_broadcast(&h->changed);
	if (!h->stopping)
		health_tell(before, json_object_get(seen, "missing"));
}

/* With the lock held: until a look is wanted, or due; but for a while at least. */
static void
rest(struct health *h)
{
	const struct timespec soon = after_ms(HEALTH_PAUSE_MS),
			      late = after_ms(HEALTH_IDLE_SECONDS * 1000);

	while (!h->stopping && !h->wanted &&
		pthread_cond_timedwait(&h->changed, &h->mutex, &late) == 0)
		;
	while (!h->stopping && pthread_cond_timedwait(&h->changed, &h->mutex, &soon) == 0)
		;
}

static void *
keep_looking(void *ctx)
{
	struct health *h = ctx;
	LOCKED(&h->mutex);

	engine_give_up(too_long, h);
	while (!h->stopping) {
		health_look_again(h);
		rest(h);
	}
	return NULL;
}

int
health_open(const struct health_options *o, struct health **ret_health, struct err *e)
{
	struct health *h = mem_new(sizeof(*h));
	pthread_condattr_t attr;

	h->options = *o;
	(void)pthread_mutex_init(&h->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&h->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (thread_start(&h->thread, keep_looking, h) != 0) {
		health_close(h);
		return err_set(e, ERR_INTERNAL, "no thread could be started");
	}
	h->started = true;
	*ret_health = h;
	return 0;
}

void
health_stop(struct health *h)
{
	bool join;

	if (h == NULL)
		return;
	(void)pthread_mutex_lock(&h->mutex);
	join = h->started;
	h->started = false;
	h->stopping = true;
	(void)pthread_cond_broadcast(&h->changed);
	(void)pthread_mutex_unlock(&h->mutex);
	if (join)
		(void)pthread_join(h->thread, NULL);
}

void
health_close(struct health *h)
{
	if (h == NULL)
		return;
	json_decref(h->seen);
	(void)pthread_cond_destroy(&h->changed);
	(void)pthread_mutex_destroy(&h->mutex);
	free(h);
}

/* With the lock held: wait for a look that begins now, unless the one under way takes its time, or
 * others wait already. */
static void
await_look(struct health *h)
{
	const int64_t asked_ns = clock_mono_ns();
	const struct timespec until = after_ms(HEALTH_PATIENCE_MS);
	int status = 0;

	if (h->askers >= HEALTH_ASKERS_MAX && h->seen != NULL)
		return;
	h->askers++;
	while (!h->stopping && status == 0 && h->seen_from_ns < asked_ns &&
		(h->begun_ns == 0 || clock_since_ms(h->begun_ns) < HEALTH_PATIENCE_MS)) {
		h->wanted = true;
		(void)pthread_cond_broadcast(&h->changed);
		status = pthread_cond_timedwait(&h->changed, &h->mutex, &until);
	}
	h->askers--;
}

/* What nobody has seen yet. */
static json_t *
unseen(const struct health *h)
{
	const struct health_options *o = &h->options;

	return json_pack(
		"{s:s, s:s, s:{s:b, s:n, s:n, s:n, s:b}, s:{s:o, s:i, s:i, s:i, s:b}, s:[s]}",
		"status", "degraded", "version", FB_VERSION, "engine", "reachable", 0, "version",
		"api", "error", "socket_dead", 0, "store", "path", text_json(store_path(o->store)),
		"free_bytes", 0, "packs_bytes", 0, "chunks", 0, "encrypted",
		(int)store_encrypted(o->store), "missing",
		"the service has only just started to look");
}

/* What was seen too long ago: whoever looks hangs. */
static void
mark_stale(json_t *json, int64_t age_ms)
{
	(void)json_object_set_new(json, "status", json_string("degraded"));
	(void)json_array_append_new(json_object_get(json, "missing"),
		json_sprintf(
			"nothing has been seen for %lld s: the engine or the disk of the store "
			"hangs",
			(long long)(age_ms / 1000)));
}

json_t *
health_json(struct health *h, bool *ret_well)
{
	char time[CLOCK_TEXT_SIZE];
	json_t *json;
	int64_t age_ms;
	LOCKED(&h->mutex);

	await_look(h);
	json = h->seen == NULL ? unseen(h) : json_deep_copy(h->seen);
	age_ms = h->seen == NULL ? 0 : clock_since_ms(h->seen_ns);
	if (age_ms > HEALTH_STALE_MS)
		mark_stale(json, age_ms);
	operations_glance(h->options.operations, h->operation);
	(void)json_object_set_new(json, "operation",
		h->operation[0] == '\0' ? json_null() : json_string(h->operation));
	(void)json_object_set_new(json, "checked_at",
		h->seen == NULL ? json_null() : json_string(clock_text(h->seen_real_ns, time)));
	(void)json_object_set_new(json, "age_ms", json_integer((json_int_t)age_ms));
	*ret_well = strcmp(json_string_value(json_object_get(json, "status")), "ok") == 0;
	return json;
}
