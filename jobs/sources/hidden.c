#include "jobs/sources/hidden.h"

#include <stdlib.h>
#include <string.h>

#include "archive/disk/attributes.h"
#include "base/clock.h"
#include "base/scope.h"
#include "engine/lender/hidden_attributes.h"
#include "jobs/operations/inspect.h"

/* All searches; each ends by itself after HIDDEN_MS. */
enum { TELL_MS = 2000 };

static bool
may_set(const json_t *container)
{
	const json_t *config = json_object_get(container, "HostConfig"), *one;
	size_t i;

	if (json_truth(config, "Privileged", NULL))
		return true;
	json_array_foreach (json_object_get(config, "CapAdd"), i, one) {
		const char *name = json_is_string(one) ? json_string_value(one) : "";

		if (strcmp(name, "ALL") == 0 || strcmp(name, "SYS_ADMIN") == 0 ||
			strcmp(name, "CAP_SYS_ADMIN") == 0)
			return true;
	}
	return false;
}

static bool
is_within(const char *path, const char *top)
{
	const size_t len = strlen(top);

	return strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool
hidden_uses(const json_t *container, const struct plan_source *s)
{
	const json_t *mount;
	size_t i;

	if (s->kind == SOURCE_LAYER)
		return strcmp(container_name(container), s->name) == 0;
	if (s->kind == SOURCE_TMPFS)
		return strcmp(json_text(container, "Id", NULL), s->holder) == 0;
	json_array_foreach (json_object_get(container, "Mounts"), i, mount) {
		const bool volume = strcmp(json_text(mount, "Type", NULL), "volume") == 0;

		if (volume != (s->kind == SOURCE_VOLUME))
			continue;
		if (volume ? strcmp(json_text(mount, "Name", NULL), s->name) == 0
			   : is_within(json_text(mount, "Source", NULL), s->path))
			return true;
	}
	return false;
}

static bool
is_suspect(const struct inventory *v, const struct plan_source *s)
{
	const json_t *container;
	size_t i;

	json_array_foreach (v->containers, i, container) {
		if (may_set(container) && hidden_uses(container, s))
			return true;
	}
	return false;
}

void
hidden_mark(struct inventory *v)
{
	for (size_t i = 0; i < v->count; i++)
		/* Whole trees are not restored with them, and the engine hands none out. */
		v->sources[i].trusted = v->sources[i].base == NULL && v->sources[i].copy == NULL &&
					is_suspect(v, &v->sources[i]);
}

void
hidden_tell(struct inventory *v, const struct roots *roots)
{
	const int64_t since_ns = clock_mono_ns();

	const uint32_t seen = attributes_see_trusted() ? HIDDEN_OVERLAY_ONLY : 0;

	for (size_t i = 0; i < v->count; i++) {
		const struct plan_source *s = &v->sources[i];
		const char *kind = source_kind_name(s->kind);
		SCOPED(free_at) char *path = NULL;
		int64_t count = 0;
		struct err e;

		if (s->left_out || s->trusted || s->copy != NULL)
			continue;
		if (clock_since_ms(since_ns) > TELL_MS)
			return;
		if (lender_hidden(roots->lender, roots->numbers[i],
			    seen | (s->kind == SOURCE_LAYER ? HIDDEN_LAYER : 0), &count, &path,
			    &e) != 0)
			inventory_warn(v,
				"%s %s could not be searched for attributes trusted.*: %.200s",
				kind, s->name, e.text);
		else if (count > 0)
			inventory_warn(v,
				"%s %s has %lld files with attributes trusted.*, which are not in "
				"the backup: %.200s is the first",
				kind, s->name, (long long)count, path);
	}
}
