#include "jobs/copies/packs/copy_rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/copies/packs/copy_fetch.h"
#include "store/catalogue/backups.h"
#include "store/keys/secret.h"
#include "store/open/rebuild.h"
#include "store/packs/packs.h"
#include "store/read/replay.h"

struct copy_rebuild {
	const struct copy_rebuild_request *request;
	struct copy_rebuild_totals *totals;
	const char *store;
	struct copy_fetch fetch;
	struct cipher *cipher;
	json_t *stores;
	json_t *heads;	 /* name -> the head */
	json_t *indexes; /* those that were read: name -> true */
	json_t *packs;	 /* uuid -> its place in `entries` */
	struct copy_index_entry *entries;
	size_t count;
};

static void
rebuild_close_at(struct copy_rebuild *r)
{
	cipher_free(r->cipher);
	json_decref(r->stores);
	json_decref(r->heads);
	json_decref(r->indexes);
	json_decref(r->packs);
	free(r->entries);
	if (r->fetch.folder >= 0)
		(void)close(r->fetch.folder);
}

static bool
fault_known(const struct copy_rebuild *r, const char *backup)
{
	const json_t *fault;
	size_t i;

	json_array_foreach (r->totals->faults, i, fault) {
		if (strcmp(json_string_value(json_object_get(fault, "backup")), backup) == 0)
			return true;
	}
	return false;
}

/* The first one of a backup says what is wrong. */
static void
fault_add(struct copy_rebuild *r, const char *backup, const char *text)
{
	if (!fault_known(r, backup))
		(void)json_array_append_new(r->totals->faults,
			json_pack("{s:s, s:s}", "backup", backup, "error", text));
}

/* Whether the error is one object's, so that the others can be had all the same. */
static bool
is_object(const struct err *e)
{
	return e->code == ERR_CORRUPT || e->code == ERR_NOT_FOUND || e->code == ERR_DENIED ||
	       e->code == ERR_UNSUPPORTED;
}

static int
store_choose(struct copy_rebuild *r, const json_t **ret_format, struct err *e)
{
	const char *wanted = r->request->store;
	const json_t *format;
	size_t i;

	if (copy_stores_list(r->request->transfer, &r->stores, e) != 0)
		return -1;
	if (json_array_size(r->stores) == 0)
		return err_set(e, ERR_NOT_FOUND,
			"there is no copy of a store: give the URL of the destination, as it was "
			"given "
			"to the service");
	if (wanted == NULL && json_array_size(r->stores) > 1)
		return err_set(e, ERR_CONFLICT,
			"copies of %zu stores are there, one of them of the host %s: name the one "
			"that "
			"is meant, such as %s",
			json_array_size(r->stores),
			json_string_value(json_object_get(json_array_get(r->stores, 0), "host")),
			json_string_value(json_object_get(json_array_get(r->stores, 0), "store")));
	json_array_foreach (r->stores, i, format) {
		r->store = json_string_value(json_object_get(format, "store"));
		*ret_format = format;
		if (wanted == NULL || strcmp(wanted, r->store) == 0)
			return 0;
	}
	return err_set(e, ERR_NOT_FOUND, "there is no copy of a store %.40s", wanted);
}

/* The new store's folder, and its packs'. */
static int
folder_make(struct copy_rebuild *r, struct err *e)
{
	const char *path = r->request->path;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return err_errno(e, "cannot make the folder %s", path);
	r->fetch.folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->fetch.folder < 0)
		return err_errno(e, "cannot open the folder %s", path);
	if (faccessat(r->fetch.folder, "catalogue.db", F_OK, 0) == 0)
		return err_set(e, ERR_CONFLICT,
			"there is a store in %s already: give the path of a folder that holds none",
			path);
	if (mkdirat(r->fetch.folder, "packs", 0700) != 0 && errno != EEXIST)
		return err_errno(e, "cannot make the folder %s/packs", path);
	return 0;
}

static int
keys_fetch(struct copy_rebuild *r, const char *preferred, struct err *e)
{
	const struct store_options *o = r->request->options;
	SCOPED(buf_free) struct buf bytes = BUF_INIT((size_t)1 << 20);
	struct cipher *cipher = NULL;

	if (o == NULL || o->secret == NULL)
		return err_set(e, ERR_DENIED,
			"the store is encrypted: give its pass phrase, key file or recovery key");
	if (copy_keys_get(
		    r->request->transfer, r->store, preferred, o->secret, &bytes, &cipher, e) != 0)
		return -1;
	cipher_free(r->cipher);
	r->cipher = cipher;
	return copy_fetch_write(&r->fetch, "keys", bytes.data, bytes.len, e);
}

static bool
head_wanted(const struct copy_rebuild *r, const json_t *head, size_t place)
{
	const char *wanted = r->request->backup;

	if (wanted == NULL || (place == 0 && strcmp(wanted, "latest") == 0))
		return true;
	return strcmp(json_string_value(json_object_get(head, "backup")), wanted) == 0;
}

static int
heads_fetch(struct copy_rebuild *r, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item;
	size_t i, wanted = 0;

	if (copy_heads_list(r->request->transfer, r->store, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, item) {
		const char *name = json_string_value(json_object_get(item, "name"));
		json_t *head = NULL;
		if (!head_wanted(r, item, i))
			continue;
		wanted++;
		if (copy_head_get(r->request->transfer, r->store, name, r->cipher, &head, e) == 0)
			(void)json_object_set_new(r->heads, name, head);
		else if (!is_object(e))
			return -1;
		else
			fault_add(r, json_string_value(json_object_get(item, "backup")), e->text);
	}
	if (wanted == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no copy of %s",
			r->request->backup == NULL ? "any backup" : r->request->backup);
	return json_object_size(r->heads) > 0 ? 0 : -1;
}

static int
entry_take(void *ctx, const struct copy_index_entry *entry, struct err *e)
{
	struct copy_rebuild *r = ctx;
	char uuid[2 * RECORD_UUID_SIZE + 1];
	const json_t *known;

	known = json_object_get(r->packs, hex_text(entry->uuid, sizeof(entry->uuid), uuid));
	if (known != NULL) {
		const struct copy_index_entry *first = &r->entries[json_integer_value(known)];
		if (memcmp(first->hash, entry->hash, sizeof(entry->hash)) != 0)
			return err_set(
				e, ERR_CORRUPT, "two indexes tell different things of %s", uuid);
		return 0;
	}
	r->entries = mem_array(r->entries, r->count + 1, sizeof(*r->entries));
	r->entries[r->count] = *entry;
	(void)json_object_set_new(r->packs, uuid, json_integer((json_int_t)r->count++));
	return 0;
}

/* What the head's indexes say of its packs. */
static int
indexes_fetch(struct copy_rebuild *r, const json_t *head, struct err *e)
{
	const json_t *index;
	size_t i;

	json_array_foreach (json_object_get(head, "indexes"), i, index) {
		const char *name = json_string_value(json_object_get(index, "name"));
		const char *hash = json_string_value(json_object_get(index, "sha256"));
		if (name == NULL || hash == NULL)
			return err_set(
				e, ERR_CORRUPT, "the head names an index without its SHA-256");
		if (json_object_get(r->indexes, name) != NULL)
			continue;
		if (copy_index_get(r->request->transfer, r->store, name, hash, r->cipher,
			    entry_take, r, e) != 0)
			return -1;
		(void)json_object_set_new(r->indexes, name, json_true());
	}
	return 0;
}

/* The packs of a backup, once more only what is not here yet. */
static int
packs_fetch(struct copy_rebuild *r, const json_t *head, struct err *e)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(head, "packs"), i, item) {
		const char *uuid = json_string_value(item);
		const json_t *place = uuid == NULL ? NULL : json_object_get(r->packs, uuid);
		if (place == NULL)
			return err_set(e, ERR_CORRUPT, "no index describes its pack %.40s",
				uuid == NULL ? "" : uuid);
		struct copy_index_entry *entry = &r->entries[json_integer_value(place)];
		if (entry->bytes == 0)
			continue; /* fetched */
		if (copy_fetch_pack(&r->fetch, entry, e) != 0)
			return -1;
		entry->bytes = 0;
	}
	return 0;
}

static int64_t
packs_bytes(const struct copy_rebuild *r)
{
	SCOPED(json_decref_at) json_t *seen = json_object();
	int64_t bytes = 0;
	const char *name;
	json_t *head;
	const json_t *item;
	size_t i;

	json_object_foreach (r->heads, name, head) {
		json_array_foreach (json_object_get(head, "packs"), i, item) {
			const char *uuid = json_string_value(item);
			const json_t *place = uuid == NULL ? NULL : json_object_get(r->packs, uuid);
			if (place == NULL || json_object_get(seen, uuid) != NULL)
				continue;
			(void)json_object_set_new(seen, uuid, json_true());
			bytes += r->entries[json_integer_value(place)].bytes;
		}
	}
	return bytes;
}

/* What one of a head's objects lacks is a fault of that backup. */
static int
content_fetch(struct copy_rebuild *r,
	int (*fetch)(struct copy_rebuild *r, const json_t *head, struct err *e), struct err *e)
{
	const char *name;
	json_t *head;

	json_object_foreach (r->heads, name, head) {
		if (fetch(r, head, e) == 0)
			continue;
		if (!is_object(e))
			return -1;
		fault_add(r, json_string_value(json_object_get(head, "backup")), e->text);
	}
	return 0;
}

static bool
backup_wanted(void *ctx, const char *id, int64_t created_ns)
{
	const struct copy_rebuild *r = ctx;
	SCOPED(free_at) char *name = mem_format("%s.%lld", id, (long long)created_ns);

	return json_object_get(r->heads, name) != NULL;
}

/* Whether the backup is in the new store what its head says. */
static int
backup_check(struct store *s, const json_t *head, struct err *e)
{
	const char *id = json_string_value(json_object_get(head, "backup"));
	const char *digest = json_string_value(json_object_get(head, "digest"));
	SCOPED(replay_close_at) struct replay *replay = NULL;
	SCOPED(json_decref_at) json_t *record = NULL;

	if (backups_get(s, id, &record, e) != 0 || replay_open(s, id, &replay, e) != 0)
		return -1;
	if (json_is_true(json_object_get(record, "damaged")))
		return err_set(e, ERR_CORRUPT, "something that it needs is missing");
	if (digest == NULL || strcmp(digest, replay_digest(replay)) != 0)
		return err_set(e, ERR_CORRUPT, "it is not the backup that its head speaks of");
	return 0;
}

static int
backups_check(struct copy_rebuild *r, struct err *e)
{
	SCOPED(store_close_at) struct store *s = NULL;
	const char *name;
	json_t *head;

	if (store_open(r->request->path, r->request->options, &s, e) != 0)
		return -1;
	json_object_foreach (r->heads, name, head) {
		const char *id = json_string_value(json_object_get(head, "backup"));
		struct err fault;
		if (fault_known(r, id))
			continue;
		if (backup_check(s, head, &fault) == 0)
			r->totals->backups++;
		else
			fault_add(r, id, fault.text);
	}
	return 0;
}

static int
catalogue_make(struct copy_rebuild *r, struct err *e)
{
	const struct rebuild_choice choice = {backup_wanted, r};
	struct rebuild_totals t;

	if (rebuild_run_chosen(r->request->path, r->request->options, &choice, &t, e) != 0)
		return -1;
	if (t.numbers_twice > 0)
		return err_set(e, ERR_CORRUPT,
			"two stores put their packs there under one name, and both have numbered "
			"chunks: fetch one backup at a time");
	return backups_check(r, e);
}

static int
all_fetch(struct copy_rebuild *r, bool encrypted, struct err *e)
{
	if (encrypted && keys_fetch(r, NULL, e) != 0)
		return -1;
	if (heads_fetch(r, e) != 0)
		return -1;
	if (content_fetch(r, indexes_fetch, e) != 0)
		return -1;
	r->fetch.total = packs_bytes(r);
	if (content_fetch(r, packs_fetch, e) != 0)
		return -1;
	r->totals->packs = r->fetch.packs;
	r->totals->bytes = r->fetch.bytes;
	return 0;
}

int
copy_rebuild_run(const struct copy_rebuild_request *request, struct copy_rebuild_totals *ret_totals,
	struct err *e)
{
	SCOPED(rebuild_close_at)
	struct copy_rebuild r = {.request = request,
		.totals = ret_totals,
		.heads = json_object(),
		.indexes = json_object(),
		.packs = json_object(),
		.fetch = {.transfer = request->transfer,
			.folder = -1,
			.progress = request->progress,
			.ctx = request->ctx}};
	const json_t *format = NULL;

	*ret_totals = (struct copy_rebuild_totals){.faults = json_array()};
	if (store_choose(&r, &format, e) != 0)
		return -1;
	r.fetch.store = r.store;
	(void)snprintf(ret_totals->store, sizeof(ret_totals->store), "%s", r.store);
	if (folder_make(&r, e) != 0)
		return -1;
	if (all_fetch(&r, json_is_true(json_object_get(format, "encrypted")), e) != 0)
		return -1;
	return catalogue_make(&r, e);
}
