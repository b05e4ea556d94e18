#include "jobs/backup/passes.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "archive/tar/member.h"
#include "archive/write/changes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender.h"
#include "jobs/backup/live_store.h"
#include "jobs/backup/walker.h"

/* One pass, shared by its threads. */
struct passes_run {
	struct passes *passes;
	enum pass_kind kind;
	const size_t *order; /* walks, the longest first */
	size_t count;
	atomic_size_t next;
	atomic_size_t busy;    /* threads that have or look for a walk; the others serve */
	pthread_mutex_t mutex; /* guards what follows */
	struct pass_result *result;
	struct err error; /* of the walk that failed first */
};

static size_t
walks(const struct passes *p)
{
	return PASS_PARTS * p->inventory->count;
}

void
passes_init(struct passes *p)
{
	(void)pthread_mutex_init(&p->mutex, NULL);
	p->marked = json_array();
	p->pages = live_pages_new(p->run_fd, p->room.hidden);
	p->spools = mem_new((walks(p) + 1) * sizeof(*p->spools));
	p->cost_ns = mem_new((walks(p) + 1) * sizeof(*p->cost_ns));
	p->changes = mem_new((p->inventory->count + 1) * sizeof(*p->changes));
	for (size_t i = 0; i < p->inventory->count; i++)
		(void)pthread_mutex_init(&p->changes[i].mutex, NULL);
}

static void
changes_forget(struct passes *p)
{
	for (size_t i = 0; i < p->inventory->count; i++)
		changes_free(TAKE(p->changes[i].found));
}

static void
spools_clear(struct passes *p)
{
	for (size_t i = 0; i < walks(p); i++) {
		spool_free_at(&p->spools[i]);
		p->spools[i] = NULL;
	}
}

void
passes_clear(struct passes *p)
{
	if (p->spools == NULL)
		return;
	spools_clear(p);
	free(p->spools);
	free(p->cost_ns);
	changes_forget(p);
	for (size_t i = 0; i < p->inventory->count; i++)
		(void)pthread_mutex_destroy(&p->changes[i].mutex);
	free(p->changes);
	live_pages_free_at(&p->pages);
	json_decref(p->marked);
	(void)pthread_mutex_destroy(&p->mutex);
}

static bool
sync_one(int root_fd)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", root_fd);
	SCOPED(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0 && syncfs(fd) == 0;
}

/*
 * T, then syncfs of each file system: every store to a shared mapping that comes later moves the
 * times again.  Returns T, or 0 if one could not be synced: then nothing is remembered.
 */
static int64_t
sync_sources(const struct passes *p)
{
	SCOPED(free_at) dev_t *done = mem_array(NULL, p->inventory->count + 1, sizeof(*done));
	size_t count = 0;
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	for (size_t i = 0; i < p->inventory->count; i++) {
		const int fd = lender_fd(p->lender, p->roots[i]);
		struct stat st;
		size_t k = 0;

		if (fstat(fd, &st) != 0)
			return 0;
		while (k < count && done[k] != st.st_dev)
			k++;
		if (k < count)
			continue;
		if (!sync_one(fd))
			return 0;
		done[count++] = st.st_dev;
	}
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
add_result(struct pass_result *to, const struct pass_result *r)
{
	to->bytes += r->bytes;
	to->files += r->files;
	to->reused += r->reused;
	to->reused_files += r->reused_files;
	to->copied += r->copied;
	to->suspect += r->suspect;
}

static void
walk_one(struct passes_run *run, size_t walk)
{
	struct passes *p = run->passes;
	const int64_t since = clock_mono_ns();
	struct pass_result result = {0};
	struct err e;
	const int status = walker_run(p, run->kind, walk / PASS_PARTS,
		walk % PASS_PARTS == 0 ? SEGMENTS_DIRECTORIES : SEGMENTS_REST, &result, &e);

	p->cost_ns[walk] = clock_mono_ns() - since;
	LOCKED(&run->mutex);
	add_result(run->result, &result);
	if (status == 0 || atomic_exchange(&p->stop, true))
		return;
	run->error = e;
}

static void *
take_walks(void *ctx)
{
	struct passes_run *run = ctx;
	size_t i;

	while (!atomic_load(&run->passes->stop) &&
		(i = atomic_fetch_add(&run->next, 1)) < run->count)
		walk_one(run, run->order[i]);
	if (atomic_fetch_sub(&run->busy, 1) == 1)
		crew_dismiss(run->passes->crew);
	else
		crew_serve(run->passes->crew);
	return NULL;
}

static void
run_threads(struct passes_run *run, size_t threads)
{
	pthread_t others[PASS_THREADS_MAX];
	size_t started = 0;

	atomic_store(&run->busy, 1);
	while (started + 1 < threads) {
		(void)atomic_fetch_add(&run->busy, 1);
		if (pthread_create(&others[started], NULL, take_walks, run) != 0) {
			(void)atomic_fetch_sub(&run->busy, 1);
			break;
		}
		started++;
	}
	(void)take_walks(run); /* this thread too, so that it works with none */
	while (started > 0)
		(void)pthread_join(others[--started], NULL);
}

static int
by_cost(const void *a, const void *b, void *ctx)
{
	const int64_t *cost_ns = ctx;
	const size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (cost_ns[x] != cost_ns[y])
		return cost_ns[x] < cost_ns[y] ? 1 : -1;
	return x < y ? -1 : 1;
}

/* The longest walks first, as far as an earlier pass tells: so that the last ones are short. */
static size_t *
order_walks(const struct passes *p)
{
	size_t *order = mem_array(NULL, walks(p) + 1, sizeof(*order));

	for (size_t i = 0; i < walks(p); i++)
		order[i] = i;
	qsort_r(order, walks(p), sizeof(*order), by_cost, p->cost_ns);
	return order;
}

static size_t
threads_for(size_t wanted)
{
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (wanted == 0)
		wanted = cores < 1 ? 1 : (size_t)cores;
	return wanted < PASS_THREADS_MAX ? wanted : PASS_THREADS_MAX;
}

static void
passes_prepare(struct passes *p, enum pass_kind kind)
{
	if (kind == PASS_LIVE)
		p->synced_ns = sync_sources(p);
	p->paced_ns = clock_mono_ns();
	p->paced_bytes = 0;
	atomic_store(&p->stop, false);
	changes_forget(p);
	if (kind != PASS_FROZEN)
		return;
	spools_clear(p);
	json_array_clear(p->marked);
	p->sockets = 0;
	atomic_store(&p->room.left, SPOOL_MEMORY_MAX);
	for (size_t i = 0; i < walks(p); i++)
		p->spools[i] = spool_new(p->run_fd, &p->room);
}

int
passes_run(struct passes *p, enum pass_kind kind, size_t threads, struct pass_result *ret_result,
	struct err *e)
{
	const int64_t since = clock_mono_ns();
	SCOPED(free_at) size_t *order = order_walks(p);
	struct passes_run run = {.passes = p,
		.kind = kind,
		.order = order,
		.count = walks(p),
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.result = ret_result};

	*ret_result = (struct pass_result){0};
	/* What an earlier pass stored of a file may have to be read back: it needs rows. */
	if (kind == PASS_LIVE && ingest_checkpoint(p->ingest, e) != 0)
		return -1;
	passes_prepare(p, kind);
	if (kind == PASS_FROZEN && walker_copy_layers(p, e) != 0)
		return -1;
	p->crew = crew_new();
	if (kind == PASS_LIVE)
		ingest_watch(p->ingest, live_pages_chunk, p->pages);
	run_threads(&run, threads_for(threads));
	ingest_watch(p->ingest, NULL, NULL);
	crew_free(TAKE(p->crew));
	p->reread_done = p->reread_done || kind == PASS_LIVE ||
			 (kind == PASS_MEASURE && ret_result->suspect == 0);
	ret_result->duration_ms = clock_since_ms(since);
	if (run.error.code == ERR_NONE)
		return 0;
	*e = run.error;
	return -1;
}

/* Putting one spool's records into the store. */
struct collect {
	struct passes *passes;
	struct spool *spool;
	struct recipe *to;
	enum cut cut;
	bool streaming; /* a stream is begun */
};

static int
passes_end_stream(struct collect *c, struct err *e)
{
	if (!c->streaming)
		return 0;
	c->streaming = false;
	return ingest_end(c->passes->ingest, c->to, e);
}

static int
write_bytes(struct collect *c, const void *data, size_t len, struct err *e)
{
	if (!c->streaming)
		ingest_begin(c->passes->ingest, c->cut);
	c->streaming = true;
	operation_advance(c->passes->operation, (int64_t)len, 0);
	return ingest_write(c->passes->ingest, data, len, e);
}

static int
write_clone(struct collect *c, const struct spool_clone *clone, struct err *e)
{
	/* The padding is zeros, as what is read behind the end. */
	const int64_t total = clone->size + (int64_t)member_padding(clone->size);
	SCOPED(free_at) char *piece = mem_array(NULL, SPOOL_RECORD_MAX, 1);

	for (int64_t at = 0; at < total; at += SPOOL_RECORD_MAX) {
		const int64_t left = total - at, of_file = clone->size - at;
		const size_t len = left < SPOOL_RECORD_MAX ? (size_t)left : SPOOL_RECORD_MAX;
		const size_t real = of_file <= 0	     ? 0
				    : of_file < (int64_t)len ? (size_t)of_file
							     : len;

		memset(piece + real, 0, len - real);
		if (spool_cloned(c->spool, clone->offset + at, piece, real, e) != 0 ||
			write_bytes(c, piece, len, e) != 0)
			return -1;
	}
	return 0;
}

/* A large file, as it is known by pages. */
static int
write_pages(struct collect *c, const void *data, struct err *e)
{
	const struct live_file *f;

	memcpy(&f, data, sizeof(f));
	return live_store(c->passes, f, c->to, e);
}

static void
add_runs(struct recipe *to, const struct recipe_run *runs, size_t count)
{
	const struct recipe reused = {.runs = (struct recipe_run *)(uintptr_t)runs, .count = count};

	recipe_add_all(to, &reused);
}

static int
collect_record(struct collect *c, const struct spool_record *r, struct err *e)
{
	switch (r->type) {
	case SPOOL_REUSE:
		add_runs(c->to, r->data, r->len / sizeof(struct recipe_run));
		return 0;
	case SPOOL_BEGIN:
		c->cut = walker_cut(r->tag);
		return 0;
	case SPOOL_PAGES:
		return write_pages(c, r->data, e);
	case SPOOL_DATA:
		return write_bytes(c, r->data, r->len, e);
	case SPOOL_CLONE:
		return write_clone(c, r->data, e);
	case SPOOL_END:
		break;
	}
	return passes_end_stream(c, e);
}

static int
collect_spool(struct passes *p, struct spool *spool, struct recipe *to, struct err *e)
{
	struct collect c = {.passes = p, .spool = spool, .to = to};
	struct spool_record r;
	int more;

	while ((more = spool_next(spool, &r, e)) > 0)
		if (operation_check(p->operation, e) != 0 || collect_record(&c, &r, e) != 0)
			return -1;
	return more;
}

int
passes_collect(struct passes *p, struct recipe *recipes, struct err *e)
{
	for (size_t i = 0; i < walks(p); i++) {
		if (!p->inventory->sources[i / PASS_PARTS].left_out &&
			collect_spool(p, p->spools[i], &recipes[i / PASS_PARTS], e) != 0)
			return -1;
		spool_free_at(&p->spools[i]);
		p->spools[i] = NULL;
	}
	return 0;
}

json_t *
pass_json(enum pass_kind kind, const struct pass_result *r)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "kind",
		kind == PASS_LIVE ? "live" : "frozen", "bytes_read", (json_int_t)r->bytes,
		"files_read", (json_int_t)r->files, "reused_bytes", (json_int_t)r->reused,
		"files_reused", (json_int_t)r->reused_files, "duration_ms",
		(json_int_t)r->duration_ms, "copied_bytes", (json_int_t)r->copied);
}
