#ifndef UNIT_STORE_PAGES_H
#define UNIT_STORE_PAGES_H

#include "tests/unit/store/whole.h"

#include <sys/mount.h>

#include "store/gc/sweep.h"
#include "store/write/session.h"

/* Backups of pages, of which some are in several; and what makes their packs ready for a sweep. */
enum { PAGE = 16384, PAGES = 60, LEN = PAGE * PAGES };

struct state {
	char *folder;
	struct store *store;
	unsigned char *data; /* PAGES of them */
};

static const struct sweep_options fast = {.bytes_per_second = -1};

SAMPLE int
set_up(void **context)
{
	struct state *t = mem_new(sizeof(*t));
	struct err e;

	t->folder = folder_make();
	t->data = bytes_noise(LEN, 81);
	must(store_open(t->folder, &sample_options, &t->store, &e));
	*context = t;
	return 0;
}

SAMPLE int
tear_down(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *disk = mem_format("%s/run", t->folder);

	store_close(t->store);
	(void)umount2(disk, MNT_DETACH); /* what a failed test_a_full_disk left */
	folder_drop(t->folder);
	free(t->data);
	free(t);
	return 0;
}

/* All packs are sealed then. */
SAMPLE void
reopen(struct state *t)
{
	struct err e;

	store_close(t->store);
	must(store_open(t->folder, &sample_options, &t->store, &e));
}

/* Every ${step}-th page from ${first} on; the caller's. */
SAMPLE unsigned char *
pages_of(const unsigned char *data, size_t first, size_t step, size_t *ret_len)
{
	unsigned char *pages = mem_new(LEN);

	*ret_len = 0;
	for (size_t page = first; page < PAGES; page += step, *ret_len += PAGE)
		memcpy(pages + *ret_len, data + page * PAGE, PAGE);
	return pages;
}

SAMPLE int
pages_commit(struct ingest *in, const struct recipe *recipe, char id[ID_SIZE], struct err *e)
{
	SCOPED(json_decref_at) json_t *record = json_object();

	id_new(id);
	if (backups_begin(in->store, id, clock_real_ns(), record, e) != 0)
		return -1;
	return ingest_commit(in, id, "{\"note\":\"done\"}", recipe, e);
}

SAMPLE void
pages_put(struct store *s, const unsigned char *data, size_t len, char id[ID_SIZE])
{
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	struct err e;

	must(ingest_open(s, &in, &e));
	must(stream_put(in, CUT_PAGES_16, data, len, 100000, &recipe, &e));
	must(pages_commit(in, &recipe, id, &e));
}

/*
 * Two backups of the same pages, of which `some` has every third; all packs sealed; `all` deleted.
 * Returns the pages of `some`, ${ret_len} bytes; the caller's.
 */
SAMPLE unsigned char *
pages_delete(struct state *t, char some[ID_SIZE], size_t *ret_len)
{
	unsigned char *pages = pages_of(t->data, 1, 3, ret_len);
	char all[ID_SIZE];
	struct err e;

	pages_put(t->store, t->data, LEN, all);
	pages_put(t->store, pages, *ret_len, some);
	reopen(t);
	must(backups_delete(t->store, all, &e));
	return pages;
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
