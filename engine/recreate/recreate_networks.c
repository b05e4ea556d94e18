/* Of a container that is made again: its networks, each by its name. */
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/networks.h"
#include "engine/recreate/recreate_internal.h"

enum { ID_HEX = 64 };

static bool
recreate_networks_begins(const char *id, const char *ref)
{
	return ref[0] != '\0' && strncmp(id, ref, strlen(ref)) == 0;
}

/* Podman tells the name where the id should be. */
static bool
is_named_itself(const char *id, const char *ref)
{
	return strcmp(id, ref) == 0 && strspn(id, "0123456789abcdef") != ID_HEX;
}

/* The name of the network that stands in the inspect as ${ref}.  The caller's. */
static char *
recreate_networks_name_of(json_t *networks, const char *ref, const struct recreate_options *o)
{
	const json_t *itself = json_object_get(networks, ref);
	const char *id = recreate_text(itself, "NetworkID");
	const char *name = NULL;
	json_t *endpoint;

	if (networks_predefined(ref) || is_named_itself(id, ref) ||
		(id[0] != '\0' && !recreate_networks_begins(id, ref)))
		return mem_string(ref);
	/* By its id, or the beginning of it: the engine lists a running one a second time. */
	json_object_foreach (networks, name, endpoint) {
		if (strcmp(name, ref) != 0 &&
			recreate_networks_begins(recreate_text(endpoint, "NetworkID"), ref))
			return mem_string(name);
	}
	name = o->network == NULL ? NULL : o->network(o->ctx, ref);
	return mem_string(name == NULL ? ref : name);
}

json_t *
recreate_networks(const json_t *inspect, const struct recreate_options *o, char **ret_mode)
{
	const json_t *host = json_object_get(inspect, "HostConfig");
	json_t *networks = json_object_get(json_object_get(inspect, "NetworkSettings"), "Networks");
	json_t *result = json_object();
	const char *key;
	json_t *endpoint;

	*ret_mode = recreate_networks_name_of(networks, recreate_text(host, "NetworkMode"), o);
	json_object_foreach (networks, key, endpoint) {
		SCOPED(free_at) char *name = recreate_networks_name_of(networks, key, o);

		if (strcmp(name, key) == 0 || json_object_get(networks, name) == NULL)
			(void)json_object_set(result, name, endpoint);
	}
	return result;
}

bool
recreate_is_main(const char *mode, const char *network)
{
	return strcmp(mode, network) == 0 ||
	       (strcmp(network, "bridge") == 0 &&
		       (strcmp(mode, "default") == 0 || mode[0] == '\0'));
}
