#include "jobs/plan/excludes.h"

#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"

/* Paths of the host are found below binds/ and below host/ alike. */
static size_t
excludes_add_path(char **patterns, size_t n, const char *path)
{
	patterns[n++] = mem_format("binds%s", path);
	patterns[n++] = mem_format("host%s", path);
	return n;
}

static char **
patterns_new(const struct excludes *x, const json_t *plan_exclude)
{
	char **patterns = mem_new((2 * json_array_size(plan_exclude) + 5) * sizeof(char *));
	const json_t *item;
	size_t i, n = 0;

	json_array_foreach (plan_exclude, i, item) {
		const char *pattern = json_string_value(item);

		if (pattern == NULL) /* of an archive that was imported before fields were judged */
			continue;
		if (pattern[0] == '/')
			n = excludes_add_path(patterns, n, pattern);
		else
			patterns[n++] = mem_string(pattern);
	}
	n = excludes_add_path(patterns, n, x->store);
	if (x->engine != NULL)
		(void)excludes_add_path(patterns, n, x->engine);
	return patterns;
}

int
excludes_new(struct engine *g, const struct self *self, const char *store_path,
	const json_t *plan_exclude, struct excludes **ret_excludes, struct err *e)
{
	SCOPED(excludes_free_at) struct excludes *x = mem_new(sizeof(*x));
	SCOPED(json_decref_at) json_t *info = NULL;

	x->store = self_host_path(self, store_path);
	if (x->store == NULL)
		return err_set(e, ERR_CONFLICT,
			"the store %s is not mounted from the host: start the service with "
			"`-v /var/backup/fuel:/var/backup/fuel`",
			store_path);
	if (engine_info(g, &info, e) != 0)
		return -1;
	if (json_text(info, "DockerRootDir", NULL)[0] == '/')
		x->engine = mem_string(json_text(info, "DockerRootDir", NULL));
	x->patterns = patterns_new(x, plan_exclude);
	*ret_excludes = TAKE(x);
	return 0;
}

void
excludes_free(struct excludes *x)
{
	if (x == NULL)
		return;
	for (char **p = x->patterns; p != NULL && *p != NULL; p++)
		free(*p);
	free(x->patterns);
	free(x->store);
	free(x->engine);
	free(x);
}

void
excludes_free_at(struct excludes **x)
{
	excludes_free(*x);
}
