#include "jobs/import/import_record.h"

#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/scope.h"
#include "jobs/content/host_diff.h"
#include "jobs/operations/inspect.h"
#include "store/catalogue/backups.h"

static json_t *
containers(const json_t *manifest)
{
	json_t *list = json_array();
	const json_t *c;
	size_t i;

	json_array_foreach (json_object_get(manifest, "containers"), i, c) {
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:n}", "name", json_text(c, "name", NULL),
				      "image", json_text(c, "image_name", NULL), "state",
				      json_text(c, "state", NULL), "freeze_ms"));
	}
	return list;
}

static json_t *
imported(const struct import_record *r)
{
	char at[CLOCK_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:I, s:s*}", "at", clock_text(clock_real_ns(), at), "host",
		json_text(r->expected->manifest, "engine", "host"), "bytes",
		(json_int_t)r->packed_bytes, "format", r->format);
}

/* Those of the backup, and how this host differs from its own. */
static json_t *
warnings(const struct import_record *r)
{
	json_t *list = json_copy(json_object_get(r->expected->manifest, "warnings"));

	host_diff_warnings(r->expected->manifest, r->addresses, r->engine, list);
	return list;
}

static char *
record_text(const struct import_record *r)
{
	const json_t *manifest = r->expected->manifest;
	const struct ingest_totals *t = &r->totals;
	SCOPED(json_decref_at) json_t *none = json_array();
	json_t *named = json_object_get(manifest, "omitted"); /* older manifests have none */
	json_t *omitted = named == NULL ? none : named;
	SCOPED(json_decref_at)
	json_t *record = json_pack(
		"{s:n, s:I, s:I, s:I, s:I, s:s, s:b, s:O, s:I, s:o, s:o, s:[], s:[], "
		"s:O, s:n, s:o, s:s}",
		"freeze_ms", "duration_ms", (json_int_t)r->duration_ms, "size_bytes",
		(json_int_t)t->size_bytes, "stored_bytes", (json_int_t)t->stored_bytes,
		"archive_bytes", (json_int_t)t->archive_bytes, "digest", t->digest, "incomplete",
		(int)r->expected->incomplete, "omitted", omitted, "omitted_total",
		json_integer_value(json_object_get(manifest, "omitted_total")), "containers",
		containers(manifest), "warnings", warnings(r), "passes", "hooks", "plan",
		json_object_get(manifest, "plan"), "error", "imported", imported(r), "origin",
		"import");

	return record == NULL ? NULL : json_dumps(record, JSON_COMPACT);
}

static int64_t
created(const struct expected *p)
{
	uint32_t random;

	random_bytes(&random, sizeof(random));
	return p->created_ns + random % 1000000;
}

int
import_record_commit(const struct import_record *r, struct store *store, struct ingest *ingest,
	const struct recipe *recipe, struct err *e)
{
	const char *id = r->expected->id;
	SCOPED(json_decref_at) json_t *begun = json_object();
	SCOPED(free_at) char *text = record_text(r);
	struct err ignored;

	if (text == NULL)
		return err_set(e, ERR_INTERNAL, "the backup's record cannot be encoded");
	if (backups_begin_old(store, id, created(r->expected), clock_real_ns(), begun, e) != 0)
		return -1;
	if (ingest_commit(ingest, id, text, recipe, e) == 0)
		return 0;
	(void)backups_fail(store, id, NULL, &ignored);
	return -1;
}

int
import_record_find(struct store *store, const struct expected *p, struct err *e)
{
	SCOPED(json_decref_at) json_t *record = NULL;

	if (backups_get(store, p->id, &record, e) != 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	if (backups_readable(json_text(record, "state", NULL)))
		return 1;
	return err_set(e, ERR_CONFLICT,
		"the store has a backup %s that is %s: delete that first, if it is not needed",
		p->id, json_text(record, "state", NULL));
}
