#include "jobs/restore/containers/image_tags.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"

/* Real ones have some kilobytes. */
enum { SPEAKING_MAX = 1024 * 1024 };

static const char image_name[] = "io.containerd.image.name";
static const char ref_name[] = "org.opencontainers.image.ref.name";

bool
image_tags_speaks(const char *path)
{
	return strcmp(path, "manifest.json") == 0 || strcmp(path, "repositories") == 0 ||
	       strcmp(path, "index.json") == 0;
}

/* As short as people write it: the registry and folder that go without saying are left out. */
static const char *
familiar(const char *name)
{
	static const char *const heads[] = {"docker.io/library/", "docker.io/"};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (strncmp(name, heads[i], strlen(heads[i])) == 0)
			return name + strlen(heads[i]);
	return name;
}

/* ${name}: "repository:tag", or ":tag" alone. */
static int
check_name(const json_t *tags, const char *name, struct err *e)
{
	const json_t *tag;
	size_t i;

	json_array_foreach (tags, i, tag) {
		const char *known = familiar(json_string_value(tag));
		const char *colon = strrchr(known, ':');

		if (strcmp(known, familiar(name)) == 0 ||
			(name[0] == ':' && colon != NULL && strcmp(colon, name) == 0))
			return 0;
	}
	return err_set(e, ERR_CORRUPT,
		"the image would be loaded as %.200s, which is none of the tags that backup.json "
		"gives it",
		name);
}

static int
image_tags_check_list(const json_t *tags, const json_t *list, struct err *e)
{
	const json_t *image, *name;
	size_t i, k;

	json_array_foreach (list, i, image) {
		json_array_foreach (json_object_get(image, "RepoTags"), k, name) {
			if (!json_is_string(name))
				return err_set(e, ERR_CORRUPT, "a tag of the image is no text");
			if (check_name(tags, json_string_value(name), e) != 0)
				return -1;
		}
	}
	return json_array_size(list) <= 1
		       ? 0
		       : err_set(e, ERR_CORRUPT, "there are %zu images in it, and one is promised",
				 json_array_size(list));
}

static int
check_repositories(const json_t *tags, json_t *repositories, struct err *e)
{
	const char *repository, *tag;
	json_t *known, *layer;

	json_object_foreach (repositories, repository, known) {
		json_object_foreach (known, tag, layer) {
			SCOPED(free_at) char *name = mem_format("%s:%s", repository, tag);

			if (check_name(tags, name, e) != 0)
				return -1;
		}
	}
	return 0;
}

static int
check_index(const json_t *tags, const json_t *index, struct err *e)
{
	const json_t *manifests = json_object_get(index, "manifests"), *manifest;
	size_t i;

	json_array_foreach (manifests, i, manifest) {
		const char *name = json_text(manifest, "annotations", image_name);
		const char *ref = json_text(manifest, "annotations", ref_name);
		SCOPED(free_at)
		char *tag = mem_format("%s%s", strpbrk(ref, ":/") == NULL ? ":" : "", ref);

		if ((name[0] != '\0' && check_name(tags, name, e) != 0) ||
			(ref[0] != '\0' && check_name(tags, tag, e) != 0))
			return -1;
	}
	return 0;
}

static json_t *
image_tags_read_json(struct reader *r, const char *path, struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(SPEAKING_MAX);
	struct source content = reader_content(r);
	char piece[4096];
	json_error_t error;
	json_t *json;
	ssize_t got;

	while ((got = source_read(&content, piece, sizeof(piece), e)) > 0)
		if (buf_add(&text, piece, (size_t)got) != 0) {
			(void)err_set(
				e, ERR_CORRUPT, "%s is larger than %d bytes", path, SPEAKING_MAX);
			return NULL;
		}
	if (got < 0)
		return NULL;
	json = json_parse(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		(void)err_set(e, ERR_CORRUPT, "%s is no JSON: %s", path, error.text);
	return json;
}

int
image_tags_check(const struct member *m, struct reader *r, const json_t *tags, struct err *e)
{
	SCOPED(free_at) char *path = mem_string(m->path); /* gone once its member is read */
	SCOPED(json_decref_at) json_t *json = NULL;

	if (m->type != MEMBER_FILE || m->sparse)
		return err_set(e, ERR_CORRUPT, "%s is no plain file", path);
	json = image_tags_read_json(r, path, e);
	if (json == NULL)
		return -1;
	if (strcmp(path, "manifest.json") == 0)
		return image_tags_check_list(tags, json, e);
	return strcmp(path, "index.json") == 0 ? check_index(tags, json, e)
					       : check_repositories(tags, json, e);
}
