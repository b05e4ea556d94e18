/*
 * Goal: whatever of a copy's requests was the last one, every head that is there is a backup that a
 * new store, made of nothing but the copy, gives back byte for byte; and the next run completes it.
 */
#include "tests/unit/jobs/copies/copy_mix.h"

#include <sys/wait.h>

static void
test_each_backup_comes_back(void **context)
{
	struct packs_copy_totals totals;
	struct mix m;
	struct err e;

	mix_make(&m, *context);
	for (size_t i = 0; i < MIX; i++) {
		must(copy(m.state->store, m.there, m.ids[i], ENDING_NONE, 0, &totals, &e));
		assert_false(totals.present);
		assert_int_equal(comes_back(&m), i + 1);
	}
	/* a copy that is there already costs one request */
	must(copy(m.state->store, m.there, m.ids[0], ENDING_NONE, 0, &totals, &e));
	assert_true(totals.present);
	assert_int_equal(way.calls, 1);
	/* one backup is fetched without the others */
	SCOPED(free_at) char *new = mem_format("%s.one", m.there);
	SCOPED(store_close_at) struct store *s = NULL;
	struct copy_rebuild_totals one;
	must(rebuild_into(m.there, new, m.ids[1], &one, &e));
	json_decref(one.faults);
	must(store_open(new, &sample_options, &s, &e));
	assert_int_equal(backups_count(s), 1);
	must(backup_compare(s, m.ids[1], m.data[1], m.len[1], &e));
	store_close(TAKE(s));
	must_fail(rebuild_into(m.there, new, NULL, &one, &e), ERR_CONFLICT);
	json_decref(one.faults);
	folder_drop(TAKE(new));
	mix_drop(&m);
}

/* A backup of what is stored already: its list of chunks, an index, the head. */
static void
test_nothing_changed_costs_four_requests(void **context)
{
	struct packs_copy_totals totals;
	char again[ID_SIZE];
	struct mix m;
	struct err e;

	mix_make(&m, *context);
	must(copy(m.state->store, m.there, m.ids[0], ENDING_NONE, 0, &totals, &e));
	pages_put(m.state->store, m.data[0], m.len[0], again);
	must(copy(m.state->store, m.there, again, ENDING_NONE, 0, &totals, &e));
	assert_int_equal(way.puts, 3);
	assert_int_equal(way.calls, 4);
	assert_int_equal(totals.packs, 1);
	if (way.bytes > 64 << 10) /* an encrypted pack is padded to 64 KiB */
		assert_true(!SAMPLE_PLAIN && way.bytes <= (64 << 10) + 4096);
	mix_drop(&m);
}

/* The request ${at} is the last one.  Returns whether there was such a one. */
static bool
cut_in_process(struct mix *m, enum ending how, int at)
{
	struct packs_copy_totals totals;
	struct err e;
	bool cut = false;

	for (size_t i = 0; i < MIX && !cut; i++) {
		if (copy(m->state->store, m->there, m->ids[i], how, at, &totals, &e) != 0) {
			assert_int_equal(e.code, ERR_AWAY);
			cut = true;
		}
		(void)comes_back(m);
	}
	return cut;
}

static void
completes(struct mix *m)
{
	struct packs_copy_totals totals;
	struct err e;

	for (size_t i = 0; i < MIX; i++)
		must(copy(m->state->store, m->there, m->ids[i], ENDING_NONE, 0, &totals, &e));
	assert_int_equal(comes_back(m), MIX);
}

static void
every_cut(struct state *t, enum ending how)
{
	for (int at = 1;; at++) {
		struct mix m;
		mix_make(&m, t);
		const bool cut = cut_in_process(&m, how, at);
		completes(&m);
		mix_drop(&m);
		if (!cut)
			return;
		assert_true(at < 100);
	}
}

static void
test_cut_at_every_request(void **context)
{
	every_cut(*context, ENDING_REFUSED);
}

static void
test_every_reply_lost(void **context)
{
	every_cut(*context, ENDING_REPLY_LOST);
}

/* The service is killed at the request; the store is opened again by the next one. */
static bool
killed(struct mix *m, size_t backup, enum ending how, int at)
{
	struct packs_copy_totals totals;
	struct err e;
	int status = 0;

	store_close(TAKE(m->state->store));
	const pid_t child = fork();
	if (child == 0) {
		struct store *s = NULL;
		if (store_open(m->state->folder, &sample_options, &s, &e) != 0 ||
			copy(s, m->there, m->ids[backup], how, at, &totals, &e) != 0)
			_exit(2);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
	must(store_open(m->state->folder, &sample_options, &m->state->store, &e));
	return WEXITSTATUS(status) == 0;
}

static void
every_kill(struct state *t, enum ending how)
{
	for (int at = 1;; at++) {
		struct mix m;
		bool hit = false;
		mix_make(&m, t);
		for (size_t i = 0; i < MIX; i++) {
			hit = killed(&m, i, how, at) || hit;
			(void)comes_back(&m);
		}
		completes(&m);
		mix_drop(&m);
		if (!hit)
			return;
		assert_true(at < 100);
	}
}

static void
test_killed_at_every_request(void **context)
{
	every_kill(*context, ENDING_KILLED);
	every_kill(*context, ENDING_KILLED_AFTER);
}

/* cp -a, of the system. */
static void
folder_clone(const char *from, const char *to)
{
	SCOPED(free_at) char *command = mem_format("cp -a '%s' '%s'", from, to);

	assert_int_equal(system(command), 0);
}

static void
test_a_clone_is_refused(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *folder = mem_format("%s.clone", t->folder);
	SCOPED(store_close_at) struct store *clone = NULL;
	struct packs_copy_totals totals;
	char ours[ID_SIZE], theirs[ID_SIZE];
	struct mix m;
	struct err e;

	mix_make(&m, t);
	must(copy(t->store, m.there, m.ids[0], ENDING_NONE, 0, &totals, &e));
	reopen(t);
	folder_clone(t->folder, folder);
	must(store_open(folder, &sample_options, &clone, &e));
	pages_put(t->store, m.data[1], m.len[1], ours);
	must(copy(t->store, m.there, ours, ENDING_NONE, 0, &totals, &e));
	pages_put(clone, m.data[2], m.len[2], theirs);
	must_fail(copy(clone, m.there, theirs, ENDING_NONE, 0, &totals, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.text, "diverged"));
	assert_int_equal(way.puts, 0);
	/* under a new name it may */
	SCOPED(free_at) char *name = mem_format("%s/copied/_store.json", folder);
	assert_int_equal(unlink(name), 0);
	must(copy(clone, m.there, theirs, ENDING_NONE, 0, &totals, &e));
	store_close(TAKE(clone));
	folder_drop(TAKE(folder));
	mix_drop(&m);
}

static void
test_an_emptied_destination_is_filled_again(void **context)
{
	struct packs_copy_totals totals;
	struct mix m;
	struct err e;

	mix_make(&m, *context);
	must(copy(m.state->store, m.there, m.ids[0], ENDING_NONE, 0, &totals, &e));
	folder_drop(m.there);
	m.there = folder_make();
	SCOPED(free_at) char *file = mem_format("%s/copied/offsite.json", m.state->folder);
	SCOPED(json_decref_at) json_t *known = json_load_file(file, 0, NULL);
	(void)json_object_set_new(known, "url", json_string(m.there));
	assert_int_equal(json_dump_file(known, file, 0), 0);
	must(copy(m.state->store, m.there, m.ids[1], ENDING_NONE, 0, &totals, &e));
	assert_true(totals.again);
	must(copy(m.state->store, m.there, m.ids[0], ENDING_NONE, 0, &totals, &e));
	assert_int_equal(comes_back(&m), 2);
	mix_drop(&m);
}

/* A deletion and a sweep here take nothing from there; what a sweep moved goes there with the next
 * backup that needs it. */
static void
test_a_deletion_here_deletes_nothing_there(void **context)
{
	struct state *t = *context;
	struct packs_copy_totals totals;
	struct sweep_totals swept;
	struct mix m;
	struct err e;

	mix_make(&m, t);
	must(copy(t->store, m.there, m.ids[0], ENDING_NONE, 0, &totals, &e));
	must(copy(t->store, m.there, m.ids[1], ENDING_NONE, 0, &totals, &e));
	must(backups_delete(t->store, m.ids[0], &e));
	must(backups_delete(t->store, m.ids[1], &e));
	reopen(t);
	must(sweep_run(t->store, &fast, &swept, &e));
	assert_true(swept.packs_removed > 0);
	must(copy(t->store, m.there, m.ids[2], ENDING_NONE, 0, &totals, &e));
	assert_int_equal(comes_back(&m), MIX);
	mix_drop(&m);
}

/* Every pack and index there, one after the other, is spoilt or gone: a restore says so and names
 * the backup, and never lists fewer. */
static void
spoilt(const struct mix *m, const char *file, bool gone)
{
	SCOPED(free_at) char *path = mem_format("%s/%s", m->there, file);
	SCOPED(free_at) char *kept = mem_format("%s.kept", m->there);
	SCOPED(free_at) char *new = mem_format("%s.new", m->there);
	struct copy_rebuild_totals totals;
	struct err e;

	folder_clone(path, kept);
	if (gone)
		assert_int_equal(unlink(path), 0);
	else
		assert_int_equal(truncate(path, 300), 0);
	if (rebuild_into(m->there, new, NULL, &totals, &e) == 0) {
		assert_true(json_array_size(totals.faults) > 0);
		assert_int_equal(totals.backups + (int64_t)json_array_size(totals.faults), MIX);
	} else if (e.code != ERR_CORRUPT && e.code != ERR_NOT_FOUND && e.code != ERR_DENIED) {
		fail_msg("%s: %s", file, e.text);
	}
	json_decref(totals.faults);
	folder_drop(TAKE(new));
	assert_int_equal(rename(kept, path), 0);
}

static void
test_what_is_spoilt_there_is_named(void **context)
{
	struct packs_copy_totals totals;
	struct mix m;
	struct err e;
	glob_t found = {0};

	mix_make(&m, *context);
	for (size_t i = 0; i < MIX; i++)
		must(copy(m.state->store, m.there, m.ids[i], ENDING_NONE, 0, &totals, &e));
	SCOPED(free_at) char *packs = mem_format("%s/*/packs/*/*", m.there);
	SCOPED(free_at) char *indexes = mem_format("%s/*/index/*", m.there);
	assert_int_equal(glob(packs, 0, NULL, &found), 0);
	assert_int_equal(glob(indexes, GLOB_APPEND, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		spoilt(&m, found.gl_pathv[i] + strlen(m.there) + 1, false);
		spoilt(&m, found.gl_pathv[i] + strlen(m.there) + 1, true);
	}
	globfree(&found);
	assert_int_equal(comes_back(&m), MIX);
	mix_drop(&m);
}

/* A damaged pack is not sent. */
static void
test_damage_here_does_not_go_there(void **context)
{
	struct state *t = *context;
	struct packs_copy_totals totals;
	struct mix m;
	struct err e;

	mix_make(&m, t);
	reopen(t);
	SCOPED(free_at) char *path = pack_path(t->folder, false);
	SCOPED(file_close_at) FILE *file = fopen(path, "r+e");
	assert_non_null(file);
	assert_int_equal(fseek(file, 5000, SEEK_SET), 0);
	assert_int_equal(fwrite("damage", 1, 6, file), 6);
	assert_int_equal(fflush(file), 0);
	must_fail(copy(t->store, m.there, m.ids[0], ENDING_NONE, 0, &totals, &e), ERR_CORRUPT);
	SCOPED(json_decref_at) json_t *heads = heads_there(m.there);
	assert_int_equal(json_array_size(heads), 0);
	mix_drop(&m);
}

static bool
refuse(void *ctx)
{
	(void)ctx;
	return true;
}

static void
test_what_is_refused(void **context)
{
	struct packs_copy_totals totals;
	struct mix m;
	struct err e;

	mix_make(&m, *context);
	SCOPED(transfer_close_at) struct transfer *t = way_open(m.there, ENDING_NONE, 0);
	struct packs_copy_options o = {
		.destination = "offsite", .url = m.there, .host = "here", .transfer = t};
	if (SAMPLE_PLAIN)
		must_fail(packs_copy_put(m.state->store, m.ids[0], &o, &totals, &e), ERR_FORBIDDEN);
	o.plain = true;
	o.cancelled = refuse;
	must_fail(packs_copy_put(m.state->store, m.ids[0], &o, &totals, &e), ERR_CANCELLED);
	o.cancelled = NULL;
	must_fail(packs_copy_put(m.state->store, "20200101-000000-00000000", &o, &totals, &e),
		ERR_NOT_FOUND);
	mix_drop(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_each_backup_comes_back),
		CASE(test_nothing_changed_costs_four_requests),
		CASE(test_cut_at_every_request),
		CASE(test_every_reply_lost),
		CASE(test_killed_at_every_request),
		CASE(test_a_clone_is_refused),
		CASE(test_an_emptied_destination_is_filled_again),
		CASE(test_a_deletion_here_deletes_nothing_there),
		CASE(test_what_is_spoilt_there_is_named),
		CASE(test_damage_here_does_not_go_there),
		CASE(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
