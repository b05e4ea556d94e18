#include "store/gc/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/catalogue/reserve.h"
#include "store/gc/compaction.h"
#include "store/gc/tombstones.h"
#include "store/write/cache_prune.h"

/*
 * What may be relied on; no step of this depends on a clock.
 *
 * 1. What is needed is known: live_set.c says why no chunk of a backup, a download or a session is
 *    missed.  A recipe that cannot be read, or a pack whose recipes may be unknown (recovery.h, 3),
 *    ends the sweep before anything is removed.
 * 2. Between the marks and the first removal, each deleted backup whose recipe still stands in a
 *    pack gets a tombstone, durable and known (tombstones.h).  A backup that is deleted later has
 *    its chunks marked.  So there is no moment at which some of a deleted backup's chunks are gone
 *    and a rebuild could take its recipe for that of a living one.
 * 3. A victim is sealed: it gets no more records, rows or recipes.  Its rows leave it in two ways
 *    only.  A needed one is moved, by a transaction after fdatasync of the copy, whose bytes were
 *    verified by their SHA-256; the chunk keeps its number and id.  Moving needs no look-up lock:
 *    either place has the bytes, and the old file stays until 6.
 * 4. A dead one is removed by a transaction under the look-up lock, held exclusively, in which it
 *    is judged anew: who looked the chunk up before has it pinned, so it stays and is moved in the
 *    next turn; who does so later does not find it, and stores it again under a new number.  The
 *    generation goes up in there, so no row of a cache is believed that names it (segments.h).  One
 *    such transaction has COMPACTION_ROWS rows at most, which is how long a backup waits for the
 * lock.
 * 5. When no row is left in a victim, one transaction moves its recipes and tombstones, whose
 *    copies are durable, and dooms it.  Before that transaction the copies of recipes stand behind
 *    their pack's durable length: a crash or fault cuts them off.  So the recipe of a living backup
 *    stands in one pack that is not doomed, and no other copy outlives that of which `deletions`
 *    knows.
 * 6. A doomed pack's file goes when the leases of that time are given back; then the folder is
 *    synced; then its row goes (unlink_later.h).
 * 7. A record that is not what was stored is never copied.  If it is needed, its chunk is marked
 *    bad, the backups that need it are marked damaged, and its pack stays as it is.
 *
 *	        needed_move            dead_drop            doom           unlink_later_remove
 *	sealed ------------> only dead ----------> no rows -------> doomed -----------> no file, no
 * row
 *	   \<-- damaged, unreadable     \<-- pinned meanwhile
 *
 * A crash between any two of these leaves packs with dead bytes, and doomed ones; the next start
 * removes the doomed, the next sweep the dead.
 */

static const int64_t BYTES_PER_SECOND = 64 << 20;

struct sweep {
	struct store *store;
	struct sweep_options options;
	struct sweep_totals *totals;
	struct rate_limit pace;
	struct live_set marks;
	struct victims victims;
	struct compaction eviction;
	struct unlink_later *doomed;
	size_t doomed_count;
	int64_t bytes_done, bytes_total; /* of needed records in this round's packs */
	bool reserve_given;
};

static void
sweep_free_at(struct sweep *w)
{
	w->totals->copied_bytes = w->eviction.carrier.bytes;
	w->totals->freed_bytes -= w->totals->copied_bytes;
	compaction_free(&w->eviction);
	victims_free(&w->victims);
	live_set_close(&w->marks);
	free(w->doomed);
	if (w->reserve_given)
		reserve_make(w->store);
	LOCKED(&w->store->mutex);
	w->store->sweeping = false;
}

static void
sweep_tell(const struct sweep *w, const char *phase)
{
	if (w->options.tell != NULL)
		w->options.tell(w->options.ctx, phase, w->bytes_done, w->bytes_total);
}

static void
sweep_advance(void *ctx, int64_t bytes)
{
	struct sweep *w = ctx;

	w->bytes_done += bytes;
	sweep_tell(w, "move");
}

/* A full disk is why many sweep: the reserve's room is given for it, once. */
static bool
room_made(struct sweep *w, const struct err *e)
{
	if (e->code != ERR_NO_SPACE || w->reserve_given || !reserve_give(w->store))
		return false;
	w->reserve_given = true;
	catalogue_checkpoint(w->store->catalogue); /* its log is then empty again */
	return true;
}

static void
doomed_add(struct sweep *w, const struct unlink_later *d)
{
	w->doomed = mem_array(w->doomed, w->doomed_count + 1, sizeof(*w->doomed));
	w->doomed[w->doomed_count++] = *d;
}

/* Those that an earlier sweep left.  Columns of SQL_PACK_BY_ROW. */
static int
doomed_load(struct sweep *w, struct err *e)
{
	const uint64_t turn = unlink_later_turn(w->store);
	SCOPED(catalogue_release_at)
	struct connection *c = catalogue_reader(w->store->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_PACK_BY_ROW, e, "");
	int more = q == NULL ? -1 : 1;

	while (more > 0 && (more = statement_step(c, q, e)) > 0) {
		struct unlink_later d = {.pack = sqlite3_column_int64(q, 0),
			.bytes = sqlite3_column_int64(q, 3),
			.turn = turn};
		if (sqlite3_column_int64(q, 2) != PACK_DOOMED ||
			sqlite3_column_bytes(q, 1) != RECORD_UUID_SIZE)
			continue;
		memcpy(d.uuid, sqlite3_column_blob(q, 1), RECORD_UUID_SIZE);
		doomed_add(w, &d);
	}
	return more;
}

static int
doomed_drop(struct sweep *w, const struct unlink_later *d, struct err *e)
{
	if (unlink_later_remove(w->store, d->pack, d->uuid, e) != 0 &&
		(!room_made(w, e) || unlink_later_remove(w->store, d->pack, d->uuid, e) != 0))
		return -1;
	w->totals->packs_removed++;
	w->totals->freed_bytes += d->bytes;
	return 0;
}

/* Remove those that nobody may read any more. */
static int
sweep_doomed_settle(struct sweep *w, struct err *e)
{
	size_t left = 0;
	int result = 0;

	for (size_t i = 0; i < w->doomed_count; i++) {
		const struct unlink_later d = w->doomed[i];
		if (result == 0 && !unlink_later_awaited(w->store, d.turn))
			result = doomed_drop(w, &d, e);
		else
			w->doomed[left++] = d;
	}
	w->doomed_count = left;
	return result;
}

static int
doomed_finish(struct sweep *w, struct err *e)
{
	for (;;) {
		if (sweep_doomed_settle(w, e) != 0)
			return -1;
		if (w->doomed_count == 0)
			return 0;
		sweep_tell(w, "wait");
		if (rate_limit_check(&w->pace, e) != 0)
			return -1;
		unlink_later_wait(w->store);
	}
}

static int
adopted_check(struct sweep *w, struct err *e)
{
	SCOPED(catalogue_release_at)
	struct connection *c = catalogue_reader(w->store->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_PACKS_ADOPTED, e, "");

	if (q == NULL || statement_step(c, q, e) < 0)
		return -1;
	const int64_t packs = sqlite3_column_int64(q, 0);
	if (packs == 0)
		return 0;
	return err_set(e, ERR_CONFLICT,
		"%lld packs were found that the catalogue did not know, and there may be backups "
		"in them that it does not list: stop the service and run `fuel-backupd rebuild`",
		(long long)packs);
}

static int
deletions_write(struct sweep *w, struct err *e)
{
	if (tombstones_settle(&w->eviction.carrier, e) == 0)
		return 0;
	return room_made(w, e) ? tombstones_settle(&w->eviction.carrier, e) : -1;
}

static int
victim_evict(struct sweep *w, const struct victim *victim, struct err *e)
{
	struct unlink_later d;

	int result = compaction_run(&w->eviction, victim, &d, e);
	if (result < 0 && room_made(w, e))
		result = compaction_run(&w->eviction, victim, &d, e);
	if (result < 0)
		return -1;
	if (result == 0)
		victims_skip(&w->victims, victim->pack);
	else
		doomed_add(w, &d);
	return sweep_doomed_settle(w, e);
}

/* Round by round, so that what is known of the victims stays small. */
static int
packs_empty(struct sweep *w, struct err *e)
{
	for (;;) {
		if (rate_limit_check(&w->pace, e) != 0 ||
			victims_find(&w->victims, &w->marks, e) != 0)
			return -1;
		if (w->victims.count == 0)
			return 0;
		for (size_t i = 0; i < w->victims.count; i++)
			w->bytes_total += w->victims.packs[i].needed_bytes;
		for (size_t i = 0; i < w->victims.count; i++) {
			if (victim_evict(w, &w->victims.packs[i], e) != 0)
				return -1;
		}
	}
}

static int
run(struct sweep *w, struct err *e)
{
	sweep_tell(w, "mark");
	if (adopted_check(w, e) != 0 || doomed_load(w, e) != 0 ||
		live_set_open(&w->marks, w->store, e) != 0 || deletions_write(w, e) != 0)
		return -1;
	const int emptied = packs_empty(w, e);
	if (emptied != 0 || cache_prune(w->store, &w->pace, e) != 0 || doomed_finish(w, e) != 0)
		return -1;
	if (w->eviction.unread.code == ERR_NONE)
		return 0;
	*e = w->eviction.unread;
	return -1;
}

static int
sweep_enter(struct store *s, struct err *e)
{
	LOCKED(&s->mutex);
	if (s->sweeping)
		return err_set(e, ERR_BUSY, "a sweep is running");
	s->sweeping = true;
	return 0;
}

int
sweep_run(struct store *s, const struct sweep_options *options, struct sweep_totals *ret_totals,
	struct err *e)
{
	*ret_totals = (struct sweep_totals){0};
	if (sweep_enter(s, e) != 0)
		return -1;
	SCOPED(sweep_free_at) struct sweep w = {.store = s, .totals = ret_totals};
	if (options != NULL)
		w.options = *options;
	const int64_t rate = w.options.bytes_per_second;
	w.pace = (struct rate_limit){.bytes_per_second = rate == 0 ? BYTES_PER_SECOND : rate,
		.stop = w.options.stop,
		.ctx = w.options.ctx};
	if (rate < 0)
		w.pace.bytes_per_second = 0;
	compaction_init(&w.eviction, s);
	w.eviction.marks = &w.marks;
	w.eviction.pace = &w.pace;
	w.eviction.totals = ret_totals;
	w.eviction.advance = sweep_advance;
	w.eviction.ctx = &w;
	return run(&w, e);
}

int
sweep_due(struct store *s, struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at)
	sqlite3_stmt *q = statement_bind(c, SQL_DELETION_OF_PACK, e, "it", (int64_t)0, "");

	return q == NULL ? -1 : statement_step(c, q, e);
}
