#include "jobs/copies/packs/copy_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/run_state.h"

static const char copies_folder[] = "copied";
static const char name_file[] = "_store.json";

static int
copies_folder_open(struct store *s, struct err *e)
{
	const int at = store_fd(s);

	if (mkdirat(at, copies_folder, 0700) != 0 && errno != EEXIST)
		return err_errno(e, "the store's folder %s cannot be made", copies_folder);
	const int fd = openat(at, copies_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 ? fd : err_errno(e, "the store's folder %s", copies_folder);
}

/* The store's name there. */
static int
store_name(int folder, char name[COPY_ID_TEXT], struct err *e)
{
	SCOPED(json_decref_at) json_t *known = NULL;
	unsigned char drawn[COPY_ID];

	if (run_state_load(folder, name_file, &known, e) != 0)
		return -1;
	const char *text = json_string_value(json_object_get(known, "store"));
	if (text != NULL && copy_id_valid(text)) {
		memcpy(name, text, COPY_ID_TEXT);
		return 0;
	}
	random_bytes(drawn, sizeof(drawn));
	(void)hex_text(drawn, sizeof(drawn), name);
	json_decref(known);
	known = json_pack("{s:s}", "store", name);
	return run_state_write(folder, name_file, known, e);
}

static json_t *
document_new(const char *store, const char *url)
{
	return json_pack("{s:i, s:s, s:s, s:[], s:{}, s:[], s:[]}", "version", COPY_VERSION,
		"store", store, "url", url, "keys", "heads", "under_way", "indexes");
}

static bool
document_fits(const json_t *document, const char *store, const char *url)
{
	const char *of = json_string_value(json_object_get(document, "store"));
	const char *at = json_string_value(json_object_get(document, "url"));

	return json_integer_value(json_object_get(document, "version")) == COPY_VERSION &&
	       of != NULL && strcmp(of, store) == 0 && at != NULL && strcmp(at, url) == 0;
}

static void
packs_note(struct copy_state *c, const json_t *uuids, size_t place)
{
	const json_t *uuid;
	size_t i;

	json_array_foreach (uuids, i, uuid)
		(void)json_object_set_new(
			c->packs, json_string_value(uuid), json_integer((json_int_t)place));
}

int
copy_state_open(struct store *s, const char *destination, const char *url,
	struct copy_state *ret_state, struct err *e)
{
	struct copy_state *c = ret_state;
	const json_t *index;
	size_t i;

	*c = (struct copy_state){.file = mem_format("%s.json", destination)};
	c->packs = json_object();
	c->folder = copies_folder_open(s, e);
	if (c->folder < 0 || store_name(c->folder, c->store, e) != 0)
		return -1;
	if (run_state_load(c->folder, c->file, &c->document, e) != 0)
		return err_prefix(e, "%s", copies_folder);
	if (!document_fits(c->document, c->store, url)) {
		json_decref(c->document);
		c->document = document_new(c->store, url);
	}
	json_array_foreach (json_object_get(c->document, "indexes"), i, index)
		packs_note(c, json_object_get(index, "packs"), i);
	return 0;
}

void
copy_state_close(struct copy_state *c)
{
	if (c->file != NULL && c->folder >= 0)
		(void)close(c->folder);
	free(c->file);
	json_decref(c->document);
	json_decref(c->packs);
	*c = (struct copy_state){0};
}

void
copy_state_forget(struct copy_state *c)
{
	json_t *indexes = json_object_get(c->document, "indexes");
	json_t *ours = json_object_get(c->document, "under_way");
	const json_t *index;
	size_t i;

	json_array_foreach (indexes, i, index)
		(void)json_array_append(ours, json_object_get(index, "name"));
	(void)json_array_clear(indexes);
	(void)json_array_clear(json_object_get(c->document, "keys"));
	(void)json_object_clear(json_object_get(c->document, "heads"));
	(void)json_object_clear(c->packs);
}

int
copy_state_save(struct copy_state *c, struct err *e)
{
	return run_state_write(c->folder, c->file, c->document, e);
}

static bool
array_has(const json_t *array, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach (array, i, item) {
		if (strcmp(json_string_value(item), text) == 0)
			return true;
	}
	return false;
}

bool
copy_state_has_pack(const struct copy_state *c, const char *uuid)
{
	return json_object_get(c->packs, uuid) != NULL;
}

bool
copy_state_has_head(const struct copy_state *c, const char *name)
{
	return json_object_get(json_object_get(c->document, "heads"), name) != NULL;
}

bool
copy_state_has_keys(const struct copy_state *c, const char *hash)
{
	return array_has(json_object_get(c->document, "keys"), hash);
}

bool
copy_state_owns(const struct copy_state *c, const char *name)
{
	const json_t *index;
	size_t i;

	json_array_foreach (json_object_get(c->document, "indexes"), i, index) {
		if (strcmp(json_string_value(json_object_get(index, "name")), name) == 0)
			return true;
	}
	return array_has(json_object_get(c->document, "under_way"), name);
}

const json_t *
copy_state_newest(const struct copy_state *c)
{
	const json_t *indexes = json_object_get(c->document, "indexes");
	const size_t count = json_array_size(indexes);

	return count == 0 ? NULL : json_array_get(indexes, count - 1);
}

int
copy_state_under_way(struct copy_state *c, const char *name, struct err *e)
{
	(void)json_array_append_new(json_object_get(c->document, "under_way"), json_string(name));
	return copy_state_save(c, e);
}

int
copy_state_index(
	struct copy_state *c, const char *name, const char *sha256, json_t *uuids, struct err *e)
{
	json_t *indexes = json_object_get(c->document, "indexes");
	json_t *ours = json_object_get(c->document, "under_way");

	packs_note(c, uuids, json_array_size(indexes));
	(void)json_array_append_new(indexes,
		json_pack("{s:s, s:s, s:O}", "name", name, "sha256", sha256, "packs", uuids));
	/* it was the last that was noted */
	(void)json_array_remove(ours, json_array_size(ours) - 1);
	return copy_state_save(c, e);
}

int
copy_state_head(struct copy_state *c, const char *name, struct err *e)
{
	(void)json_object_set_new(json_object_get(c->document, "heads"), name, json_true());
	return copy_state_save(c, e);
}

int
copy_state_keys(struct copy_state *c, const char *hash, struct err *e)
{
	(void)json_array_append_new(json_object_get(c->document, "keys"), json_string(hash));
	return copy_state_save(c, e);
}
