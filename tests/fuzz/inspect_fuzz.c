/* Goal: whatever an engine, or a backup from elsewhere, says of containers, what is read of it or
 * made of it is well-formed. */
#include <string.h>

#include "base/scope.h"
#include "engine/frames.h"
#include "engine/recreate.h"
#include "jobs/inspect.h"
#include "jobs/order.h"
#include "tests/fuzz/fuzz.h"

static const char *
container(void *ctx, const char *id)
{
	(void)ctx;
	return id[0] == '0' ? NULL : "now";
}

static void
check_body(const json_t *inspect, int api)
{
	SCOPED(json_decref_at) json_t *body = NULL;
	SCOPED(json_decref_at) json_t *connects = NULL;
	const struct recreate_options options = {
		.api = api, .image = "image", .container = container};
	const json_t *connect;
	size_t i;
	struct err e;

	if (recreate_body(inspect, &options, &body, &connects, &e) != 0) {
		CLAIM(e.code == ERR_INVALID && body == NULL && connects == NULL);
		return;
	}
	CLAIM(json_is_object(body) && json_is_array(connects));
	CLAIM(json_is_object(json_object_get(body, "HostConfig")));
	json_array_foreach (connects, i, connect)
		CLAIM(json_is_string(json_object_get(connect, "network")) &&
			(json_object_get(connect, "endpoint") == NULL ||
				json_is_object(json_object_get(connect, "endpoint"))));
	SCOPED(free_at) char *text = json_dumps(body, JSON_COMPACT);
	CLAIM(text != NULL);
	(void)recreate_equal(inspect, NULL, inspect, NULL);
}

static void
check_order(const json_t *inspects)
{
	SCOPED(free_at) const char **names = NULL;

	if (!json_is_object(inspects))
		return;
	order_containers(inspects, &names);
	for (size_t i = 0; i < json_object_size(inspects); i++) /* each once */
		for (size_t k = 0; k < i; k++)
			CLAIM(strcmp(names[i], names[k]) != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(free_at) char *output = frames_text(data, size);
	SCOPED(json_decref_at) json_t *document = NULL;
	const json_t *other;
	const char *key;

	CLAIM(output != NULL && strlen(output) <= size);
	document = json_loadb((const char *)data, size, 0, NULL);
	if (document == NULL)
		return 0;
	CLAIM(container_name(document) != NULL);
	CLAIM(strlen(container_state(document)) >= 6);
	check_body(document, 141);
	check_body(document, 152);
	check_order(document);
	json_object_foreach (document, key, other) {
		(void)order_needs(document, other, true);
		(void)recreate_equal(document, NULL, other, NULL);
		check_body(other, 144);
	}
	return 0;
}
