#include "jobs/backup/live_store.h"

#include "base/mem.h"
#include "base/scope.h"
#include "jobs/backup/previous_version.h"
#include "jobs/backup/walker.h"
#include "store/write/overlay.h"

struct storing {
	struct passes *passes;
	const struct live_file *file;
	const struct overlay_piece *pieces;
};

static int
live_store_read_piece(void *ctx, size_t i, void *data, struct err *e)
{
	const struct storing *s = ctx;

	return live_pages_load(
		s->passes->pages, s->file->changes[i].slot, data, s->pieces[i].len, e);
}

static int
live_store_step(void *ctx, size_t len, struct err *e)
{
	const struct storing *s = ctx;

	operation_advance(s->passes->operation, (int64_t)len, 0);
	return operation_check(s->passes->operation, e);
}

/* Its changes as pieces.  Returns how many: those behind an end that has come nearer do not count.
 */
static size_t
pieces_of(const struct live_file *f, struct overlay_piece *pieces)
{
	size_t count = 0;

	for (; count < f->change_count; count++) {
		const int64_t offset = (int64_t)f->changes[count].page * LIVE_PAGE;
		const int64_t left = f->bytes - offset;

		if (left <= 0)
			break;
		pieces[count] =
			(struct overlay_piece){offset, left < LIVE_PAGE ? (size_t)left : LIVE_PAGE};
	}
	return count;
}

int
live_store(struct passes *p, const struct live_file *f, struct recipe *to, struct err *e)
{
	SCOPED(free_at)
	struct overlay_piece *pieces = mem_array(NULL, f->change_count + 1, sizeof(*pieces));
	SCOPED(recipe_free) struct recipe whole = RECIPE_INIT;
	struct storing storing = {p, f, pieces};
	const struct segment segment = {.kind = f->kind, .path = f->path, .bytes = f->bytes};
	const struct overlay overlay = {.base = &f->recipe,
		.cut = walker_cut(f->kind),
		.size = f->bytes,
		.pieces = pieces,
		.count = pieces_of(f, pieces),
		.read = live_store_read_piece,
		.step = live_store_step,
		.ctx = &storing};

	if (ingest_overlay(p->ingest, &overlay, &whole, e) != 0)
		return err_prefix(e, "%.300s", f->path);
	previous_version_keep(p->ingest, &segment, &whole);
	recipe_add_all(to, &whole);
	return 0;
}
