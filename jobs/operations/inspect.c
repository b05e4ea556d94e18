#include "jobs/operations/inspect.h"

#include <string.h>

static const json_t *
inspect_below(const json_t *object, const char *first, const char *second)
{
	const json_t *value = json_object_get(object, first);

	return second == NULL ? value : json_object_get(value, second);
}

const char *
json_text(const json_t *object, const char *first, const char *second)
{
	const char *text = json_string_value(inspect_below(object, first, second));

	return text == NULL ? "" : text;
}

bool
json_truth(const json_t *object, const char *first, const char *second)
{
	return json_is_true(inspect_below(object, first, second));
}

const char *
container_name(const json_t *inspect)
{
	const char *name = json_text(inspect, "Name", NULL);

	return name + (name[0] == '/');
}

/* An image that was committed from a task has its labels, but its containers have other names. */
const char *
labels_service(const json_t *labels, const char *name)
{
	const char *service = json_text(labels, "com.docker.swarm.service.name", NULL);

	if (service[0] == '\0' || json_text(labels, "com.docker.swarm.task.id", NULL)[0] == '\0' ||
		strcmp(json_text(labels, "com.docker.swarm.task.name", NULL), name) != 0)
		return NULL;
	return service;
}

const char *
container_service(const json_t *inspect)
{
	return labels_service(json_object_get(json_object_get(inspect, "Config"), "Labels"),
		container_name(inspect));
}

const json_t *
container_restart_policy(const json_t *inspect)
{
	return json_object_get(json_object_get(inspect, "HostConfig"), "RestartPolicy");
}

const char *
container_state(const json_t *inspect)
{
	if (json_truth(inspect, "State", "Paused"))
		return "paused";
	return json_truth(inspect, "State", "Running") || json_truth(inspect, "State", "Restarting")
		       ? "running"
		       : "stopped";
}
