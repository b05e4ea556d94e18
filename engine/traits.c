#include "engine/traits.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

/* From this version on Podman changes a container's restart policy. */
enum { PODMAN_UPDATES = 500 };

/* What is remembered of an engine. */
struct traits_memory {
	pthread_mutex_t mutex;
	unsigned long epoch; /* engine_epoch when it was asked; 0: not yet */
	struct traits traits;
};

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

/* "4.3.1" as 403; 0 if it is none. */
static int
version_of(const char *text)
{
	int major = 0, minor = 0;

	return sscanf(text, "%d.%d", &major, &minor) == 2 ? 100 * major + minor : 0;
}

/* The component that is Podman; NULL: this is no Podman. */
static const json_t *
podman_of(const json_t *version)
{
	const json_t *component;
	size_t i;

	json_array_foreach (json_object_get(version, "Components"), i, component) {
		if (strcmp(text_of(component, "Name"), "Podman Engine") == 0)
			return component;
	}
	return NULL;
}

/* "name=userns" is one of the options, with or without more behind it ("name=seccomp,profile=…").
 */
static bool
has_option(const json_t *info, const char *option)
{
	const size_t len = strlen(option);
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(info, "SecurityOptions"), i, item) {
		const char *text = json_string_value(item);

		if (text != NULL && strncmp(text, option, len) == 0 &&
			(text[len] == '\0' || text[len] == ','))
			return true;
	}
	return false;
}

/* dockerd keeps its data in <root>/<uid>.<gid> of the user that a container's root is. */
static void
take_bases(struct traits *t, const json_t *info)
{
	const char *folder = strrchr(text_of(info, "DockerRootDir"), '/');
	char rest;

	if (folder == NULL || sscanf(folder, "/%10" SCNu32 ".%10" SCNu32 "%c", &t->uid_base,
				      &t->gid_base, &rest) != 2)
		t->uid_base = t->gid_base = 0;
}

void
traits_of(const json_t *version, const json_t *info, struct traits *t)
{
	const json_t *podman = podman_of(version);

	*t = (struct traits){.updates_policy = true, .tells_questions = true};
	t->rootless = has_option(info, "name=rootless") ||
		      json_is_true(json_object_get(info, "Rootless"));
	t->remapped = has_option(info, "name=userns");
	if (t->remapped)
		take_bases(t, info);
	t->labels = has_option(info, "name=selinux");
	t->hides_host_root = t->rootless;
	if (podman == NULL)
		return;
	t->podman = true;
	t->labels = true; /* it does not tell */
	t->podman_version = version_of(text_of(podman, "Version"));
	t->makes_missing_sources = true;
	t->takes_all_networks = true;
	t->tells_questions = false;
	t->updates_policy = t->podman_version >= PODMAN_UPDATES;
}

static void *
memory_new(void)
{
	struct traits_memory *m = mem_new(sizeof(*m));

	(void)pthread_mutex_init(&m->mutex, NULL);
	return m;
}

static void
memory_free(void *memory)
{
	struct traits_memory *m = memory;

	(void)pthread_mutex_destroy(&m->mutex);
	free(m);
}

int
traits_find(struct engine *g, struct traits *ret_traits, struct err *e)
{
	struct traits_memory *m = engine_memory(g, ENGINE_TRAITS, memory_new, memory_free);
	const unsigned long epoch = engine_epoch(g);
	SCOPED(json_decref_at) json_t *version = NULL;
	SCOPED(json_decref_at) json_t *info = NULL;
	LOCKED(&m->mutex);

	if (m->epoch != epoch) {
		if (engine_version(g, &version, e) != 0 || engine_info(g, &info, e) != 0)
			return -1;
		traits_of(version, info, &m->traits);
		m->epoch = epoch;
	}
	*ret_traits = m->traits;
	return 0;
}
