#include "jobs/backup/summary.h"

#include <stdint.h>

#include "base/problem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"

/* jansson takes no const where it only adds a reference. */
static json_t *
shared(const json_t *json)
{
	return json_incref((json_t *)(uintptr_t)json);
}

json_t *
summary_containers(const struct inventory *v, const struct freeze *f)
{
	SCOPED(json_decref_at) json_t *windows = f == NULL ? NULL : freeze_windows(f);
	SCOPED(json_decref_at) json_t *freezers = f == NULL ? NULL : freeze_freezers(f);
	json_t *list = json_array();
	const json_t *inspect;
	size_t i;

	json_array_foreach (v->containers, i, inspect) {
		const char *name = container_name(inspect);
		json_t *ms = json_object_get(windows, name);
		json_t *freezer = json_object_get(freezers, name);

		(void)json_array_append_new(
			list, json_pack("{s:s, s:s?, s:s, s:s, s:O, s:O}", "name", name, "task_of",
				      container_service(inspect), "image",
				      json_text(inspect, "Config", "Image"), "state",
				      container_state(inspect), "freeze_ms",
				      ms == NULL ? json_null() : ms, "freezer",
				      freezer == NULL ? json_null() : freezer));
	}
	return list;
}

json_t *
summary_services(const struct inventory *v)
{
	json_t *list = json_array();
	const json_t *service;
	size_t i;

	json_array_foreach (json_object_get(v->swarm, "services"), i, service) {
		(void)json_array_append_new(list, json_string(json_text(service, "Spec", "Name")));
	}
	return list;
}

static json_t *
freeze_json(const struct summary *s)
{
	const struct passes *p = s->passes;

	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:I, s:I}", "freezer", s->freezer,
		"bytes_read", (json_int_t)s->frozen->bytes, "bytes_copied",
		(json_int_t)s->frozen->copied, "files_read", (json_int_t)s->frozen->files,
		"files_reused", (json_int_t)s->frozen->reused_files, "marked",
		p->marked == NULL ? json_array() : json_incref(p->marked), "reread_segments",
		(json_int_t)p->reread_segments, "healed_segments", (json_int_t)p->healed);
}

json_t *
summary_json(const struct summary *s)
{
	const struct ingest_totals *t = s->totals;
	const bool taken = s->inventory != NULL;
	const int64_t omitted = taken ? omissions_count(s->inventory->omissions) : 0;

	return json_pack(
		"{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:s*, s:b, s:o, s:I, s:o, s:o, s:o, "
		"s:o, s:o, s:o}",
		"services", taken ? summary_services(s->inventory) : json_array(), "freeze_ms",
		s->freeze_ms < 0 ? json_null() : json_integer(s->freeze_ms), "freeze",
		freeze_json(s), "duration_ms", (json_int_t)s->duration_ms, "size_bytes",
		(json_int_t)(t == NULL ? 0 : t->size_bytes), "stored_bytes",
		(json_int_t)s->stored_bytes, "archive_bytes",
		(json_int_t)(t == NULL ? 0 : t->archive_bytes), "sockets_skipped",
		(json_int_t)s->passes->sockets, "digest", t == NULL ? NULL : t->digest,
		"incomplete", omitted > 0, "omitted",
		taken ? omissions_json(s->inventory->omissions) : json_array(), "omitted_total",
		(json_int_t)omitted, "containers",
		taken ? summary_containers(s->inventory, s->freeze) : json_array(), "warnings",
		taken ? json_incref(s->inventory->warnings) : json_array(), "passes",
		shared(s->pass_list), "hooks", hooks_json(s->hooks), "plan", shared(s->plan),
		"error", s->error == NULL ? json_null() : problem_json(s->error));
}
