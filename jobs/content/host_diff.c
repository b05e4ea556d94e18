#include "jobs/content/host_diff.h"

#include <string.h>

#include "base/scope.h"
#include "base/text.h"
#include "jobs/content/manifest.h"
#include "jobs/operations/inspect.h"

static const struct {
	const char *key;
	const char *words;
} compared[] = {
	{"host", "the backup is of the host"},
	{"version", "the engine there has the version"},
	{"storage_driver", "the storage driver there is"},
	{"architecture", "the architecture there is"},
	{"os", "the operating system there is"},
};

enum { COMPARED = sizeof(compared) / sizeof(compared[0]) };

/* ${format} has no text from elsewhere; what is put in is made safe. */
static void __attribute__((format(printf, 2, 3))) add(json_t *list, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)json_array_append_new(list, text_json_format(format, args));
	va_end(args);
}

json_t *
host_diff_differences(const json_t *there, const json_t *here)
{
	json_t *list = json_array();

	for (size_t i = 0; i < COMPARED; i++) {
		const char *was = json_text(there, compared[i].key, NULL);
		const char *is = json_text(here, compared[i].key, NULL);

		if (was[0] != '\0' && is[0] != '\0' && strcmp(was, is) != 0)
			add(list, "%s %.200s, here %.200s", compared[i].words, was, is);
	}
	return list;
}

/* Of one host only. */
static bool
is_own_address(const char *address)
{
	return address[0] != '\0' && strcmp(address, "0.0.0.0") != 0 &&
	       strcmp(address, "::") != 0 && strcmp(address, "::1") != 0 &&
	       strncmp(address, "127.", 4) != 0;
}

static void
note(json_t *addresses, const char *address, const char *name)
{
	json_t *names = json_object_get(addresses, address);
	const json_t *last;

	if (names == NULL) {
		names = json_array();
		(void)json_object_set_new(addresses, address, names);
	}
	last = json_array_get(names, json_array_size(names) - 1);
	if (last == NULL || strcmp(json_string_value(last), name) != 0)
		(void)json_array_append_new(names, json_string(name));
}

void
host_diff_note(const json_t *inspect, json_t *addresses)
{
	json_t *ports = json_object_get(json_object_get(inspect, "HostConfig"), "PortBindings");
	const char *key;
	json_t *bindings;
	const json_t *binding;
	size_t i;

	json_object_foreach (ports, key, bindings) {
		json_array_foreach (bindings, i, binding) {
			const char *address = json_text(binding, "HostIp", NULL);

			if (is_own_address(address))
				note(addresses, address, container_name(inspect));
		}
	}
}

void
host_diff_warnings(
	const json_t *manifest, const json_t *addresses, struct engine *engine, json_t *warnings)
{
	json_t *there = json_object_get(manifest, "engine");
	struct err e;
	SCOPED(json_decref_at) json_t *here = manifest_engine(engine, &e);
	SCOPED(json_decref_at) json_t *list = NULL;
	const char *address;
	json_t *names;

	if (here == NULL) {
		add(warnings, "this host could not be compared with that of the backup, %.200s: %s",
			json_text(there, "host", NULL), e.text);
		return;
	}
	list = host_diff_differences(there, here);
	(void)json_array_extend(warnings, list);
	if (strcmp(json_text(there, "host", NULL), json_text(here, "host", NULL)) == 0)
		return;
	json_object_foreach ((json_t *)(uintptr_t)addresses, address, names) {
		add(warnings,
			"containers of the backup publish ports on the address %.100s, which this "
			"host has to have: %.200s%s",
			address, json_string_value(json_array_get(names, 0)),
			json_array_size(names) > 1 ? " and others" : "");
	}
}

void
host_diff_tell(const struct contents *c, struct engine *g, json_t *warnings)
{
	SCOPED(json_decref_at) json_t *addresses = json_object();
	const char *name;
	json_t *inspect;

	json_object_foreach (c->inspects, name, inspect)
		host_diff_note(inspect, addresses);
	host_diff_warnings(c->manifest, addresses, g, warnings);
}
