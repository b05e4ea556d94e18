#include "store/gc/tombstones.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

/* So many have their rows changed in one transaction. */
enum { BATCH = 256 };

char *
tombstones_name(const char *id, size_t id_len, int64_t created_ns)
{
	return mem_format("%.*s.%lld", (int)id_len, id, (long long)created_ns);
}

struct tombstone
tombstone_of(struct codec *codec, const char *name, size_t len)
{
	const char *dot = len == 0 ? NULL : memchr(name, '.', len);
	struct tombstone t;

	codec_id(codec, name, len, t.name);
	codec_id(codec, name, dot == NULL ? len : (size_t)(dot - name), t.id);
	return t;
}

bool
tombstones_have(struct codec *codec, const struct tombstone *tombstones, size_t count,
	const struct payload *p)
{
	SCOPED(free_at) char *name = tombstones_name(p->id, p->id_len, p->created_ns);
	const struct tombstone own = tombstone_of(codec, name, strlen(name));

	for (size_t i = 0; i < count; i++) {
		const struct tombstone *t = &tombstones[i];
		if (memcmp(t->name, own.name, sizeof(t->name)) == 0 ||
			memcmp(t->name, own.id, sizeof(t->name)) == 0 ||
			(p->undated && memcmp(t->id, own.id, sizeof(t->id)) == 0))
			return true;
	}
	return false;
}

struct batch {
	char *backups[BATCH];
	size_t count;
};

static void
batch_free_at(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->backups[i]);
}

/* Those behind the last one of ${b}, which is empty at first. */
static int
tombstones_batch_load(struct catalogue *catalogue, struct batch *b, struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(catalogue, e);
	int more = c == NULL ? -1 : 1;

	while (more > 0 && b->count < BATCH) {
		const char *last = b->count == 0 ? "" : b->backups[b->count - 1];
		SCOPED(statement_done_at)
		sqlite3_stmt *q =
			statement_bind(c, SQL_DELETION_OF_PACK, e, "it", (int64_t)0, last);
		more = q == NULL ? -1 : statement_step(c, q, e);
		if (more == 1)
			b->backups[b->count++] =
				mem_string((const char *)sqlite3_column_text(q, 0));
	}
	return more < 0 ? -1 : 0;
}

static int
rows_write(struct connection *w, const struct batch *b, int64_t pack, struct err *e)
{
	for (size_t i = 0; i < b->count; i++) {
		if (statement_run(w, SQL_DELETION_STANDS, e, "ti", b->backups[i], pack) < 0)
			return -1;
	}
	return 0;
}

static int
batch_settle(struct relocation *c, const struct batch *b, struct err *e)
{
	if (relocation_room(c, RECORD_SIZE, e) != 0)
		return -1;
	for (size_t i = 0; i < b->count; i++) {
		if (relocation_deletion(c, b->backups[i], e) != 0)
			return -1;
	}
	struct connection *w = relocation_begin(c, e);
	if (w == NULL)
		return -1;
	if (rows_write(w, b, c->pack->row, e) != 0) {
		catalogue_rollback_at(&w);
		return relocation_fail(c);
	}
	return relocation_commit(c, w, e);
}

int
tombstones_settle(struct relocation *c, struct err *e)
{
	for (;;) {
		SCOPED(batch_free_at) struct batch b = {0};
		if (tombstones_batch_load(c->store->catalogue, &b, e) != 0)
			return -1;
		if (b.count == 0)
			return 0;
		if (batch_settle(c, &b, e) != 0)
			return -1;
	}
}
