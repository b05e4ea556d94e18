#include "store/write/ingest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "store/format/seektable.h"
#include "store/write/chunk_match.h"
#include "store/write/commit.h"
#include "store/write/segments.h"
#include "store/write/session.h"

int
ingest_open(struct store *s, struct ingest **ret_ingest, struct err *e)
{
	struct connection *reader = catalogue_reader(s->catalogue, e);

	if (reader == NULL)
		return -1;
	struct ingest *in = mem_new(sizeof(*in));
	in->store = s;
	in->reader = reader;
	in->generation = atomic_load(&s->generation);
	in->codec = codec_new(s->cipher);
	in->looked = -1;
	in->compressor = compressor_new();
	(void)pthread_mutex_init(&in->mutex, NULL);
	in->buffer = mem_new(CHUNK_MAX);
	in->checkpoint_ns = clock_mono_ns();
	LOCKED(&s->mutex);
	in->next = s->sessions;
	s->sessions = in;
	*ret_ingest = in;
	return 0;
}

/* Off the store's list, its unused numbers given back, its pack left to the next session. */
static void
store_leave(struct ingest *in)
{
	struct store *s = in->store;

	{
		LOCKED(&s->mutex);
		struct ingest **at = &s->sessions;
		while (*at != in)
			at = &(*at)->next;
		*at = in->next;
		if (s->needed != NULL)
			pins_merge(s->needed, &in->pins);
		if (in->number_end == s->next_number)
			s->next_number = in->number_next;
	}
	if (in->pack == NULL)
		return;
	if (in->failure.code != ERR_NONE)
		in->pack->poisoned = true;
	packs_leave(s, TAKE(in->pack));
}

void
ingest_close(struct ingest *in)
{
	struct err ignored;

	if (in == NULL)
		return;
	/* what is stored already spares the next try its copying */
	if (session_failure(in, &ignored) == 0)
		(void)session_checkpoint(in, NULL, &ignored);
	appender_stop(in);
	store_leave(in);
	catalogue_release_at(&in->reader);
	read_ahead_free(in->ahead);
	compressor_free(in->compressor);
	codec_free(in->codec);
	pins_free(&in->pins);
	recipe_free(&in->stream);
	segments_clear(in);
	keymap_free(&in->pending_ids);
	keymap_free(&in->segment_keys);
	totals_free(&in->totals);
	free(in->segments);
	free(in->streams);
	free(in->pending);
	free(in->buffer);
	(void)pthread_mutex_destroy(&in->mutex);
	free(in);
}

void
ingest_close_at(struct ingest **in)
{
	ingest_close(*in);
}

void
ingest_begin(struct ingest *in, enum cut cut)
{
	assert(!in->streaming);
	in->streaming = true;
	in->buffered = 0;
	recipe_clear(&in->stream);
	cutter_start(&in->cutter, cut);
}

static int
chunk_end(struct ingest *in, const void *data, size_t len, struct err *e)
{
	uint64_t number = 0;

	if (session_put(in, data, len, &number, e) != 0)
		return -1;
	if (in->watch != NULL)
		in->watch(in->watch_ctx, data, len);
	recipe_add(&in->stream, number);
	return 0;
}

/* ${len} bytes of one chunk, which ends with them if ${cut}; a whole chunk is not copied. */
static int
piece_take(struct ingest *in, const unsigned char *data, size_t len, bool cut, struct err *e)
{
	if (cut && in->buffered == 0)
		return chunk_end(in, data, len, e);
	memcpy(in->buffer + in->buffered, data, len);
	in->buffered += len;
	if (!cut)
		return 0;
	const size_t whole = in->buffered;
	in->buffered = 0;
	return chunk_end(in, in->buffer, whole, e);
}

int
ingest_write(struct ingest *in, const void *data, size_t len, struct err *e)
{
	const unsigned char *from = data;

	assert(in->streaming);
	if (session_failure(in, e) != 0)
		return -1;
	while (len > 0) {
		bool cut = false;
		if (in->cutter.cut == CUT_WHOLE && in->stream.count > 0)
			return err_set(e, ERR_TOO_LARGE,
				"a stream that is one chunk passes %d bytes", CHUNK_MAX);
		const size_t used = cutter_scan(&in->cutter, from, len, &cut);
		if (piece_take(in, from, used, cut, e) != 0)
			return -1;
		from += used;
		len -= used;
	}
	return 0;
}

/* What is buffered and not cut yet ends here. */
static int
cut_here(struct ingest *in, struct err *e)
{
	const size_t len = in->buffered;

	in->buffered = 0;
	return len == 0 ? 0 : chunk_end(in, in->buffer, len, e);
}

/* One stream's ingest_match. */
struct matching {
	struct ingest *ingest;
	const struct ingest_match *match;
};

static int
put_matched(void *ctx, const struct chunk *c, bool same, const void *data, struct err *e)
{
	const struct matching *m = ctx;
	struct ingest *in = m->ingest;

	if (m->match->step(m->match->ctx, c->plain_len, e) != 0)
		return -1;
	if (!same)
		return ingest_write(in, data, c->plain_len, e);
	if (session_failure(in, e) != 0 || cut_here(in, e) != 0)
		return -1;
	cutter_start(&in->cutter, in->cutter.cut);
	if (c->bad) /* heals it: the cutter need not have ended it here */
		return chunk_end(in, data, c->plain_len, e);
	in->plain_bytes += c->plain_len;
	if (in->watch != NULL)
		in->watch(in->watch_ctx, data, c->plain_len);
	recipe_add(&in->stream, c->number);
	return 0;
}

int64_t
ingest_match(struct ingest *in, const struct ingest_match *m, struct err *e)
{
	struct matching matching = {in, m};

	assert(in->streaming && in->buffered == 0 && in->stream.count == 0);
	if (session_failure(in, e) != 0)
		return -1;
	if (in->ahead == NULL)
		in->ahead = read_ahead_new(in->store);
	if (in->ahead == NULL)
		return 0;
	return chunk_match_file(in->ahead,
		&(struct chunk_match){.catalogue = in->store->catalogue,
			.recipe = m->recipe,
			.fd = m->fd,
			.size = m->size,
			.tell = put_matched,
			.ctx = &matching},
		e);
}

int
ingest_end(struct ingest *in, struct recipe *to, struct err *e)
{
	assert(in->streaming);
	in->streaming = false;
	if (session_failure(in, e) != 0)
		return -1;
	if (cut_here(in, e) != 0)
		return -1;
	recipe_add_all(to, &in->stream);
	return 0;
}

void
ingest_drop(struct ingest *in)
{
	in->streaming = false;
	in->buffered = 0;
}

void
ingest_watch(struct ingest *in, void (*chunk)(void *ctx, const void *data, size_t len), void *ctx)
{
	in->watch = chunk;
	in->watch_ctx = ctx;
}

int
ingest_find_segment(
	struct ingest *in, const unsigned char key[KEY_SIZE], struct recipe *to, struct err *e)
{
	return session_failure(in, e) != 0 ? -1 : segments_find(in, key, false, to, e);
}

int
ingest_find_earlier(
	struct ingest *in, const unsigned char key[KEY_SIZE], struct recipe *to, struct err *e)
{
	return session_failure(in, e) != 0 ? -1 : segments_find(in, key, true, to, e);
}

void
ingest_keep_segment(
	struct ingest *in, const unsigned char key[KEY_SIZE], const struct recipe *recipe)
{
	struct err failure;

	if (session_failure(in, &failure) == 0)
		segments_keep(in, key, recipe);
}

int
ingest_find_stream(
	struct ingest *in, const char *name, struct recipe *to, int64_t *ret_bytes, struct err *e)
{
	return session_failure(in, e) != 0 ? -1 : segments_find_stream(in, name, to, ret_bytes, e);
}

void
ingest_keep_stream(struct ingest *in, const char *name, const struct recipe *recipe, int64_t bytes)
{
	struct err failure;

	if (session_failure(in, &failure) == 0)
		segments_keep_stream(in, name, recipe, bytes);
}

int
ingest_same(struct ingest *in, const struct recipe *a, const struct recipe *b, struct err *e)
{
	if (recipe_equal(a, b))
		return 1;
	if (recipe_chunks(a) != recipe_chunks(b))
		return 0;
	return ingest_checkpoint(in, e) != 0 ? -1 : segments_same(in, a, b, e);
}

int
ingest_checkpoint(struct ingest *in, struct err *e)
{
	return session_failure(in, e) != 0 ? -1 : session_checkpoint(in, NULL, e);
}

int64_t
ingest_stored_bytes(struct ingest *in)
{
	LOCKED(&in->mutex);
	return in->stored_bytes;
}

int64_t
ingest_plain_bytes(const struct ingest *in)
{
	return in->plain_bytes;
}

int
ingest_totals(struct ingest *in, const struct recipe *recipe, struct ingest_totals *ret_totals,
	struct err *e)
{
	struct totals t;

	if (ingest_checkpoint(in, e) != 0 || totals_count(in->reader, recipe, &t, e) != 0)
		return -1;
	totals_free(&in->totals);
	in->totals = t;
	*ret_totals = (struct ingest_totals){
		.size_bytes = t.plain_bytes,
		.stored_bytes = in->stored_bytes,
		.archive_bytes = t.stored_bytes + seektable_bytes(t.chunks),
	};
	memcpy(ret_totals->digest, t.digest, sizeof(t.digest));
	return 0;
}

int
ingest_commit(struct ingest *in, const char *id, const char *record, const struct recipe *recipe,
	struct err *e)
{
	return session_failure(in, e) != 0 ? -1 : commit_backup(in, id, record, recipe, e);
}
