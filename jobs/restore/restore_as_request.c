#include <string.h>

#include "archive/tar/names.h"
#include "jobs/restore/restore_as.h"

bool
restore_as_one(const json_t *only, const char **ret_key, const char **ret_name)
{
	size_t names = 0;
	const char *key;
	json_t *list;

	json_object_foreach ((json_t *)(uintptr_t)only, key, list) {
		if (json_array_size(list) == 0)
			continue;
		names += json_array_size(list);
		*ret_key = key;
		*ret_name = json_string_value(json_array_get(list, 0));
	}
	return names == 1;
}

/* As the engine has them: a letter or digit, then also _ . - */
static bool
is_volume_name(const char *text)
{
	static const char firsts[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	const size_t len = strlen(text);

	return len >= 2 && len <= 255 && strspn(text, firsts) > 0 &&
	       len == strspn(text, firsts) + strspn(text + strspn(text, firsts),
						     "abcdefghijklmnopqrstuvwxyz"
						     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
}

int
restore_as_check(const json_t *only, const char *as, struct err *e)
{
	const char *key = "", *name = "";

	if (only == NULL || !restore_as_one(only, &key, &name))
		return err_set(e, ERR_INVALID,
			"\"as\" needs an \"only\" that names one volume, host path, file or "
			"folder");
	if (strcmp(key, "containers") == 0)
		return err_set(e, ERR_INVALID,
			"a container is not restored beside itself: its name, addresses and ports "
			"are taken; restore its volumes beside, or rehearse the backup");
	if (strcmp(key, "volumes") == 0)
		return is_volume_name(as)
			       ? 0
			       : err_set(e, ERR_INVALID,
					 "\"as\": \"%.200s\" is no name of a volume: 2 to "
					 "255 letters, digits, \"_\", \".\", \"-\"",
					 as);
	if (as[0] != '/' || !names_safe_path(as + 1) || strchr(as + 1, '/') == NULL ||
		names_ours(strrchr(as, '/') + 1))
		return err_set(e, ERR_INVALID,
			"\"as\": \"%.200s\" is no absolute path of a new file or folder in a "
			"folder other than \"/\"",
			as);
	return 0;
}
