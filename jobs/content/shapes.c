#include "jobs/content/shapes_internal.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* DEPTH_MAX: Docker's own documents have below 10. */
enum { DEPTH_MAX = 64, PLACE_SIZE = 512 };

/* docker inspect of a container: of Docker since 1.24, and of Podman, whose Entrypoint is a text.
 */
static const struct shape_field inspect[] = {
	{"", OBJECT},
	{"Id", TEXT | NEEDED},
	{"Name", TEXT | NEEDED},
	{"Image", TEXT},
	{"Created", TEXT},
	{"Platform", TEXT | NUL},
	{"State", OBJECT | NUL},
	{"State.Status", TEXT},
	{"State.Running", TRUTH},
	{"State.Paused", TRUTH},
	{"State.Restarting", TRUTH},
	{"State.StartedAt", TEXT},
	{"State.Health", OBJECT | NUL},
	{"State.Health.Status", TEXT},
	{"Config", OBJECT | NUL},
	{"Config.Image", TEXT},
	{"Config.Hostname", TEXT},
	{"Config.Domainname", TEXT},
	{"Config.User", TEXT},
	{"Config.WorkingDir", TEXT},
	{"Config.MacAddress", TEXT | NUL},
	{"Config.StopSignal", TEXT | INTEGER | NUL},
	{"Config.StopTimeout", INTEGER | NUL},
	{"Config.Env", ARRAY | NUL},
	{"Config.Env[]", TEXT},
	{"Config.Cmd", ARRAY | NUL},
	{"Config.Cmd[]", TEXT},
	{"Config.Entrypoint", ARRAY | TEXT | NUL},
	{"Config.Entrypoint[]", TEXT},
	{"Config.Labels", OBJECT | NUL},
	{"Config.Labels{}", TEXT},
	{"Config.Volumes", OBJECT | NUL},
	{"Config.ExposedPorts", OBJECT | NUL},
	{"Config.Healthcheck", OBJECT | NUL},
	{"Config.Healthcheck.Test", ARRAY | NUL},
	{"Config.Healthcheck.Test[]", TEXT},
	{"Config.Healthcheck.Interval", INTEGER},
	{"Config.Healthcheck.Timeout", INTEGER},
	{"Config.Healthcheck.StartPeriod", INTEGER},
	{"Config.Healthcheck.Retries", INTEGER},
	{"HostConfig", OBJECT | NUL},
	{"HostConfig.NetworkMode", TEXT | NUL},
	{"HostConfig.PidMode", TEXT | NUL},
	{"HostConfig.IpcMode", TEXT | NUL},
	{"HostConfig.UTSMode", TEXT | NUL},
	{"HostConfig.UsernsMode", TEXT | NUL},
	{"HostConfig.CgroupParent", TEXT | NUL},
	{"HostConfig.Runtime", TEXT | NUL},
	{"HostConfig.AutoRemove", TRUTH},
	{"HostConfig.Privileged", TRUTH},
	{"HostConfig.RestartPolicy", OBJECT | NUL},
	{"HostConfig.RestartPolicy.Name", TEXT},
	{"HostConfig.RestartPolicy.MaximumRetryCount", INTEGER},
	{"HostConfig.LogConfig", OBJECT | NUL},
	{"HostConfig.LogConfig.Type", TEXT},
	{"HostConfig.LogConfig.Config", OBJECT | NUL},
	{"HostConfig.LogConfig.Config{}", TEXT},
	{"HostConfig.Binds", ARRAY | NUL},
	{"HostConfig.Binds[]", TEXT},
	{"HostConfig.Links", ARRAY | NUL},
	{"HostConfig.Links[]", TEXT},
	{"HostConfig.VolumesFrom", ARRAY | NUL},
	{"HostConfig.VolumesFrom[]", TEXT},
	{"HostConfig.ExtraHosts", ARRAY | NUL},
	{"HostConfig.ExtraHosts[]", TEXT},
	{"HostConfig.Dns", ARRAY | NUL},
	{"HostConfig.Dns[]", TEXT},
	{"HostConfig.SecurityOpt", ARRAY | NUL},
	{"HostConfig.SecurityOpt[]", TEXT},
	{"HostConfig.GroupAdd", ARRAY | NUL},
	{"HostConfig.GroupAdd[]", TEXT},
	{"HostConfig.CapAdd", ARRAY | NUL},
	{"HostConfig.CapAdd[]", TEXT},
	{"HostConfig.CapDrop", ARRAY | NUL},
	{"HostConfig.CapDrop[]", TEXT},
	{"HostConfig.Tmpfs", OBJECT | NUL},
	{"HostConfig.Tmpfs{}", TEXT},
	{"HostConfig.Sysctls", OBJECT | NUL},
	{"HostConfig.Sysctls{}", TEXT},
	{"HostConfig.Ulimits", ARRAY | NUL},
	{"HostConfig.Ulimits[]", OBJECT},
	{"HostConfig.Ulimits[].Name", TEXT},
	{"HostConfig.Ulimits[].Soft", INTEGER},
	{"HostConfig.Ulimits[].Hard", INTEGER},
	{"HostConfig.Devices", ARRAY | NUL},
	{"HostConfig.Devices[]", OBJECT},
	{"HostConfig.PortBindings", OBJECT | NUL},
	{"HostConfig.PortBindings{}", ARRAY | NUL},
	{"HostConfig.PortBindings{}[]", OBJECT},
	{"HostConfig.PortBindings{}[].HostIp", TEXT},
	{"HostConfig.PortBindings{}[].HostPort", TEXT},
	{"HostConfig.Mounts", ARRAY | NUL},
	{"HostConfig.Mounts[]", OBJECT},
	{"HostConfig.Mounts[].Type", TEXT},
	{"HostConfig.Mounts[].Source", TEXT},
	{"HostConfig.Mounts[].Target", TEXT},
	{"HostConfig.Memory", NUMBER},
	{"HostConfig.NanoCpus", NUMBER},
	{"HostConfig.ShmSize", NUMBER},
	{"GraphDriver", OBJECT | NUL},
	{"GraphDriver.Name", TEXT},
	{"GraphDriver.Data", OBJECT | NUL},
	{"Mounts", ARRAY | NUL},
	{"Mounts[]", OBJECT},
	{"Mounts[].Type", TEXT},
	{"Mounts[].Name", TEXT},
	{"Mounts[].Source", TEXT},
	{"Mounts[].Destination", TEXT},
	{"Mounts[].Driver", TEXT},
	{"Mounts[].Mode", TEXT},
	{"Mounts[].Propagation", TEXT},
	{"Mounts[].RW", TRUTH},
	{"NetworkSettings", OBJECT | NUL},
	{"NetworkSettings.Networks", OBJECT | NUL},
	{"NetworkSettings.Networks{}", OBJECT | NUL},
	{"NetworkSettings.Networks{}.IPAddress", TEXT | NUL},
	{"NetworkSettings.Networks{}.GlobalIPv6Address", TEXT | NUL},
	{"NetworkSettings.Networks{}.MacAddress", TEXT | NUL},
	{"NetworkSettings.Networks{}.NetworkID", TEXT | NUL},
	{"NetworkSettings.Networks{}.GwPriority", INTEGER | NUL},
	{"NetworkSettings.Networks{}.Aliases", ARRAY | NUL},
	{"NetworkSettings.Networks{}.Aliases[]", TEXT},
	{"NetworkSettings.Networks{}.Links", ARRAY | NUL},
	{"NetworkSettings.Networks{}.Links[]", TEXT},
	{"NetworkSettings.Networks{}.DriverOpts", OBJECT | NUL},
	{"NetworkSettings.Networks{}.DriverOpts{}", TEXT},
	{"NetworkSettings.Networks{}.IPAMConfig", OBJECT | NUL},
	{"NetworkSettings.Networks{}.IPAMConfig.IPv4Address", TEXT | NUL},
	{"NetworkSettings.Networks{}.IPAMConfig.IPv6Address", TEXT | NUL},
	{"NetworkSettings.Networks{}.IPAMConfig.LinkLocalIPs", ARRAY | NUL},
	{NULL, 0},
};

/* docker network inspect. */
static const struct shape_field network[] = {
	{"", OBJECT},
	{"Name", TEXT | NEEDED},
	{"Id", TEXT},
	{"Driver", TEXT},
	{"Scope", TEXT},
	{"EnableIPv4", TRUTH},
	{"EnableIPv6", TRUTH},
	{"Internal", TRUTH},
	{"Attachable", TRUTH},
	{"Ingress", TRUTH},
	{"ConfigOnly", TRUTH},
	{"ConfigFrom", OBJECT | NUL},
	{"ConfigFrom.Network", TEXT},
	{"Options", OBJECT | NUL},
	{"Options{}", TEXT},
	{"Labels", OBJECT | NUL},
	{"Labels{}", TEXT},
	{"IPAM", OBJECT | NUL},
	{"IPAM.Driver", TEXT},
	{"IPAM.Options", OBJECT | NUL},
	{"IPAM.Options{}", TEXT},
	{"IPAM.Config", ARRAY | NUL},
	{"IPAM.Config[]", OBJECT},
	{"IPAM.Config[].Subnet", TEXT},
	{"IPAM.Config[].Gateway", TEXT},
	{"IPAM.Config[].IPRange", TEXT},
	{"IPAM.Config[].AuxiliaryAddresses", OBJECT | NUL},
	{"IPAM.Config[].AuxiliaryAddresses{}", TEXT},
	{"IPAM.Config[].AuxAddress", OBJECT | NUL},
	{"Containers", OBJECT | NUL},
	{NULL, 0},
};

static const struct shape_field *const tables[] = {
	[SHAPE_MANIFEST] = shapes_manifest,
	[SHAPE_INSPECT] = inspect,
	[SHAPE_NETWORK] = network,
};

struct judging {
	const struct shape_field *table;
	const char *path;	/* of the member */
	char form[PLACE_SIZE];	/* of the present field, as in the table */
	char place[PLACE_SIZE]; /* the same with numbers and names, for people */
	struct err *e;
};

static unsigned
shapes_kind_of(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return OBJECT;
	case JSON_ARRAY:
		return ARRAY;
	case JSON_STRING:
		return TEXT;
	case JSON_INTEGER:
		return INTEGER;
	case JSON_REAL:
		return REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return TRUTH;
	case JSON_NULL:
		break;
	}
	return NUL;
}

static const char *
word(unsigned may)
{
	static const struct {
		unsigned kind;
		const char *word;
	} words[] = {{OBJECT, "an object"}, {ARRAY, "a list"}, {TEXT, "a text"},
		{INTEGER, "a whole number"}, {REAL, "a number"}, {TRUTH, "true or false"},
		{NUL, "null"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if ((may & words[i].kind) != 0)
			return words[i].word;
	return "nothing";
}

static const struct shape_field *
field_of(const struct shape_field *table, const char *form)
{
	for (const struct shape_field *f = table; f->path != NULL; f++)
		if (strcmp(f->path, form) == 0)
			return f;
	return NULL;
}

static int
shapes_refuse(const struct judging *j, const char *what)
{
	return err_set(j->e, ERR_CORRUPT, "%.200s: \"%.200s\" %s", j->path, j->place, what);
}

static int
shapes_check_kind(const struct judging *j, const json_t *json, const struct shape_field *f)
{
	const unsigned is = shapes_kind_of(json);

	if ((f->may & is) != 0)
		return 0;
	return err_set(j->e, ERR_CORRUPT, "%.200s: \"%.200s\" is %s, and should be %s", j->path,
		j->place, word(is), word(f->may));
}

/* Whether what must be in the object at the present place is there. */
static int
check_needed(struct judging *j, const json_t *object)
{
	const size_t len = strlen(j->form);

	for (const struct shape_field *f = j->table; f->path != NULL; f++) {
		const char *name = f->path + len + (len > 0);

		if ((f->may & NEEDED) == 0 || strncmp(f->path, j->form, len) != 0 ||
			(len > 0 && f->path[len] != '.') || strpbrk(name, ".[{") != NULL)
			continue;
		if (json_object_get(object, name) == NULL)
			return err_set(j->e, ERR_CORRUPT, "%.200s: \"%.200s%s%s\" is missing",
				j->path, j->place, len > 0 ? "." : "", name);
	}
	return 0;
}

static int shapes_judge(struct judging *j, const json_t *json, int depth);

/* Go on to what is at ${form} below the present place, and come back. */
static int
judge_below(struct judging *j, const json_t *json, const char *form, const char *place, int depth)
{
	const size_t form_len = strlen(j->form), place_len = strlen(j->place);
	int status;

	(void)snprintf(j->form + form_len, sizeof(j->form) - form_len, "%s%s",
		form_len > 0 && form[0] != '[' && form[0] != '{' ? "." : "", form);
	(void)snprintf(j->place + place_len, sizeof(j->place) - place_len, "%s%s",
		place_len > 0 && place[0] != '[' ? "." : "", place);
	status = shapes_judge(j, json, depth + 1);
	j->form[form_len] = '\0';
	j->place[place_len] = '\0';
	return status;
}

/* The values of an object are either fields by name, or all of one kind. */
static bool
has_names(const struct judging *j, const char *key)
{
	char form[PLACE_SIZE + 2];

	(void)snprintf(form, sizeof(form), "%s{}", j->form);
	return field_of(j->table, form) == NULL && strpbrk(key, ".[]{}") == NULL;
}

static int
judge_object(struct judging *j, const json_t *object, int depth)
{
	json_t *fields = (json_t *)(uintptr_t)object; /* jansson's iterator takes no const */
	const char *key;
	json_t *value;

	if (check_needed(j, object) != 0)
		return -1;
	json_object_foreach (fields, key, value) {
		const char *form = has_names(j, key) ? key : "{}";

		if (judge_below(j, value, form, key[0] == '[' ? "?" : key, depth) != 0)
			return -1;
	}
	return 0;
}

static int
judge_array(struct judging *j, const json_t *array, int depth)
{
	const json_t *item;
	size_t i;

	json_array_foreach (array, i, item) {
		char number[32];

		(void)snprintf(number, sizeof(number), "[%zu]", i);
		if (judge_below(j, item, "[]", number, depth) != 0)
			return -1;
	}
	return 0;
}

/* What a container's owner wrote, or it printed: an engine takes and tells a NUL there. */
static bool
is_of_container(const char *form)
{
	static const char *const words[] = {
		"Labels", "Env", "Cmd", "Entrypoint", "Health", "Options", NULL};

	for (const char *const *word = words; *word != NULL; word++)
		if (strstr(form, *word) != NULL)
			return true;
	return false;
}

static int
shapes_judge(struct judging *j, const json_t *json, int depth)
{
	const struct shape_field *f = field_of(j->table, j->form);

	if (depth > DEPTH_MAX)
		return shapes_refuse(j, "is nested too deep");
	if (f != NULL && shapes_check_kind(j, json, f) != 0)
		return -1;
	if (json_is_string(json) && strlen(json_string_value(json)) != json_string_length(json) &&
		f != NULL && !is_of_container(j->form))
		return shapes_refuse(j, "has a NUL");
	if (json_is_object(json))
		return judge_object(j, json, depth);
	return json_is_array(json) ? judge_array(j, json, depth) : 0;
}

int
shapes_check(const json_t *json, enum shape shape, const char *path, struct err *e)
{
	struct judging j = {.table = tables[shape], .path = path, .e = e};

	return shapes_judge(&j, json, 0);
}
