#include "jobs/copies/packs/packs_copy.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/copies/packs/copy_put.h"
#include "store/keys/keys.h"

/* So long a pack that another backup writes to is waited for. */
static const int64_t OPEN_WAIT_MS = 10 * 60 * 1000;

/* A sweep moves chunks while they are copied: then their new places are looked up. */
enum { LOOKS = 4 };

static void
run_close_at(struct copy_run *r)
{
	backup_packs_free(&r->backup);
	copy_index_free(&r->index);
	copy_state_close(&r->state);
	replay_close(r->lease);
}

/* What stands in `index/` there. */
struct indexes_seen {
	const struct copy_state *state;
	char stranger[64];
	bool newest;
};

static int
index_see(void *ctx, const struct transfer_object *object, struct err *e)
{
	struct indexes_seen *seen = ctx;
	const json_t *newest = copy_state_newest(seen->state);
	const char *name = json_string_value(json_object_get(newest, "name"));

	(void)e;
	if (object->folder)
		return 0;
	if (name != NULL && strcmp(object->name, name) == 0)
		seen->newest = true;
	if (!copy_state_owns(seen->state, object->name))
		(void)snprintf(seen->stranger, sizeof(seen->stranger), "%.60s", object->name);
	return 0;
}

/* Whether our newest index is there; a list that lacks it proves nothing. */
static int
newest_ask(struct copy_run *r, bool *ret_there, struct err *e)
{
	const char *newest =
		json_string_value(json_object_get(copy_state_newest(&r->state), "name"));
	char name[COPY_NAME_MAX];
	int64_t size = 0;

	(void)snprintf(name, sizeof(name), "%s/index/%s", r->state.store, newest);
	const int found = transfer_stat(r->options->transfer, name, &size, e);
	*ret_there = found > 0;
	return found < 0 ? -1 : 0;
}

/* Nobody but this store may have written there, and what was there must still be. */
static int
destination_look(struct copy_run *r, struct err *e)
{
	struct indexes_seen seen = {.state = &r->state};
	char folder[COPY_NAME_MAX];

	(void)snprintf(folder, sizeof(folder), "%s/index", r->state.store);
	if (transfer_list(r->options->transfer, folder, index_see, &seen, e) != 0)
		return -1;
	if (seen.stranger[0] != '\0')
		return err_set(e, ERR_CONFLICT,
			"diverged: %s/index/%s at the destination was not put there by this store. "
			"Either a clone of it copies there, too, or it was put back to an earlier "
			"state. Nothing was changed there. To go on under a new name, delete the "
			"file "
			"copied/_store.json in the store's folder of the host that is to change",
			r->state.store, seen.stranger);
	if (seen.newest || copy_state_newest(&r->state) == NULL)
		return 0;
	if (newest_ask(r, &seen.newest, e) != 0)
		return -1;
	if (seen.newest)
		return 0;
	r->totals->again = true;
	copy_state_forget(&r->state);
	return copy_state_save(&r->state, e);
}

static int
format_put(struct copy_run *r, struct err *e)
{
	char made[CLOCK_TEXT_SIZE];
	SCOPED(json_decref_at)
	json_t *format = json_pack("{s:i, s:s, s:s, s:s, s:b}", "version", COPY_VERSION, "store",
		r->state.store, "host", r->options->host, "made", clock_text(clock_real_ns(), made),
		"encrypted", (int)store_encrypted(r->store));
	SCOPED(free_at) char *text = json_dumps(format, JSON_INDENT(1));

	if (text == NULL)
		return err_set(e, ERR_INTERNAL, "the host's name cannot be encoded");
	return copy_put_bytes(r, "format", text, strlen(text), e);
}

/* The file `keys`, if the destination has not its present content. */
static int
keys_put(struct copy_run *r, struct err *e)
{
	SCOPED(fd_close_at)
	int fd = openat(store_fd(r->store), "keys", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	SCOPED(free_at) char *bytes = mem_new(KEYS_FILE_MAX);
	char hash[COPY_HASH_TEXT], name[COPY_NAME_MAX];

	const ssize_t len = fd < 0 ? -1 : io_read_all(&io_system, fd, bytes, KEYS_FILE_MAX, 0);
	if (len < 0)
		return err_errno(e, "cannot read the store's file keys");
	(void)copy_hash(bytes, (size_t)len, hash);
	(void)snprintf(r->keys, sizeof(r->keys), "%.*s", COPY_KEYS_HASH, hash);
	if (copy_state_has_keys(&r->state, r->keys))
		return 0;
	(void)snprintf(name, sizeof(name), "keys/%s", r->keys);
	if (copy_put_bytes(r, name, bytes, (size_t)len, e) != 0)
		return -1;
	return copy_state_keys(&r->state, r->keys, e);
}

static bool
all_sealed(const struct backup_packs *b)
{
	for (size_t i = 0; i < b->count; i++) {
		if (b->packs[i].state != PACK_SEALED)
			return false;
	}
	return true;
}

/* In which packs the backup stands; all of them sealed. */
static int
packs_look(struct copy_run *r, struct err *e)
{
	const int64_t since = clock_mono_ns();

	for (;;) {
		packs_seal(r->store);
		backup_packs_free(&r->backup);
		if (backup_packs_find(r->store, r->id, replay_recipe(r->lease), &r->backup, e) != 0)
			return -1;
		if (all_sealed(&r->backup))
			return 0;
		if (clock_since_ms(since) > OPEN_WAIT_MS)
			return err_set(e, ERR_BUSY,
				"another backup still writes to a pack that is needed: later");
		if (copy_pause(r, true, e) != 0)
			return -1;
	}
}

static bool
pack_is_there(const struct copy_run *r, const struct backup_pack *p)
{
	char uuid[2 * RECORD_UUID_SIZE + 1];
	const json_t *item;
	size_t i;

	(void)hex_text(p->uuid, sizeof(p->uuid), uuid);
	if (copy_state_has_pack(&r->state, uuid))
		return true;
	json_array_foreach (r->index.uuids, i, item) {
		if (strcmp(json_string_value(item), uuid) == 0)
			return true;
	}
	return false;
}

static int
packs_put(struct copy_run *r, struct err *e)
{
	r->total = r->done;
	for (size_t i = 0; i < r->backup.count; i++) {
		if (!pack_is_there(r, &r->backup.packs[i]))
			r->total += r->backup.packs[i].bytes;
	}
	for (size_t i = 0; i < r->backup.count; i++) {
		if (!pack_is_there(r, &r->backup.packs[i]) && copy_put_pack(r, i, e) != 0)
			return -1;
	}
	return copy_put_index(r, e);
}

/* All packs of the backup and their indexes: what a sweep moves meanwhile is looked up again. */
static int
content_put(struct copy_run *r, struct err *e)
{
	for (int look = 1;; look++) {
		if (packs_look(r, e) != 0)
			return -1;
		if (packs_put(r, e) == 0)
			return 0;
		const bool moved = e->code == ERR_CHANGED || e->code == ERR_CORRUPT;
		if (!moved || look == LOOKS)
			return -1;
	}
}

static int
backup_put(struct copy_run *r, const char *head, struct err *e)
{
	if (copy_state_newest(&r->state) == NULL && format_put(r, e) != 0)
		return -1;
	if (store_encrypted(r->store) && keys_put(r, e) != 0)
		return -1;
	if (content_put(r, e) != 0)
		return -1;
	/* everything that it names is there and confirmed */
	return copy_put_head(r, head, e);
}

int
packs_copy_put(struct store *s, const char *backup, const struct packs_copy_options *options,
	struct packs_copy_totals *ret_totals, struct err *e)
{
	SCOPED(run_close_at)
	struct copy_run r = {.store = s, .options = options, .id = backup, .totals = ret_totals};
	static const unsigned char first[PACK_HASH];

	*ret_totals = (struct packs_copy_totals){0};
	if (!store_encrypted(s) && !options->plain)
		return err_set(e, ERR_FORBIDDEN,
			"the store is not encrypted: whoever can read the destination can read all "
			"that is in its backups. If that is meant, set \"plain\": true for the "
			"destination");
	copy_index_start(&r.index, first);
	if (replay_open(s, backup, &r.lease, e) != 0 ||
		copy_state_open(s, options->destination, options->url, &r.state, e) != 0)
		return -1;
	if (packs_look(&r, e) != 0)
		return -1;
	char head[COPY_NAME_MAX];
	(void)snprintf(head, sizeof(head), "%s.%lld", backup, (long long)r.backup.created_ns);
	(void)snprintf(ret_totals->head, sizeof(ret_totals->head), "%s/backups/%.60s",
		r.state.store, head);
	if (destination_look(&r, e) != 0)
		return -1;
	if (copy_state_has_head(&r.state, head)) {
		ret_totals->present = true;
		return 0;
	}
	return backup_put(&r, head, e);
}
