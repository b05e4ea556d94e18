/* Whether two inspects are of the same container, as far as that can be chosen. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/recreate/recreate_internal.h"

/* So that all networks stand in the body. */
enum { API_ALL_NETWORKS = 144 };

/* {} , [], "" , null and false mean the same to the engine: left out. */
static bool
recreate_equal_is_empty(const json_t *value)
{
	return value == NULL || json_is_null(value) || json_is_false(value) ||
	       (json_is_string(value) && json_string_length(value) == 0) ||
	       (json_is_array(value) && json_array_size(value) == 0) ||
	       (json_is_object(value) && json_object_size(value) == 0) ||
	       (json_is_integer(value) && json_integer_value(value) == 0);
}

static void
drop_empty(json_t *object)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe (object, next, key, value) {
		if (json_is_object(value))
			drop_empty(value);
		if (recreate_equal_is_empty(value))
			(void)json_object_del(object, key);
	}
}

static int
by_text(const void *a, const void *b)
{
	const char *x = json_string_value(*(json_t *const *)a);
	const char *y = json_string_value(*(json_t *const *)b);

	return strcmp(x == NULL ? "" : x, y == NULL ? "" : y);
}

/* Texts that an engine keeps in a map, and tells in another order each time. */
static void
sort_texts(json_t *object, const char *key)
{
	json_t *texts = json_object_get(object, key);
	const size_t count = json_array_size(texts);
	SCOPED(free_at) json_t **list = mem_array(NULL, count + 1, sizeof(*list));
	SCOPED(json_decref_at) json_t *sorted = json_array();

	for (size_t i = 0; i < count; i++)
		list[i] = json_array_get(texts, i);
	qsort(list, count, sizeof(*list), by_text);
	for (size_t i = 0; i < count; i++)
		(void)json_array_append(sorted, list[i]);
	if (count > 1)
		(void)json_object_set(object, key, sorted);
}

/* The body, and what is left of the networks; NULL if it has none. */
static json_t *
comparable(const json_t *inspect, const struct recreate_options *of)
{
	struct recreate_options options = {.api = API_ALL_NETWORKS, .same_version = true};
	json_t *body = NULL, *connects = NULL;
	struct err e;

	if (of != NULL) {
		options.container = of->container;
		options.lender = of->lender;
		options.network = of->network;
		options.ctx = of->ctx;
	}
	if (recreate_body(inspect, &options, &body, &connects, &e) != 0)
		return NULL;
	(void)json_object_set_new(body, "left", connects);
	drop_empty(body);
	sort_texts(json_object_get(body, "HostConfig"), "Links");
	sort_texts(body, "Env"); /* Podman's */
	return body;
}

bool
recreate_equal(const json_t *a, const struct recreate_options *of_a, const json_t *b,
	const struct recreate_options *of_b)
{
	SCOPED(json_decref_at) json_t *body_a = comparable(a, of_a);
	SCOPED(json_decref_at) json_t *body_b = comparable(b, of_b);

	return strcmp(recreate_text(a, "Name"), recreate_text(b, "Name")) == 0 && body_a != NULL &&
	       body_b != NULL && json_equal(body_a, body_b);
}
