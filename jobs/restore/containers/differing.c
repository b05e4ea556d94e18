#include "jobs/restore/containers/differing.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/images.h"
#include "engine/layers/image_identity.h"
#include "engine/networks.h"
#include "engine/volumes.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/state/selection.h"

/* Of a tag's own text, by the reference grammar of the Docker distribution. */
enum { TAG_MAX = 128 };

static const char *const network_fields[] = {"Driver", "Internal", "Attachable", "Ingress",
	"EnableIPv6", "Options", "Labels", "Scope", "ConfigOnly", NULL};
static const char *const volume_fields[] = {"Driver", "Options", "Labels", "Scope", NULL};

/* null, false, "", {} and [] mean the same to an engine. */
static bool
differing_is_empty(const json_t *value)
{
	return value == NULL || json_is_null(value) || json_is_false(value) ||
	       (json_is_string(value) && json_string_length(value) == 0) ||
	       (json_is_object(value) && json_object_size(value) == 0) ||
	       (json_is_array(value) && json_array_size(value) == 0);
}

static bool
same(const json_t *a, const json_t *b)
{
	return (differing_is_empty(a) && differing_is_empty(b)) || json_equal(a, b);
}

/* One subnet; a gateway is compared only if both tell it: newer engines tell one that was not
 * chosen. */
static bool
same_subnet(const json_t *a, const json_t *b)
{
	const json_t *gateway_a = json_object_get(a, "Gateway");
	const json_t *gateway_b = json_object_get(b, "Gateway");

	return same(json_object_get(a, "Subnet"), json_object_get(b, "Subnet")) &&
	       same(json_object_get(a, "IPRange"), json_object_get(b, "IPRange")) &&
	       same(json_object_get(a, "AuxiliaryAddresses"),
		       json_object_get(b, "AuxiliaryAddresses")) &&
	       (differing_is_empty(gateway_a) || differing_is_empty(gateway_b) ||
		       json_equal(gateway_a, gateway_b));
}

static bool
same_addresses(const json_t *recorded, const json_t *present)
{
	const json_t *a = json_object_get(recorded, "IPAM"), *b = json_object_get(present, "IPAM");
	const json_t *list_a = json_object_get(a, "Config"), *list_b = json_object_get(b, "Config");
	const json_t *item;
	size_t i;

	if (json_array_size(list_a) != json_array_size(list_b) ||
		!same(json_object_get(a, "Driver"), json_object_get(b, "Driver")) ||
		!same(json_object_get(a, "Options"), json_object_get(b, "Options")))
		return false;
	json_array_foreach (list_a, i, item) {
		if (!same_subnet(item, json_array_get(list_b, i)))
			return false;
	}
	return true;
}

json_t *
differing_fields(const char *kind, const json_t *recorded, const json_t *present)
{
	const bool network = strcmp(kind, "network") == 0;
	const char *const *field = network ? network_fields : volume_fields;
	json_t *list = json_array();

	for (; *field != NULL; field++)
		if (!same(json_object_get(recorded, *field), json_object_get(present, *field)))
			(void)json_array_append_new(list, json_string(*field));
	if (network && !same_addresses(recorded, present))
		(void)json_array_append_new(list, json_string("IPAM"));
	return list;
}

static void
differing_add(json_t *list, const char *kind, const char *name, const json_t *recorded,
	const json_t *present, bool replaced)
{
	json_t *fields = differing_fields(kind, recorded, present);

	if (json_array_size(fields) == 0)
		json_decref(fields);
	else
		(void)json_array_append_new(list,
			json_pack("{s:s, s:s, s:o, s:s}", "kind", kind, "name", name, "differs",
				fields, "becomes", replaced ? "replaced" : "kept"));
}

static int
find_networks(const struct restore *r, json_t *list, struct err *e)
{
	const char *name;
	json_t *recorded;

	json_object_foreach (r->contents->networks, name, recorded) {
		SCOPED(json_decref_at) json_t *present = NULL;

		if (!selection_network(r->selection, name))
			continue;
		if (networks_find(r->request->engine, name, &present, e) == 0)
			differing_add(list, "network", name, recorded, present,
				r->request->networks && !networks_predefined(name));
		else if (e->code != ERR_NOT_FOUND)
			return err_prefix(e, "network %s", name);
	}
	return 0;
}

static int
find_volumes(const struct restore *r, json_t *list, struct err *e)
{
	const json_t *recorded;
	size_t i;

	json_array_foreach (json_object_get(r->contents->manifest, "volumes"), i, recorded) {
		const char *name = json_text(recorded, "Name", NULL);
		SCOPED(json_decref_at) json_t *present = NULL;

		if (!selection_volume(r->selection, name))
			continue;
		if (volumes_inspect(r->request->engine, name, &present, e) == 0)
			differing_add(list, "volume", name, recorded, present, false);
		else if (e->code != ERR_NOT_FOUND)
			return err_prefix(e, "volume %s", name);
	}
	return 0;
}

/* The name that the image here keeps when its tag goes: a new text. */
static json_t *
other_name(const struct restore *r, const char *tag, size_t number)
{
	const char *colon = strrchr(tag, ':');

	if (colon == NULL || strlen(colon) + strlen(restore_id(r)) > TAG_MAX)
		return json_sprintf("fuel-backup-kept:%s-%zu", restore_id(r), number);
	return json_sprintf("%s-%s", tag, restore_id(r));
}

static int
find_tag(const struct restore *r, const char *tag, const json_t *image, json_t *list, struct err *e)
{
	SCOPED(json_decref_at) json_t *present = NULL;
	const char *id = json_text(image, "id", NULL);
	const char *here;

	if (images_find(r->request->engine, tag, &present, e) != 0)
		return e->code == ERR_NOT_FOUND ? 0 : err_prefix(e, "image %s", tag);
	here = json_text(present, "Id", NULL);
	if (image_identity_equal(image, present))
		return 0;
	return json_array_append_new(
		list, json_pack("{s:s, s:s, s:[s], s:s, s:s, s:s, s:o}", "kind", "tag", "name", tag,
			      "differs", "Id", "becomes", r->request->tags ? "replaced" : "kept",
			      "recorded", id, "present", here, "kept_as",
			      r->request->tags ? other_name(r, tag, json_array_size(list))
					       : json_string(tag)));
}

static int
find_tags(const struct restore *r, json_t *list, struct err *e)
{
	const json_t *image, *tag;
	size_t i, k;

	json_array_foreach (json_object_get(r->contents->manifest, "images"), i, image) {
		const char *id = json_text(image, "id", NULL);

		if (!selection_image(r->selection, id))
			continue;
		json_array_foreach (json_object_get(image, "tags"), k, tag) {
			if (json_is_string(tag) &&
				find_tag(r, json_string_value(tag), image, list, e) != 0)
				return -1;
		}
	}
	return 0;
}

int
differing_find(const struct restore *r, json_t **ret_list, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = json_array();

	if (find_tags(r, list, e) != 0 || find_networks(r, list, e) != 0 ||
		find_volumes(r, list, e) != 0)
		return -1;
	*ret_list = TAKE(list);
	return 0;
}

static void
tell_tag(struct restore *r, const json_t *item)
{
	const char *name = json_text(item, "name", NULL);

	if (r->request->tags)
		restore_warn(r,
			"the tag %s is of another image now; it goes back to that of the backup, "
			"and the image that has it keeps the name %s",
			name, json_text(item, "kept_as", NULL));
	else
		restore_warn(r,
			"the tag %s is of another image now, and stays so; containers of the "
			"backup get their own image by its id",
			name);
}

void
differing_tell(struct restore *r)
{
	const json_t *item;
	size_t i;

	json_array_foreach (r->differing, i, item) {
		const char *kind = json_text(item, "kind", NULL);
		SCOPED(free_at) char *fields = NULL;
		const json_t *field;
		size_t k;

		if (strcmp(kind, "tag") == 0) {
			tell_tag(r, item);
			continue;
		}
		json_array_foreach (json_object_get(item, "differs"), k, field) {
			char *more = mem_format("%s%s%s", k == 0 ? "" : fields, k == 0 ? "" : ", ",
				json_string_value(field));

			free(fields);
			fields = more;
		}
		if (strcmp(json_text(item, "becomes", NULL), "replaced") == 0)
			restore_warn(r,
				"%s %s is there with other settings (%s), and is made again as in "
				"the backup, with all containers in it",
				kind, json_text(item, "name", NULL), fields);
		else
			restore_warn(r,
				"%s %s is there with other settings (%s) and stays as it is: to "
				"have that of the backup, remove it first%s",
				kind, json_text(item, "name", NULL), fields,
				strcmp(kind, "network") == 0 ? ", or ask for {\"networks\": true}"
							     : "");
	}
}
