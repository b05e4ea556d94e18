#include "jobs/preconditions.h"

#include <stdint.h>

#include "jobs/monitoring/health.h"

int
preconditions_force(const json_t *request, json_t **ret_rest, bool *ret_force, struct err *e)
{
	const json_t *force = json_object_get(request, "force");

	*ret_force = json_is_true(force);
	*ret_rest = NULL;
	if (force != NULL && !json_is_boolean(force))
		return err_set(e, ERR_INVALID, "\"force\" is true or false");
	if (request == NULL || (force != NULL && json_object_size(request) == 1))
		return 0;
	*ret_rest = json_copy((json_t *)(uintptr_t)request);
	(void)json_object_del(*ret_rest, "force");
	return 0;
}

int
preconditions_space(struct store *s, struct err *e)
{
	const int64_t have = store_free_bytes(s, e);

	if (have < 0)
		return -1;
	if (have >= SPACE_MIN_BYTES)
		return 0;
	return err_set(e, ERR_NO_SPACE,
		"the store %s has %lld MiB left; at least %lld are needed: make room, or "
		"delete "
		"backups",
		store_path(s), (long long)(have >> 20), (long long)(SPACE_MIN_BYTES >> 20));
}
