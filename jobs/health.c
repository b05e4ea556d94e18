#include "jobs/health.h"

#include <stdio.h>

#include "base/scope.h"
#include "jobs/inspect.h"

static json_t *
engine_health(struct engine *engine, bool *ret_well)
{
	SCOPED(json_decref_at) json_t *version = NULL;
	struct err e;
	char api[16];
	int number;

	*ret_well = engine_version(engine, &version, &e) == 0;
	if (!*ret_well)
		return json_pack(
			"{s:b, s:n, s:n, s:s}", "reachable", 0, "version", "api", "error", e.text);
	number = engine_api(engine, &e);
	(void)snprintf(api, sizeof(api), "%d.%d", number / 100, number % 100);
	return json_pack("{s:b, s:s, s:s, s:n}", "reachable", 1, "version",
		json_text(version, "Version", NULL), "api", api, "error");
}

static json_t *
store_health(struct store *s, bool *ret_well)
{
	struct store_stats stats = {0};
	struct err e;
	const int64_t free_bytes = store_free_bytes(s, &e);

	*ret_well = store_stats(s, &stats, &e) == 0 && free_bytes >= SPACE_MIN_BYTES;
	return json_pack("{s:s, s:I, s:I, s:I, s:b}", "path", store_path(s), "free_bytes",
		(json_int_t)(free_bytes < 0 ? 0 : free_bytes), "packs_bytes",
		(json_int_t)stats.packs_bytes, "chunks", (json_int_t)stats.chunks, "encrypted",
		(int)store_encrypted(s));
}

/* The id of what runs, or null. */
static json_t *
running_now(struct operations *ops)
{
	char id[ID_SIZE];

	return operations_running(ops, id) ? json_string(id) : json_null();
}

json_t *
health_json(struct store *s, struct engine *engine, struct operations *ops)
{
	bool engine_well, store_well;
	json_t *engine_part = engine_health(engine, &engine_well);
	json_t *store_part = store_health(s, &store_well);

	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "status",
		engine_well && store_well ? "ok" : "degraded", "version", FB_VERSION, "engine",
		engine_part, "store", store_part, "operation", running_now(ops));
}
