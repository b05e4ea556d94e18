/* From what was copied to the backup: its members in order, its record, the commit. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/backup/backup_internal.h"
#include "jobs/backup/summary.h"
#include "jobs/content/assemble.h"
#include "jobs/content/manifest.h"

static int
assemble_container(struct backup *c, const json_t *inspect, struct recipe *to, struct err *e)
{
	const char *name = container_name(inspect);
	SCOPED(free_at) char *path = mem_format("containers/%s/inspect.json", name);

	SCOPED(free_at) char *folder = mem_format("containers/%s/", name);

	if (assemble_json(c->ingest, to, path, inspect, c->frozen_ns, e) != 0)
		return -1;
	/* Its layer, then its tmpfs mounts: that is their order. */
	for (size_t i = 0; i < c->staging.inventory->count; i++) {
		const struct plan_source *s = &c->staging.inventory->sources[i];

		if (s->kind <= SOURCE_TMPFS && !s->left_out &&
			strncmp(s->prefix, folder, strlen(folder)) == 0)
			recipe_add_all(to, &c->sources[i]);
	}
	return 0;
}

static int
assemble_body(struct backup *c, struct recipe *to, struct err *e)
{
	const json_t *item;
	size_t i;

	for (i = 0; i < json_array_size(c->staging.inventory->images); i++)
		recipe_add_all(to, &c->images[i]);
	json_array_foreach (c->staging.inventory->containers, i, item) {
		if (container_service(item) == NULL && assemble_container(c, item, to, e) != 0)
			return -1;
	}
	json_array_foreach (c->staging.inventory->networks, i, item) {
		SCOPED(free_at)
		char *path = mem_format("networks/%s.json", json_text(item, "Name", NULL));

		if (assemble_json(c->ingest, to, path, item, c->frozen_ns, e) != 0)
			return -1;
	}
	for (i = 0; i < c->staging.inventory->count; i++)
		if (c->staging.inventory->sources[i].kind > SOURCE_TMPFS &&
			!c->staging.inventory->sources[i].left_out)
			recipe_add_all(to, &c->sources[i]);
	return assemble_end(c->ingest, to, e);
}

static int
backup_commit_assemble(struct backup *c, struct recipe *to, struct err *e)
{
	SCOPED(json_decref_at) json_t *manifest = NULL;
	SCOPED(free_at) char *text = NULL;
	const struct manifest_options options = {.id = c->id,
		.frozen_ns = c->frozen_ns,
		.engine = c->request->engine,
		.inventory = c->staging.inventory,
		.plan = c->request->plan,
		.single_file = c->staging.roots->files};

	if (manifest_new(&options, &manifest, e) != 0)
		return -1;
	text = manifest_restore_text(manifest);
	if (assemble_json(c->ingest, to, "backup.json", manifest, c->frozen_ns, e) != 0 ||
		assemble_text(c->ingest, to, "RESTORE.txt", text, c->frozen_ns, e) != 0)
		return -1;
	return assemble_body(c, to, e);
}

json_t *
backup_record(const struct backup *c, const struct ingest_totals *totals, const struct err *error)
{
	const struct summary summary = {.inventory = c->staging.inventory,
		.freeze = c->freeze,
		.passes = &c->passes,
		.hooks = c->hooks,
		.pass_list = c->pass_list,
		.plan = c->request->plan->document,
		.freezer = c->request->settings->freezer,
		.freeze_ms = c->freeze_ms,
		.duration_ms = clock_since_ms(c->since_ns),
		.stored_bytes = c->ingest == NULL ? 0 : ingest_stored_bytes(c->ingest),
		.frozen = &c->frozen,
		.totals = totals,
		.error = error};

	json_t *document = summary_json(&summary);

	(void)json_object_set_new(document, "origin", json_string(backup_origin(c->request)));
	return document;
}

int
backup_commit(struct backup *c, struct err *e)
{
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *document = NULL;
	SCOPED(free_at) char *text = NULL;
	struct ingest_totals totals;

	if (backup_commit_assemble(c, &recipe, e) != 0 || operation_decide(c->operation, e) != 0)
		return -1;
	operation_phase(c->operation, "commit");
	if (ingest_totals(c->ingest, &recipe, &totals, e) != 0)
		return -1;
	document = backup_record(c, &totals, NULL);
	text = json_dumps(document, JSON_COMPACT);
	if (text == NULL)
		return err_set(e, ERR_INTERNAL, "the backup's record cannot be encoded");
	return ingest_commit(c->ingest, c->id, text, &recipe, e);
}
