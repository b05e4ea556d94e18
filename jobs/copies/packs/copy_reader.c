#include "jobs/copies/packs/copy_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "store/keys/keys.h"

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

static int
buf_sink_write(void *ctx, const void *data, size_t len, struct err *e)
{
	if (buf_add(ctx, data, len) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, "it is longer than anything that is put there");
}

int
copy_object_get(
	struct transfer *t, const char *store, const char *name, struct buf *to, struct err *e)
{
	const struct sink sink = {buf_sink_write, to};
	char path[COPY_NAME_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", store, name);
	if (transfer_get(t, path, 0, -1, &sink, e) != 0)
		return err_prefix(e, "%s", path);
	return 0;
}

/* The names directly in a folder. */
static int
name_take(void *ctx, const struct transfer_object *object, struct err *e)
{
	(void)e;
	(void)json_array_append_new(ctx, json_string(object->name));
	return 0;
}

static int
format_get(struct transfer *t, const char *store, json_t **ret_format, struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(COPY_OBJECT_MAX);

	if (copy_object_get(t, store, "format", &text, e) != 0)
		return -1;
	SCOPED(json_decref_at) json_t *format = json_loadb(text.data, text.len, 0, NULL);
	const json_int_t version = json_integer_value(json_object_get(format, "version"));
	if (version > COPY_VERSION)
		return err_set(e, ERR_UNSUPPORTED,
			"%s/format is of version %lld: a newer version of this program made it",
			store, (long long)version);
	if (version < 1 || strcmp(text_of(format, "store"), store) != 0)
		return err_set(e, ERR_CORRUPT, "%s/format is not what was put there", store);
	*ret_format = TAKE(format);
	return 0;
}

int
copy_stores_list(struct transfer *t, json_t **ret_array, struct err *e)
{
	SCOPED(json_decref_at) json_t *names = json_array();
	SCOPED(json_decref_at) json_t *stores = json_array();
	const json_t *name;
	size_t i;

	if (transfer_list(t, "", name_take, names, e) != 0)
		return -1;
	json_array_foreach (names, i, name) {
		const char *store = json_string_value(name);
		json_t *format = NULL;
		if (store == NULL || !copy_id_valid(store))
			continue;
		if (format_get(t, store, &format, e) == 0)
			(void)json_array_append_new(stores, format);
		else if (e->code != ERR_NOT_FOUND && e->code != ERR_CORRUPT)
			return -1;
	}
	*ret_array = TAKE(stores);
	return 0;
}

struct head_found {
	char name[ID_SIZE + 24];
	char backup[ID_SIZE];
	int64_t created_ns;
};

static int
heads_by_age(const void *a, const void *b)
{
	const struct head_found *x = a;
	const struct head_found *y = b;

	if (x->created_ns != y->created_ns)
		return x->created_ns > y->created_ns ? -1 : 1;
	return strcmp(y->name, x->name);
}

int
copy_heads_list(struct transfer *t, const char *store, json_t **ret_array, struct err *e)
{
	SCOPED(json_decref_at) json_t *names = json_array();
	char folder[COPY_NAME_MAX];
	const json_t *name;
	size_t i, count = 0;

	(void)snprintf(folder, sizeof(folder), "%s/backups", store);
	if (transfer_list(t, folder, name_take, names, e) != 0)
		return -1;
	SCOPED(free_at)
	struct head_found *found =
		mem_new((json_array_size(names) + 1) * sizeof(struct head_found));
	json_array_foreach (names, i, name) {
		struct head_found *h = &found[count];
		if (!copy_head_valid(json_string_value(name), h->backup, &h->created_ns))
			continue;
		(void)snprintf(h->name, sizeof(h->name), "%s", json_string_value(name));
		count++;
	}
	qsort(found, count, sizeof(*found), heads_by_age);
	*ret_array = json_array();
	for (i = 0; i < count; i++)
		(void)json_array_append_new(*ret_array,
			json_pack("{s:s, s:s, s:I}", "name", found[i].name, "backup",
				found[i].backup, "created_ns", (json_int_t)found[i].created_ns));
	return 0;
}

/* That it is the head of this name, with what is read of it. */
static int
head_check(const json_t *head, const char *store, const char *name, struct err *e)
{
	char backup[ID_SIZE] = "";
	int64_t created_ns = -1;

	const json_int_t version = json_integer_value(json_object_get(head, "version"));
	if (version > COPY_VERSION)
		return err_set(e, ERR_UNSUPPORTED, "a newer version of this program made it");
	(void)copy_head_valid(name, backup, &created_ns);
	if (version < 1 || strcmp(text_of(head, "store"), store) != 0 ||
		strcmp(text_of(head, "backup"), backup) != 0 ||
		json_integer_value(json_object_get(head, "created_ns")) != created_ns)
		return err_set(
			e, ERR_CORRUPT, "it is the head of another backup, or of another store");
	if (!json_is_array(json_object_get(head, "packs")) ||
		!json_is_array(json_object_get(head, "indexes")))
		return err_set(e, ERR_CORRUPT, "it does not say which packs it needs");
	return 0;
}

int
copy_head_get(struct transfer *t, const char *store, const char *name, const struct cipher *c,
	json_t **ret_head, struct err *e)
{
	SCOPED(buf_free) struct buf object = BUF_INIT(COPY_OBJECT_MAX);
	SCOPED(buf_free) struct buf text = BUF_INIT(COPY_OBJECT_MAX + 1);
	char path[COPY_NAME_MAX], bound[COPY_NAME_MAX];

	(void)snprintf(path, sizeof(path), "backups/%.60s", name);
	(void)snprintf(bound, sizeof(bound), "%.40s/%.80s", store, path);
	if (copy_object_get(t, store, path, &object, e) != 0)
		return -1;
	if (copy_object_open(c, bound, object.data, object.len, &text, e) != 0)
		return err_prefix(e, "%s", bound);
	SCOPED(json_decref_at) json_t *head = json_loadb(text.data, text.len, 0, NULL);
	if (head_check(head, store, name, e) != 0)
		return err_prefix(e, "%s", bound);
	*ret_head = TAKE(head);
	return 0;
}

int
copy_index_get(struct transfer *t, const char *store, const char *name, const char *sha256,
	const struct cipher *c, copy_index_each *each, void *ctx, struct err *e)
{
	SCOPED(buf_free) struct buf object = BUF_INIT(COPY_OBJECT_MAX);
	SCOPED(buf_free) struct buf bytes = BUF_INIT(COPY_OBJECT_MAX + 1);
	char path[COPY_NAME_MAX], bound[COPY_NAME_MAX], hash[COPY_HASH_TEXT];

	(void)snprintf(path, sizeof(path), "index/%.40s", name);
	(void)snprintf(bound, sizeof(bound), "%.40s/index/%.*s", store,
		(int)(strcspn(name, "-") % 40), name);
	if (copy_object_get(t, store, path, &object, e) != 0)
		return -1;
	if (strcmp(copy_hash(object.data, object.len, hash), sha256) != 0)
		return err_set(e, ERR_CORRUPT, "%.40s/%s is not what was put there", store, path);
	if (copy_object_open(c, bound, object.data, object.len, &bytes, e) != 0 ||
		copy_index_read(bytes.data, bytes.len, each, ctx, e) != 0)
		return err_prefix(e, "%.40s/%s", store, path);
	return 0;
}

/* 1 if the secret opens it, 0, -1. */
static int
keys_try(struct transfer *t, const char *store, const char *hash, const struct secret *secret,
	struct buf *to, struct cipher **ret_cipher, struct err *e)
{
	SCOPED(keys_wipe) struct keys keys = {0};
	char name[COPY_NAME_MAX];

	buf_clear(to);
	(void)snprintf(name, sizeof(name), "keys/%.40s", hash);
	if (copy_object_get(t, store, name, to, e) != 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	if (keys_parse(to->data, to->len, &keys, e) != 0 || keys_open(&keys, secret, e) != 0)
		return e->code == ERR_DENIED || e->code == ERR_CORRUPT ? 0 : -1;
	*ret_cipher = cipher_new(keys.master);
	return 1;
}

int
copy_keys_get(struct transfer *t, const char *store, const char *preferred,
	const struct secret *secret, struct buf *to, struct cipher **ret_cipher, struct err *e)
{
	SCOPED(json_decref_at) json_t *names = json_array();
	char folder[COPY_NAME_MAX];
	const json_t *name;
	size_t i;

	(void)snprintf(folder, sizeof(folder), "%s/keys", store);
	if (preferred != NULL) {
		const int opened = keys_try(t, store, preferred, secret, to, ret_cipher, e);
		return opened == 1 ? 0 : -1;
	}
	if (transfer_list(t, folder, name_take, names, e) != 0)
		return -1;
	if (json_array_size(names) == 0)
		return err_set(e, ERR_CORRUPT,
			"%s/keys is empty: without the store's file keys nothing can be read",
			store);
	json_array_foreach (names, i, name) {
		const int opened =
			keys_try(t, store, json_string_value(name), secret, to, ret_cipher, e);
		if (opened != 0)
			return opened == 1 ? 0 : -1;
	}
	return -1; /* as the last one said */
}
