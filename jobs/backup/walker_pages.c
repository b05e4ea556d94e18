#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/scope.h"
#include "jobs/backup/walker_internal.h"

/* What a walk does with large files that a live pass has read. */

/* The longest sleep of a pass that is held back, so that it can be cancelled. */
static const int64_t PACE_NS = 100 * 1000 * 1000;

/* Hold the live passes back to their limit. */
int
walker_pace(struct walker *w, size_t len, struct err *e)
{
	struct passes *p = w->passes;
	int64_t ahead_ns;

	if (p->live_bytes_s <= 0)
		return 0;
	p->paced_bytes += (int64_t)len;
	do {
		ahead_ns = (int64_t)((double)p->paced_bytes / (double)p->live_bytes_s * 1e9) -
			   (clock_mono_ns() - p->paced_ns);
		const int64_t sleep_ns = ahead_ns > PACE_NS ? PACE_NS : ahead_ns;

		if (sleep_ns > 0)
			(void)nanosleep(&(struct timespec){0, sleep_ns}, NULL);
		if (walker_check(w, e) != 0)
			return -1;
	} while (ahead_ns > PACE_NS);
	return 0;
}

/* A large file of which all pages are known as they are now: 1, 0 if they are not, -1. */
static int
reuse_file(struct walker *w, const struct segment *s, struct err *e)
{
	const struct live_file *f = w->file;

	if (!f->stable || memcmp(f->key, s->key, sizeof(f->key)) != 0)
		return 0;
	live_pages_release(w->passes->pages, TAKE(w->file));
	w->result->reused += s->bytes;
	w->result->reused_files += s->files;
	if (w->kind != PASS_FROZEN)
		return 1;
	return spool_put(w->spool, SPOOL_PAGES, 0, &f, sizeof(f), e) != 0 ? -1 : 1;
}

/* A file that a live pass has read is compared page by page: 1 if it is known as it is, 0, -1. */
int
walker_begin_diff(struct walker *w, const struct segment *s, struct err *e)
{
	const int known = reuse_file(w, s, e);

	if (known == 0)
		page_diff_begin(&w->diff, w->passes->pages, w->file);
	return known;
}

int
walker_diff_step(void *ctx, size_t len, struct err *e)
{
	struct walker *w = ctx;

	if (walker_check(w, e) != 0)
		return -1;
	if (w->kind == PASS_FROZEN || w->passes->live_bytes_s <= 0)
		return 0;
	LOCKED(&w->passes->mutex);
	return walker_pace(w, len, e);
}

/* More has changed than is kept by pages, or it cannot be read: it is stored as if it were new. */
static int64_t
take_anew(struct walker *w, int fd, int64_t size, struct err *e)
{
	live_pages_release(w->passes->pages, TAKE(w->file));
	walker_hold(w);
	if (walker_begin_ingest(w, w->segment, e) != 0)
		return -1;
	return walker_take_matched(w, fd, size, e);
}

int64_t
walker_take_pages(struct walker *w, int fd, int64_t size, struct err *e)
{
	const bool frozen = w->kind == PASS_FROZEN;
	const struct page_diff_input input = {.crew = w->passes->crew,
		.fd = fd,
		.size = size,
		.changes_max = frozen ? SIZE_MAX : LIVE_CHANGES_MAX / 2,
		.step = walker_diff_step,
		.ctx = w};
	const int done = page_diff_file(&w->diff, &input, e);

	if (done < 0)
		return -1;
	if (done == 0)
		return frozen ? 0 : take_anew(w, fd, size, e);
	w->result->bytes += size;
	return size;
}

/* Of a large file: its pages are known now, or all of it was cloned. */
int
walker_end_diff(struct walker *w, const struct segment *s, bool stable, struct err *e)
{
	struct passes *p = w->passes;
	const struct live_file *f = w->file;
	const bool cloned = w->kind == PASS_FROZEN && w->cloned;
	const int status = cloned ? 0 : page_diff_end(&w->diff, s->key, stable, e);

	live_pages_release(p->pages, TAKE(w->file));
	if (status != 0)
		return -1;
	if (w->kind != PASS_FROZEN) {
		operation_advance(p->operation, 0, s->files);
		return 0;
	}
	if (cloned)
		return spool_put(w->spool, SPOOL_END, 0, NULL, 0, e);
	return spool_put(w->spool, SPOOL_PAGES, 0, &f, sizeof(f), e);
}
