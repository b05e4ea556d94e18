/*
 * Goal: after a kill at any step of a restore, any one thing that somebody does by hand and any
 * look-up that fails, the undo ends: what ran runs under its name with its restart policy, or it is
 * named; nothing that somebody made is touched; nothing is left of the restore.
 * Seeded: FB_SEED, FB_CASES (1000).  The engine is a scripted one, for the thousands of cases; the
 * same on a real one is tests/engine/hosts/recovery_test.py.
 */
#include "tests/unit/jobs/recovery_world.h"

enum { CONTAINERS = 4, TRIES = 12, CASES = 1000 };
static const char operation[] = "20260101-000000-00000001";
static const char aside_end[] = ".fuel-backup-20260101-000000-00000001";

/* One container of a restore. */
struct one {
	char name[32];
	enum restore_way way;
	json_t *present, *inspect; /* as noted */
	char *old_id;		   /* or NULL */
	bool by_hand; /* somebody did something to it: it is to be named, or left alone */
	bool gone;    /* he removed it */
};

struct story {
	struct one all[CONTAINERS];
	size_t count;
	json_t *made;
	bool stopping, started, finish;
	char *theirs; /* id of what somebody made, or NULL */
	bool unreadable;
};

static void
invent(struct world *w, struct story *s)
{
	static const char *const policies[] = {"no", "always", "unless-stopped"};

	s->count = 1 + draw(w, CONTAINERS);
	s->made = json_object();
	for (size_t i = 0; i < s->count; i++) {
		struct one *o = &s->all[i];
		const bool remove = draw(w, 4) == 0;
		const char *policy = remove ? "no" : policies[draw(w, 3)];
		json_t *c;

		(void)snprintf(o->name, sizeof(o->name), "fb-%zu", i);
		o->way = (enum restore_way)draw(w, 3);
		if (o->way == WAY_IN_PLACE && remove)
			o->way = WAY_REPLACE; /* restore_containers_vanish */
		c = make(w, o->name, o->way == WAY_REPLACE, policy, remove);
		if (draw(w, 4) != 0 || remove)
			run_it(w, c, true);
		if (json_truth(c, "State", "Running") && !remove && draw(w, 4) == 0) {
			set(c, "State", "Paused", json_true());
			set(c, "State", "Status", json_string("paused"));
		}
		o->inspect = json_deep_copy(c);
		set(o->inspect, "Config", "Env", json_pack("[s]", "T=0"));
		set(o->inspect, "State", "Status", json_string("running"));
		set(o->inspect, "State", "Running", json_true());
		set(o->inspect, "State", "Paused", json_false());
		o->present = json_null();
		if (o->way == WAY_NEW) {
			(void)json_object_del(w->containers, json_text(o->inspect, "Id", NULL));
			continue;
		}
		o->present = json_deep_copy(c);
		o->old_id = mem_string(json_text(c, "Id", NULL));
	}
}

/* The restore's steps up to number ${left}, as stack*.c takes them. */
static void
restore(struct world *w, struct story *s, int left)
{
	if (left-- <= 0)
		return;
	s->stopping = true;
	for (size_t i = 0; i < s->count; i++) {
		json_t *c = s->all[i].old_id == NULL ? NULL : find(w, s->all[i].old_id);

		if (c == NULL)
			continue;
		if (left-- <= 0)
			return;
		set(c, "HostConfig", "RestartPolicy", json_pack("{s:s}", "Name", "no"));
		if (left-- <= 0)
			return;
		if (!json_truth(c, "State", "Running"))
			continue;
		set(c, "State", "Paused", json_false());
		set(c, "State", "Status", json_string("running"));
		(void)json_object_set_new(
			c, "Dies", json_integer(clock_mono_ns() + (int64_t)draw(w, 40) * 1000000));
		if (left-- <= 0)
			return;
		ended(w, c);
	}
	for (size_t i = 0; i < s->count; i++) {
		json_t *c = s->all[i].way == WAY_REPLACE ? find(w, s->all[i].old_id) : NULL;

		if (c == NULL)
			continue;
		if (left-- <= 0)
			return;
		(void)json_object_set_new(
			c, "Name", json_sprintf("/%s%s", s->all[i].name, aside_end));
	}
	for (size_t i = 0; i < s->count; i++) {
		const json_t *host = json_object_get(s->all[i].inspect, "HostConfig");

		if (s->all[i].way == WAY_IN_PLACE)
			continue;
		if (left-- <= 0)
			return;
		(void)make(w, s->all[i].name, 0, json_text(host, "RestartPolicy", "Name"),
			json_truth(host, "AutoRemove", NULL));
	}
	if (left-- <= 0)
		return;
	s->started = true;
	for (size_t i = 0; i < s->count; i++) {
		json_t *c = find(w, s->all[i].name);

		if (s->all[i].way != WAY_IN_PLACE)
			(void)json_object_set_new(
				s->made, s->all[i].name, json_incref(json_object_get(c, "Id")));
	}
	for (size_t i = 0; i < s->count; i++) {
		if (left-- <= 0)
			return;
		run_it(w, find(w, s->all[i].name), true);
	}
}

static void
write_story(struct world *w, const struct story *s)
{
	SCOPED(json_decref_at) json_t *items = json_array();
	SCOPED(json_decref_at) json_t *note = NULL;
	SCOPED(fd_close_at)
	int run_fd = openat(store_fd(w->store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e;

	for (size_t i = 0; i < s->count; i++)
		(void)json_array_append_new(
			items, json_pack("{s:s, s:i, s:O, s:O}", "name", s->all[i].name, "way",
				       (int)s->all[i].way, "inspect", s->all[i].inspect, "present",
				       s->all[i].present));
	note = json_pack("{s:s, s:s, s:s, s:b, s:b, s:O, s:O, s:[], s:[], s:{s:{s:s, s:s}}}",
		"state", "undo", "id", operation, "backup", "b", "started", (int)s->started,
		"stopping", (int)s->stopping, "made", s->made, "items", items, "targets", "exclude",
		"networks", "net", "Name", "net", "Driver", "bridge");
	assert_int_equal(0, run_state_write(run_fd, "restore-copy.json", note, &e));
	assert_int_equal(0, run_state_write(run_fd, "restore.json", note, &e));
}

static void
damage(struct world *w, const char *name)
{
	SCOPED(free_at) char *path = mem_format("%s/run/%s", w->folder, name);

	assert_int_equal(0, truncate(path, 20));
}

/* Of whom ${c} is, or NULL. */
static struct one *
owner(struct story *s, const json_t *c)
{
	for (size_t i = 0; i < s->count; i++)
		if (strncmp(container_name(c), s->all[i].name, strlen(s->all[i].name)) == 0)
			return &s->all[i];
	return NULL;
}

/* One thing that somebody does. */
static void
meddle(struct world *w, struct story *s)
{
	const size_t size = json_object_size(w->containers);
	void *at = json_object_iter(w->containers);
	const uint64_t what = draw(w, 9);
	struct one *o;
	json_t *c;

	for (uint64_t n = size == 0 ? 0 : draw(w, size); n > 0; n--)
		at = json_object_iter_next(w->containers, at);
	c = at == NULL ? NULL : json_object_iter_value(at);
	o = c == NULL ? NULL : owner(s, c);
	if (what == 0 || (what < 6 && c == NULL))
		return;
	if (what == 6)
		(void)json_object_del(w->networks, "net");
	else if (what == 7)
		damage(w, draw(w, 2) == 0 ? "restore.json" : "restore-copy.json");
	else if (what == 8) {
		damage(w, "restore.json");
		damage(w, "restore-copy.json");
		s->unreadable = true;
	} else if (what == 5) {
		run_it(w, c, true); /* docker restart */
		o->by_hand = true;
	} else {
		SCOPED(free_at) char *name = mem_string(container_name(c));

		o->by_hand = true;
		if (what <= 2) /* docker rename */
			(void)json_object_set_new(c, "Name", json_string("/fb-theirs"));
		else
			(void)json_object_del(w->containers, json_text(c, "Id", NULL));
		o->gone = what > 2;
		if (what % 2 == 0)
			return;
		c = make(w, name, 2, "no", false);
		set(c, "Config", "Env", json_pack("[s]", "T=theirs"));
		run_it(w, c, true);
		s->theirs = mem_string(json_text(c, "Id", NULL));
	}
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

/* As recovery.c does; how many tries it took, or -1. */
static int
recover(struct world *w, json_t *left, struct err *e)
{
	const struct rollback_patience patience = {
		.look_ms = 1, .settle_ms = 2, .margin_ms = 60, .stop = never};

	for (int tries = 1; tries <= TRIES; tries++)
		if (rollback_recover(w->store, w->engine, left, e) == 0 &&
			rollback_watch(w->store, w->engine, &patience, left, e) == 0)
			return tries;
	return -1;
}

static bool
is_named(const json_t *left, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach (left, i, item) {
		if (strcmp(json_text(item, "name", NULL), name) == 0)
			return true;
	}
	return false;
}

static void
judge_one(struct world *w, const struct one *o, const json_t *left)
{
	json_t *now = find(w, o->name);

	if (o->by_hand) {
		assert_true(now != NULL || is_named(left, o->name) || o->old_id == NULL);
		return;
	}
	if (o->old_id == NULL) { /* there was none */
		assert_null(now);
		return;
	}
	assert_non_null(now);
	assert_string_equal(container_state(o->present), container_state(now));
	assert_string_equal(
		json_text(json_object_get(o->present, "HostConfig"), "RestartPolicy", "Name"),
		json_text(json_object_get(now, "HostConfig"), "RestartPolicy", "Name"));
	if (!json_truth(o->present, "HostConfig", "AutoRemove"))
		assert_string_equal(o->old_id, json_text(now, "Id", NULL));
	assert_true(json_equal(json_object_get(json_object_get(o->present, "Config"), "Env"),
		json_object_get(json_object_get(now, "Config"), "Env")));
}

static void
judge(struct world *w, const struct story *s, const json_t *left)
{
	SCOPED(json_decref_at) json_t *note = NULL;
	const char *id;
	json_t *c;
	struct err e;

	let_die(w, INT64_MAX); /* what nobody waited for */
	assert_int_equal(0, rollback_note(w->store, &note, &e));
	assert_null(note);
	for (size_t i = 0; i < s->count; i++)
		judge_one(w, &s->all[i], left);
	if (s->theirs != NULL) {
		c = find(w, s->theirs);
		assert_non_null(c);
		assert_true(json_truth(c, "State", "Running"));
	}
	json_object_foreach (w->containers, id, c) {
		const struct one *o = owner((struct story *)(uintptr_t)s, c);

		/* Nothing of ours has stayed, but for what was told. */
		if (o != NULL && !o->by_hand)
			assert_string_equal(o->name, container_name(c));
	}
}

static void
give_up(struct world *w, struct story *s, json_t *left)
{
	SCOPED(free_at) char *backup = NULL;
	struct err e;

	(void)s;
	assert_int_equal(-1, rollback_recover(w->store, w->engine, left, &e));
	assert_int_equal(ERR_CORRUPT, e.code);
	assert_int_equal(-1, rollback_backup(w->store, &backup, &e));
	assert_int_equal(ERR_CONFLICT, e.code);
	assert_int_equal(0, rollback_abandon(w->store, left, &e));
	assert_int_equal(1, json_array_size(left));
	assert_int_equal(0, rollback_backup(w->store, &backup, &e));
}

static void
one_case(struct world *w, uint64_t seed)
{
	SCOPED(json_decref_at) json_t *left = json_array();
	struct story s = {.count = 0};
	struct err e = {.code = ERR_NONE};

	w->random = seed * 0x9E3779B97F4A7C15ull | 1;
	w->containers = json_object();
	w->networks = json_pack("{s:{s:s, s:s}}", "net", "Id", "n1", "Name", "net");
	for (int i = 0; i < 8; i++)
		(void)draw(w, 2);
	invent(w, &s);
	restore(w, &s, (int)draw(w, 26));
	write_story(w, &s);
	meddle(w, &s);
	w->failing = (int)draw(w, 4);
	if (s.unreadable)
		give_up(w, &s, left);
	else {
		if (recover(w, left, &e) < 0)
			fail_msg(
				"seed %llu: it does not end: %s", (unsigned long long)seed, e.text);
		judge(w, &s, left);
	}
	for (size_t i = 0; i < s.count; i++) {
		json_decref(s.all[i].present);
		json_decref(s.all[i].inspect);
		free(s.all[i].old_id);
	}
	json_decref(s.made);
	free(s.theirs);
	json_decref(w->containers);
	json_decref(w->networks);
}

static uint64_t
number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void
test_every_undo_ends(void **state)
{
	const uint64_t first = number_of("FB_SEED", 1), cases = number_of("FB_CASES", CASES);
	struct world w = {.made = 0};
	struct store_options options = {.secret = NULL};
	char host[96];
	struct err e;

	(void)state;
	(void)snprintf(w.folder, sizeof(w.folder), "/dev/shm/fb-recovery-XXXXXX");
	assert_non_null(mkdtemp(w.folder));
	assert_int_equal(0, store_open(w.folder, &options, &w.store, &e));
	world_open(&w);
	(void)snprintf(host, sizeof(host), "unix://%s/docker.sock", w.folder);
	assert_int_equal(0, engine_open(host, &w.engine, &e));
	for (uint64_t i = 0; i < cases; i++) {
		(void)fprintf(stderr, "\rseed %llu", (unsigned long long)(first + i));
		one_case(&w, first + i);
	}
	(void)fprintf(stderr, "\n");
	engine_close(w.engine);
	peer_close(&w.peer);
	store_close(w.store);
	SCOPED(free_at) char *command = mem_format("rm -rf %s", w.folder);
	assert_int_equal(0, system(command));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_undo_ends)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
