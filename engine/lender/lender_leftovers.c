/* What lenders leave with the engine. */
#include <string.h>

#include "base/scope.h"
#include "engine/containers.h"
#include "engine/lender/lender.h"
#include "engine/volumes.h"

static const char *
lender_leftovers_text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

int
lender_made(struct engine *g, json_t **ret_names, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item;
	size_t i;

	if (volumes_list(g, &list, e) != 0)
		return -1;
	*ret_names = json_array();
	json_array_foreach (list, i, item) {
		if (json_object_get(json_object_get(item, "Labels"), LENDER_LABEL) != NULL)
			(void)json_array_append(*ret_names, json_object_get(item, "Name"));
	}
	return 0;
}

int
lender_sweep(struct engine *g, const struct self *self, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item;
	size_t i;

	if (!self->container)
		return 0; /* its lenders are children, and end with their sockets */
	if (containers_list(g, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, item) {
		const char *owner =
			lender_leftovers_text_of(json_object_get(item, "Labels"), LENDER_LABEL);

		if (strcmp(owner, lender_leftovers_text_of(self->inspect, "Name")) == 0 &&
			owner[0] != '\0' &&
			containers_remove(g, lender_leftovers_text_of(item, "Id"), e) != 0)
			return -1;
	}
	return 0;
}
