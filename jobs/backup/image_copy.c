#include "jobs/backup/image_copy.h"

#include "base/mem.h"
#include "base/scope.h"
#include "engine/images.h"
#include "jobs/content/assemble.h"
#include "jobs/operations/inspect.h"

static int
into_ingest(void *ctx, const void *data, size_t len, struct err *e)
{
	const struct image_copy *c = ctx;

	operation_advance(c->operation, (int64_t)len, 0);
	return operation_check(c->operation, e) != 0 ? -1 : ingest_write(c->ingest, data, len, e);
}

/* The tags are part of the key: `docker save` writes them into the tar. */
static char *
image_copy_key_of(const json_t *image)
{
	SCOPED(free_at) char *tags = json_dumps(json_object_get(image, "tags"), JSON_COMPACT);

	return mem_format("image %s %s", json_text(image, "id", NULL), tags == NULL ? "" : tags);
}

int
image_copy_bytes(
	const struct image_copy *c, const json_t *images, int64_t *ret_bytes, struct err *e)
{
	const json_t *image;
	size_t i;

	*ret_bytes = 0;
	json_array_foreach (images, i, image) {
		SCOPED(free_at) char *key = image_copy_key_of(image);
		SCOPED(recipe_free) struct recipe content = RECIPE_INIT;
		int64_t bytes;
		const int found = ingest_find_stream(c->ingest, key, &content, &bytes, e);

		if (found < 0)
			return -1;
		if (found == 0)
			*ret_bytes += json_integer_value(json_object_get(image, "size_bytes"));
	}
	return 0;
}

static int
save(const struct image_copy *c, const json_t *image, struct recipe *to, int64_t *ret_bytes,
	struct err *e)
{
	const json_t *tags = json_object_get(image, "tags");
	const size_t count = json_array_size(tags);
	SCOPED(free_at) const char **names = mem_array(NULL, count + 1, sizeof(char *));
	struct image_copy copy = *c;
	const struct sink sink = {.write = into_ingest, .ctx = &copy};
	const int64_t before = ingest_plain_bytes(c->ingest);

	for (size_t i = 0; i < count; i++)
		names[i] = json_string_value(json_array_get(tags, i));
	if (count == 0)
		names[0] = json_text(image, "id", NULL);
	ingest_begin(c->ingest, CUT_CONTENT);
	if (images_save(c->engine, names, count == 0 ? 1 : count, &sink, e) != 0) {
		ingest_drop(c->ingest);
		return err_prefix(e, "image %s", json_text(image, "id", NULL));
	}
	if (ingest_end(c->ingest, to, e) != 0)
		return -1;
	*ret_bytes = ingest_plain_bytes(c->ingest) - before;
	return 0;
}

int
image_copy(const struct image_copy *c, const json_t *image, struct recipe *to, struct err *e)
{
	SCOPED(free_at) char *key = image_copy_key_of(image);
	SCOPED(recipe_free) struct recipe content = RECIPE_INIT;
	int64_t bytes = 0;
	const int found = ingest_find_stream(c->ingest, key, &content, &bytes, e);

	if (found < 0)
		return -1;
	if (found == 0) {
		if (save(c, image, &content, &bytes, e) != 0)
			return -1;
		ingest_keep_stream(c->ingest, key, &content, bytes);
	}
	return assemble_stored(c->ingest, to, json_text(image, "file", NULL), &content, bytes, e);
}
