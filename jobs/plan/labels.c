#include "jobs/plan/labels.h"

#include <stdlib.h>
#include <string.h>

#include "jobs/operations/inspect.h"

const char *
labels_text(const json_t *inspect, const char *const *names)
{
	const json_t *labels = json_object_get(json_object_get(inspect, "Config"), "Labels");
	const char *value = NULL;

	for (; *names != NULL && value == NULL; names++)
		value = json_string_value(json_object_get(labels, *names));
	return value;
}

bool
labels_is_command(const json_t *array)
{
	const json_t *item;
	size_t i;

	json_array_foreach (array, i, item) {
		if (!json_is_string(item))
			return false;
	}
	return json_array_size(array) > 0;
}

int
labels_command(const json_t *inspect, const char *const *names, json_t **ret_command, struct err *e)
{
	const char *value = labels_text(inspect, names);
	json_t *command;

	*ret_command = NULL;
	if (value == NULL || value[0] == '\0')
		return 0;
	command = value[0] == '[' ? json_loads(value, 0, NULL)
				  : json_pack("[s, s, s]", "/bin/sh", "-c", value);
	if (labels_is_command(command)) {
		*ret_command = command;
		return 0;
	}
	json_decref(command);
	return err_set(e, ERR_INVALID,
		"container %s: label %s is neither a JSON list of texts nor a line for /bin/sh",
		container_name(inspect), names[0]);
}

int
labels_seconds(
	const json_t *inspect, const char *name, int usual, int max, int64_t *ret_ms, struct err *e)
{
	const char *value = labels_text(inspect, (const char *const[]){name, NULL});
	char *end = NULL;
	long seconds = usual;

	if (value != NULL)
		seconds = strtol(value, &end, 10);
	if ((end != NULL && (end == value || *end != '\0')) || seconds < 1 || seconds > max)
		return err_set(e, ERR_INVALID, "container %s: label %s is 1 to %d seconds",
			container_name(inspect), name, max);
	*ret_ms = (int64_t)seconds * 1000;
	return 0;
}
