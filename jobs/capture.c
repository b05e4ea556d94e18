#include "jobs/capture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"
#include "engine/self.h"
#include "jobs/assemble.h"
#include "jobs/image_copy.h"
#include "jobs/manifest.h"
#include "jobs/passes.h"
#include "jobs/roots.h"
#include "jobs/witness.h"
#include "store/backups.h"
#include "store/ingest.h"

/* A further live pass is worth its while above this: the frozen pass reads 8 MiB in 10 ms. */
static const int64_t ENOUGH_BYTES = 8 * 1024 * 1024;

/* zstd seldom does better than this on whole hosts; who cannot hold this much cannot hold it. */
enum { LIVE_PASSES_MAX = 3, BEST_RATIO = 10 };

struct capture {
	struct operation *operation;
	const struct capture_request *request;
	char id[ID_SIZE];
	int64_t since_ns;
	int run_fd;
	char *run_path;
	struct self *self;
	struct inventory *inventory;
	struct roots *roots;
	struct witness *witness;
	struct ingest *ingest;
	struct freeze *freeze;
	struct passes passes;
	struct recipe *images;	/* of image i, with its header */
	struct recipe *sources; /* of source i */
	json_t *pass_list;
	int64_t frozen_ns;
	int64_t freeze_ms;
};

static void
recipes_free(struct recipe *recipes, size_t count)
{
	for (size_t i = 0; recipes != NULL && i < count; i++)
		recipe_free(&recipes[i]);
	free(recipes);
}

/* In this order: whatever happened, the containers run first. */
static void
capture_clear(struct capture *c)
{
	freeze_close(c->freeze);
	passes_clear(&c->passes);
	ingest_close(c->ingest);
	roots_close(c->roots);
	witness_close(c->witness);
	if (c->inventory != NULL) {
		recipes_free(c->images, json_array_size(c->inventory->images));
		recipes_free(c->sources, c->inventory->count);
	}
	inventory_free(c->inventory);
	self_free(c->self);
	json_decref(c->pass_list);
	free(c->run_path);
	fd_close_at(&c->run_fd);
}

static int
capture_prepare(
	struct capture *c, const struct capture_request *request, const char *name, struct err *e)
{
	struct roots_options options = {
		.engine = request->engine, .mark_unreadable = request->plan->mark_unreadable};
	SCOPED(free_at) char *lender = mem_format("fuel-backup-lender-%s", name);
	bool fuel = false;

	c->request = request;
	c->pass_list = json_array();
	c->run_path = mem_format("%s/run", store_path(request->store));
	c->run_fd = openat(store_fd(request->store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->run_fd < 0)
		return err_errno(e, "%s cannot be opened", c->run_path);
	if (self_find(request->engine, &c->self, e) != 0)
		return -1;
	if (request->plan->embedded) {
		if (roots_host_has(request->engine, c->self, "/etc/fuel", &fuel, e) != 0)
			return -1;
		if (fuel)
			plan_add_fuel(request->plan);
	}
	if (inventory_take(request->engine, c->self, request->plan, store_path(request->store),
		    &c->inventory, e) != 0)
		return -1;
	options.self = c->self;
	options.inventory = c->inventory;
	options.run_path = c->run_path;
	options.name = lender;
	return roots_open(&options, &c->roots, e);
}

static void
set_passes(struct capture *c)
{
	c->passes = (struct passes){.operation = c->operation,
		.ingest = c->ingest,
		.inventory = c->inventory,
		.lender = c->roots->lender,
		.roots = c->roots->numbers,
		.run_fd = c->run_fd,
		.mark_unreadable = c->request->plan->mark_unreadable};
	passes_init(&c->passes);
}

static int
check_space(struct capture *c, int64_t need, const char *what, struct err *e)
{
	const int64_t have = store_free_bytes(c->request->store, e);

	if (have < 0)
		return -1;
	if (need <= have)
		return 0;
	return err_set(e, ERR_NO_SPACE,
		"the store has %lld MiB left, and %s needs at least %lld MiB: make room, or "
		"delete backups (nothing was frozen)",
		(long long)(have >> 20), what, (long long)(need >> 20));
}

static int
measure(struct capture *c, struct err *e)
{
	const struct image_copy copy = {c->operation, c->request->engine, c->ingest};
	struct pass_result r;
	int64_t images;

	operation_phase(c->operation, "measure");
	if (passes_run(&c->passes, PASS_MEASURE, 0, &r, e) != 0 ||
		image_copy_bytes(&copy, c->inventory->images, &images, e) != 0)
		return -1;
	operation_total(c->operation, r.bytes + images);
	return check_space(c, (r.bytes + images) / BEST_RATIO, "this backup", e);
}

static int
capture_images(struct capture *c, struct err *e)
{
	const struct image_copy copy = {c->operation, c->request->engine, c->ingest};
	const size_t count = json_array_size(c->inventory->images);

	operation_phase(c->operation, "images");
	c->images = mem_new((count + 1) * sizeof(*c->images));
	for (size_t i = 0; i < count; i++)
		if (image_copy(&copy, json_array_get(c->inventory->images, i), &c->images[i], e) !=
			0)
			return -1;
	return 0;
}

static int
live_passes(struct capture *c, int64_t *ret_last, struct err *e)
{
	struct pass_result r = {0};
	int64_t before = INT64_MAX;

	operation_phase(c->operation, "live");
	for (int pass = 0; pass < LIVE_PASSES_MAX; pass++) {
		if (passes_run(&c->passes, PASS_LIVE, 1, &r, e) != 0)
			return -1;
		(void)json_array_append_new(c->pass_list, pass_json(PASS_LIVE, &r));
		if (r.bytes < ENOUGH_BYTES || r.bytes > before / 2)
			break;
		before = r.bytes;
	}
	*ret_last = r.bytes < before ? r.bytes : before;
	return ingest_checkpoint(c->ingest, e);
}

static int
frozen_pass(struct capture *c, struct err *e)
{
	struct pass_result r;
	struct err ignored;
	int status;

	c->passes.freeze = c->freeze;
	status = witness_frozen(c->witness, c->inventory, e);
	if (status == 0)
		status = passes_run(&c->passes, PASS_FROZEN, 0, &r, e);
	witness_thawing(c->witness);
	if (freeze_thaw(c->freeze, status == 0 ? e : &ignored) != 0)
		return -1;
	c->freeze_ms = freeze_window_ms(c->freeze);
	if (status != 0)
		return -1;
	(void)json_array_append_new(c->pass_list, pass_json(PASS_FROZEN, &r));
	return witness_judge(c->witness, c->freeze, c->inventory, e);
}

static int
freeze_and_copy(struct capture *c, struct err *e)
{
	const struct freeze_options options = {.engine = c->request->engine,
		.guard = c->roots->lender,
		.containers = c->inventory->containers,
		.never = c->self->network_owner,
		.run_fd = c->run_fd,
		.max_ms = 10000};

	operation_phase(c->operation, "freeze");
	engine_give_up(NULL, NULL); /* what is frozen is thawed, whatever is asked */
	if (freeze_begin(&options, &c->freeze, e) != 0)
		return -1;
	c->frozen_ns = clock_real_ns();
	if (frozen_pass(c, e) != 0)
		return -1;
	log_info("backup %s: frozen for %lld ms", c->id, (long long)c->freeze_ms);
	return 0;
}

/* From the live pass on: everything until the containers run again. */
static int
copy_data(struct capture *c, struct err *e)
{
	int64_t last = 0;

	if (measure(c, e) != 0 || capture_images(c, e) != 0 || live_passes(c, &last, e) != 0)
		return -1;
	/* What changes while it is frozen is no more than what changed during the last pass; all
	 * of it may have to go to the spool's file and then to a pack. */
	if (check_space(c, 2 * (last < ENOUGH_BYTES ? ENOUGH_BYTES : last), "the frozen pass", e) !=
		0)
		return -1;
	if (freeze_and_copy(c, e) != 0)
		return -1;
	operation_phase(c->operation, "store");
	c->sources = mem_new((c->inventory->count + 1) * sizeof(*c->sources));
	return passes_collect(&c->passes, c->sources, e);
}

static int
assemble_container(struct capture *c, const json_t *inspect, struct recipe *to, struct err *e)
{
	const char *name = container_name(inspect);
	SCOPED(free_at) char *path = mem_format("containers/%s/inspect.json", name);

	if (assemble_json(c->ingest, to, path, inspect, c->frozen_ns, e) != 0)
		return -1;
	for (size_t i = 0; i < c->inventory->count; i++)
		if (c->inventory->sources[i].kind == SOURCE_LAYER &&
			strcmp(c->inventory->sources[i].name, name) == 0)
			recipe_add_all(to, &c->sources[i]);
	return 0;
}

static int
assemble_body(struct capture *c, struct recipe *to, struct err *e)
{
	const json_t *item;
	size_t i;

	for (i = 0; i < json_array_size(c->inventory->images); i++)
		recipe_add_all(to, &c->images[i]);
	json_array_foreach (c->inventory->containers, i, item) {
		if (assemble_container(c, item, to, e) != 0)
			return -1;
	}
	json_array_foreach (c->inventory->networks, i, item) {
		SCOPED(free_at)
		char *path = mem_format("networks/%s.json", json_text(item, "Name", NULL));

		if (assemble_json(c->ingest, to, path, item, c->frozen_ns, e) != 0)
			return -1;
	}
	for (i = 0; i < c->inventory->count; i++)
		if (c->inventory->sources[i].kind != SOURCE_LAYER)
			recipe_add_all(to, &c->sources[i]);
	return assemble_end(c->ingest, to, e);
}

static int
assemble(struct capture *c, struct recipe *to, struct err *e)
{
	SCOPED(json_decref_at) json_t *manifest = NULL;
	SCOPED(free_at) char *text = NULL;
	const struct manifest_options options = {.id = c->id,
		.frozen_ns = c->frozen_ns,
		.engine = c->request->engine,
		.inventory = c->inventory,
		.plan = c->request->plan,
		.single_file = c->roots->files,
		.incomplete = c->passes.incomplete};

	if (manifest_new(&options, &manifest, e) != 0)
		return -1;
	text = manifest_restore_text(manifest);
	if (assemble_json(c->ingest, to, "backup.json", manifest, c->frozen_ns, e) != 0 ||
		assemble_text(c->ingest, to, "RESTORE.txt", text, c->frozen_ns, e) != 0)
		return -1;
	return assemble_body(c, to, e);
}

static json_t *
containers_record(const struct capture *c)
{
	SCOPED(json_decref_at)
	json_t *windows = c->freeze == NULL ? NULL : freeze_windows(c->freeze);
	json_t *list = json_array();
	const json_t *inspect;
	size_t i;

	json_array_foreach (c->inventory->containers, i, inspect) {
		const char *name = container_name(inspect);
		json_t *ms = json_object_get(windows, name);

		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:O}", "name", name, "image",
				      json_text(inspect, "Config", "Image"), "state",
				      container_state(inspect), "freeze_ms",
				      ms == NULL ? json_null() : ms));
	}
	return list;
}

/* The record that the API shows; ${totals} and ${error} where there are any. */
static json_t *
record(const struct capture *c, const struct ingest_totals *totals, const struct err *error)
{
	const bool taken = c->inventory != NULL;

	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:s*, s:b, s:o, s:o, s:O, s:O, s:o}",
		"freeze_ms", c->freeze_ms < 0 ? json_null() : json_integer(c->freeze_ms),
		"duration_ms", (json_int_t)clock_since_ms(c->since_ns), "size_bytes",
		(json_int_t)(totals == NULL ? 0 : totals->size_bytes), "stored_bytes",
		(json_int_t)(c->ingest == NULL ? 0 : ingest_stored_bytes(c->ingest)),
		"archive_bytes", (json_int_t)(totals == NULL ? 0 : totals->archive_bytes),
		"sockets_skipped", (json_int_t)c->passes.sockets, "digest",
		totals == NULL ? NULL : totals->digest, "incomplete", c->passes.incomplete,
		"containers", taken ? containers_record(c) : json_array(), "warnings",
		taken ? json_incref(c->inventory->warnings) : json_array(), "passes", c->pass_list,
		"plan", c->request->plan->document, "error",
		error == NULL ? json_null() : problem_json(error));
}

static int
commit(struct capture *c, struct err *e)
{
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *document = NULL;
	SCOPED(free_at) char *text = NULL;
	struct ingest_totals totals;

	if (assemble(c, &recipe, e) != 0 || operation_check(c->operation, e) != 0)
		return -1;
	operation_phase(c->operation, "commit");
	if (ingest_totals(c->ingest, &recipe, &totals, e) != 0)
		return -1;
	document = record(c, &totals, NULL);
	text = json_dumps(document, JSON_COMPACT);
	if (text == NULL)
		return err_set(e, ERR_INTERNAL, "the backup's record cannot be encoded");
	return ingest_commit(c->ingest, c->id, text, &recipe, e);
}

/* What an earlier freeze could not thaw shall not be taken for paused by its owner. */
static int
thaw_earlier(const struct capture_request *request, struct err *e)
{
	SCOPED(fd_close_at)
	int fd = openat(store_fd(request->store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "%s/run", store_path(request->store));
	return freeze_recover(request->engine, fd, NULL, e);
}

static int
carry_out(struct capture *c, struct err *e)
{
	engine_give_up(operation_given_up, c->operation);
	if (thaw_earlier(c->request, e) != 0 ||
		witness_open(c->request->engine, &c->witness, e) != 0 ||
		capture_prepare(c, c->request, operation_id(c->operation), e) != 0 ||
		ingest_open(c->request->store, &c->ingest, e) != 0)
		return -1;
	set_passes(c);
	return copy_data(c, e) != 0 ? -1 : commit(c, e);
}

static void
fail(struct capture *c, const struct err *error)
{
	SCOPED(json_decref_at) json_t *document = NULL;
	struct err e;

	if (error->code != ERR_CANCELLED)
		document = record(c, NULL, error);
	if (backups_fail(c->request->store, c->id, document, &e) != 0)
		log_warn("backup %s could not be marked failed: %s", c->id, e.text);
}

int
capture_run(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	const struct capture_request *request = arg;
	struct capture c = {.operation = o,
		.request = request,
		.since_ns = clock_mono_ns(),
		.run_fd = -1,
		.freeze_ms = -1};
	SCOPED(json_decref_at) json_t *begun = json_object();
	int status;

	id_new(c.id);
	if (backups_begin(request->store, c.id, clock_real_ns(), begun, e) != 0)
		return -1;
	operation_backup(o, c.id);
	status = carry_out(&c, e);
	engine_give_up(NULL, NULL);
	if (status != 0)
		fail(&c, e);
	else
		*ret_result = json_pack(
			"{s:s, s:I}", "backup", c.id, "freeze_ms", (json_int_t)c.freeze_ms);
	capture_clear(&c);
	return status;
}

static json_t *
preview_sources(struct capture *c, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = json_array();

	for (size_t i = 0; i < c->inventory->count; i++) {
		const struct plan_source *s = &c->inventory->sources[i];
		const struct tree t = {.root_fd = lender_fd(c->roots->lender, c->roots->numbers[i]),
			.prefix = s->prefix,
			.layer = s->kind == SOURCE_LAYER,
			.excludes = (const char *const *)c->inventory->excludes->patterns};
		struct tree_size size;

		if (tree_measure(&t, &size, e) != 0)
			return NULL;
		(void)json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:I, s:I}", "kind", source_kind_name(s->kind),
				"name", s->name, "path", s->path, "bytes", (json_int_t)size.bytes,
				"files", (json_int_t)size.files));
	}
	return TAKE(list);
}

static int
preview(struct capture *c, json_t **ret_plan, struct err *e)
{
	json_t *sources;

	if (capture_prepare(c, c->request, c->id, e) != 0)
		return -1;
	sources = preview_sources(c, e);
	if (sources == NULL)
		return -1;
	*ret_plan = json_pack("{s:O, s:o, s:O, s:o, s:O}", "plan", c->request->plan->document,
		"containers", containers_record(c), "images", c->inventory->images, "sources",
		sources, "warnings", c->inventory->warnings);
	return 0;
}

int
capture_preview(const struct capture_request *request, json_t **ret_plan, struct err *e)
{
	struct capture c = {.request = request, .run_fd = -1, .freeze_ms = -1};
	int status;

	id_new(c.id);
	status = preview(&c, ret_plan, e);
	capture_clear(&c);
	return status;
}

void
capture_request_free(void *arg)
{
	struct capture_request *request = arg;

	plan_free(request->plan);
	free(request);
}
