/* Goal: bytes are a recipe or none; one that is comes back from its own encoding. */
#include "base/scope.h"
#include "store/format/recipe.h"
#include "tests/fuzz/fuzz.h"

/* All parts of a recipe, put together again, are the recipe. */
static void
check_parts(const struct recipe *r, uint64_t step)
{
	SCOPED(recipe_free) struct recipe parts = RECIPE_INIT;
	struct recipe_cursor cursor = {0};
	const uint64_t chunks = recipe_chunks(r);

	for (uint64_t first = 0; first < chunks && parts.count < 10000; first += step) {
		const uint64_t count = chunks - first < step ? chunks - first : step;
		recipe_add_part(&parts, r, &cursor, first, count);
		if (chunks - first <= step) {
			CLAIM(recipe_equal(&parts, r));
			return;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(recipe_free) struct recipe r = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe back = RECIPE_INIT;
	SCOPED(free_at) void *bytes = NULL;
	size_t len = 0;
	uint64_t end = 0;
	struct err e;

	if (recipe_decode(data, size, &r, &e) != 0) {
		CLAIM(e.code == ERR_CORRUPT && r.runs == NULL);
		return 0;
	}
	bytes = recipe_encode(&r, &len);
	CLAIM(len <= size);
	CLAIM(recipe_decode(bytes, len, &back, &e) == 0 && recipe_equal(&r, &back));
	for (size_t i = 0; i < r.count; i++) {
		CLAIM(r.runs[i].count > 0 && r.runs[i].count <= UINT64_MAX - r.runs[i].first);
		CLAIM(i == 0 || r.runs[i].first != end); /* joined else */
		end = r.runs[i].first + r.runs[i].count;
	}
	if (size > 0 && recipe_chunks(&r) < 100000)
		check_parts(&r, 1 + data[0]);
	return 0;
}
