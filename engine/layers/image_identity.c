#include "engine/layers/image_identity.h"

#include <string.h>

#include "base/scope.h"
#include "engine/layers/layer_ways.h"

/* Real manifests and indexes have some kilobytes. */
enum { MANIFEST_MAX = 4 * 1024 * 1024, INDEX_DEPTH = 3 };

/* What a container inherits from its image.  Engines fill in more, each its own. */
static const char *const inherited[] = {"Env", "Cmd", "Entrypoint", "WorkingDir", "User",
	"ExposedPorts", "Volumes", "Labels", "StopSignal", "Healthcheck", "Shell", "OnBuild"};

static bool
image_identity_is_empty(const json_t *value)
{
	return value == NULL || json_is_null(value) ||
	       (json_is_string(value) && json_string_length(value) == 0) ||
	       (json_is_array(value) && json_array_size(value) == 0) ||
	       (json_is_object(value) && json_object_size(value) == 0);
}

static json_t *
image_identity_config_of(const json_t *inspect)
{
	const json_t *config = json_object_get(inspect, "Config");
	json_t *kept = json_object();

	for (size_t i = 0; i < sizeof(inherited) / sizeof(inherited[0]); i++) {
		json_t *value = json_object_get(config, inherited[i]);

		if (!image_identity_is_empty(value))
			(void)json_object_set(kept, inherited[i], value);
	}
	return kept;
}

static json_t *
layers_of(const json_t *inspect)
{
	return json_object_get(json_object_get(inspect, "RootFS"), "Layers");
}

/* ---- the digest of the configuration ---- */

static json_t *
blob_json(struct containerd *c, const char *digest)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(MANIFEST_MAX);
	struct err ignored;

	if (containerd_blob(c, digest, &text, &ignored) != 0)
		return NULL;
	return json_loadb(text.data == NULL ? "" : text.data, text.len, 0, NULL);
}

/* The digest of the manifest of ${index} for the platform that ${inspect} is of; "". */
static const char *
manifest_in(const json_t *index, const json_t *inspect)
{
	const json_t *list = json_object_get(index, "manifests"), *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const json_t *platform = json_object_get(item, "platform");

		if (strcmp(layer_text(platform, "architecture", NULL),
			    layer_text(inspect, "Architecture", NULL)) == 0 &&
			strcmp(layer_text(platform, "os", NULL), layer_text(inspect, "Os", NULL)) ==
				0 &&
			strcmp(layer_text(platform, "variant", NULL),
				layer_text(inspect, "Variant", NULL)) == 0)
			return layer_text(item, "digest", NULL);
	}
	return "";
}

/* From containerd's digest of an index or manifest to that of the configuration: a new text, NULL
 * if it cannot be had. */
static json_t *
config_digest(struct containerd *c, const json_t *inspect)
{
	SCOPED(json_decref_at) json_t *blob = blob_json(c, layer_text(inspect, "Id", NULL));
	const char *digest;

	for (int i = 0; i < INDEX_DEPTH && json_is_array(json_object_get(blob, "manifests")); i++) {
		json_t *next = blob_json(c, manifest_in(blob, inspect));

		json_decref(blob);
		blob = next;
	}
	digest = layer_text(blob, "config", "digest");
	return digest[0] == '\0' ? NULL : json_string(digest);
}

void
image_identity_add(struct engine *g, const json_t *inspect, json_t *to)
{
	struct layer_memory *m = layer_memory(g);
	json_t *layers = layers_of(inspect), *digest = NULL;
	LOCKED(&m->mutex);

	if (!image_identity_is_empty(layers))
		(void)json_object_set(to, "layers", layers);
	(void)json_object_set_new(to, "config", image_identity_config_of(inspect));
	/* Only containerd's store tells of a descriptor; 26 has none yet. */
	if (m->containerd != NULL)
		digest = config_digest(m->containerd, inspect);
	else if (!m->in_containerd)
		digest = json_string(layer_text(inspect, "Id", NULL));
	if (digest != NULL)
		(void)json_object_set_new(to, "config_digest", digest);
}

bool
image_identity_equal(const json_t *recorded, const json_t *inspect)
{
	const char *id = layer_text(inspect, "Id", NULL);
	const json_t *layers = json_object_get(recorded, "layers");
	SCOPED(json_decref_at) json_t *config = NULL;

	if (id[0] == '\0')
		return false;
	if (strcmp(layer_text(recorded, "id", NULL), id) == 0 ||
		strcmp(layer_text(recorded, "config_digest", NULL), id) == 0)
		return true;
	if (image_identity_is_empty(layers) || !json_equal(layers, layers_of(inspect)))
		return false;
	config = image_identity_config_of(inspect);
	return json_equal(config, json_object_get(recorded, "config"));
}
