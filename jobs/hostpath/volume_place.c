#include "jobs/hostpath/volume_place.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"

/* True if ${word} is one of the mount options ${list}. */
static bool
has_option(const char *list, const char *word)
{
	const size_t len = strlen(word);

	while (*list != '\0') {
		const size_t part = strcspn(list, ",");

		if (part == len && strncmp(list, word, len) == 0)
			return true;
		list += part + (list[part] == ',');
	}
	return false;
}

const char *
volume_device(const json_t *inspect)
{
	const json_t *options = json_object_get(inspect, "Options");
	const char *o = json_text(options, "o", NULL);
	const char *device = json_text(options, "device", NULL);

	if (strcmp(json_text(inspect, "Driver", NULL), "local") != 0 || device[0] != '/')
		return NULL;
	return has_option(o, "bind") || has_option(o, "rbind") ? device : NULL;
}

static bool
volume_place_is_mounted(const char *path)
{
	struct statx st;

	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &st) == 0 &&
	       (st.stx_attributes_mask & st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

int
volume_host_path(const json_t *inspect, char **ret_path, struct err *e)
{
	const char *device = volume_device(inspect);
	const char *place = json_text(inspect, "Mountpoint", NULL);
	const bool plain =
		strcmp(json_text(inspect, "Driver", NULL), "local") == 0 &&
		json_text(json_object_get(inspect, "Options"), "device", NULL)[0] == '\0' &&
		json_text(json_object_get(inspect, "Options"), "type", NULL)[0] == '\0';

	if (device == NULL && (place[0] != '/' || (!plain && !volume_place_is_mounted(place))))
		return err_set(e, ERR_UNSUPPORTED,
			"volume %.200s is mounted by its driver only while a container uses it: "
			"run "
			"the service in its container, or start a container that uses the volume",
			json_text(inspect, "Name", NULL));
	*ret_path = mem_string(device != NULL ? device : place);
	return 0;
}

bool
volume_has_own_folder(const json_t *inspect, const struct hostpath *p)
{
	SCOPED(free_at)
	char *end = mem_format("/%s/_data", json_text(inspect, "Name", NULL));
	const size_t len = strlen(end), real_len = p->real == NULL ? 0 : strlen(p->real);

	if (p->type != HOSTPATH_FOLDER || json_array_size(p->links) > 0 || real_len <= len ||
		strcmp(p->real + real_len - len, end) != 0)
		return false;
	return strcmp(json_text(inspect, "Driver", NULL), "local") == 0 &&
	       json_object_size(json_object_get(inspect, "Options")) == 0 &&
	       (p->stat.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0;
}
