#include "jobs/restore/restore.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <string.h>

#include "archive/disk/attributes.h"
#include "archive/disk/devices.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "engine/containers.h"
#include "engine/traits.h"
#include "jobs/content/host_diff.h"
#include "jobs/content/id_map.h"
#include "jobs/restore/containers/differing.h"
#include "jobs/restore/containers/lacking.h"
#include "jobs/restore/containers/leaks.h"
#include "jobs/restore/containers/outsiders.h"
#include "jobs/restore/containers/replaced_networks.h"
#include "jobs/restore/containers/restore_containers.h"
#include "jobs/restore/containers/services.h"
#include "jobs/restore/containers/tmpfs_fill.h"
#include "jobs/restore/data/restore_data.h"
#include "jobs/restore/data/stand_ins.h"
#include "jobs/restore/dry_run.h"
#include "jobs/restore/impact.h"
#include "jobs/restore/obstacles.h"
#include "jobs/restore/restore_as.h"
#include "jobs/restore/rollback.h"
#include "jobs/restore/state/astute.h"
#include "jobs/restore/state/selection.h"
#include "jobs/sources/inventory.h"
#include "store/read/replay.h"

/* Compare goes over everything once, and stage once more. */
static int
restore_set_total(struct restore *r, struct err *e)
{
	SCOPED(replay_close_at) struct replay *replay = NULL;

	if (replay_open(r->request->store, r->request->backup, &replay, e) != 0)
		return -1;
	operation_total(r->operation, 2 * replay_plain_bytes(replay));
	return 0;
}

/* What differs, while everything runs. */
static int
compare_once(struct restore *r, struct err *e)
{
	operation_phase(r->operation, "lend");
	if (restore_data_open(r, &r->refill, e) != 0)
		return -1;
	operation_phase(r->operation, "compare");
	if (restore_data_compare(r->refill, e) != 0)
		return -1;
	if (outsiders_add(r, e) != 0)
		return -1;
	impact_choose(r);
	return 0;
}

/* Once more if containers that were taken to stay go away when they are stopped. */
static int
restore_compare(struct restore *r, struct err *e)
{
	r->exclude = contents_left_out(r->contents);
	if (compare_once(r, e) != 0)
		return -1;
	if (restore_containers_vanish(r)) {
		restore_data_close(r->refill);
		r->refill = NULL;
		if (r->outlook != NULL) {
			dry_run_free(r->outlook);
			r->outlook = dry_run_new(r->request->entries_from);
		}
		if (compare_once(r, e) != 0)
			return -1;
	}
	services_settle(r);
	if (tmpfs_fill_verify(r, e) != 0)
		return -1;
	return restore_data_astute(r->refill, &r->astute, e);
}

static int
is_present(void *ctx, const char *name, struct err *e)
{
	const struct restore *r = ctx;
	SCOPED(json_decref_at) json_t *inspect = NULL;

	if (containers_find(r->request->engine, name, &inspect, e) == 0)
		return 1;
	return e->code == ERR_NOT_FOUND ? 0 : -1;
}

/* Owners that are translated are told: of binds and host paths some are whose they are not known.
 */
static int
tell_ids(struct restore *r, struct err *e)
{
	struct traits traits;
	struct id_map map;

	if (traits_find(r->request->engine, &traits, e) != 0 ||
		id_map_between(r->contents->manifest, &traits, &map, e) != 0)
		return -1;
	if (!id_map_differs(&map))
		return 0;
	restore_warn(r,
		"containers' root was user %lu of the other host and is user %lu of this one "
		"(userns-remap): owners are translated%s",
		(unsigned long)map.uid_from, (unsigned long)map.uid_to,
		map.uid_from == 0 || map.gid_from == 0
			? ", but not those of binds and host paths, which may be the host's own"
			: "");
	return 0;
}

static int
restore_look(struct restore *r, struct err *e)
{
	/* A dry run says whether the backup is sound, so it verifies all of it.  A restore verifies
	 * what it needs while it compares and stages. */
	if ((r->request->dry_run ? contents_read : contents_read_brief)(
		    r->request->store, r->request->backup, r->operation, &r->contents, e) != 0)
		return -1;
	host_diff_tell(r->contents, r->request->engine, r->warnings);
	/* What cannot come back is told, and what must not come back is left alone. */
	restore_tell_left_out(r);
	restore_leave_tasks(r);
	if (restore_leave_imageless(r, e) != 0)
		return -1;
	if (self_find(r->request->engine, &r->self, e) != 0 || tell_ids(r, e) != 0)
		return -1;
	if (r->request->only != NULL && selection_resolve(r->request->only, r->contents, is_present,
						r, &r->selection, e) != 0)
		return -1;
	if (tmpfs_fill_check(r, e) != 0 || services_plan(r, e) != 0)
		return -1;
	/* What becomes of each container, and what is here under the same name and is something
	 * else. */
	if (restore_containers_plan(r, e) != 0 || differing_find(r, &r->differing, e) != 0)
		return -1;
	if (replaced_networks_plan(r, e) != 0)
		return -1;
	differing_tell(r);
	return restore_compare(r, e) != 0 ? -1 : leaks_check_trees(r, e);
}

struct sync {
	const struct restore_data *refill;
	int status;
	struct err e;
};

static void *
sync_data(void *ctx)
{
	struct sync *s = ctx;

	s->status = restore_data_sync(s->refill, &s->e);
	return NULL;
}

/* What is new goes to the disk while the containers start and show that they stay up. */
static int
restore_start(struct restore *r, struct err *e)
{
	struct sync s = {.refill = r->refill};
	pthread_t thread;
	const bool beside = pthread_create(&thread, NULL, sync_data, &s) == 0;
	const int status = restore_containers_start(r, e);

	if (beside)
		(void)pthread_join(thread, NULL);
	else
		(void)sync_data(&s);
	if (status == 0 && s.status != 0)
		*e = s.e;
	return status != 0 ? status : s.status;
}

static int
make_containers(struct restore *r, struct err *e)
{
	struct stand_ins *stand_ins = NULL;
	const int status =
		stand_ins_make(r, &stand_ins, e) != 0 ? -1 : restore_containers_create(r, e);

	stand_ins_remove(stand_ins);
	return status;
}

static int
restore_change(struct restore *r, struct err *e)
{
	/* While all still runs: what differs is put beside and is on the disk, so that a disk that
	 * cannot hold it says so, and nobody who is stopped waits for it. */
	operation_phase(r->operation, "stage");
	if (restore_data_stage(r->refill, e) != 0 || restore_data_sync(r->refill, e) != 0)
		return -1;
	/* The note comes first: from here on whoever finds it puts the old state back. */
	operation_phase(r->operation, "stop");
	if (rollback_stop(r, e) != 0)
		return -1;
	if (services_stop(r, e) != 0 || restore_containers_stop(r, e) != 0 ||
		leaks_check(r, e) != 0)
		return -1;
	/* The old containers are renamed aside; their data are still in place. */
	operation_phase(r->operation, "create");
	if (replaced_networks_make(r, e) != 0)
		return -1;
	if (make_containers(r, e) != 0)
		return -1;
	operation_phase(r->operation, "extract");
	if (restore_data_extract(r->refill, e) != 0)
		return -1;
	/* By renames alone, so that either the old or the new stands there. */
	operation_phase(r->operation, "swap");
	if (restore_data_swap(r->refill, e) != 0)
		return -1;
	operation_phase(r->operation, "start");
	if (rollback_start(r, e) != 0 || restore_start(r, e) != 0 || services_start(r, e) != 0)
		return -1;
	/* All run.  The new state is the one that stays, unless somebody cancels at this moment. */
	if (operation_decide(r->operation, e) != 0)
		return -1;
	return rollback_commit(r, e);
}

/* What has become of it, for the error.  If not all is back the note stays, and it is tried again
 * (recovery.h). */
static const char *
restore_undo(struct restore *r)
{
	int data = 0;
	struct err ignored;

	operation_phase(r->operation, "undo");
	services_halt(r);
	restore_containers_halt(r);
	if (r->refill != NULL)
		data = restore_data_undo(r->refill);
	restore_containers_undo_tags(r);
	if (data < 0 || restore_containers_undo(r) != 0 ||
		services_undo(r) != 0) /* no old container runs on what is not its own */
		return "not all could be put back yet: that is tried again until it is done "
		       "(`dockerctl recover`)";
	(void)(restore_containers_unsure_ms(r) >= 0 ? rollback_await(r, &ignored)
						    : rollback_end(r, &ignored));
	return data == 0 ? "all was put back as it was"
			 : "all was put back but for what the restored containers wrote meanwhile "
			   "into files that stayed in place, which the backup has not got any "
			   "more: it is damaged there";
}

static int
restore_carry_out(struct restore *r, struct err *e)
{
	if (restore_set_total(r, e) != 0)
		return -1;
	engine_give_up(operation_given_up, r->operation);
	operation_phase(r->operation, "verify");
	if (restore_look(r, e) != 0 || obstacles_refuse(r, e) != 0)
		return err_prefix(e, "nothing was changed");
	operation_phase(r->operation, "supply");
	if (restore_containers_supply(r, e) != 0 || restore_data_lend(r->refill, e) != 0 ||
		rollback_begin(r, e) != 0)
		return err_prefix(e, "no container was changed");
	engine_give_up(NULL, NULL); /* from here on a half of it would be worse */
	if (restore_change(r, e) != 0)
		return err_prefix(e, "%s", restore_undo(r));
	operation_phase(r->operation, "finish");
	if (restore_data_finish(r->refill, e) != 0 || restore_containers_finish(r, e) != 0 ||
		rollback_end(r, e) != 0)
		return err_prefix(e,
			"the stack is restored and runs, but not all old data could be "
			"removed");
	return 0;
}

/* Up to where something would be changed. */
static int
foresee(struct restore *r, json_t **ret_outlook, struct err *e)
{
	r->outlook = dry_run_new(r->request->entries_from);
	r->tell = dry_run_tell;
	engine_give_up(operation_given_up, r->operation);
	operation_phase(r->operation, "verify");
	if (restore_set_total(r, e) != 0 || restore_look(r, e) != 0 || lacking_foresee(r, e) != 0)
		return -1;
	return dry_run_json(r, ret_outlook, e);
}

static const char *
way_text(const struct restore_container *item)
{
	static const char *const ways[] = {"created", "in_place", "replaced"};

	if (item->keeps)
		return "unchanged";
	return item->bystander ? "restarted" : ways[item->way];
}

static json_t *
restore_result(const struct restore *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->count; i++)
		if (!r->items[i].bystander || !r->items[i].keeps)
			(void)json_array_append_new(
				list, json_pack("{s:s, s:s}", "name", r->items[i].name, "way",
					      way_text(&r->items[i])));
	return json_pack("{s:s, s:o, s:o, s:O, s:O, s:O}", "backup", r->request->backup,
		"containers", list, "services", services_json(r), "differing", r->differing,
		"astute", r->astute, "warnings", r->warnings);
}

void
restore_clear(struct restore *r)
{
	restore_data_close(r->refill);
	for (size_t i = 0; i < r->count; i++) {
		json_decref(r->items[i].present);
		free(r->items[i].id);
		free(r->items[i].aside);
		free(r->items[i].lost_id);
	}
	free(r->items);
	free(r->id);
	self_free(r->self);
	contents_free(r->contents);
	json_decref(r->warnings);
	json_decref(r->differing);
	json_decref(r->services);
	json_decref(r->outside);
	json_decref(r->networks_here);
	dry_run_free(r->outlook);
	json_decref(r->image_ids);
	json_decref(r->leaked);
	json_decref(r->selection);
	json_decref(r->exclude);
	json_decref(r->astute);
	json_decref(r->networks);
	json_decref(r->replaced);
	json_decref(r->left);
}

/* Nothing was changed, or all was put back, for some containers cannot be written to in place: once
 * more, and these are made again. */
static int
restore_carry_out_again(struct restore *r, json_t **ret_outlook, struct err *e)
{
	struct restore again = {.operation = r->operation,
		.id = TAKE(r->id),
		.request = r->request,
		.warnings = TAKE(r->warnings),
		.leaked = TAKE(r->leaked)};
	const char *name;
	json_t *value;

	restore_clear(r);
	*r = again;
	json_object_foreach (r->leaked, name, value)
		restore_warn(r, "container %s %s made again: %s", name,
			r->request->dry_run ? "would be" : "was", json_string_value(value));
	return r->request->dry_run ? foresee(r, ret_outlook, e) : restore_carry_out(r, e);
}

int
restore_run(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	struct restore r = {.operation = o,
		.id = mem_string(operation_id(o)),
		.request = arg,
		.warnings = json_array()};
	json_t *outlook = NULL;

	if (r.request->as != NULL) {
		const int beside = restore_as_run(o, r.request, ret_result, e);

		restore_clear(&r);
		return beside;
	}
	(void)attributes_missed(); /* of what went before */
	(void)devices_missed();
	int status = r.request->dry_run ? foresee(&r, &outlook, e) : restore_carry_out(&r, e);

	if (status != 0 && r.leaked != NULL && e->code == ERR_CHANGED)
		status = restore_carry_out_again(&r, &outlook, e);
	engine_give_up(NULL, NULL);
	if (attributes_missed())
		restore_warn(&r,
			"some files have attributes trusted.* in the backup, which want SYS_ADMIN "
			"on the host and could not be set: they are restored without");
	if (devices_missed())
		restore_warn(&r,
			"this service may make no device files (it wants the capability MKNOD, "
			"which an engine without root cannot give): those of the backup are "
			"restored without");
	if (status == 0)
		*ret_result = restore_result(&r);
	if (outlook != NULL)
		(void)json_object_update_new(*ret_result, outlook);
	restore_clear(&r);
	return status;
}
