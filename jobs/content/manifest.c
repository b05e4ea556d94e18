#include "jobs/content/manifest.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/scope.h"
#include "engine/traits.h"
#include "jobs/content/id_map.h"

enum { TEXT_MAX = 8 * 1024 * 1024 };

static const char head[] =
	"This archive holds a whole Docker host's stack at one instant.\n"
	"backup.json says what is in it.  Everything here was made with plain tar, docker\n"
	"save and docker inspect, and can be brought back without fuel-backup:\n\n"
	"  mkdir /tmp/restore && cd /tmp/restore\n"
	"  zstd -dc ARCHIVE.tar.zst | tar --xattrs --xattrs-include='*' \\\n"
	"      --delay-directory-restore --numeric-owner -xpf -\n\n"
	"As root, so that owners, devices and capabilities come back; without --acls: ACLs\n"
	"are among the xattrs.\n\n"
	"1. Images\n\n";
static const char volumes_head[] =
	"\n3. Volumes (with their drivers and labels, see \"volumes\" in backup.json)\n\n";
static const char networks_head[] =
	"\n2. Networks (networks/*.json is what docker network inspect said)\n\n";
static const char paths_head[] =
	"\n4. Host directories that containers bind, and host paths of the plan\n\n"
	"  Copy what is below binds/ and host/ to the same place below /:\n";
static const char containers_head[] =
	"\n5. Containers\n\n"
	"  containers/NAME/inspect.json is what docker inspect said: make each again with\n"
	"  docker create and the options that stand there, in this order, then put its\n"
	"  writable layer back before it is started.  In layer/ a file .wh.NAME means that\n"
	"  NAME was deleted, .wh..wh..opq that the folder hides the image's: copy the rest\n"
	"  with `docker cp -a`, and delete those after the start.\n\n";

static json_t *
containers_json(const json_t *containers)
{
	json_t *list = json_array();
	const json_t *inspect;
	size_t i;

	json_array_foreach (containers, i, inspect) {
		if (container_service(inspect) != NULL)
			continue;
		(void)json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name",
				container_name(inspect), "id", json_text(inspect, "Id", NULL),
				"image", json_text(inspect, "Image", NULL), "image_name",
				json_text(inspect, "Config", "Image"), "state",
				container_state(inspect), "started_at",
				json_text(inspect, "State", "StartedAt"), "health",
				json_text(json_object_get(inspect, "State"), "Health", "Status")));
	}
	return list;
}

static json_t *
manifest_sources_json(const struct manifest_options *o)
{
	json_t *list = json_array();

	for (size_t i = 0; i < o->inventory->count; i++) {
		const struct plan_source *s = &o->inventory->sources[i];

		if (s->left_out)
			continue;
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:O*}", "kind",
				      source_kind_name(s->kind), "name", s->name, "path", s->path,
				      "prefix", s->prefix, "file", o->single_file[i], "compose",
				      s->compose, "trusted", s->trusted, "place", s->place));
	}
	return list;
}

static json_t *
names_json(const json_t *objects)
{
	json_t *list = json_array();
	const json_t *object;
	size_t i;

	json_array_foreach (objects, i, object) {
		(void)json_array_append(list, json_object_get(object, "Name"));
	}
	return list;
}

json_t *
manifest_engine(struct engine *g, struct err *e)
{
	SCOPED(json_decref_at) json_t *info = NULL;
	SCOPED(json_decref_at) json_t *version = NULL;
	struct traits traits;
	json_t *engine;

	if (engine_info(g, &info, e) != 0 || engine_version(g, &version, e) != 0)
		return NULL;
	engine = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "host", json_text(info, "Name", NULL),
		"version", json_text(version, "Version", NULL), "api",
		json_text(version, "ApiVersion", NULL), "storage_driver",
		json_text(info, "Driver", NULL), "os", json_text(info, "OperatingSystem", NULL),
		"architecture", json_text(info, "Architecture", NULL));
	traits_of(version, info, &traits);
	id_map_record(engine, &traits);
	return engine;
}

int
manifest_new(const struct manifest_options *o, json_t **ret_manifest, struct err *e)
{
	char time[CLOCK_TEXT_SIZE];
	json_t *engine = manifest_engine(o->engine, e);
	struct omissions *omitted = o->inventory->omissions;

	if (engine == NULL)
		return -1;
	*ret_manifest = json_pack("{s:i, s:s, s:s, s:s, s:b, s:o, s:O, s:o, s:O, s:o, s:O, s:o, "
				  "s:O, s:o, s:I}",
		"format", MANIFEST_FORMAT, "made_by", "fuel-backup " FB_VERSION, "id", o->id,
		"created_at", clock_text(o->frozen_ns, time), "incomplete",
		omissions_count(omitted) > 0, "engine", engine, "plan", o->plan->document,
		"containers", containers_json(o->inventory->containers), "images",
		o->inventory->images, "networks", names_json(o->inventory->networks), "volumes",
		o->inventory->volumes, "sources", manifest_sources_json(o), "warnings",
		o->inventory->warnings, "omitted", omissions_json(omitted), "omitted_total",
		(json_int_t)omissions_count(omitted));
	if (*ret_manifest != NULL && o->inventory->swarm != NULL)
		(void)json_object_set(*ret_manifest, "swarm", o->inventory->swarm);
	if (*ret_manifest == NULL)
		return err_set(e, ERR_INTERNAL, "the manifest cannot be encoded");
	return 0;
}

static void
add_images(struct buf *text, const json_t *images)
{
	const json_t *image, *tag;
	size_t i, k;

	json_array_foreach (images, i, image) {
		(void)buf_format(text, "  docker load -i %s\n", json_text(image, "file", NULL));
		json_array_foreach (json_object_get(image, "tags"), k, tag) {
			(void)buf_format(text, "  docker tag %s %s\n", json_text(image, "id", NULL),
				json_string_value(tag));
		}
	}
}

static void
add_list(struct buf *text, const json_t *list, const char *key, const char *format)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *value =
			key == NULL ? json_string_value(item) : json_text(item, key, NULL);

		for (const char *at = format; *at != '\0'; at++)
			if (*at == '@')
				(void)buf_text(text, value);
			else
				(void)buf_add(text, at, 1);
	}
}

static void
add_host_paths(struct buf *text, const json_t *sources)
{
	const json_t *source;
	size_t i;

	json_array_foreach (sources, i, source) {
		const char *prefix = json_text(source, "prefix", NULL);

		if (strncmp(prefix, "binds/", 6) == 0 || strncmp(prefix, "host/", 5) == 0)
			(void)buf_format(text, "    %s\n", prefix);
	}
}

char *
manifest_restore_text(const json_t *manifest)
{
	struct buf text = BUF_INIT(TEXT_MAX);

	(void)buf_format(&text, "Backup %s of %s, frozen at %s.\n\n",
		json_text(manifest, "id", NULL), json_text(manifest, "engine", "host"),
		json_text(manifest, "created_at", NULL));
	(void)buf_text(&text, head);
	add_images(&text, json_object_get(manifest, "images"));
	(void)buf_text(&text, networks_head);
	add_list(&text, json_object_get(manifest, "networks"), NULL,
		"  docker network create @   # see networks/@.json\n");
	(void)buf_text(&text, volumes_head);
	add_list(&text, json_object_get(manifest, "volumes"), "Name",
		"  docker volume create @\n"
		"  rsync -aHAXS --numeric-ids volumes/@/ \\\n"
		"      \"$(docker volume inspect -f '{{.Mountpoint}}' @)/\"\n");
	(void)buf_text(&text, paths_head);
	add_host_paths(&text, json_object_get(manifest, "sources"));
	(void)buf_text(&text, containers_head);
	add_list(&text, json_object_get(manifest, "containers"), "name",
		"  containers/@/inspect.json\n");
	return buf_take(&text);
}
