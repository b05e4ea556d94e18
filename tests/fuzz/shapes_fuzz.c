/* Goal: whatever JSON an archive's documents are, they are refused, or what reads them takes no
 * harm.
 *
 * The first byte: which document; the rest is its text.
 */
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "base/scope.h"
#include "jobs/content/host_diff.h"
#include "jobs/content/shapes.h"
#include "jobs/import/expected_members.h"
#include "jobs/operations/inspect.h"
#include "tests/fuzz/fuzz.h"

static void
read_manifest(const json_t *manifest)
{
	SCOPED(expected_members_free_at) struct expected *p = NULL;
	const json_t *item;
	struct err e;
	size_t i;

	/* what a restore takes for granted */
	json_array_foreach (json_object_get(json_object_get(manifest, "plan"), "exclude"), i, item)
		CLAIM(json_is_string(item));
	json_array_foreach (json_object_get(manifest, "warnings"), i, item)
		CLAIM(json_is_string(item));
	(void)expected_members_read(manifest, &p, &e);
}

static void
read_inspect(const json_t *inspect)
{
	SCOPED(json_decref_at) json_t *addresses = json_object();

	CLAIM(json_is_string(json_object_get(inspect, "Name")));
	CLAIM(container_name(inspect) != NULL);
	CLAIM(container_state(inspect) != NULL);
	host_diff_note(inspect, addresses);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(json_decref_at) json_t *json = NULL;
	const enum shape shape = size == 0 ? SHAPE_MANIFEST : (enum shape)(data[0] % 3);
	struct err e;

	if (size == 0)
		return 0;
	json = json_loadb((const char *)data + 1, size - 1, JSON_DECODE_ANY, NULL);
	if (json == NULL)
		return 0;
	if (shapes_check(json, shape, "member", &e) != 0) {
		CLAIM(e.code == ERR_CORRUPT);
		CLAIM(strlen(e.text) > 0);
		return 0;
	}
	CLAIM(json_is_object(json));
	if (shape == SHAPE_MANIFEST)
		read_manifest(json);
	if (shape == SHAPE_INSPECT)
		read_inspect(json);
	return 0;
}
