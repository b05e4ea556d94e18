/* Goal: an image is the same one in each kind of store, and an image that only looks like it is
 * another: other layers, or other settings that a container would inherit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/scope.h"
#include "engine/engine.h"
#include "engine/layers/image_identity.h"

/* As 20.10 tells it, with fields that others leave out, and as 28 does of the same image. */
static const char graph[] = "{\"Id\": \"sha256:c0\", \"Config\": {\"Hostname\": \"\", \"Env\": "
			    "[\"A=1\"], \"Cmd\": [\"x\"], "
			    "\"Volumes\": null, \"Labels\": {}, \"Image\": \"sha256:9\", "
			    "\"ExposedPorts\": {\"80/tcp\": "
			    "{}}}, \"RootFS\": {\"Layers\": [\"sha256:1\", \"sha256:2\"]}}";
static const char store[] = "{\"Id\": \"sha256:f0\", \"Descriptor\": {}, \"Config\": {\"Env\": "
			    "[\"A=1\"], \"Cmd\": [\"x\"], "
			    "\"Entrypoint\": null, \"ExposedPorts\": {\"80/tcp\": {}}}, "
			    "\"RootFS\": {\"Layers\": [\"sha256:1\", \"sha256:2\"]}}";

static json_t *
parsed(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	return json;
}

/* What a backup records of ${inspect}, with the id that it has there. */
static json_t *
recorded(const json_t *inspect)
{
	SCOPED(engine_close_at) struct engine *g = NULL;
	json_t *image = json_pack("{s:O}", "id", json_object_get(inspect, "Id"));
	struct err e;

	assert_int_equal(engine_open("unix:///nowhere", &g, &e), 0);
	image_identity_add(g, inspect, image);
	return image;
}

static bool
equal(const char *one, const char *other)
{
	SCOPED(json_decref_at) json_t *a = parsed(one);
	SCOPED(json_decref_at) json_t *b = parsed(other);
	SCOPED(json_decref_at) json_t *image = recorded(a);

	return image_identity_equal(image, b);
}

static void
test_the_same_in_another_store(void **context)
{
	(void)context;
	assert_true(equal(graph, graph));
	assert_true(equal(graph, store));
	assert_true(equal(store, graph));
}

static void
test_another_one(void **context)
{
	static const char *const others[] = {
		"{\"Id\": \"sha256:7\", \"Config\": {\"Env\": [\"A=1\"], \"Cmd\": [\"x\"], "
		"\"ExposedPorts\": {\"80/tcp\": {}}}, \"RootFS\": {\"Layers\": [\"sha256:1\"]}}",
		"{\"Id\": \"sha256:7\", \"Config\": {\"Env\": [\"A=2\"], \"Cmd\": [\"x\"], "
		"\"ExposedPorts\": {\"80/tcp\": {}}}, \"RootFS\": {\"Layers\": [\"sha256:1\", "
		"\"sha256:2\"]}}",
		"{\"Id\": \"sha256:7\", \"RootFS\": {\"Layers\": []}}", "{\"Id\": 7}", "{}", "[]"};

	(void)context;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(equal(graph, others[i]));
	assert_false(equal("{\"Id\": \"sha256:1\"}", "{\"Id\": \"sha256:2\"}"));
}

/* A backup of an earlier version has the id alone; that of a graph driver is the digest. */
static void
test_little_recorded(void **context)
{
	SCOPED(json_decref_at) json_t *a = parsed(graph);
	SCOPED(json_decref_at) json_t *old = json_pack("{s:s}", "id", "sha256:c0");
	SCOPED(json_decref_at)
	json_t *digest = json_pack("{s:s, s:s}", "id", "sha256:f0", "config_digest", "sha256:c0");
	SCOPED(json_decref_at)
	json_t *odd = json_pack("{s:i, s:i, s:s}", "id", 1, "config_digest", 2, "layers", "x");

	(void)context;
	assert_true(image_identity_equal(old, a));
	assert_true(image_identity_equal(digest, a));
	assert_false(image_identity_equal(odd, a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_in_another_store),
		cmocka_unit_test(test_another_one),
		cmocka_unit_test(test_little_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
