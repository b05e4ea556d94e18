#include "store/gc/compaction.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/sha256.h"
#include "store/catalogue/damage.h"
#include "store/catalogue/totals.h"

/* What one step says about the pack. */
enum { GOES_ON = 0, STAYS = 1 };

/* The place in a pack's numbers from which its rows are read on. */
struct compaction_place {
	size_t run;
	uint64_t number; /* of that run, or before it */
};

/* A recipe that was copied; a tombstone has offset 0. */
struct copied {
	char *backup;
	int64_t offset;
};

struct copies {
	struct copied *list;
	size_t count;
	enum statement which; /* that finds the next one */
};

static void
copies_free_at(struct copies *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->list[i].backup);
	free(c->list);
}

void
compaction_init(struct compaction *v, struct store *s)
{
	*v = (struct compaction){.store = s};
	relocation_init(&v->carrier, s);
	v->rows = mem_array(NULL, COMPACTION_ROWS, sizeof(*v->rows));
	v->needed = mem_new(COMPACTION_ROWS * sizeof(*v->needed));
}

void
compaction_free(struct compaction *v)
{
	relocation_close(&v->carrier);
	free(v->rows);
	free(v->needed);
	*v = (struct compaction){0};
}

/* The next rows that stand in the pack, into v->rows; none at the end. */
static int
rows_next(struct compaction *v, const struct victim *victim, struct connection *c,
	struct compaction_place *at, size_t *ret_count, struct err *e)
{
	*ret_count = 0;
	while (*ret_count < COMPACTION_ROWS && at->run < victim->numbers->count) {
		struct recipe_run run = victim->numbers->runs[at->run];
		const uint64_t end = run.first + run.count;
		const size_t room = COMPACTION_ROWS - *ret_count;
		struct chunk *to = v->rows + *ret_count;
		size_t count = 0;
		if (at->number > run.first)
			run = (struct recipe_run){at->number, end - at->number};
		if (chunks_of_pack(c, &run, victim->pack, to, room, &count, e) != 0)
			return -1;
		*ret_count += count;
		if (count < room)
			*at = (struct compaction_place){at->run + 1, 0};
		else
			at->number = to[count - 1].number + 1;
	}
	return 0;
}

static int
rows_load(struct compaction *v, const struct victim *victim, struct compaction_place *at,
	size_t *ret_count, struct err *e)
{
	SCOPED(catalogue_release_at)
	struct connection *c = catalogue_reader(v->store->catalogue, e);

	if (c == NULL || rows_next(v, victim, c, at, ret_count, e) != 0)
		return -1;
	(void)pthread_rwlock_wrlock(&v->store->lookup);
	live_set_sort(v->marks, v->rows, *ret_count, v->needed);
	(void)pthread_rwlock_unlock(&v->store->lookup);
	return 0;
}

static int
unread(struct compaction *v, const struct err *e)
{
	relocation_drop(&v->carrier);
	if (v->unread.code == ERR_NONE)
		v->unread = *e;
	return STAYS;
}

/* The file, once it is needed. */
static int
file_open(struct compaction *v, const struct victim *victim, int *fd, struct err *e)
{
	if (*fd >= 0 || packs_open(v->store, victim->uuid, O_RDONLY, fd, e) == 0)
		return GOES_ON;
	return unread(v, e);
}

static int
chunk_carry(struct compaction *v, const struct victim *victim, const struct chunk *row, int *fd,
	struct err *e)
{
	const int64_t bytes = (int64_t)RECORD_SIZE + row->stored_len;

	if (v->carrier.moved_count == RELOCATION_MOVED && relocation_flush(&v->carrier, e) != 0)
		return -1;
	if (rate_limit_take(v->pace, 2 * bytes, e) != 0)
		return -1;
	const int opened = file_open(v, victim, fd, e);
	if (opened != GOES_ON)
		return opened;
	const enum carried carried = relocation_chunk(&v->carrier, *fd, victim->uuid, row, e);
	if (carried == CARRY_FAILED)
		return -1;
	if (carried == CARRY_UNREAD)
		return unread(v, e);
	if (carried == CARRY_DAMAGED) {
		relocation_drop(&v->carrier);
		v->totals->chunks_damaged++;
		return damage_note(v->store, row, &v->totals->backups_damaged, e) != 0 ? -1 : STAYS;
	}
	v->totals->chunks_moved++;
	if (v->advance != NULL)
		v->advance(v->ctx, bytes);
	return GOES_ON;
}

/* Copy what is needed, in the order of the numbers, and have its rows follow. */
static int
needed_move(struct compaction *v, const struct victim *victim, int *fd, struct err *e)
{
	struct compaction_place at = {0};
	size_t count = 0;

	do {
		if (rate_limit_check(v->pace, e) != 0 || rows_load(v, victim, &at, &count, e) != 0)
			return -1;
		for (size_t i = 0; i < count; i++) {
			const int result =
				v->needed[i] ? chunk_carry(v, victim, &v->rows[i], fd, e) : GOES_ON;
			if (result != GOES_ON)
				return result;
		}
	} while (count > 0);
	return relocation_flush(&v->carrier, e);
}

static int
dead_write(struct compaction *v, struct connection *w, size_t count, struct err *e)
{
	int64_t chunks = 0;
	int64_t plain = 0;
	int64_t stored = 0;

	for (size_t i = 0; i < count; i++) {
		if (v->needed[i])
			continue;
		if (chunks_drop(w, &v->rows[i], e) != 0)
			return -1;
		chunks++;
		plain += v->rows[i].plain_len;
		stored += v->rows[i].stored_len;
	}
	return statement_run(w, SQL_COUNTS_ADD, e, "iiii", (int64_t)0, -chunks, -plain, -stored) <
				       0 ||
			       statement_run(w, SQL_GENERATION_NEXT, e, "") < 0
		       ? -1
		       : 0;
}

/* Judge the ${count} rows for good, and remove the dead; the look-up lock is held. */
static int
dead_judge(
	struct compaction *v, struct connection *writer, size_t count, size_t *left, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = writer;
	size_t dead = 0;

	live_set_sort(v->marks, v->rows, count, v->needed);
	for (size_t i = 0; i < count; i++)
		dead += v->needed[i] ? 0 : 1;
	*left += count - dead;
	if (dead == 0)
		return 0;
	if (dead_write(v, w, count, e) != 0 || catalogue_commit(TAKE(w), e) != 0)
		return -1;
	atomic_fetch_add(&v->store->generation, 1);
	v->totals->chunks_removed += (int64_t)dead;
	return 0;
}

/* Remove what is dead; ${left}: rows that were pinned since they were judged first. */
static int
dead_drop(struct compaction *v, const struct victim *victim, size_t *left, struct err *e)
{
	struct compaction_place at = {0};
	size_t count = 0;

	*left = 0;
	do {
		if (rate_limit_check(v->pace, e) != 0)
			return -1;
		/* first the writer: others' transactions are not waited for with the lock held */
		struct connection *w = catalogue_begin(v->store->catalogue, e);
		if (w == NULL)
			return -1;
		if (rows_next(v, victim, w, &at, &count, e) != 0) {
			catalogue_rollback_at(&w);
			return -1;
		}
		(void)pthread_rwlock_wrlock(&v->store->lookup);
		const int result = dead_judge(v, w, count, left, e);
		(void)pthread_rwlock_unlock(&v->store->lookup);
		if (result != 0)
			return -1;
	} while (count > 0);
	return 0;
}

static void
copies_add(struct copies *c, const char *backup, int64_t offset)
{
	c->list = mem_array(c->list, c->count + 1, sizeof(*c->list));
	c->list[c->count++] = (struct copied){mem_string(backup), offset};
}

static const char *
copies_last(const struct copies *c)
{
	return c->count == 0 ? "" : c->list[c->count - 1].backup;
}

/* Columns of SQL_RECIPE_OF_PACK.  The catalogue's copy is written: it has its digest. */
static int
recipe_copy(struct compaction *v, sqlite3_stmt *q, struct copies *copies, struct err *e)
{
	const char *backup = (const char *)sqlite3_column_text(q, 0);
	const char *expected = (const char *)sqlite3_column_text(q, 1);
	const void *recipe = sqlite3_column_blob(q, 2);
	const char *record = (const char *)sqlite3_column_text(q, 4);
	char digest[SHA256_HEX_SIZE];
	struct payload payload = {
		.recipe = recipe,
		.recipe_len = (size_t)sqlite3_column_bytes(q, 2),
		.created_ns = sqlite3_column_int64(q, 3),
		.seq = payload_seq(sqlite3_column_int64(q, 5)),
	};
	int64_t offset = 0;

	sha256_hex(recipe == NULL ? "" : recipe, payload.recipe_len, digest);
	if (backup == NULL || record == NULL || expected == NULL || strcmp(digest, expected) != 0)
		return err_set(e, ERR_CORRUPT, "the recipe of the backup %s is damaged",
			backup == NULL ? "?" : backup);
	payload.id = backup;
	payload.id_len = strlen(backup);
	payload.record = record;
	payload.record_len = strlen(record);
	if (relocation_backup(&v->carrier, &payload, &offset, e) != 0)
		return -1;
	copies_add(copies, backup, offset);
	return 0;
}

/* One after the other: who deletes a backup meanwhile is not held up. */
static int
others_copy(struct compaction *v, int64_t pack, struct copies *copies, bool *roomed, struct err *e)
{
	for (;;) {
		SCOPED(catalogue_release_at)
		struct connection *c = catalogue_reader(v->store->catalogue, e);
		if (c == NULL)
			return -1;
		SCOPED(statement_done_at)
		sqlite3_stmt *q =
			statement_bind(c, copies->which, e, "it", pack, copies_last(copies));
		const int more = q == NULL ? -1 : statement_step(c, q, e);
		if (more <= 0)
			return more;
		/* room without an end: no other pack may be begun before the commit */
		if (!*roomed && relocation_room(&v->carrier, RECORD_SIZE, e) != 0)
			return -1;
		*roomed = true;
		if (copies->which == SQL_RECIPE_OF_PACK) {
			if (recipe_copy(v, q, copies, e) != 0)
				return -1;
			continue;
		}
		const char *backup = (const char *)sqlite3_column_text(q, 0);
		if (relocation_deletion(&v->carrier, backup, e) != 0)
			return -1;
		copies_add(copies, backup, 0);
	}
}

/* A backup that was deleted since its recipe was copied: its deletion follows the copy. */
static int
recipe_follow(struct connection *w, int64_t from, int64_t to, const struct copied *c, struct err *e)
{
	const int changed =
		statement_run(w, SQL_RECIPE_MOVE, e, "tiii", c->backup, from, to, c->offset);

	if (changed != 0)
		return changed < 0 ? -1 : 0;
	return statement_run(w, SQL_DELETION_MOVE, e, "tii", c->backup, from, to) < 0 ? -1 : 0;
}

static int
doom_write(struct compaction *v, struct connection *w, int64_t pack, const struct copies *recipes,
	const struct copies *tombstones, struct err *e)
{
	const int64_t to = v->carrier.pack == NULL ? 0 : v->carrier.pack->row;

	for (size_t i = 0; i < recipes->count; i++) {
		if (recipe_follow(w, pack, to, &recipes->list[i], e) != 0)
			return -1;
	}
	for (size_t i = 0; i < tombstones->count; i++) {
		if (statement_run(w, SQL_DELETION_STANDS, e, "ti", tombstones->list[i].backup, to) <
			0)
			return -1;
	}
	return statement_run(w, SQL_PACK_STATE, e, "ii", pack, (int64_t)PACK_DOOMED) < 0 ? -1 : 0;
}

/* Not asked to stop in here: between the copy of a recipe and its row is only the commit. */
static int
doom(struct compaction *v, int64_t pack, struct err *e)
{
	SCOPED(copies_free_at) struct copies recipes = {.which = SQL_RECIPE_OF_PACK};
	SCOPED(copies_free_at) struct copies tombstones = {.which = SQL_DELETION_OF_PACK};
	bool roomed = false;

	if (others_copy(v, pack, &recipes, &roomed, e) != 0 ||
		others_copy(v, pack, &tombstones, &roomed, e) != 0)
		return relocation_fail(&v->carrier);
	struct connection *w = relocation_begin(&v->carrier, e);
	if (w == NULL)
		return -1;
	if (doom_write(v, w, pack, &recipes, &tombstones, e) != 0) {
		catalogue_rollback_at(&w);
		return relocation_fail(&v->carrier);
	}
	return relocation_commit(&v->carrier, w, e);
}

int
compaction_run(struct compaction *v, const struct victim *victim, struct unlink_later *ret_doomed,
	struct err *e)
{
	size_t left = 1;
	int fd = -1;
	int result = GOES_ON;

	relocation_drop(&v->carrier);
	while (result == GOES_ON && left > 0) {
		result = needed_move(v, victim, &fd, e);
		if (result == GOES_ON)
			result = dead_drop(v, victim, &left, e);
	}
	if (fd >= 0)
		(void)v->store->io.close(v->store->io.ctx, fd);
	if (result != GOES_ON)
		return result < 0 ? -1 : 0;
	if (doom(v, victim->pack, e) != 0)
		return -1;
	*ret_doomed = (struct unlink_later){.pack = victim->pack, .bytes = victim->bytes};
	memcpy(ret_doomed->uuid, victim->uuid, RECORD_UUID_SIZE);
	ret_doomed->turn = unlink_later_turn(v->store);
	return 1;
}
