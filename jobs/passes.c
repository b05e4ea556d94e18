#include "jobs/passes.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender.h"

/* One walk of one source. */
struct walk {
	struct passes *passes;
	enum pass_kind kind;
	struct pass_result *result;
	struct recipe found; /* of the present segment */
};

static enum cut
cut_of(enum segment_kind kind)
{
	switch (kind) {
	case SEGMENT_RUN:
		return CUT_WHOLE;
	case SEGMENT_PAGES_16:
		return CUT_PAGES_16;
	case SEGMENT_PAGES_64:
		return CUT_PAGES_64;
	case SEGMENT_CONTENT:
	case SEGMENT_SPARSE:
		break;
	}
	return CUT_CONTENT;
}

static int
check_freeze(const struct passes *p, struct err *e)
{
	if (freeze_age_ms(p->freeze) <= MAX_FREEZE_MS)
		return 0;
	return err_set(e, ERR_TIMEOUT,
		"the containers would have stood still for more than %d ms, so the backup was "
		"given up: too much changes between two passes; try when there is less load",
		MAX_FREEZE_MS);
}

static int
reuse(struct walk *w, const struct segment *s, struct err *e)
{
	w->result->reused += s->bytes;
	if (w->kind != PASS_FROZEN)
		return 0;
	return spool_put(w->passes->spool, SPOOL_REUSE, 0, w->found.runs,
		w->found.count * sizeof(struct recipe_run), e);
}

static int
begin(void *ctx, const struct segment *s, struct err *e)
{
	struct walk *w = ctx;
	int found;

	recipe_clear(&w->found);
	if (operation_check(w->passes->operation, e) != 0 ||
		(w->kind == PASS_FROZEN && check_freeze(w->passes, e) != 0))
		return -1;
	found = ingest_find_segment(w->passes->ingest, s->key, &w->found, e);
	if (found < 0)
		return -1;
	if (found == 1)
		return reuse(w, s, e) == 0 ? 1 : -1;
	recipe_clear(&w->found);
	w->result->files += s->files;
	if (w->kind == PASS_MEASURE) {
		w->result->bytes += s->bytes;
		return 1;
	}
	if (w->kind == PASS_FROZEN)
		return spool_put(w->passes->spool, SPOOL_BEGIN, s->kind, NULL, 0, e);
	ingest_begin(w->passes->ingest, cut_of(s->kind));
	return 0;
}

static int
data(void *ctx, const void *bytes, size_t len, struct err *e)
{
	struct walk *w = ctx;

	w->result->bytes += (int64_t)len;
	if (w->kind == PASS_FROZEN)
		return check_freeze(w->passes, e) != 0
			       ? -1
			       : spool_put(w->passes->spool, SPOOL_DATA, 0, bytes, len, e);
	operation_advance(w->passes->operation, (int64_t)len, 0);
	return ingest_write(w->passes->ingest, bytes, len, e);
}

static int
end(void *ctx, const struct segment *s, bool stable, struct err *e)
{
	struct walk *w = ctx;

	if (w->kind == PASS_FROZEN)
		return spool_put(w->passes->spool, SPOOL_END, 0, NULL, 0, e);
	if (ingest_end(w->passes->ingest, &w->found, e) != 0)
		return -1;
	if (stable)
		ingest_keep_segment(w->passes->ingest, s->key, &w->found);
	operation_advance(w->passes->operation, 0, s->files);
	return operation_check(w->passes->operation, e);
}

static int
unreadable(struct passes *p, const char *path, struct err *e)
{
	if (!p->mark_unreadable) {
		e->code = ERR_UNREADABLE;
		return err_prefix(e,
			"%s cannot be read (exclude it, or set \"unreadable\": \"mark\" in the "
			"plan)",
			path);
	}
	p->incomplete = true;
	inventory_warn(p->inventory, "%s was left out: %s", path, e->text);
	return 0;
}

/* Only the frozen pass tells: what a live pass meets is history by then. */
static int
notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	struct walk *w = ctx;
	struct passes *p = w->passes;

	if (w->kind != PASS_FROZEN)
		return n != SEGMENT_UNREADABLE || p->mark_unreadable ? 0 : unreadable(p, path, e);
	switch (n) {
	case SEGMENT_SOCKET:
		p->sockets++;
		return 0;
	case SEGMENT_MOUNT:
		inventory_warn(p->inventory, "%s is a mount of its own and was not captured", path);
		return 0;
	case SEGMENT_CHANGED:
		p->changed++;
		inventory_warn(p->inventory,
			"%s changed while it was read, by a writer outside the plan", path);
		return 0;
	case SEGMENT_VANISHED:
		inventory_warn(p->inventory, "%s went away while it was read", path);
		return 0;
	case SEGMENT_EXCLUDED:
		return 0;
	case SEGMENT_UNREADABLE:
		break;
	}
	return unreadable(p, path, e);
}

/* T, then syncfs: every store to a shared mapping that comes later moves the times again. */
static int64_t
synced(int root_fd)
{
	char path[32];
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", root_fd);
	SCOPED(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || syncfs(fd) != 0)
		return 0;
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int
walk_source(struct passes *p, size_t i, struct walk *w, struct err *e)
{
	const struct plan_source *source = &p->inventory->sources[i];
	const int root_fd = lender_fd(p->lender, p->roots[i]);
	SCOPED(lender_paths_free) char **opaque = NULL;
	const struct segment_sink sink = {
		.begin = begin, .data = data, .end = end, .notice = notice, .ctx = w};
	struct tree t = {.root_fd = root_fd,
		.prefix = source->prefix,
		.layer = source->kind == SOURCE_LAYER,
		.excludes = (const char *const *)p->inventory->excludes->patterns};

	if (t.layer && lender_opaque(p->lender, p->roots[i], &opaque, e) != 0)
		return err_prefix(e, "container %s", source->name);
	t.opaque = (const char *const *)opaque;
	while (opaque != NULL && opaque[t.opaque_count] != NULL)
		t.opaque_count++;
	if (w->kind == PASS_LIVE) {
		t.synced_ns = synced(root_fd);
		t.cacheable = t.synced_ns != 0 && tree_cacheable(root_fd);
	}
	return segments_walk(&t, &sink, e);
}

int
passes_run(struct passes *p, enum pass_kind kind, struct pass_result *ret_result, struct err *e)
{
	const int64_t since = clock_mono_ns();
	struct walk w = {.passes = p, .kind = kind, .result = ret_result};
	int status = 0;

	*ret_result = (struct pass_result){0};
	for (size_t i = 0; status == 0 && i < p->inventory->count; i++) {
		if (kind == PASS_FROZEN)
			status = spool_put(p->spool, SPOOL_SOURCE, (uint32_t)i, NULL, 0, e);
		if (status == 0)
			status = walk_source(p, i, &w, e);
		if (kind == PASS_LIVE && status != 0)
			ingest_drop(p->ingest);
	}
	recipe_free(&w.found);
	ret_result->duration_ms = clock_since_ms(since);
	return status;
}

static int
collect(struct passes *p, const struct spool_record *r, struct recipe *to, struct err *e)
{
	const struct recipe_run *runs = r->data;

	switch (r->type) {
	case SPOOL_SOURCE:
		return 0;
	case SPOOL_REUSE:
		for (size_t i = 0; i < r->len / sizeof(*runs); i++)
			for (uint64_t k = 0; k < runs[i].count; k++)
				recipe_add(to, runs[i].first + k);
		return 0;
	case SPOOL_BEGIN:
		ingest_begin(p->ingest, cut_of(r->tag));
		return 0;
	case SPOOL_DATA:
		operation_advance(p->operation, (int64_t)r->len, 0);
		return ingest_write(p->ingest, r->data, r->len, e);
	case SPOOL_END:
		break;
	}
	return ingest_end(p->ingest, to, e);
}

int
passes_collect(struct passes *p, struct recipe *recipes, struct err *e)
{
	struct spool_record r;
	size_t source = 0;
	int more;

	while ((more = spool_next(p->spool, &r, e)) > 0) {
		if (r.type == SPOOL_SOURCE)
			source = r.tag;
		if (operation_check(p->operation, e) != 0 ||
			collect(p, &r, &recipes[source], e) != 0)
			return -1;
	}
	return more;
}

json_t *
pass_json(enum pass_kind kind, const struct pass_result *r)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I}", "kind", kind == PASS_LIVE ? "live" : "frozen",
		"bytes_read", (json_int_t)r->bytes, "files_read", (json_int_t)r->files,
		"reused_bytes", (json_int_t)r->reused, "duration_ms", (json_int_t)r->duration_ms);
}
