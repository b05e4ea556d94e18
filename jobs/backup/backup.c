#include "jobs/backup/backup_internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/priority.h"
#include "base/scope.h"
#include "jobs/backup/image_copy.h"
#include "jobs/backup/passes.h"
#include "jobs/freeze/engine_watch.h"
#include "jobs/freeze/freeze.h"
#include "jobs/freeze/hooks.h"
#include "jobs/sources/hidden.h"
#include "jobs/sources/sources.h"
#include "store/catalogue/backups.h"
#include "store/write/ingest.h"

/* A further live pass is worth its while above this: the frozen pass copies 8 MiB in 10 ms. */
static const int64_t ENOUGH_BYTES = 8 * 1024 * 1024;

/* And where the last one took longer than this: less changes in a second than a further walk and a
 * further syncfs are worth. */
static const int64_t QUICK_MS = 1000;

/* Up to here live passes walk in parallel; where more is to be read, and it is most of all, the
 * store is the limit, and its packs are better in the order of the trees. */
static const int64_t PARALLEL_BYTES = 64 * 1024 * 1024;

/* BEST_RATIO: zstd seldom does better than this on whole hosts; who cannot hold this much cannot
 * hold it.  FREEZES_MAX: tries, where the time was up before the frozen pass had ended. */
enum { LIVE_PASSES_MAX = 8, FREEZES_MAX = 3, BEST_RATIO = 10 };

static void
recipes_free(struct recipe *recipes, size_t count)
{
	for (size_t i = 0; recipes != NULL && i < count; i++)
		recipe_free(&recipes[i]);
	free(recipes);
}

/* In this order: whatever happened, the containers run first. */
static void
backup_clear(struct backup *c)
{
	freeze_close(c->freeze);
	hooks_after(c->hooks, c->operation);
	if (c->staging.inventory != NULL) {
		recipes_free(c->images, c->images_room);
		recipes_free(c->sources, c->staging.inventory->count);
	}
	passes_clear(&c->passes);
	ingest_close(c->ingest);
	hooks_free_at(&c->hooks);
	sources_close(&c->staging);
	engine_watch_close(c->watch);
	json_decref(c->pass_list);
}

/* A backup of nothing would only hide that the plan is wrong. */
static int
check_any(const struct inventory *v, struct err *e)
{
	SCOPED(json_decref_at) json_t *omitted = omissions_json(v->omissions);
	const json_t *first = json_array_get(omitted, 0);

	if (json_array_size(v->containers) > 0 || v->count > 0 ||
		json_array_size(json_object_get(v->swarm, "services")) > 0)
		return 0;
	if (first != NULL)
		return err_set(e, ERR_UNREADABLE,
			"all that the plan names would be left out: %s %s: %s",
			json_text(first, "kind", NULL), json_text(first, "name", NULL),
			json_text(first, "reason", NULL));
	return err_set(e, ERR_INVALID,
		"the plan matches nothing: no container, and no host path that is there "
		"(`dockerctl "
		"plan` shows what it means now)");
}

static int
stage(struct backup *c, struct err *e)
{
	const struct backup_request *r = c->request;
	const struct sources_options options = {.store = r->store,
		.engine = r->engine,
		.plan = r->plan,
		.name = operation_id(c->operation),
		.cgroups = LENDER_CGROUPS};

	if (sources_open(&c->staging, &options, e) != 0)
		return -1;
	if (check_any(c->staging.inventory, e) != 0)
		return -1;
	if (r->pending != NULL)
		inventory_warn(c->staging.inventory, "%s", r->pending);
	return hooks_new(
		r->engine, c->staging.run_fd, c->staging.inventory->containers, &c->hooks, e);
}

static int
set_passes(struct backup *c, struct err *e)
{
	const struct settings *settings = c->request->settings;
	int64_t round = 0;

	if (settings->reread > 0 && store_round(c->request->store, &round, e) != 0)
		return -1;
	c->passes = (struct passes){.operation = c->operation,
		.ingest = c->ingest,
		.inventory = c->staging.inventory,
		.lender = c->staging.roots->lender,
		.roots = c->staging.roots->numbers,
		.run_fd = c->staging.run_fd,
		.room = {.hidden = store_encrypted(c->request->store)},
		.reread = settings->reread,
		.round = round,
		.live_bytes_s = settings->live_bytes_s};
	passes_init(&c->passes);
	return 0;
}

static int
backup_check_space(struct backup *c, int64_t need, const char *what, struct err *e)
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
measure(struct backup *c, struct err *e)
{
	const struct image_copy copy = {c->operation, c->request->engine, c->ingest};
	struct pass_result *r = &c->measured;
	int64_t images;

	operation_phase(c->operation, "measure");
	if (passes_run(&c->passes, PASS_MEASURE, 0, r, e) != 0 ||
		image_copy_bytes(&copy, c->staging.inventory->images, &images, e) != 0)
		return -1;
	operation_total(c->operation, r->bytes + images);
	return backup_check_space(c, (r->bytes + images) / BEST_RATIO, "this backup", e);
}

/* Image ${i} could not be saved: without it, unless its containers are gone as well. */
static int
omit_image(struct backup *c, size_t i, struct err *e)
{
	struct inventory *v = c->staging.inventory;
	const json_t *image = json_array_get(v->images, i);
	const char *tag = json_string_value(json_array_get(json_object_get(image, "tags"), 0));
	const char *id = json_text(image, "id", NULL);
	const struct err why = *e;
	bool used = false;
	const json_t *container;
	size_t k;

	if (why.code == ERR_CANCELLED || why.code == ERR_UNREACHABLE)
		return -1;
	if (inventory_forget_gone(v, c->request->engine, e) < 0)
		return -1;
	json_array_foreach (v->containers, k, container) {
		used = used || strcmp(json_text(container, "Image", NULL), id) == 0;
	}
	*e = why;
	if (used && omissions_add(v->omissions, "image", tag == NULL ? id : tag,
			    "pull or build it again", e) != 0)
		return -1;
	recipe_clear(&c->images[i]);
	return json_array_remove(v->images, i);
}

static int
backup_images(struct backup *c, struct err *e)
{
	const struct image_copy copy = {c->operation, c->request->engine, c->ingest};
	json_t *images = c->staging.inventory->images;
	const size_t count = json_array_size(images);

	c->images_room = count;
	operation_phase(c->operation, "images");
	c->images = mem_new((count + 1) * sizeof(*c->images));
	for (size_t i = 0; i < json_array_size(images);) {
		if (image_copy(&copy, json_array_get(images, i), &c->images[i], e) == 0) {
			i++;
			continue;
		}
		if (omit_image(c, i, e) != 0)
			return -1;
	}
	return 0;
}

/* ${first}: of these live passes; the others compare, with all cores. */
static int
live_pass(struct backup *c, bool first, struct pass_result *ret_result, struct err *e)
{
	const struct pass_result *m = &c->measured;
	const size_t threads = first && m->bytes > PARALLEL_BYTES && m->bytes > m->reused ? 1 : 0;

	if (passes_run(&c->passes, PASS_LIVE, threads, ret_result, e) != 0)
		return -1;
	(void)json_array_append_new(c->pass_list, pass_json(PASS_LIVE, ret_result));
	return 0;
}

/*
 * Whether one more live pass makes the freeze shorter.  The frozen pass does again what the last
 * live pass did, and copies what changes in that time, which is a share of what the last one found:
 * so the last one's duration foretells the freeze.  Where that is too long, any gain is worth a
 * pass; elsewhere only one that halves what has to be copied.
 */
static bool
another_pass(const struct backup *c, int64_t before, const struct pass_result *last)
{
	const int64_t limit_ms = c->request->settings->max_freeze_ms;
	const bool too_long = limit_ms > 0 && last->duration_ms > limit_ms;

	if (last->copied < ENOUGH_BYTES || last->duration_ms < QUICK_MS)
		return false;
	return last->copied <= (too_long ? before / 10 * 9 : before / 2);
}

/* As long as it helps.  ${ret_last}: what the last one found to have changed. */
static int
live_passes(struct backup *c, int64_t *ret_last, struct err *e)
{
	struct pass_result r = {0};
	int64_t before = INT64_MAX;

	operation_phase(c->operation, "live");
	for (int pass = 0; pass < LIVE_PASSES_MAX; pass++) {
		if (live_pass(c, pass == 0, &r, e) != 0)
			return -1;
		if (!another_pass(c, before, &r))
			break;
		before = r.copied;
	}
	*ret_last = r.copied < before ? r.copied : before;
	return ingest_checkpoint(c->ingest, e);
}

/* What the hooks write is copied while all still runs. */
static int
prepare_containers(struct backup *c, int64_t *ret_last, struct err *e)
{
	const bool any = hooks_any_before(c->hooks);

	if (any)
		operation_phase(c->operation, "hooks");
	if (hooks_before(c->hooks, c->operation, e) != 0)
		return -1;
	return any ? live_passes(c, ret_last, e) : 0;
}

static int
frozen_pass(struct backup *c, struct err *e)
{
	struct pass_result *r = &c->frozen;
	struct err ignored;
	json_t *pass;
	int status;

	c->passes.freeze = c->freeze;
	omissions_forget_files(c->staging.inventory->omissions);
	status = engine_watch_frozen(c->watch, c->staging.inventory, e);
	if (status == 0)
		status = inventory_check_tmpfs(c->staging.inventory, e);
	barrier("copying");
	if (status == 0)
		status = passes_run(&c->passes, PASS_FROZEN, 0, r, e);
	engine_watch_thawing(c->watch);
	if (freeze_thaw(c->freeze, status == 0 ? e : &ignored) != 0)
		status = -1;
	c->freeze_ms = freeze_window_ms(c->freeze);
	pass = pass_json(PASS_FROZEN, r);
	if (status != 0)
		(void)json_object_set_new(pass, "given_up", json_true());
	(void)json_array_append_new(c->pass_list, pass);
	return status != 0 ? -1 : engine_watch_judge(c->watch, c->freeze, c->staging.inventory, e);
}

static int
freeze_and_copy(struct backup *c, struct err *e)
{
	const struct freeze_options options = {.engine = c->request->engine,
		.guard = c->staging.roots->lender,
		.freezer = c->request->settings->freezer,
		.containers = c->staging.inventory->containers,
		.never = c->staging.self->network_owner,
		.run_fd = c->staging.run_fd,
		.run_path = c->staging.run_path,
		.max_ms = c->request->settings->max_freeze_ms,
		.faults = true};
	int status;

	operation_phase(c->operation, "freeze");
	if (engine_watch_settle(c->watch, c->staging.inventory, e) != 0)
		return -1;
	engine_give_up(NULL, NULL); /* what is frozen is thawed, whatever is asked */
	priority_normal();
	status = freeze_begin(&options, &c->freeze, e);
	c->frozen_ns = clock_real_ns();
	if (status == 0)
		status = backup_settle_faults(c, e);
	if (status == 0)
		status = frozen_pass(c, e);
	priority_low();
	if (status == 0)
		log_info("backup %s: frozen for %lld ms", c->id, (long long)c->freeze_ms);
	return status;
}

/* Freeze; if the time is up before all was copied, a large file was not read before, or somebody
 * interfered, copy what runs once more and try again. */
static int
freeze_tries(struct backup *c, int64_t last, struct err *e)
{
	for (int try = 1;; try++) {
		/* What changes while it is frozen is no more than what changed during the last
		 * pass; all of it may have to go to a spool's file and then to a pack. */
		if (backup_check_space(c, 2 * (last < ENOUGH_BYTES ? ENOUGH_BYTES : last),
			    "the frozen pass", e) != 0)
			return -1;
		c->passes.copies_all = try == FREEZES_MAX;
		if (freeze_and_copy(c, e) == 0)
			return 0;
		if (e->code != ERR_TIMEOUT && e->code != ERR_CHANGED)
			return -1;
		if (try == FREEZES_MAX)
			return e->code == ERR_CHANGED ? backup_settle_disturbed(c, e) : -1;
		log_warn("backup %s: %s; trying again", c->id, e->text);
		freeze_close(TAKE(c->freeze));
		engine_give_up(operation_given_up, c->operation);
		if (live_passes(c, &last, e) != 0)
			return -1;
	}
}

/* What an earlier freeze could not thaw shall not be taken for paused by its owner. */
static int
thaw_earlier(const struct backup_request *request, struct err *e)
{
	SCOPED(free_at) char *run_path = mem_format("%s/run", store_path(request->store));
	SCOPED(fd_close_at) int fd = open(run_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "%s", run_path);
	return freeze_recover(request->engine, fd, run_path, NULL, e);
}

static void
tell_healed(const struct backup *c)
{
	if (c->passes.healed > 0)
		log_error("backup %s: %lld of %lld segments that were read again differed from "
			  "what the store has for them; see the backup's warnings",
			c->id, (long long)c->passes.healed, (long long)c->passes.reread_segments);
}

/* The steps of a backup, from the plan to the commit (README.md). */
static int
backup_carry_out(struct backup *c, struct err *e)
{
	int64_t last = 0;

	engine_give_up(operation_given_up, c->operation);
	priority_low();
	if (thaw_earlier(c->request, e) != 0)
		return -1;
	/* From before the plan is read: what was changed meanwhile must be seen. */
	if (engine_watch_open(c->request->engine, &c->watch, e) != 0)
		return -1;
	/* What the plan means now, and its trees as descriptors. */
	if (stage(c, e) != 0)
		return -1;
	if (ingest_open(c->request->store, &c->ingest, e) != 0 || set_passes(c, e) != 0)
		return -1;
	/* From stat data alone; a store that cannot hold it says so before anything is copied. */
	hidden_mark(c->staging.inventory);
	if (measure(c, e) != 0)
		return -1;
	if (backup_images(c, e) != 0)
		return -1;
	/* While all runs, so that little is left for the freeze.  Nothing new: nothing to prepare.
	 */
	if ((c->measured.bytes > 0 || c->measured.suspect > 0) && live_passes(c, &last, e) != 0)
		return -1;
	hidden_tell(c->staging.inventory, c->staging.roots);
	/* Commands of the containers that make their data fit to be copied. */
	if (prepare_containers(c, &last, e) != 0)
		return -1;
	/* The one instant. */
	if (freeze_tries(c, last, e) != 0)
		return -1;
	/* All run again: what follows costs nobody anything but time. */
	roots_dismiss(c->staging.roots);
	hooks_after(c->hooks, c->operation);
	tell_healed(c);
	operation_phase(c->operation, "store");
	c->sources = mem_new((c->staging.inventory->count + 1) * sizeof(*c->sources));
	if (passes_collect(&c->passes, c->sources, e) != 0)
		return -1;
	/* One transaction: before it there is no backup, after it there is one. */
	return backup_commit(c, e);
}

static void
backup_fail(struct backup *c, const struct err *error)
{
	SCOPED(json_decref_at) json_t *document = NULL;
	struct err e;

	if (error->code != ERR_CANCELLED)
		document = backup_record(c, NULL, error);
	if (backups_fail(c->request->store, c->id, document, &e) != 0)
		log_warn("backup %s could not be marked failed: %s", c->id, e.text);
}

static json_t *
backup_result(const struct backup *c)
{
	struct omissions *omitted = c->staging.inventory->omissions;
	const int64_t count = omissions_count(omitted);

	return json_pack("{s:s, s:s, s:I, s:o, s:I}", "backup", c->id, "state",
		count == 0 ? "complete" : "partial", "freeze_ms", (json_int_t)c->freeze_ms,
		"omitted", omissions_json(omitted), "omitted_total", (json_int_t)count);
}

const char *
backup_origin(const struct backup_request *r)
{
	return r->scheduled ? "schedule" : "manual";
}

int
backup_run(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	const struct backup_request *request = arg;
	struct backup c = {.operation = o,
		.request = request,
		.since_ns = clock_mono_ns(),
		.staging = {.run_fd = -1},
		.pass_list = json_array(),
		.freeze_ms = -1};
	SCOPED(json_decref_at)
	json_t *begun = json_pack("{s:s}", "origin", backup_origin(request));
	int status;

	id_new(c.id);
	if (backups_begin(request->store, c.id, clock_real_ns(), begun, e) != 0)
		return -1;
	operation_backup(o, c.id);
	status = backup_carry_out(&c, e);
	engine_give_up(NULL, NULL);
	if (status != 0)
		backup_fail(&c, e);
	else
		*ret_result = backup_result(&c);
	backup_clear(&c);
	return status;
}

void
backup_request_free(void *arg)
{
	struct backup_request *request = arg;

	plan_free(request->plan);
	free(request->pending);
	free(request);
}
