#include "jobs/backup/walker.h"

#include <string.h>

#include "base/scope.h"
#include "base/text.h"
#include "jobs/backup/previous_version.h"
#include "jobs/backup/walker_internal.h"
#include "jobs/sources/nested.h"

/* A file is cloned from this size on; reading less takes no longer than the call. */
static const int64_t CLONE_MIN = 256 * 1024;

/* Up to here a frozen pass copies a file that no live pass has read: in some 0.2 s. */
static const int64_t UNREAD_MAX = 256 * 1024 * 1024;

enum cut
walker_cut(enum segment_kind kind)
{
	switch (kind) {
	case SEGMENT_RUN:
		return CUT_WHOLE;
	case SEGMENT_PAGES_16:
		return CUT_PAGES_16;
	case SEGMENT_PAGES_64:
		return CUT_PAGES_64;
	case SEGMENT_SPARSE: /* an image: pages, which shift when a hole is filled */
		return CUT_FINE;
	case SEGMENT_CONTENT:
		break;
	}
	return CUT_CONTENT;
}

int
walker_check(const struct walker *w, struct err *e)
{
	if (atomic_load(&w->passes->stop))
		return err_set(e, ERR_CANCELLED, "another walk of this pass failed");
	if (operation_check(w->passes->operation, e) != 0)
		return -1;
	return w->kind == PASS_FROZEN ? freeze_check(w->passes->freeze, e) : 0;
}

void
walker_hold(struct walker *w)
{
	if (!w->holds)
		(void)pthread_mutex_lock(&w->passes->mutex);
	w->holds = true;
}

static void
walker_let_go(struct walker *w)
{
	if (w->holds)
		(void)pthread_mutex_unlock(&w->passes->mutex);
	w->holds = false;
}

/* Is it this segment's turn to be read again?  Each has its turn once in ${reread} backups. */
static bool
due(const struct passes *p, const struct segment *s)
{
	uint64_t key;

	memcpy(&key, s->key, sizeof(key));
	return p->reread > 0 && !p->reread_done &&
	       key % (uint64_t)p->reread == (uint64_t)(p->round % p->reread);
}

static int
reuse(struct walker *w, const struct segment *s, struct err *e)
{
	w->result->reused += s->bytes;
	w->result->reused_files += s->files;
	if (w->kind != PASS_FROZEN)
		return 1;
	return spool_put(w->spool, SPOOL_REUSE, 0, w->found.runs,
		       w->found.count * sizeof(struct recipe_run), e) != 0
		       ? -1
		       : 1;
}

/* Look it up; with the mutex held if it has to be ingested. */
static int
walker_find(struct walker *w, const struct segment *s, struct err *e)
{
	int found;

	recipe_clear(&w->found);
	walker_hold(w);
	found = ingest_find_segment(w->passes->ingest, s->key, &w->found, e);
	if (found < 0)
		return -1;
	w->again = found == 1 && w->kind != PASS_FROZEN && due(w->passes, s);
	if (!w->again && (w->kind != PASS_LIVE || found == 1))
		walker_let_go(w);
	return found;
}

static int
begin_frozen(struct walker *w, const struct segment *s, struct err *e)
{
	struct passes *p = w->passes;
	int known;

	{
		LOCKED(&p->mutex);
		w->file = live_pages_claim(p->pages, s->path, s->kind);
	}
	w->cloned = false;
	if (w->file != NULL && (known = walker_begin_diff(w, s, e)) != 0)
		return known;
	return spool_put(w->spool, SPOOL_BEGIN, s->kind, NULL, 0, e);
}

/* What it is matched with: what is read again with what the cache says of it, for its chunks may
 * end where the cutter alone would not end them. */
static int
find_earlier(struct walker *w, const struct segment *s, struct err *e)
{
	recipe_clear(&w->earlier);
	if (!w->again)
		return previous_version_find(w->passes->ingest, s, &w->earlier, e) < 0 ? -1 : 0;
	if (previous_version_any(s))
		recipe_add_all(&w->earlier, &w->expected);
	return 0;
}

/* It is read into the store, with the passes' mutex held. */
int
walker_begin_ingest(struct walker *w, const struct segment *s, struct err *e)
{
	recipe_clear(&w->expected);
	recipe_add_all(&w->expected, &w->found);
	recipe_clear(&w->found);
	if (find_earlier(w, s, e) != 0)
		return -1;
	if (w->kind == PASS_LIVE)
		live_pages_begin(w->passes->pages);
	ingest_begin(w->passes->ingest, walker_cut(s->kind));
	return 0;
}

/* Everything runs, and the cache does not know it. */
static int
begin_live(struct walker *w, const struct segment *s, struct err *e)
{
	struct live_pages *pages = w->passes->pages;

	if (live_pages_room(pages))
		w->file = live_pages_claim(pages, s->path, s->kind);
	if (w->file == NULL)
		return walker_begin_ingest(w, s, e);
	walker_let_go(w); /* others walk on while it is compared */
	return walker_begin_diff(w, s, e);
}

static int
walker_begin(void *ctx, const struct segment *s, struct err *e)
{
	struct walker *w = ctx;
	const int found = walker_check(w, e) != 0 ? -1 : walker_find(w, s, e);

	if (found < 0)
		return -1;
	if (found == 1 && !w->again)
		return reuse(w, s, e);
	w->result->files += s->files;
	w->segment = s;
	if (w->kind == PASS_MEASURE && !w->again) {
		w->result->bytes += s->bytes;
		return 1;
	}
	if (w->kind == PASS_FROZEN)
		return begin_frozen(w, s, e);
	return w->again ? walker_begin_ingest(w, s, e) : begin_live(w, s, e);
}

/* So much was read that is put. */
static int
walker_step(void *ctx, size_t len, struct err *e)
{
	struct walker *w = ctx;

	if (walker_check(w, e) != 0)
		return -1;
	if (w->kind == PASS_MEASURE)
		return 0;
	w->result->bytes += (int64_t)len;
	w->result->copied += (int64_t)len;
	operation_advance(w->passes->operation, (int64_t)len, 0);
	return walker_pace(w, len, e);
}

static int
spool_data(struct walker *w, const void *bytes, size_t len, struct err *e)
{
	w->result->copied += (int64_t)len;
	return spool_put(w->spool, SPOOL_DATA, 0, bytes, len, e);
}

static int
data(void *ctx, const void *bytes, size_t len, struct err *e)
{
	struct walker *w = ctx;

	if (w->file == NULL && w->kind != PASS_FROZEN)
		return walker_step(w, len, e) != 0 ? -1
						   : ingest_write(w->passes->ingest, bytes, len, e);
	if (walker_diff_step(w, len, e) != 0)
		return -1;
	w->result->bytes += (int64_t)len;
	return w->file != NULL ? page_diff_data(&w->diff, bytes, len, e)
			       : spool_data(w, bytes, len, e);
}

/* A frozen file as a whole, where the file system shares blocks. */
static int64_t
take_clone(struct walker *w, int fd, int64_t size, struct err *e)
{
	int cloned;

	if (size < CLONE_MIN)
		return 0;
	cloned = walker_check(w, e) != 0 ? -1 : spool_clone(w->spool, fd, size, e);
	w->cloned = cloned == 1;
	return w->cloned ? size : cloned;
}

/* What an earlier version of a file had is compared with it, side by side in several threads. */
int64_t
walker_take_matched(struct walker *w, int fd, int64_t size, struct err *e)
{
	const struct ingest_match match = {
		.recipe = &w->earlier, .fd = fd, .size = size, .step = walker_step, .ctx = w};

	return w->earlier.count == 0 ? 0 : ingest_match(w->passes->ingest, &match, e);
}

/* A large file that changed before any live pass had read it: to copy all of it would be a long
 * freeze, where a live pass more makes it a short one. */
static int64_t
refuse_unread(const struct walker *w, int64_t size, struct err *e)
{
	if (w->passes->copies_all || size < UNREAD_MAX)
		return 0;
	return err_set(e, ERR_TIMEOUT, "%s, of %lld MiB, changed before a live pass had read it",
		w->segment->path, (long long)(size >> 20));
}

static int64_t
walker_take(void *ctx, int fd, int64_t size, struct err *e)
{
	struct walker *w = ctx;
	const int64_t cloned = w->kind == PASS_FROZEN ? take_clone(w, fd, size, e) : 0;

	if (cloned != 0)
		return cloned;
	if (w->file != NULL)
		return walker_take_pages(w, fd, size, e);
	if (w->kind != PASS_FROZEN)
		return walker_take_matched(w, fd, size, e);
	return refuse_unread(w, size, e);
}

/* What was known has been read again: is it what is stored? */
static int
judge_again(struct walker *w, const struct segment *s, bool stable, struct err *e)
{
	struct passes *p = w->passes;
	const char *what = s->path == NULL ? "a run of small files" : s->path;
	const int same = ingest_same(p->ingest, &w->found, &w->expected, e);

	p->reread_segments++;
	if (same != 0 || !stable)
		return same < 0 ? -1 : 0;
	p->healed++;
	inventory_warn(p->inventory,
		"%s did not hold what earlier backups have for it, though its times and size are "
		"unchanged: it was stored anew; check the disk, and the earlier backups",
		what);
	return 0;
}

static int
end_live(struct walker *w, const struct segment *s, bool stable, struct err *e)
{
	struct passes *p = w->passes;

	if (ingest_end(p->ingest, &w->found, e) != 0)
		return -1;
	if (s->kind != SEGMENT_RUN)
		live_pages_keep(p->pages, s, stable, &w->found);
	previous_version_keep(p->ingest, s, &w->found);
	if (w->again && judge_again(w, s, stable, e) != 0)
		return -1;
	if (stable)
		ingest_keep_segment(p->ingest, s->key, &w->found);
	walker_let_go(w);
	operation_advance(p->operation, 0, s->files);
	return operation_check(p->operation, e);
}

/* What was known has been read again before any live pass: where it is not the same, a live pass,
 * which alone can tell a change from a fault, has to look at it. */
static int
end_measure(struct walker *w, struct err *e)
{
	struct passes *p = w->passes;
	int same;

	if (ingest_end(p->ingest, &w->found, e) != 0)
		return -1;
	same = ingest_same(p->ingest, &w->found, &w->expected, e);
	p->reread_segments++;
	w->result->suspect += same == 0;
	walker_let_go(w);
	return same < 0 ? -1 : 0;
}

static int
walker_end(void *ctx, const struct segment *s, bool stable, struct err *e)
{
	struct walker *w = ctx;

	if (w->kind == PASS_MEASURE)
		return end_measure(w, e);
	if (w->file != NULL)
		return walker_end_diff(w, s, stable, e);
	if (w->kind == PASS_LIVE)
		return end_live(w, s, stable, e);
	return spool_put(w->spool, SPOOL_END, 0, NULL, 0, e);
}

/* ${w}: of the source that it is in; if it is its root, all of that is left out. */
static int
unreadable(struct walker *w, enum segment_notice n, const char *path, struct err *e)
{
	struct inventory *v = w->passes->inventory;
	const struct plan_source *s = &v->sources[w->source];
	const char *kind = n == SEGMENT_UNLISTED ? "folder" : "file";

	e->code = ERR_UNREADABLE;
	if (n == SEGMENT_BARE)
		return omissions_add(v->omissions, "attributes", path, "remove some of them", e);
	if (strcmp(path, s->prefix) != 0)
		return omissions_add(v->omissions, kind, path, "rename or exclude it", e);
	if (omissions_add(v->omissions, source_kind_name(s->kind), s->name, "exclude it", e) != 0)
		return -1;
	inventory_leave_out(v, w->source);
	return 0;
}

static int
walker_tell(struct walker *w, enum segment_notice n, const char *path, struct err *e)
{
	struct passes *p = w->passes;

	switch (n) {
	case SEGMENT_SOCKET:
		p->sockets++;
		break;
	case SEGMENT_MOUNT:
		if (!nested_is_source(p->inventory, path))
			inventory_warn(
				p->inventory, "%s is a mount of its own, not captured", path);
		break;
	case SEGMENT_CHANGED:
		if (json_array_size(p->marked) < PASS_MARKED_MAX)
			(void)json_array_append_new(p->marked, text_json(path));
		inventory_warn(p->inventory,
			"%s changed while it was read, by one outside the plan", path);
		break;
	case SEGMENT_VANISHED:
		inventory_warn(p->inventory, "%s went away while it was read", path);
		break;
	case SEGMENT_UNREADABLE:
	case SEGMENT_UNLISTED:
	case SEGMENT_BARE:
		return unreadable(w, n, path, e);
	case SEGMENT_EXCLUDED:
		break;
	}
	return 0;
}

static int
walker_notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	struct walker *w = ctx;
	const bool fatal = omissions_fatal(w->passes->inventory->omissions);

	if (w->kind != PASS_FROZEN)
		return fatal && segment_notice_odd(n) ? unreadable(w, n, path, e) : 0;
	LOCKED(&w->passes->mutex); /* the walk does not hold it in this pass, which alone tells */
	return walker_tell(w, n, path, e);
}

static int
walk(struct walker *w, size_t source, enum segment_part part, struct err *e)
{
	const struct passes *p = w->passes;
	const struct plan_source *s = &p->inventory->sources[source];
	SCOPED(lender_paths_free) char **opaque = NULL;
	const struct segment_sink sink = {.begin = walker_begin,
		.data = data,
		.take = walker_take,
		.end = walker_end,
		.notice = walker_notice,
		.ctx = w};
	struct tree t = {.root_fd = inventory_root(p->lender, s, p->roots[source]),
		.prefix = s->prefix,
		.layer = s->kind == SOURCE_LAYER,
		.trusted = s->trusted,
		.crew = p->crew,
		.excludes = (const char *const *)p->inventory->excludes->patterns,
		.left = s->left,
		.left_count = s->left_count};

	if (t.layer && walker_layer(w, part, &t, &opaque, e) != 0)
		return -1;
	if (s->left_out)
		return 0;
	if (w->kind == PASS_LIVE) {
		t.synced_ns = p->synced_ns;
		t.cacheable = p->synced_ns != 0 && tree_cacheable(t.root_fd);
	}
	return segments_walk_part(&t, part, &sink, e);
}

int
walker_run(struct passes *p, enum pass_kind kind, size_t source, enum segment_part part,
	struct pass_result *result, struct err *e)
{
	struct walker w = {.passes = p, .source = source, .kind = kind, .result = result};
	int status;

	if (p->inventory->sources[source].left_out)
		return 0;
	if (kind == PASS_FROZEN)
		w.spool = p->spools[PASS_PARTS * source + part];
	status = walk(&w, source, part, e);
	if (status != 0 && kind != PASS_FROZEN && w.holds)
		ingest_drop(p->ingest);
	if (w.file != NULL)
		live_pages_release(p->pages, w.file);
	walker_let_go(&w);
	result->copied += w.diff.copied;
	page_diff_clear(&w.diff);
	recipe_free(&w.found);
	recipe_free(&w.expected);
	recipe_free(&w.earlier);
	return status;
}
