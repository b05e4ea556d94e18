/*
 * Goal: what the store costs by itself, in a process of its own for each measure:
 *	store make FOLDER BACKUPS CHUNKS	so many backups, with CHUNKS chunks in all, of 200
 * bytes store list FOLDER BACKUPS		so many backups without data, their records as of 30
 * containers store delete FOLDER PERCENT		so many of them, at random store
 * open|sweep|rebuild|page FOLDER Prints "NAME VALUE" lines: seconds, bytes (also the peak of the
 * resident set).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "store/catalogue/backups.h"
#include "store/gc/sweep.h"
#include "store/open/rebuild.h"
#include "store/open/store.h"
#include "store/write/ingest.h"

enum { CHUNK = 200, PAGE = 100, CONTAINERS = 30 };

static void
check(int result, const struct err *e)
{
	if (result >= 0)
		return;
	(void)fprintf(stderr, "store: %s\n", e->text);
	exit(1);
}

static double
seconds_since(int64_t begin)
{
	return (double)(clock_mono_ns() - begin) / 1e9;
}

static struct store *
store_at(const char *folder)
{
	struct store *s = NULL;
	struct err e;

	check(store_open(folder, NULL, &s, &e), &e);
	return s;
}

/* As the service's own: most of it is the list of containers. */
static json_t *
record_make(void)
{
	json_t *containers = json_array();

	for (int i = 0; i < CONTAINERS; i++)
		(void)json_array_append_new(containers,
			json_pack("{s:s, s:s, s:s, s:i}", "name", "some-container-of-the-host",
				"image", "registry.example/team/some-image:1.2.3", "state",
				"running", "freeze_ms", 120));
	return json_pack("{s:o, s:I, s:I, s:[]}", "containers", containers, "size_bytes",
		(json_int_t)1 << 33, "archive_bytes", (json_int_t)1 << 32, "warnings");
}

static void
backup_make(struct store *s, int64_t chunks, uint64_t *seed)
{
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *record = record_make();
	SCOPED(free_at) char *text = json_dumps(record, JSON_COMPACT);
	uint64_t data[CHUNK / sizeof(uint64_t)];
	char id[ID_SIZE];
	struct err e;

	id_new(id);
	check(backups_begin(s, id, clock_real_ns(), record, &e), &e);
	check(ingest_open(s, &in, &e), &e);
	for (int64_t i = 0; i < chunks; i++) {
		for (size_t k = 0; k < CHUNK / sizeof(uint64_t); k++) {
			*seed ^= *seed << 13; /* xorshift64, Marsaglia 2003 */
			*seed ^= *seed >> 7;
			*seed ^= *seed << 17;
			data[k] = *seed;
		}
		ingest_begin(in, CUT_WHOLE);
		check(ingest_write(in, data, sizeof(data), &e), &e);
		check(ingest_end(in, &recipe, &e), &e);
	}
	check(ingest_commit(in, id, text, &recipe, &e), &e);
}

static void
make(const char *folder, int64_t backups, int64_t chunks)
{
	struct store *s = store_at(folder);
	uint64_t seed = 88172645463325252;

	for (int64_t i = 0; i < backups; i++)
		backup_make(s, chunks / backups, &seed);
	store_close(s);
}

static void delete (const char *folder, int percent)
{
	struct store *s = store_at(folder);
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item;
	size_t i;
	bool more;
	struct err e;

	check(backups_list(s, 1000, NULL, &list, &more, &e), &e);
	srand(1);
	json_array_foreach (list, i, item)
		if (rand() % 100 < percent)
			check(backups_delete(s, json_string_value(json_object_get(item, "id")), &e),
				&e);
	store_close(s);
}

static void
sweep(const char *folder)
{
	struct store *s = store_at(folder);
	struct sweep_totals totals;
	const int64_t begin = clock_mono_ns();
	struct err e;

	check(sweep_run(s, NULL, &totals, &e), &e);
	(void)printf("seconds %.3f\nfreed %lld\nmoved %lld\nremoved %lld\n", seconds_since(begin),
		(long long)totals.freed_bytes, (long long)totals.chunks_moved,
		(long long)totals.chunks_removed);
	store_close(s);
}

static void
rebuild(const char *folder)
{
	struct rebuild_totals totals;
	const int64_t begin = clock_mono_ns();
	struct err e;

	check(rebuild_run(folder, NULL, &totals, &e), &e);
	(void)printf(
		"seconds %.3f\nbackups %lld\n", seconds_since(begin), (long long)totals.backups);
}

static void
opening(const char *folder)
{
	const int64_t begin = clock_mono_ns();
	struct store *s = store_at(folder);
	struct store_stats stats;
	struct err e;

	(void)printf("seconds %.4f\n", seconds_since(begin));
	check(store_stats(s, &stats, &e), &e);
	(void)printf("chunks %lld\n", (long long)stats.chunks);
	store_close(s);
}

/* All pages one after the other; the slowest. */
static void
pages(const char *folder)
{
	struct store *s = store_at(folder);
	SCOPED(free_at) char *after = NULL;
	double slowest = 0, first = 0;
	int64_t backups = 0;
	bool more = true;
	struct err e;

	while (more) {
		SCOPED(json_decref_at) json_t *list = NULL;
		const int64_t begin = clock_mono_ns();

		check(backups_list(s, PAGE, after, &list, &more, &e), &e);
		SCOPED(free_at) char *text = json_dumps(list, JSON_COMPACT);
		const double seconds = seconds_since(begin);
		first = after == NULL ? seconds : first;
		slowest = seconds > slowest ? seconds : slowest;
		backups += (int64_t)json_array_size(list);
		free(after);
		after = mem_string(json_string_value(
			json_object_get(json_array_get(list, json_array_size(list) - 1), "id")));
	}
	(void)printf(
		"first %.4f\nslowest %.4f\nbackups %lld\n", first, slowest, (long long)backups);
	store_close(s);
}

/* Of this program alone (getrusage's goes back to what was before its exec), in KiB. */
static long
peak(void)
{
	SCOPED(file_close_at) FILE *status = fopen("/proc/self/status", "re");
	char line[128];
	long kib = 0;

	while (status != NULL && fgets(line, sizeof(line), status) != NULL)
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	return kib;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (argc == 5 && strcmp(what, "make") == 0)
		make(argv[2], atoll(argv[3]), atoll(argv[4]));
	else if (argc == 4 && strcmp(what, "list") == 0)
		make(argv[2], atoll(argv[3]), 0);
	else if (argc == 4 && strcmp(what, "delete") == 0)
		delete (argv[2], atoi(argv[3]));
	else if (argc == 3 && strcmp(what, "open") == 0)
		opening(argv[2]);
	else if (argc == 3 && strcmp(what, "sweep") == 0)
		sweep(argv[2]);
	else if (argc == 3 && strcmp(what, "rebuild") == 0)
		rebuild(argv[2]);
	else if (argc == 3 && strcmp(what, "page") == 0)
		pages(argv[2]);
	else
		return 2;
	(void)printf("peak %ld\n", peak() * 1024);
	return 0;
}
