/* Goal: whatever an engine, or a backup from elsewhere, says of containers, what is read of it or
 * made of it is well-formed. */
#include <string.h>

#include "base/scope.h"
#include "engine/frames.h"
#include "engine/recreate/recreate.h"
#include "jobs/operations/inspect.h"
#include "jobs/sources/order.h"
#include "tests/fuzz/fuzz.h"

/* Every other container is there, and is called now. */
static const char *
container(void *ctx, const char *id)
{
	(void)ctx;
	return id[0] == '0' ? NULL : "now";
}

static const char *
network(void *ctx, const char *ref)
{
	(void)ctx;
	return ref[0] == 'f' ? "front" : NULL;
}

/* A container: mode, and volumes-from, name what is there or nothing. */
static void
check_references(const json_t *host)
{
	static const char *const modes[] = {"NetworkMode", "PidMode", "IpcMode"};
	const json_t *lender;
	size_t i;

	for (i = 0; i < 3; i++) {
		const char *mode = json_text(host, modes[i], NULL);

		CLAIM(strncmp(mode, "container:", 10) != 0 || strcmp(mode, "container:now") == 0);
	}
	json_array_foreach (json_object_get(host, "VolumesFrom"), i, lender)
		CLAIM(json_is_string(lender) && strncmp(json_string_value(lender), "now", 3) == 0);
}

/* Each network once, with an endpoint; those that are left come first. */
static void
check_networks(const json_t *body, const json_t *connects)
{
	SCOPED(json_decref_at)
	json_t *seen = json_copy(
		json_object_get(json_object_get(body, "NetworkingConfig"), "EndpointsConfig"));
	const json_t *connect;
	size_t i;
	bool joined = false;

	CLAIM(json_is_object(seen));
	json_array_foreach (connects, i, connect) {
		const char *name = json_string_value(json_object_get(connect, "network"));
		const json_t *endpoint = json_object_get(connect, "endpoint");

		CLAIM(name != NULL);
		if (endpoint == NULL) {
			CLAIM(!joined);
			continue;
		}
		CLAIM(json_is_object(endpoint) && json_object_get(seen, name) == NULL);
		(void)json_object_set_new(seen, name, json_true());
		joined = true;
	}
}

/* What was made of it is inspected, and made again: the same comes out. */
static void
check_fixed_point(const json_t *inspect, const json_t *body, const struct recreate_options *o)
{
	SCOPED(json_decref_at) json_t *again = json_object();
	SCOPED(json_decref_at) json_t *config = json_copy((json_t *)(uintptr_t)body);
	SCOPED(json_decref_at) json_t *second = NULL;
	SCOPED(json_decref_at) json_t *connects = NULL;
	json_t *host = json_object_get(config, "HostConfig");
	struct recreate_options by_name = *o; /* each network stands there by its name */
	struct err e;

	by_name.network = NULL;

	(void)json_object_set(again, "HostConfig", host);
	(void)json_object_set(again, "Mounts", json_object_get(inspect, "Mounts"));
	(void)json_object_set_new(again, "NetworkSettings",
		json_pack("{s:O}", "Networks",
			json_object_get(
				json_object_get(body, "NetworkingConfig"), "EndpointsConfig")));
	(void)json_object_del(config, "HostConfig");
	(void)json_object_del(config, "NetworkingConfig");
	(void)json_object_set(again, "Config", config);
	CLAIM(recreate_body(again, &by_name, &second, &connects, &e) == 0);
	CLAIM(json_equal(json_object_get(second, "HostConfig"), host));
}

static void
check_body(const json_t *inspect, int api)
{
	SCOPED(json_decref_at) json_t *body = NULL;
	SCOPED(json_decref_at) json_t *connects = NULL;
	SCOPED(json_decref_at) json_t *left = json_array();
	const struct recreate_options options = {.api = api,
		.image = "image",
		.container = container,
		.network = network,
		.left_out = left};
	struct err e;

	if (recreate_body(inspect, &options, &body, &connects, &e) != 0) {
		CLAIM(e.code == ERR_INVALID && body == NULL && connects == NULL);
		return;
	}
	CLAIM(json_is_object(body) && json_is_array(connects));
	CLAIM(json_is_object(json_object_get(body, "HostConfig")));
	CLAIM(!json_is_null(json_object_get(body, "Entrypoint")));
	check_references(json_object_get(body, "HostConfig"));
	check_networks(body, connects);
	check_fixed_point(inspect, body, &options);
	SCOPED(free_at) char *text = json_dumps(body, JSON_COMPACT);
	CLAIM(text != NULL);
	CLAIM(recreate_equal(inspect, NULL, inspect, NULL));
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
