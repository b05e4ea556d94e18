/*
 * What a lender sees mounted: of each container that runs, or whose files the engine reads for
 * somebody, dockerd has its root mounted at <DockerRootDir>/rootfs/<driver>/<id>, and the kernel
 * tells the options.  For one that is stopped the reader of its files is we.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/thread.h"
#include "engine/layers/layer_ways.h"
#include "engine/lender/lender.h"

/*
 * HOLDS_MAX: so many containers are held at once, each by a connection and a thread.
 * HOLD_MS: within this the engine has begun to send.
 */
enum { HOLDS_MAX = 32, HOLD_MS = 30 * 1000, RANDOM_SIZE = 4 };

/* A container whose files are being read, slowly: as long as the reader takes nothing. */
struct hold {
	struct engine *engine;
	char *path;
	pthread_t thread;
	bool threaded;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool begun;    /* bytes have come: it is mounted */
	bool ended;    /* the call is over */
	bool released; /* the reader may go */
};

/* The first bytes wait until they are not needed any more; then the call is broken off. */
static int
hold_bytes(void *ctx, const void *data, size_t len, struct err *e)
{
	struct hold *h = ctx;
	LOCKED(&h->mutex);

	(void)data;
	(void)len;
	h->begun = true;
	(void)pthread_cond_broadcast(&h->changed);
	while (!h->released)
		(void)pthread_cond_wait(&h->changed, &h->mutex);
	return err_set(e, ERR_CANCELLED, "that is enough");
}

static void *
hold_run(void *ctx)
{
	struct hold *h = ctx;
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	const struct sink sink = {.write = hold_bytes, .ctx = h};
	struct http_request request = {
		.method = "GET", .path = h->path, .sink = &sink, .stall_ms = HOLD_MS};
	struct err ignored;

	(void)engine_call(h->engine, &request, &reply, &ignored);
	(void)pthread_mutex_lock(&h->mutex);
	h->ended = true;
	(void)pthread_cond_broadcast(&h->changed);
	(void)pthread_mutex_unlock(&h->mutex);
	return NULL;
}

static void
hold_begin(struct hold *h, struct engine *g, const char *id)
{
	h->engine = g;
	h->path = mem_format("/containers/%s/archive?path=/", id);
	(void)pthread_mutex_init(&h->mutex, NULL);
	(void)pthread_cond_init(&h->changed, NULL);
	h->threaded = pthread_create(&h->thread, NULL, hold_run, h) == 0;
	if (!h->threaded)
		h->ended = true; /* else it is the thread's alone, which may have ended by now */
}

static void
hold_await(struct hold *h)
{
	LOCKED(&h->mutex);

	while (!h->begun && !h->ended)
		(void)pthread_cond_wait(&h->changed, &h->mutex);
}

static void
hold_end(struct hold *h)
{
	(void)pthread_mutex_lock(&h->mutex);
	h->released = true;
	(void)pthread_cond_broadcast(&h->changed);
	(void)pthread_mutex_unlock(&h->mutex);
	if (h->threaded)
		(void)pthread_join(h->thread, NULL);
	(void)pthread_cond_destroy(&h->changed);
	(void)pthread_mutex_destroy(&h->mutex);
	free(h->path);
}

static bool
layer_mounts_fits(const struct layer_look *look)
{
	return layer_in_containerd(look) && layer_text(look->info, "DockerRootDir", NULL)[0] == '/';
}

static bool
runs(const struct layer_look *look, size_t i)
{
	const json_t *state = json_object_get(json_array_get(look->inspects, i), "State");

	return json_is_true(json_object_get(state, "Running"));
}

/* The upper directory of container ${id} in ${lines} (lender_mounts). */
static char *
upper_of(const char *lines, const char *driver, const char *id)
{
	SCOPED(free_at) char *tail = mem_format("/%s/%s\toverlay\t", driver, id);
	const char *at = strstr(lines, tail);

	if (at == NULL)
		return NULL;
	at += strlen(tail);
	if (*at == '\n')
		return NULL;
	return mem_copy(at, strcspn(at, "\n"));
}

/* Look at what is mounted below ${folder} now. */
static int
look_once(struct layer_look *look, const char *folder, struct err *e)
{
	SCOPED(lender_close_at) struct lender *lender = NULL;
	SCOPED(free_at) char *lines = NULL;
	unsigned char random[RANDOM_SIZE];
	char hex[2 * RANDOM_SIZE + 1];
	const struct lender_root root = {.path = folder};

	random_bytes(random, sizeof(random));
	SCOPED(free_at)
	char *name =
		mem_format("fuel-backup-lender-mounts-%s", hex_text(random, sizeof(random), hex));
	const struct lender_options options = {.engine = look->options->engine,
		.self = look->options->self,
		.run_path = look->options->run_path,
		.name = name,
		.roots = &root,
		.count = 1};

	if (lender_open(&options, &lender, e) != 0 || lender_mounts(lender, &lines, e) != 0)
		return -1;
	for (size_t i = 0; i < look->count; i++)
		if (look->layers[i].path == NULL)
			look->layers[i].path =
				upper_of(lines, layer_driver(look, i), layer_id(look, i));
	return 0;
}

/* Hold the next few of those that do not run, from ${from} on, and look; where to go on. */
static int
look_held(struct layer_look *look, const char *folder, size_t *from, struct err *e)
{
	struct hold holds[HOLDS_MAX] = {0};
	size_t count = 0, i;
	int status;

	for (i = *from; i < look->count && count < HOLDS_MAX; i++)
		if (look->layers[i].path == NULL && !runs(look, i))
			hold_begin(&holds[count++], look->options->engine, layer_id(look, i));
	*from = i;
	for (size_t k = 0; k < count; k++)
		hold_await(&holds[k]);
	status = count == 0 ? 0 : look_once(look, folder, e);
	for (size_t k = 0; k < count; k++)
		hold_end(&holds[k]);
	return status;
}

static bool
any_runs(const struct layer_look *look)
{
	for (size_t i = 0; i < look->count; i++)
		if (look->layers[i].path == NULL && runs(look, i))
			return true;
	return false;
}

static int
layer_mounts_find(struct layer_look *look, struct err *e)
{
	SCOPED(free_at)
	char *folder = mem_format("%s/rootfs", layer_text(look->info, "DockerRootDir", NULL));
	size_t from = 0;
	int status = 0;

	/* The first look holds some of those that stand still, so that one is often enough. */
	do
		status = look_held(look, folder, &from, e);
	while (status == 0 && from < look->count);
	if (status == 0 && any_runs(look))
		status = look_once(look, folder, e);
	if (status != 0 && e->code == ERR_UNREADABLE) {
		for (size_t i = 0; i < look->count; i++)
			if (look->layers[i].path == NULL)
				layer_say(&look->layers[i], "%s", e->text);
		return 0;
	}
	return status;
}

const struct layer_way layer_mounts = {"mounts", layer_mounts_fits, layer_mounts_find};
