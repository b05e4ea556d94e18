#include "store/read/replay.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/sha256.h"
#include "store/catalogue/backups.h"
#include "store/format/seektable.h"
#include "store/read/replay_internal.h"

static void
lease_take(struct replay *r, const char *id)
{
	LOCKED(&r->store->mutex);
	struct lease *head = &r->store->leases;
	r->lease = (struct lease){
		.recipe = &r->recipe, .turn = ++r->store->turn, .next = head->next, .before = head};
	(void)snprintf(r->lease.backup, sizeof(r->lease.backup), "%s", id);
	head->next->before = &r->lease;
	head->next = &r->lease;
}

static void
lease_give(struct replay *r)
{
	LOCKED(&r->store->mutex);
	if (r->lease.next == NULL)
		return;
	r->lease.next->before = r->lease.before;
	r->lease.before->next = r->lease.next;
	(void)pthread_cond_broadcast(&r->store->lease_given);
}

/* Columns of SQL_RECIPE_GET. */
static int
recipe_load(struct replay *r, sqlite3_stmt *s, struct err *e)
{
	struct totals *t = &r->totals;
	const unsigned char *digest = sqlite3_column_text(s, 2);
	const size_t marks_bytes = (size_t)sqlite3_column_bytes(s, 3);
	const void *encoded = sqlite3_column_blob(s, 4);
	const size_t encoded_len = (size_t)sqlite3_column_bytes(s, 4);

	sha256_hex(encoded_len == 0 ? "" : encoded, encoded_len, t->digest);
	if (digest == NULL || strcmp(t->digest, (const char *)digest) != 0)
		return err_set(e, ERR_CORRUPT, "the backup's recipe is not what was stored");
	if (recipe_decode(encoded, encoded_len, &r->recipe, e) != 0)
		return -1;
	t->chunks = recipe_chunks(&r->recipe);
	t->plain_bytes = sqlite3_column_int64(s, 0);
	t->stored_bytes = sqlite3_column_int64(s, 1);
	t->marks_count = (size_t)((t->chunks + MARK_CHUNKS - 1) / MARK_CHUNKS);
	if (marks_bytes != t->marks_count * sizeof(*t->marks))
		return err_set(e, ERR_CORRUPT, "the recipe's row has a wrong form");
	t->marks = mem_array(NULL, t->marks_count, sizeof(*t->marks));
	if (marks_bytes > 0)
		memcpy(t->marks, sqlite3_column_blob(s, 3), marks_bytes);
	return 0;
}

static int
state_check(struct connection *c, const char *id, struct err *e)
{
	SCOPED(statement_done_at) sqlite3_stmt *s = statement_bind(c, SQL_BACKUP_GET, e, "t", id);
	const int found = s == NULL ? -1 : statement_step(c, s, e);

	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no backup %s", id);
	const char *state = (const char *)sqlite3_column_text(s, 1);
	if (!backups_readable(state))
		return err_set(e, ERR_CONFLICT, "the backup %s is %s: there is nothing to read", id,
			state == NULL ? "broken" : state);
	return 0;
}

static int
replay_load(struct replay *r, const char *id, struct err *e)
{
	SCOPED(catalogue_release_at)
	struct connection *c = catalogue_reader(r->store->catalogue, e);

	if (c == NULL || state_check(c, id, e) != 0)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *s = statement_bind(c, SQL_RECIPE_GET, e, "t", id);
	const int found = s == NULL ? -1 : statement_step(c, s, e);
	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(e, ERR_CORRUPT, "the backup %s has no recipe", id);
	return recipe_load(r, s, e);
}

/* Every run still has its rows (bad ones included: what is good can be saved). */
static int
rows_check(struct replay *r, struct err *e)
{
	SCOPED(catalogue_release_at)
	struct connection *c = catalogue_reader(r->store->catalogue, e);

	if (c == NULL)
		return -1;
	for (size_t i = 0; i < r->recipe.count; i++) {
		const struct recipe_run *run = &r->recipe.runs[i];
		struct chunk ends[1];
		if (chunks_range(c, run->first, 1, ends, e) != 0 ||
			chunks_range(c, run->first + run->count - 1, 1, ends, e) != 0)
			return -1;
	}
	return 0;
}

int
replay_open(struct store *s, const char *id, struct replay **ret_replay, struct err *e)
{
	SCOPED(replay_close_at) struct replay *r = mem_new(sizeof(*r));

	r->store = s;
	r->record_index = UINT64_MAX;
	pack_readers_init(&r->files, s);
	(void)pthread_rwlock_rdlock(&s->lookup);
	const int result = replay_load(r, id, e);
	if (result == 0)
		lease_take(r, id);
	(void)pthread_rwlock_unlock(&s->lookup);
	if (result != 0 || rows_check(r, e) != 0)
		return -1;
	row_window_init(&r->window, s->catalogue, &r->recipe);
	r->record = mem_new(PACK_READERS_RECORD_MAX);
	*ret_replay = TAKE(r);
	return 0;
}

void
replay_close(struct replay *r)
{
	if (r == NULL)
		return;
	read_ahead_free(r->ahead);
	lease_give(r);
	pack_readers_close(&r->files);
	row_window_free(&r->window);
	recipe_free(&r->recipe);
	totals_free(&r->totals);
	codec_free(r->codec);
	free(r->record);
	free(r);
}

void
replay_close_at(struct replay **r)
{
	replay_close(*r);
}

int64_t
replay_archive_bytes(const struct replay *r)
{
	return r->totals.stored_bytes + seektable_bytes(r->totals.chunks);
}

int64_t
replay_plain_bytes(const struct replay *r)
{
	return r->totals.plain_bytes;
}

const char *
replay_digest(const struct replay *r)
{
	return r->totals.digest;
}

const struct recipe *
replay_recipe(const struct replay *r)
{
	return &r->recipe;
}

const struct chunk *
replay_record(struct replay *r, uint64_t index, struct err *e)
{
	const struct chunk *c = row_window_row(&r->window, index, e);

	if (c == NULL || index == r->record_index)
		return c;
	r->record_index = UINT64_MAX;
	if (pack_readers_read(&r->files, c, r->record, e) != 0)
		return NULL;
	r->record_index = index;
	return c;
}

/* Move at_index and at_offset to the chunk that holds the byte ${offset} of the frames. */
static int
replay_seek(struct replay *r, int64_t offset, struct err *e)
{
	size_t low = 0;
	size_t high = r->totals.marks_count;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;
		if ((int64_t)le64toh(r->totals.marks[middle].stored) <= offset)
			low = middle;
		else
			high = middle;
	}
	if (offset < r->at_offset || r->at_index / MARK_CHUNKS < low) {
		r->at_index = low * (uint64_t)MARK_CHUNKS;
		r->at_offset = (int64_t)le64toh(r->totals.marks[low].stored);
	}
	while (r->at_index < r->totals.chunks) {
		const struct chunk *c = row_window_row(&r->window, r->at_index, e);
		if (c == NULL)
			return -1;
		if (r->at_offset + c->stored_len > offset)
			return 0;
		r->at_offset += c->stored_len;
		r->at_index++;
	}
	return err_set(e, ERR_CORRUPT, "the recipe's chunks are shorter than recorded");
}

/* Some bytes of the frames from ${offset} on; at least one. */
static ssize_t
frames_read(struct replay *r, int64_t offset, char *data, size_t size, struct err *e)
{
	if (replay_seek(r, offset, e) != 0)
		return -1;
	const struct chunk *c = replay_record(r, r->at_index, e);
	if (c == NULL)
		return -1;
	const size_t from = (size_t)(offset - r->at_offset);
	const size_t left = c->stored_len - from;
	const size_t len = left < size ? left : size;
	memcpy(data, r->record + RECORD_SIZE + from, len);
	return (ssize_t)len;
}

/* The last chunk ends where the catalogue says that the frames do. */
static int
frames_end_check(struct replay *r, struct err *e)
{
	const int64_t end = r->totals.stored_bytes;

	if (r->totals.chunks == 0 && end == 0)
		return 0;
	if (end <= 0 || replay_seek(r, end - 1, e) != 0)
		return err_set(e, ERR_CORRUPT, "the backup's length is not what was stored");
	const struct chunk *c = row_window_row(&r->window, r->at_index, e);
	if (c == NULL)
		return -1;
	return r->at_index + 1 == r->totals.chunks && r->at_offset + c->stored_len == end
		       ? 0
		       : err_set(e, ERR_CORRUPT, "the backup's length is not what was stored");
}

/* Some bytes of the seek table from ${offset} on: the rest of one of its parts. */
static ssize_t
table_read(struct replay *r, int64_t offset, char *data, size_t size, struct err *e)
{
	const uint64_t frames = r->totals.chunks;
	const int64_t entry = (offset - SEEKTABLE_HEAD) / SEEKTABLE_ENTRY;
	unsigned char part[SEEKTABLE_FOOT];
	size_t part_len = SEEKTABLE_ENTRY;
	int64_t part_at = SEEKTABLE_HEAD + entry * SEEKTABLE_ENTRY;

	if (offset < SEEKTABLE_HEAD) {
		if (frames_end_check(r, e) != 0)
			return -1;
		seektable_head(frames, part);
		part_len = SEEKTABLE_HEAD;
		part_at = 0;
	} else if ((uint64_t)entry >= frames) {
		seektable_foot(frames, part);
		part_len = SEEKTABLE_FOOT;
		part_at = SEEKTABLE_HEAD + (int64_t)frames * SEEKTABLE_ENTRY;
	} else {
		const struct chunk *c = row_window_row(&r->window, (uint64_t)entry, e);
		if (c == NULL)
			return -1;
		seektable_entry(c->stored_len, c->plain_len, part);
	}
	const size_t from = (size_t)(offset - part_at);
	const size_t len = part_len - from < size ? part_len - from : size;
	memcpy(data, part + from, len);
	return (ssize_t)len;
}

ssize_t
replay_archive(struct replay *r, int64_t offset, void *data, size_t size, struct err *e)
{
	const int64_t frames_end = r->totals.stored_bytes;
	const int64_t end = replay_archive_bytes(r);
	size_t done = 0;

	assert(offset >= 0);
	while (done < size && offset < end) {
		char *to = (char *)data + done;
		const ssize_t n = offset < frames_end
					  ? frames_read(r, offset, to, size - done, e)
					  : table_read(r, offset - frames_end, to, size - done, e);
		if (n < 0)
			return -1;
		done += (size_t)n;
		offset += n;
	}
	return (ssize_t)done;
}
