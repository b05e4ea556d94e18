#include "jobs/plan/omissions.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"

struct omissions {
	bool fail;
	pthread_mutex_t mutex; /* guards what follows */
	json_t *list;
	int64_t count, files; /* the latter of files and folders */
};

struct omissions *
omissions_new(bool fail)
{
	struct omissions *o = mem_new(sizeof(*o));

	o->fail = fail;
	(void)pthread_mutex_init(&o->mutex, NULL);
	o->list = json_array();
	return o;
}

void
omissions_free_at(struct omissions **at)
{
	struct omissions *o = *at;

	if (o == NULL)
		return;
	json_decref(o->list);
	(void)pthread_mutex_destroy(&o->mutex);
	free(o);
}

/* Without these nothing of the rest could be had either. */
static bool
concerns_all(enum err_code code)
{
	return code == ERR_CANCELLED || code == ERR_UNREACHABLE || code == ERR_NO_SPACE ||
	       code == ERR_INTERNAL;
}

static bool
names_same(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "kind"), json_object_get(b, "kind")) &&
	       json_equal(json_object_get(a, "name"), json_object_get(b, "name"));
}

/* A file or what is in a folder, which a pass found. */
static bool
is_file(const json_t *one)
{
	const char *kind = json_string_value(json_object_get(one, "kind"));

	return strcmp(kind, "file") == 0 || strcmp(kind, "folder") == 0 ||
	       strcmp(kind, "attributes") == 0;
}

static void
omissions_note(struct omissions *o, json_t *one)
{
	json_t *before;
	size_t i;
	LOCKED(&o->mutex);

	json_array_foreach (o->list, i, before) {
		if (names_same(before, one)) {
			(void)json_array_set_new(o->list, i, one);
			return;
		}
	}
	o->count++;
	o->files += is_file(one);
	if (json_array_size(o->list) < OMISSIONS_MAX)
		(void)json_array_append_new(o->list, one);
	else
		json_decref(one);
}

int
omissions_add(
	struct omissions *o, const char *kind, const char *name, const char *advice, struct err *e)
{
	if (concerns_all(e->code))
		return err_prefix(e, "%s %s", kind, name);
	if (o->fail) {
		(void)err_prefix(e, "%s %s", kind, name);
		struct err why = *e;

		return err_set(e, why.code,
			"%s (%s%sor set \"on_error\": \"continue\" in the plan)", why.text,
			advice == NULL ? "" : advice, advice == NULL ? "" : ", ");
	}
	omissions_note(o, json_pack("{s:s, s:o, s:o, s:o}", "kind", kind, "name", text_json(name),
				  "reason", text_json(e->text), "advice",
				  advice == NULL ? json_null() : text_json(advice)));
	return 0;
}

bool
omissions_fatal(const struct omissions *o)
{
	return o->fail;
}

int64_t
omissions_count(struct omissions *o)
{
	LOCKED(&o->mutex);

	return o->count;
}

void
omissions_forget_files(struct omissions *o)
{
	LOCKED(&o->mutex);

	for (size_t i = json_array_size(o->list); i-- > 0;)
		if (is_file(json_array_get(o->list, i)))
			(void)json_array_remove(o->list, i);
	o->count -= o->files;
	o->files = 0;
}

json_t *
omissions_json(struct omissions *o)
{
	LOCKED(&o->mutex);

	return json_deep_copy(o->list);
}

int
omissions_add_name(struct omissions *o, const char *kind, const char *name, struct err *e)
{
	(void)err_set(e, ERR_UNSUPPORTED,
		"%.300s cannot be the name of a file: it is too long, or has empty parts or \"..\"",
		name);
	return omissions_add(o, kind, name, "give it another name", e);
}
