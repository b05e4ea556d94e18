#include "jobs/import_record.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/scope.h"
#include "jobs/inspect.h"

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

	return json_pack("{s:s, s:s, s:I}", "at", clock_text(clock_real_ns(), at), "host",
		json_text(r->promises->manifest, "engine", "host"), "bytes",
		(json_int_t)r->packed_bytes);
}

char *
import_record_text(const struct import_record *r)
{
	const json_t *manifest = r->promises->manifest;
	const struct ingest_totals *t = &r->totals;
	SCOPED(json_decref_at)
	json_t *record = json_pack("{s:n, s:I, s:I, s:I, s:I, s:s, s:b, s:o, s:O, s:[], s:[], s:O, "
				   "s:n, s:o}",
		"freeze_ms", "duration_ms", (json_int_t)r->duration_ms, "size_bytes",
		(json_int_t)t->size_bytes, "stored_bytes", (json_int_t)t->stored_bytes,
		"archive_bytes", (json_int_t)t->archive_bytes, "digest", t->digest, "incomplete",
		(int)r->promises->incomplete, "containers", containers(manifest), "warnings",
		json_object_get(manifest, "warnings"), "passes", "hooks", "plan",
		json_object_get(manifest, "plan"), "error", "imported", imported(r));

	return record == NULL ? NULL : json_dumps(record, JSON_COMPACT);
}

int64_t
import_record_created(const struct promises *p)
{
	uint32_t random;

	random_bytes(&random, sizeof(random));
	return p->created_ns + random % 1000000;
}
