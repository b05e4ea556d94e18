#ifndef UNIT_JOBS_COPIES_COPY_MIX_H
#define UNIT_JOBS_COPIES_COPY_MIX_H

#include "tests/unit/store/pages.h"

/* A store with a few backups, and a folder as the destination of its copies. */

#include "jobs/copies/packs/copy_reader.h"
#include "jobs/copies/packs/copy_rebuild.h"
#include "jobs/copies/packs/packs_copy.h"
#include "transfer/transfer_internal.h"

enum { MIX = 3 }; /* backups of a case */

/* A folder as a destination, whose requests are counted; one of them ends it. */
enum ending { ENDING_NONE, ENDING_REFUSED, ENDING_REPLY_LOST, ENDING_KILLED, ENDING_KILLED_AFTER };

struct way {
	struct protocol protocol;
	const struct protocol *real;
	int calls, puts;
	int at; /* the call to spoil, from 1 */
	enum ending how;
	bool cut; /* it was: all others are refused, too */
	int64_t bytes;
};
static struct way way;

SAMPLE int
way_before(struct err *e)
{
	way.calls++;
	if (way.cut || (way.calls == way.at && way.how == ENDING_REFUSED)) {
		way.cut = true;
		return err_set(e, ERR_AWAY, "cut off");
	}
	if (way.calls == way.at && way.how == ENDING_KILLED)
		_exit(0);
	return 0;
}

SAMPLE int
way_after(int result, struct err *e)
{
	if (way.calls != way.at)
		return result;
	if (way.how == ENDING_KILLED_AFTER)
		_exit(0);
	if (way.how != ENDING_REPLY_LOST)
		return result;
	way.cut = true;
	return err_set(e, ERR_AWAY, "the reply was lost");
}

SAMPLE int
way_put(struct transfer *t, const char *name, const struct transfer_body *body,
	enum transfer_how how, struct err *e)
{
	assert_int_equal(how, TRANSFER_NEW); /* nothing is overwritten */
	if (way_before(e) != 0)
		return -1;
	way.puts++;
	way.bytes += body->length;
	return way_after(way.real->put(t, name, body, how, e), e);
}

SAMPLE int
way_stat(struct transfer *t, const char *name, int64_t *ret_size, struct err *e)
{
	if (way_before(e) != 0)
		return -1;
	return way_after(way.real->stat(t, name, ret_size, e), e);
}

SAMPLE int
way_list(struct transfer *t, const char *folder, transfer_each *each, void *ctx, struct err *e)
{
	if (way_before(e) != 0)
		return -1;
	return way_after(way.real->list(t, folder, each, ctx, e), e);
}

SAMPLE int
way_remove(struct transfer *t, const char *name, struct err *e)
{
	(void)t;
	(void)name;
	(void)e;
	fail_msg("a copy deletes nothing");
	return -1;
}

SAMPLE struct transfer *
way_open(const char *folder, enum ending how, int at)
{
	SCOPED(free_at) char *url = mem_format("file://%s", folder);
	const struct transfer_options o = {.url = url};
	struct transfer *t = NULL;
	struct err e;

	must(transfer_open(&o, &t, &e));
	way = (struct way){.protocol = *t->protocol, .real = t->protocol, .at = at, .how = how};
	way.protocol.put = way_put;
	way.protocol.stat = way_stat;
	way.protocol.list = way_list;
	way.protocol.remove = way_remove;
	t->protocol = &way.protocol;
	return t;
}

/* A store with backups that share pages; and where its copies go. */
struct mix {
	struct state *state;
	char *there;
	char ids[MIX][ID_SIZE];
	unsigned char *data[MIX];
	size_t len[MIX];
};

SAMPLE void
mix_make(struct mix *m, struct state *t)
{
	*m = (struct mix){.state = t, .there = folder_make()};
	for (size_t i = 0; i < MIX; i++) {
		m->data[i] = pages_of(t->data, i, i + 1, &m->len[i]);
		pages_put(t->store, m->data[i], m->len[i], m->ids[i]);
	}
}

SAMPLE void
mix_drop(struct mix *m)
{
	for (size_t i = 0; i < MIX; i++)
		free(m->data[i]);
	folder_drop(m->there);
}

SAMPLE int
copy(struct store *s, const char *there, const char *id, enum ending how, int at,
	struct packs_copy_totals *ret_totals, struct err *e)
{
	SCOPED(transfer_close_at) struct transfer *t = way_open(there, how, at);
	const struct packs_copy_options o = {.destination = "offsite",
		.url = there,
		.host = "here",
		.plain = true,
		.transfer = t};

	return packs_copy_put(s, id, &o, ret_totals, e);
}

/* The place of a backup among those of the case. */
SAMPLE size_t
mix_place(const struct mix *m, const char *id)
{
	for (size_t i = 0; i < MIX; i++) {
		if (strcmp(m->ids[i], id) == 0)
			return i;
	}
	fail_msg("there is a head of %s", id);
	return 0;
}

SAMPLE json_t *
heads_there(const char *there)
{
	SCOPED(free_at) char *url = mem_format("file://%s", there);
	const struct transfer_options o = {.url = url};
	SCOPED(transfer_close_at) struct transfer *t = NULL;
	SCOPED(json_decref_at) json_t *stores = NULL;
	json_t *heads = NULL;
	struct err e;

	must(transfer_open(&o, &t, &e));
	must(copy_stores_list(t, &stores, &e));
	if (json_array_size(stores) == 0)
		return json_array();
	must(copy_heads_list(t,
		json_string_value(json_object_get(json_array_get(stores, 0), "store")), &heads,
		&e));
	return heads;
}

SAMPLE int
rebuild_into(const char *there, const char *path, const char *backup,
	struct copy_rebuild_totals *ret_totals, struct err *e)
{
	SCOPED(free_at) char *url = mem_format("file://%s", there);
	const struct transfer_options o = {.url = url};
	SCOPED(transfer_close_at) struct transfer *t = NULL;

	assert_int_equal(transfer_open(&o, &t, e), 0);
	const struct copy_rebuild_request r = {
		.transfer = t, .backup = backup, .path = path, .options = &sample_options};
	return copy_rebuild_run(&r, ret_totals, e);
}

SAMPLE size_t
backups_count(struct store *s)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	bool more = false;
	struct err e;

	must(backups_list(s, 100, NULL, &list, &more, &e));
	return json_array_size(list);
}

/* Everything that is there comes back, and nothing else.  Returns how many backups. */
SAMPLE size_t
comes_back(const struct mix *m)
{
	SCOPED(json_decref_at) json_t *heads = heads_there(m->there);
	SCOPED(free_at) char *new = mem_format("%s.new", m->there);
	SCOPED(store_close_at) struct store *s = NULL;
	struct copy_rebuild_totals totals;
	const json_t *head;
	size_t i;
	struct err e;

	if (json_array_size(heads) == 0)
		return 0;
	must(rebuild_into(m->there, new, NULL, &totals, &e));
	if (json_array_size(totals.faults) > 0)
		fail_msg("%s", json_string_value(
				       json_object_get(json_array_get(totals.faults, 0), "error")));
	json_decref(totals.faults);
	assert_int_equal(totals.backups, json_array_size(heads));
	must(store_open(new, &sample_options, &s, &e));
	whole_check(s);
	assert_int_equal(backups_count(s), json_array_size(heads));
	json_array_foreach (heads, i, head) {
		const char *id = json_string_value(json_object_get(head, "backup"));
		const size_t at = mix_place(m, id);
		must(backup_compare(s, id, m->data[at], m->len[at], &e));
	}
	store_close(TAKE(s));
	folder_drop(TAKE(new));
	return json_array_size(heads);
}

#endif
