#include "jobs/copies/packs/copy_put.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"

/* An index holds no more packs than these: what a cut-off run must ask for again. */
enum { INDEX_PACKS = 64 };

/* What is longer is not sent before the destination is asked whether it is there. */
enum { ASK_BYTES = 1 << 20 };

int
copy_pause(struct copy_run *r, bool once, struct err *e)
{
	const struct packs_copy_options *o = r->options;
	const struct timespec moment = {.tv_nsec = 50 * 1000 * 1000};

	for (;;) {
		if (o->cancelled != NULL && o->cancelled(o->ctx))
			return err_set(e, ERR_CANCELLED, "the copy was cancelled");
		const bool wait = o->pause != NULL && o->pause(o->ctx);
		if (!wait && !once)
			return 0;
		once = false;
		(void)nanosleep(&moment, NULL);
	}
}

/* It is there already: of the same length it is ours. */
static int
present_check(struct copy_run *r, const char *name, int64_t length, struct err *e)
{
	int64_t size = -1;
	const int found = transfer_stat(r->options->transfer, name, &size, e);

	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(e, ERR_REMOTE,
			"%s: the destination says that it is there, and that it is not", name);
	if (size >= 0 && size != length)
		return err_set(e, ERR_CORRUPT,
			"%s is there with %lld bytes instead of %lld, and nothing is overwritten: "
			"delete it there, then copy again",
			name, (long long)size, (long long)length);
	return 0;
}

struct memory_body {
	const char *data;
	size_t len;
};

static ssize_t
memory_read(void *ctx, int64_t at, void *data, size_t size, struct err *e)
{
	const struct memory_body *b = ctx;
	const size_t left = b->len - (size_t)at;
	const size_t n = left < size ? left : size;

	(void)e;
	memcpy(data, b->data + at, n);
	return (ssize_t)n;
}

static int
object_put(struct copy_run *r, const char *name, const struct transfer_body *body, bool exact,
	struct err *e)
{
	char path[COPY_NAME_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", r->state.store, name);
	/* every name is drawn, or a hash, or a backup's own */
	const enum transfer_how how = body->length > ASK_BYTES ? TRANSFER_NEW : TRANSFER_UNIQUE;
	if (transfer_put(r->options->transfer, path, body, how, e) == 0)
		return 0;
	if (e->code != ERR_CONFLICT)
		return -1;
	return exact ? present_check(r, path, body->length, e) : 0;
}

/* Of `format` and a head another time or record makes other bytes: what is there will do. */
static int
bytes_put(struct copy_run *r, const char *name, const void *data, size_t len, bool exact,
	struct err *e)
{
	struct memory_body memory = {data, len};
	const struct transfer_body body = {memory_read, &memory, (int64_t)len};

	if (copy_pause(r, false, e) != 0)
		return -1;
	return object_put(r, name, &body, exact, e);
}

int
copy_put_bytes(struct copy_run *r, const char *name, const void *data, size_t len, struct err *e)
{
	return bytes_put(r, name, data, len, strcmp(name, "format") != 0, e);
}

struct pack_body {
	struct copy_run *run;
	int fd;
	int64_t bytes;
};

static ssize_t
pack_body_read(void *ctx, int64_t at, void *data, size_t size, struct err *e)
{
	const struct pack_body *b = ctx;
	const struct packs_copy_options *o = b->run->options;
	const int64_t left = b->bytes - at;
	const size_t want = left < (int64_t)size ? (size_t)left : size;

	if (copy_pause(b->run, false, e) != 0)
		return -1;
	const ssize_t n = io_read_all(&io_system, b->fd, data, want, at);
	if (n < 0)
		return err_errno(e, "cannot read the pack");
	if ((size_t)n != want)
		return err_set(e, ERR_CORRUPT, "the pack is cut off");
	if (o->progress != NULL)
		o->progress(o->ctx, b->run->done + at + n, b->run->total);
	return n;
}

static int
chunk_note(void *ctx, const struct record *record, int64_t offset, struct err *e)
{
	struct copy_run *r = ctx;

	if (record->type != RECORD_CHUNK)
		return 0;
	return copy_index_chunk(&r->index, record, offset, e);
}

static int
pack_send(struct copy_run *r, size_t at, int fd, const char *name, struct err *e)
{
	const struct backup_pack *p = &r->backup.packs[at];
	struct pack_body from = {r, fd, p->bytes};
	const struct transfer_body body = {pack_body_read, &from, p->bytes};
	unsigned char hash[PACK_HASH];

	if (backup_packs_read(r->store, &r->backup, at, fd, chunk_note, r, hash, e) != 0 ||
		object_put(r, name, &body, true, e) != 0)
		return -1;
	copy_index_pack_end(&r->index, hash);
	r->done += p->bytes;
	r->totals->packs++;
	r->totals->bytes += p->bytes;
	return 0;
}

int
copy_put_pack(struct copy_run *r, size_t at, struct err *e)
{
	const struct backup_pack *p = &r->backup.packs[at];
	char name[COPY_NAME_MAX];
	int fd = -1;

	if (copy_pause(r, false, e) != 0)
		return -1;
	if (packs_open(r->store, p->uuid, O_RDONLY, &fd, e) != 0)
		return -1;
	copy_index_pack(&r->index, p->uuid, p->bytes);
	const int result = pack_send(r, at, fd, copy_pack_name(p->uuid, name), e);
	(void)close(fd);
	if (result != 0) {
		copy_index_pack_drop(&r->index);
		return err_prefix(e, "%s", name);
	}
	const bool full = r->index.packs == INDEX_PACKS || r->index.bytes.len > COPY_INDEX_BYTES;
	return full ? copy_put_index(r, e) : 0;
}

static int
hex_byte(const char *text)
{
	const char digits[] = {text[0], text[1], '\0'};

	return (int)strtol(digits, NULL, 16);
}

/* Its SHA-256 is in the next one, so that a reader sees what is missing between. */
static void
index_chain(struct copy_run *r)
{
	const char *before =
		json_string_value(json_object_get(copy_state_newest(&r->state), "sha256"));

	for (size_t i = 0; before != NULL && i < PACK_HASH; i++)
		r->index.bytes.data[8 + i] = (char)hex_byte(before + 2 * i);
}

int
copy_put_index(struct copy_run *r, struct err *e)
{
	static const unsigned char first[PACK_HASH];
	const unsigned seq =
		(unsigned)json_array_size(json_object_get(r->state.document, "indexes"));
	char bound[COPY_NAME_MAX], hash[COPY_HASH_TEXT], name[COPY_NAME_MAX], path[COPY_NAME_MAX];
	size_t len = 0;

	if (r->index.packs == 0)
		return 0;
	index_chain(r);
	(void)snprintf(bound, sizeof(bound), "%s/index/%08u", r->state.store, seq + 1);
	SCOPED(free_at)
	char *object = copy_object_close(
		store_cipher(r->store), bound, r->index.bytes.data, r->index.bytes.len, &len);
	(void)copy_hash(object, len, hash);
	(void)snprintf(name, sizeof(name), "%08u-%.*s", seq + 1, COPY_INDEX_HASH, hash);
	(void)snprintf(path, sizeof(path), "index/%.60s", name);
	/* noted before: if this ends here, the next run knows it as ours */
	if (copy_state_under_way(&r->state, name, e) != 0 ||
		copy_put_bytes(r, path, object, len, e) != 0 ||
		copy_state_index(&r->state, name, hash, r->index.uuids, e) != 0)
		return -1;
	copy_index_free(&r->index);
	copy_index_start(&r->index, first);
	return 0;
}

/* The packs that the backup needs, and the indexes that describe them. */
static void
head_packs(const struct copy_run *r, json_t *packs, json_t *indexes)
{
	const json_t *all = json_object_get(r->state.document, "indexes");
	SCOPED(json_decref_at) json_t *seen = json_object();
	char uuid[2 * RECORD_UUID_SIZE + 1];

	for (size_t i = 0; i < r->backup.count; i++) {
		(void)hex_text(r->backup.packs[i].uuid, RECORD_UUID_SIZE, uuid);
		(void)json_array_append_new(packs, json_string(uuid));
		const json_int_t place = json_integer_value(json_object_get(r->state.packs, uuid));
		const json_t *index = json_array_get(all, (size_t)place);
		const char *name = json_string_value(json_object_get(index, "name"));
		if (json_object_get(seen, name) != NULL)
			continue;
		(void)json_object_set_new(seen, name, json_true());
		(void)json_array_append_new(indexes, json_pack("{s:s, s:O}", "name", name, "sha256",
							     json_object_get(index, "sha256")));
	}
}

int
copy_put_head(struct copy_run *r, const char *name, struct err *e)
{
	char recipe[2 * RECORD_UUID_SIZE + 1], bound[COPY_NAME_MAX], path[COPY_NAME_MAX];
	json_t *packs = json_array();
	json_t *indexes = json_array();
	size_t len = 0;

	head_packs(r, packs, indexes);
	(void)hex_text(r->backup.packs[r->backup.recipe_at].uuid, RECORD_UUID_SIZE, recipe);
	SCOPED(json_decref_at)
	json_t *head = json_pack("{s:i, s:s, s:s, s:I, s:s?, s:s, s:{s:s, s:I}, s:o, s:o, s:O}",
		"version", COPY_VERSION, "store", r->state.store, "backup", r->id, "created_ns",
		(json_int_t)r->backup.created_ns, "keys", r->keys[0] == '\0' ? NULL : r->keys,
		"digest", replay_digest(r->lease), "recipe", "pack", recipe, "offset",
		(json_int_t)r->backup.recipe_offset, "packs", packs, "indexes", indexes, "record",
		r->backup.record);
	SCOPED(free_at) char *text = json_dumps(head, JSON_COMPACT);
	if (text == NULL)
		return err_set(e, ERR_INTERNAL, "the backup's record cannot be encoded");
	(void)snprintf(path, sizeof(path), "backups/%.60s", name);
	(void)snprintf(bound, sizeof(bound), "%.40s/%.80s", r->state.store, path);
	SCOPED(free_at)
	char *object = copy_object_close(store_cipher(r->store), bound, text, strlen(text), &len);
	if (bytes_put(r, path, object, len, false, e) != 0)
		return -1;
	return copy_state_head(&r->state, name, e);
}
