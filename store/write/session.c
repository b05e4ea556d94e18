#include "store/write/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "store/catalogue/damage.h"
#include "store/catalogue/rows.h"
#include "store/write/segments.h"

/*
 * The order of appending and committing (docs/design/design.md section 5).  What may be relied on:
 *
 * 1. A pack is appended to only after its file with header, its folder entry and its row are
 *    durable, in this order (packs_create).
 * 2. What a session looked up, was given by the segment cache or stored is pinned before the
 *    look-up lock is released (session_put, segments.c), so no sweep takes it from the session.
 * 3. A row of `chunks`, and packs.bytes, is written only after fdatasync of the pack returned 0 for
 *    all its bytes: no row ever points behind durable bytes (session_checkpoint).
 * 4. Chunks that are appended and have no row yet are visible to their own session alone.  Two
 *    sessions may so store the same content under two numbers, which is correct; none can commit a
 *    reference to bytes of another that are not durable.
 * 5. A backup becomes `complete` or `partial` in the very transaction that holds its recipe, its
 *    pack's durable length and the last rows; nothing else makes it so.  Its recipe stands in the
 *    pack before.
 * 6. After any error of a write, a sync or a commit the session fails for good and its pack is
 *    closed: never written, never synced again.  The next session begins another pack.
 * 7. A commit that reports an error may yet be found after a crash (its WAL frames may be on
 *    disk).  So a pack with such a commit is not cut back; the next start decides.
 * 8. A pack found open at a start is never appended to again (recovery.c): an ordinal, which is an
 *    encrypted record's nonce, is used once.
 * 9. What was kept (segments.c) is written only when nothing is on its way through the compressor,
 *    so it never names a chunk without a row.
 * 10. While a backup is damaged, a chunk whose id is that of a bad one is stored again under the
 *    number of that bad one, if its frame has the same length (chunk_find_bad): with the row all
 *    recipes are whole again, their totals and digests stay true, and a rebuild finds the good
 *    record by its number.  Until the row is written it is bad, so who crashes or fails leaves it
 *    as it was.
 * 11. Two threads: the session's own, which looks up and puts, and the appender, which appends,
 *    and leaves a full pack for another one (4 and 3).  The session's thread does what needs both,
 *    which is every checkpoint that keeps or completes something, after appender_drain; so system
 *    calls and transactions of one session are never side by side.
 *
 *	packs_append -> packs_sync -> rows, packs_settle -> COMMIT -> (pack full) packs_close
 *	       \____________\_______________\___________\-> session_fail -> packs_close
 */

/* A crash loses no more than this of what was put; docs/design/design.md section 5. */
enum { CHECKPOINT_MS = 5000 };
static const int64_t CHECKPOINT_BYTES = 256 << 20;

/* Rows kept in memory between two checkpoints: 1.3 MB, and 256 MiB of the smallest pages. */
enum { PENDING_MAX = 16384 };

/* Kept recipes between two checkpoints, with what they take besides. */
enum { KEPT_BYTES_MAX = 3 << 20 };

/*
 * Numbers are drawn in blocks, so that the chunks of sessions that run side by side stay
 * consecutive and their recipes short; the unused rest is given back.
 */
enum { NUMBER_BLOCK = 256 };

int
session_fail(struct ingest *in, const struct err *e)
{
	LOCKED(&in->mutex);
	if (in->failure.code == ERR_NONE)
		in->failure = *e;
	return -1;
}

int
session_failure(struct ingest *in, struct err *e)
{
	LOCKED(&in->mutex);
	if (in->failure.code == ERR_NONE)
		return 0;
	*e = in->failure;
	return -1;
}

static int appended_checkpoint(struct ingest *in, struct err *e);

static uint64_t
number_draw(struct ingest *in)
{
	if (in->number_next == in->number_end) {
		LOCKED(&in->store->mutex);
		in->number_next = in->store->next_number;
		in->number_end = in->number_next + NUMBER_BLOCK;
		in->store->next_number = in->number_end;
	}
	return in->number_next++;
}

int
session_room(struct ingest *in, int64_t size, struct err *e)
{
	struct store *s = in->store;

	if (in->pack != NULL && in->pack->end + size > s->pack_bytes &&
		in->pack->end > RECORD_SIZE) {
		if (appended_checkpoint(in, e) != 0)
			return -1;
		packs_close(s, TAKE(in->pack));
	}
	if (in->pack == NULL)
		in->pack = packs_take(s, size);
	if (in->pack == NULL && packs_create(s, &in->pack, e) != 0)
		return session_fail(in, e);
	return 0;
}

int
session_record(
	struct ingest *in, struct record *r, const void *frame, int64_t *ret_offset, struct err *e)
{
	if (packs_append(in->store, in->pack, r, frame, ret_offset, e) != 0)
		return session_fail(in, e);
	LOCKED(&in->mutex);
	in->stored_bytes += (int64_t)RECORD_SIZE + r->stored_len;
	return 0;
}

int
session_append(struct ingest *in, const void *frame, size_t frame_len, struct err *e)
{
	if (session_room(in, RECORD_SIZE + (int64_t)frame_len, e) != 0)
		return -1;
	struct chunk *chunk = &in->pending[in->appended_count];
	struct record r = {
		.type = RECORD_CHUNK,
		.number = chunk->number,
		.plain_len = chunk->plain_len,
		.stored_len = (uint32_t)frame_len,
	};
	memcpy(r.id, chunk->id, sizeof(r.id));
	if (session_record(in, &r, frame, &chunk->offset, e) != 0)
		return -1;
	chunk->pack = in->pack->row;
	chunk->stored_len = r.stored_len;
	chunk->ordinal = r.ordinal;
	in->appended_count++;
	return in->pack->end - in->pack->durable >= CHECKPOINT_BYTES ? appended_checkpoint(in, e)
								     : 0;
}

static void
pending_add(struct ingest *in, const struct chunk *chunk)
{
	LOCKED(&in->mutex);
	if (in->pending == NULL)
		in->pending = mem_array(NULL, PENDING_MAX, sizeof(*in->pending));
	in->pending[in->pending_count] = *chunk;
	keymap_add(&in->pending_ids, in->pending_count, in->pending, sizeof(*in->pending));
	in->pending_count++;
}

/* Forget what is appended, once it is in the catalogue. */
static void
pending_drop(struct ingest *in)
{
	LOCKED(&in->mutex);
	const size_t left = in->pending_count - in->appended_count;

	if (left > 0)
		memmove(in->pending, in->pending + in->appended_count, left * sizeof(*in->pending));
	in->pending_count = left;
	in->appended_count = 0;
	keymap_clear(&in->pending_ids);
	for (size_t i = 0; i < left; i++)
		keymap_add(&in->pending_ids, i, in->pending, sizeof(*in->pending));
}

static size_t
pending_find(struct ingest *in, const struct chunk *wanted, uint64_t *ret_number)
{
	LOCKED(&in->mutex);
	const size_t own =
		keymap_find(&in->pending_ids, wanted->id, in->pending, sizeof(*in->pending));

	if (own != KEYMAP_NONE)
		*ret_number = in->pending[own].number;
	return own;
}

/* Send a new chunk on its way, and pin its number. */
static int
chunk_send(struct ingest *in, struct chunk *chunk, const void *data, struct err *e)
{
	if (!chunk->bad)
		chunk->number = number_draw(in);
	(void)pthread_rwlock_rdlock(&in->store->lookup);
	pins_add(&in->pins, chunk->number, 1);
	(void)pthread_rwlock_unlock(&in->store->lookup);
	pending_add(in, chunk); /* before it can be appended */
	if (appender_start(in, e) != 0 ||
		compressor_put(in->compressor, data, chunk->plain_len, e) != 0)
		return session_fail(in, e);
	return 0;
}

/* Whether there is damage; asked anew when some may have been found. */
static int
damage_known(struct ingest *in, struct err *e)
{
	const int64_t generation = atomic_load(&in->store->generation);

	if (in->looked == generation)
		return in->damage;
	const int any = damage_any(in->reader, e);
	if (any < 0)
		return -1;
	in->looked = generation;
	in->damage = any == 1;
	return any;
}

/*
 * Make ${chunk} the bad one that ${data} heals, if there is one: 1, 0, -1.  Its number is pinned
 * then.
 */
static int
chunk_find_bad(struct ingest *in, struct chunk *chunk, const void *data, struct err *e)
{
	const void *frame = NULL;
	size_t frame_len = 0;
	struct chunk bad;

	int found = damage_known(in, e);
	if (found != 1 || pending_find(in, chunk, &bad.number) != KEYMAP_NONE)
		return found < 0 ? -1 : 0;
	(void)pthread_rwlock_rdlock(&in->store->lookup);
	found = chunks_find_bad(in->reader, chunk->id, chunk->plain_len, &bad, e);
	if (found == 1)
		pins_add(&in->pins, bad.number, 1);
	(void)pthread_rwlock_unlock(&in->store->lookup);
	if (found != 1)
		return found;
	if (codec_compress(in->codec, data, chunk->plain_len, &frame, &frame_len, e) != 0)
		return -1;
	if (frame_len != bad.stored_len)
		return 0;
	chunk->number = bad.number;
	chunk->bad = true;
	return 1;
}

/* Find a chunk among this session's own and in the catalogue, and pin it. */
static int
chunk_find(struct ingest *in, const struct chunk *wanted, uint64_t *ret_number, struct err *e)
{
	if (pending_find(in, wanted, ret_number) != KEYMAP_NONE)
		return 1;
	(void)pthread_rwlock_rdlock(&in->store->lookup);
	const int found = chunks_find(in->reader, wanted->id, wanted->plain_len, ret_number, e);
	if (found == 1)
		pins_add(&in->pins, *ret_number, 1);
	(void)pthread_rwlock_unlock(&in->store->lookup);
	return found;
}

static bool
checkpoint_due(struct ingest *in)
{
	if (in->kept_bytes >= KEPT_BYTES_MAX || clock_since_ms(in->checkpoint_ns) >= CHECKPOINT_MS)
		return true;
	LOCKED(&in->mutex);
	return in->pending_count == PENDING_MAX;
}

int
session_put(struct ingest *in, const void *data, size_t len, uint64_t *ret_number, struct err *e)
{
	struct chunk chunk = {.plain_len = (uint32_t)len};

	codec_id(in->codec, data, len, chunk.id);
	in->plain_bytes += (int64_t)len;
	const int heals = chunk_find_bad(in, &chunk, data, e);
	const int found = heals != 0 ? heals - 1 : chunk_find(in, &chunk, ret_number, e);
	if (heals < 0 || found < 0)
		return session_fail(in, e);
	if (found == 0) {
		if (chunk_send(in, &chunk, data, e) != 0)
			return -1;
		*ret_number = chunk.number;
	}
	return checkpoint_due(in) ? session_checkpoint(in, NULL, e) : 0;
}

static int
by_id(const void *a, const void *b)
{
	const int64_t x = chunks_prefix(((const struct chunk *)a)->id);
	const int64_t y = chunks_prefix(((const struct chunk *)b)->id);

	return (x > y) - (x < y);
}

/* The rows of what is appended; sorted by id for the index, whose pages are then touched once. */
static int
chunks_write(struct ingest *in, struct connection *w, struct err *e)
{
	int64_t plain = 0;
	int64_t stored = 0;
	int64_t chunks = 0;
	int64_t next_number;
	int heals = 0;
	SCOPED(free_at)
	struct chunk *sorted = mem_array(NULL, in->appended_count + 1, sizeof(*sorted));

	for (size_t i = 0; i < in->appended_count; i++) {
		if (in->pending[i].bad) {
			const int healed = chunks_heal(w, &in->pending[i], e);
			if (healed < 0)
				return -1;
			heals += healed;
			continue;
		}
		if (chunks_add(w, &in->pending[i], e) != 0)
			return -1;
		chunks++;
		plain += in->pending[i].plain_len;
		stored += in->pending[i].stored_len;
	}
	if (heals > 0 && damage_settle(w, e) != 0)
		return -1;
	for (size_t i = 0; i < in->appended_count; i++)
		sorted[i] = in->pending[i];
	qsort(sorted, in->appended_count, sizeof(*sorted), by_id);
	for (size_t i = 0; i < in->appended_count; i++) {
		if (!sorted[i].bad && chunks_add_index(w, &sorted[i], e) != 0)
			return -1;
	}
	{
		LOCKED(&in->store->mutex);
		next_number = (int64_t)in->store->next_number;
	}
	return statement_run(w, SQL_COUNTS_ADD, e, "iiii", next_number, chunks, plain, stored) < 0
		       ? -1
		       : 0;
}

static int
completion_write(struct connection *w, const struct completion *done, struct err *e)
{
	const struct totals *t = done->totals;
	const char *state = rows_state(done->record);
	const int changed =
		statement_run(w, SQL_BACKUP_FINISH, e, "ttt", done->id, state, done->record);

	if (changed < 0)
		return -1;
	if (changed == 0)
		return err_set(e, ERR_CONFLICT, "the backup %s is not running", done->id);
	return statement_run(w, SQL_RECIPE_ADD, e, "tiiiitbb", done->id, done->pack, done->offset,
		       t->plain_bytes, t->stored_bytes, t->digest, (const void *)t->marks,
		       t->marks_count * sizeof(*t->marks), done->recipe, done->recipe_len) < 0
		       ? -1
		       : 0;
}

/* ${all}: nothing is on its way, so what was kept goes along. */
static int
rows_commit(struct ingest *in, bool all, const struct completion *done, struct err *e)
{
	struct pack *pack = in->pack;
	SCOPED(catalogue_rollback_at)
	struct connection *w = catalogue_begin(in->store->catalogue, e);

	if (w == NULL || chunks_write(in, w, e) != 0 || (all && segments_write(in, w, e) != 0))
		return -1;
	if (pack != NULL && packs_settle(w, pack, PACK_OPEN, e) != 0)
		return -1;
	if (done != NULL && completion_write(w, done, e) != 0)
		return -1;
	if (pack != NULL)
		pack->uncertain = true;
	if (catalogue_commit(TAKE(w), e) != 0)
		return -1;
	if (pack != NULL) {
		pack->uncertain = false;
		pack->durable = pack->synced;
	}
	return 0;
}

static int
checkpoint(struct ingest *in, bool all, const struct completion *done, struct err *e)
{
	if (in->pack != NULL && packs_sync(in->store, in->pack, e) != 0)
		return session_fail(in, e);
	if (rows_commit(in, all, done, e) != 0)
		return session_fail(in, e);
	pending_drop(in);
	return 0;
}

/* Of what is in the pack, before it is left for another. */
static int
appended_checkpoint(struct ingest *in, struct err *e)
{
	return checkpoint(in, false, NULL, e);
}

int
session_checkpoint(struct ingest *in, const struct completion *done, struct err *e)
{
	if (appender_drain(in, e) != 0)
		return -1;
	in->checkpoint_ns = clock_mono_ns();
	if ((in->pack == NULL || in->pack->end == in->pack->durable) && in->kept_bytes == 0 &&
		done == NULL)
		return 0;
	if (checkpoint(in, true, done, e) != 0)
		return -1;
	segments_clear(in);
	return 0;
}
