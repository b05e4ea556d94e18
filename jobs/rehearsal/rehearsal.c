#include "jobs/rehearsal/rehearsal.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "engine/self.h"
#include "jobs/content/contents.h"
#include "jobs/operations/inspect.h"
#include "jobs/operations/run_state.h"
#include "jobs/rehearsal/clone_config.h"
#include "jobs/rehearsal/rehearsal_containers.h"
#include "jobs/rehearsal/rehearsal_data.h"
#include "jobs/rehearsal/rehearsal_health.h"
#include "jobs/rehearsal/rehearsal_images.h"
#include "jobs/restore/containers/image_ids.h"
#include "store/catalogue/backups.h"
#include "store/read/replay.h"

static const char note_name[] = "rehearsal.json";

static const int64_t MEMORY_MAX = INT64_C(1) << 50;

/* A busy engine carries out what a dead process had asked it for some seconds later. */
enum { LATE_LOOKS = 3, LATE_US = 1500 * 1000 };

/* How long each part took. */
struct timings {
	int64_t read_ms, make_ms, fill_ms, run_ms, remove_ms;
};

struct rehearsal {
	struct operation *operation;
	const struct rehearsal_request *request;
	const char *id;	      /* the operation's */
	struct replay *lease; /* while it is open no sweep takes the backup's chunks */
	struct self *self;
	char *store;	/* the host's path of it */
	char *run_path; /* <store>/run, for lenders */
	char *cpus;
	struct rehearsal_data_seen seen;
	struct contents *contents;
	struct rehearsal_data *vessels;
	struct rehearsal_containers clones;
	json_t *ids;	 /* of images here (image_ids.h) */
	json_t *missing; /* images that are loaded */
	json_t *unproven;
	struct timings timings;
	int64_t since_ns;   /* of the present part */
	json_t *containers; /* the trial's outcome, or NULL */
	bool proven;
};

/* ---- the request ---- */

int
rehearsal_parse(const json_t *request, struct rehearsal_request *r, struct err *e)
{
	const struct {
		const char *name;
		int64_t *value, min, max;
	} fields[] = {{"memory_bytes", &r->memory_bytes, CLONE_MEMORY_MIN, MEMORY_MAX},
		{"cpus", &r->cpus, 1, REHEARSAL_CPUS_MAX},
		{"stay_seconds", &r->stay_seconds, 1, REHEARSAL_STAY_SECONDS_MAX},
		{"health_seconds", &r->health_seconds, 1, REHEARSAL_HEALTH_SECONDS_MAX}};
	const size_t count = sizeof(fields) / sizeof(fields[0]);
	const char *key;
	json_t *value;

	r->stay_seconds = REHEARSAL_STAY_SECONDS;
	r->health_seconds = REHEARSAL_HEALTH_SECONDS;
	if (request != NULL && !json_is_object(request))
		return err_set(e, ERR_INVALID, "the request is an object, or empty");
	json_object_foreach ((json_t *)(uintptr_t)request, key, value) {
		size_t i = 0;

		while (i < count && strcmp(fields[i].name, key) != 0)
			i++;
		if (i == count)
			return err_set(e, ERR_INVALID,
				"unknown field \"%.64s\"; known are: memory_bytes, cpus, "
				"stay_seconds, health_seconds",
				key);
		*fields[i].value = json_integer_value(value);
		if (!json_is_integer(value) || *fields[i].value < fields[i].min ||
			*fields[i].value > fields[i].max)
			return err_set(e, ERR_INVALID, "\"%s\" is a number from %lld to %lld", key,
				(long long)fields[i].min, (long long)fields[i].max);
	}
	return 0;
}

void
rehearsal_request_free(void *arg)
{
	struct rehearsal_request *request = arg;

	free(request->backup);
	free(request);
}

/* ---- what it may take ---- */

/* The last ${want} processors that this process may run on: "2,3". */
static char *
last_cpus(int64_t want)
{
	struct buf text = BUF_INIT(64 * 1024);
	cpu_set_t set;
	int64_t have;

	CPU_ZERO(&set);
	(void)sched_getaffinity(0, sizeof(set), &set);
	have = CPU_COUNT(&set);
	if (want == 0)
		want = (have + 1) / 2;
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		if (have-- <= want)
			(void)buf_format(&text, "%s%zu", text.len == 0 ? "" : ",", i);
	}
	return buf_take(&text);
}

static int
rehearsal_set_limits(struct rehearsal *r, struct err *e)
{
	SCOPED(json_decref_at) json_t *info = NULL;

	if (engine_info(r->request->engine, &info, e) != 0)
		return -1;
	r->clones.memory_bytes = r->request->memory_bytes;
	if (r->clones.memory_bytes == 0)
		r->clones.memory_bytes = json_integer_value(json_object_get(info, "MemTotal")) / 2;
	r->cpus = last_cpus(r->request->cpus);
	r->clones.cpus = r->cpus;
	r->clones.unlimited = clone_config_unlimited(info);
	return 0;
}

/* ---- the parts ---- */

static int64_t
part_ended(struct rehearsal *r)
{
	const int64_t ms = clock_since_ms(r->since_ns);

	r->since_ns = clock_mono_ns();
	return ms;
}

static int
read_backup(struct rehearsal *r, struct err *e)
{
	const struct contents_looker looker = {rehearsal_data_look, &r->seen};
	const struct rehearsal_request *q = r->request;

	operation_phase(r->operation, "verify");
	if (replay_open(q->store, q->backup, &r->lease, e) != 0)
		return -1;
	/* It is read once, and filled in once. */
	operation_total(r->operation, 2 * replay_plain_bytes(r->lease));
	if (contents_read_looking(q->store, q->backup, r->operation, &looker, &r->contents, e) != 0)
		return -1;
	r->timings.read_ms = part_ended(r);
	return 0;
}

static int
rehearsal_run_open(struct store *s, struct err *e)
{
	const int fd = openat(store_fd(s), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s/run", store_path(s)) : fd;
}

static int
note_begin(const struct rehearsal *r, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = rehearsal_run_open(r->request->store, e);
	SCOPED(json_decref_at)
	json_t *note = json_pack("{s:s, s:O}", "id", r->id, "images", r->missing);

	return run_fd < 0 ? -1 : run_state_write(run_fd, note_name, note, e);
}

static int
rehearsal_make(struct rehearsal *r, struct err *e)
{
	const struct rehearsal_request *q = r->request;
	const struct rehearsal_images_source source = {
		q->store, q->engine, r->operation, q->backup};
	const json_t *images = json_object_get(r->contents->manifest, "images");
	SCOPED(json_decref_at) json_t *labels = NULL;

	r->clones.engine = q->engine;
	r->clones.self = r->self;
	r->clones.contents = r->contents;
	r->clones.id = r->id;
	r->clones.store = r->store;
	r->clones.run_path = r->run_path;
	r->clones.unproven = r->unproven;
	if (rehearsal_set_limits(r, e) != 0 || rehearsal_containers_plan(&r->clones, e) != 0)
		return -1;
	if (image_ids_find(q->engine, images, &r->ids, e) != 0)
		return -1;
	if (rehearsal_images_missing(q->engine, images, r->ids, r->id, &r->missing, e) != 0)
		return -1;
	/* The note comes first: images bear no labels of ours, so only it knows which to remove. */
	if (note_begin(r, e) != 0)
		return -1;
	operation_phase(r->operation, "supply");
	if (rehearsal_images_load(&source, r->missing, r->ids, e) != 0)
		return -1;
	labels = clone_config_labels(r->id, r->store);
	r->vessels = rehearsal_data_plan(r->contents, &r->seen, r->id, r->unproven);
	operation_phase(r->operation, "create");
	if (rehearsal_data_make(r->vessels, q->engine, labels, e) != 0)
		return -1;
	if (rehearsal_containers_make(&r->clones, r->vessels, e) != 0)
		return -1;
	r->timings.make_ms = part_ended(r);
	return 0;
}

static int
rehearsal_fill(struct rehearsal *r, struct err *e)
{
	const struct rehearsal_data_source source = {.store = r->request->store,
		.engine = r->request->engine,
		.self = r->self,
		.operation = r->operation,
		.backup = r->request->backup,
		.id = r->id,
		.unproven = r->unproven};

	operation_phase(r->operation, "fill");
	if (rehearsal_data_fill(r->vessels, &source, e) != 0)
		return -1;
	r->timings.fill_ms = part_ended(r);
	return 0;
}

static int
try_it(struct rehearsal *r, struct err *e)
{
	const struct rehearsal_health trial = {.clones = &r->clones,
		.operation = r->operation,
		.stay_ms = r->request->stay_seconds * 1000,
		.health_ms = r->request->health_seconds * 1000};

	if (rehearsal_health_run(&trial, &r->containers, &r->proven, e) != 0)
		return -1;
	r->timings.run_ms = part_ended(r);
	return 0;
}

static int
remove_all(struct store *store, struct engine *g, const char *label, const json_t *images,
	struct err *e)
{
	SCOPED(fd_close_at) int run_fd = rehearsal_run_open(store, e);

	if (run_fd < 0 || rehearsal_containers_sweep(g, label, e) != 0 ||
		rehearsal_images_remove(g, images, e) != 0)
		return -1;
	return run_state_remove(run_fd, note_name, e);
}

/* What cannot be removed now is by the next rehearsal, or the next start. */
static void
tear_down(struct rehearsal *r)
{
	struct err e;

	operation_phase(r->operation, "remove");
	r->since_ns = clock_mono_ns();
	rehearsal_data_free(r->vessels); /* ends the lender, if there is one */
	r->vessels = NULL;
	if (remove_all(r->request->store, r->request->engine, r->store, r->missing, &e) != 0)
		log_error("rehearsal %s: not all of it could be removed: %s", r->id, e.text);
	r->timings.remove_ms = part_ended(r);
}

/* ---- the verdict ---- */

static json_t *
verdict_json(const struct rehearsal *r, const char *error)
{
	const struct timings *t = &r->timings;
	char at[CLOCK_TEXT_SIZE];

	return json_pack(
		"{s:s, s:s, s:s, s:o, s:o, s:O, s:i, s:I, s:s?, s:{s:I, s:I, s:I, s:I, s:I, "
		"s:I}}",
		"verdict", r->proven ? "proven" : "failed", "at", clock_text(clock_real_ns(), at),
		"operation", r->id, "error", error == NULL ? json_null() : text_json(error),
		"containers", r->containers == NULL ? json_array() : json_incref(r->containers),
		"unproven", r->unproven, "images_loaded", (int)json_array_size(r->missing),
		"memory_bytes", (json_int_t)r->clones.memory_bytes, "cpus", r->cpus, "timings",
		"read_ms", (json_int_t)t->read_ms, "make_ms", (json_int_t)t->make_ms, "fill_ms",
		(json_int_t)t->fill_ms, "run_ms", (json_int_t)t->run_ms, "remove_ms",
		(json_int_t)t->remove_ms, "total_ms",
		(json_int_t)(t->read_ms + t->make_ms + t->fill_ms + t->run_ms + t->remove_ms));
}

/* Names of those that are not ok, and why the first is not. */
static int
rehearsal_failed(const json_t *containers, struct err *e)
{
	SCOPED(buf_free) struct buf names = BUF_INIT(256);
	const json_t *item, *first = NULL;
	size_t i, count = 0;

	json_array_foreach (containers, i, item) {
		if (json_truth(item, "ok", NULL))
			continue;
		if (count++ == 0)
			first = item;
		(void)buf_format(
			&names, "%s%s", names.len == 0 ? "" : ", ", json_text(item, "name", NULL));
	}
	return err_set(e, ERR_UNPROVEN, "%zu of %zu containers did not come up (%s); %s: %.400s",
		count, json_array_size(containers), names.data == NULL ? "" : names.data,
		json_text(first, "name", NULL), json_text(first, "error", NULL));
}

/* Whether ${e} says that the backup cannot be restored, and not that it could not be tried. */
static bool
is_verdict(const struct err *e)
{
	return e->code == ERR_CORRUPT;
}

static int
rehearsal_judge(struct rehearsal *r, int status, json_t **ret_result, struct err *e)
{
	struct err why;

	if (status != 0 && !is_verdict(e))
		return -1;
	*ret_result = verdict_json(r, status == 0 ? NULL : e->text);
	if (backups_rehearsed(r->request->store, r->request->backup, *ret_result, &why) != 0) {
		*e = why;
		return err_prefix(e, "the verdict could not be recorded");
	}
	if (status != 0)
		e->code = ERR_UNPROVEN;
	return status != 0 ? -1 : r->proven ? 0 : rehearsal_failed(r->containers, e);
}

static int
rehearsal_begin(struct rehearsal *r, struct err *e)
{
	const struct rehearsal_request *q = r->request;

	if (rehearsal_recover(q->store, q->engine, e) != 0 ||
		self_find(q->engine, &r->self, e) != 0)
		return -1;
	r->store = self_host_path(r->self, store_path(q->store));
	r->run_path = mem_format("%s/run", store_path(q->store));
	if (r->store == NULL)
		return err_set(e, ERR_CONFLICT,
			"the store must be mounted from the host: start the service with `-v "
			"/var/backup/fuel:/var/backup/fuel`");
	return 0;
}

/* The steps of a rehearsal, up to what its clones show. */
static int
rehearsal_carry_out(struct rehearsal *r, struct err *e)
{
	/* All of it is read, and so verified: a damaged backup is no proof, whatever comes up. */
	if (read_backup(r, e) != 0)
		return -1;
	/* Images, volumes, networks and containers, each with a label by which it is removed. */
	if (rehearsal_make(r, e) != 0)
		return -1;
	if (rehearsal_fill(r, e) != 0)
		return -1;
	/* Those that ran are started, and watched for as long as they needed. */
	return try_it(r, e);
}

int
rehearsal_run(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	struct rehearsal r = {.operation = o,
		.request = arg,
		.id = operation_id(o),
		.unproven = json_array(),
		.since_ns = clock_mono_ns()};
	int status = rehearsal_begin(&r, e);

	if (status == 0) {
		engine_give_up(operation_given_up, o);
		status = rehearsal_carry_out(&r, e);
		engine_give_up(NULL, NULL);
		tear_down(&r);
		status = rehearsal_judge(&r, status, ret_result, e);
	}
	rehearsal_containers_clear(&r.clones);
	rehearsal_data_seen_clear(&r.seen);
	contents_free(r.contents);
	replay_close(r.lease);
	self_free(r.self);
	json_decref(r.ids);
	json_decref(r.missing);
	json_decref(r.unproven);
	json_decref(r.containers);
	free(r.store);
	free(r.run_path);
	free(r.cpus);
	return status;
}

/* What the one that was cut off had asked the engine for may still come. */
static int
remove_late(struct engine *g, const char *label, struct err *e)
{
	for (int look = 0; look < LATE_LOOKS; look++) {
		if (rehearsal_containers_sweep(g, label, e) != 0)
			return -1;
		(void)usleep(LATE_US);
	}
	return 0;
}

int
rehearsal_recover(struct store *store, struct engine *g, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = rehearsal_run_open(store, e);
	SCOPED(json_decref_at) json_t *note = run_fd < 0 ? NULL : run_state_read(run_fd, note_name);
	SCOPED(self_free_at) struct self *self = NULL;
	SCOPED(free_at) char *label = NULL;

	if (run_fd < 0)
		return -1;
	if (note == NULL)
		return 0;
	if (self_find(g, &self, e) != 0)
		return -1;
	label = self_host_path(self, store_path(store));
	if (remove_late(g, label == NULL ? "" : label, e) != 0 ||
		remove_all(store, g, label == NULL ? "" : label, json_object_get(note, "images"),
			e) != 0)
		return err_prefix(e, "a rehearsal that was cut off");
	log_warn("removed what rehearsal %s, which had been cut off, had left",
		json_text(note, "id", NULL));
	return 0;
}
