#include "jobs/plan/plan.h"

#include <fnmatch.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"
#include "jobs/plan/schedule.h"

enum { PLAN_ITEMS_MAX = 1000, PLAN_TEXT_MAX = 4096 };

static const char embedded[] =
	"{\"containers\": {\"names\": [\"*\"]}, \"host_paths\": [], \"exclude\": []}";

/* Source: facts of the Fuel master's data, as its old backup in "full" mode took them. */
static const char *const fuel_paths[] = {
	"/var/www/nailgun", "/etc/puppet", "/etc/fuel", "/var/lib/fuel", "/root/.ssh"};

struct field {
	const char *name;
	json_type type;
};

static const struct field plan_fields[] = {{"containers", JSON_OBJECT}, {"host_paths", JSON_ARRAY},
	{"exclude", JSON_ARRAY}, {"tmpfs", JSON_TRUE}, {"tmpfs", JSON_FALSE},
	{"on_error", JSON_STRING}, {"unreadable", JSON_STRING}, {"keep", JSON_OBJECT},
	{"schedule", JSON_OBJECT}, {"rehearse", JSON_STRING}, {"rehearse", JSON_OBJECT},
	{"copies", JSON_ARRAY}, {NULL, JSON_NULL}};
static const struct field selection_fields[] = {{"names", JSON_ARRAY}, {"labels", JSON_ARRAY},
	{"projects", JSON_ARRAY}, {"exclude_names", JSON_ARRAY}, {"exclude_labels", JSON_ARRAY},
	{NULL, JSON_NULL}};

static int
check_texts(const char *name, const json_t *array, struct err *e)
{
	const json_t *item;
	size_t i;

	if (json_array_size(array) > PLAN_ITEMS_MAX)
		return err_set(e, ERR_INVALID, "plan: \"%s\" has more than %d items", name,
			PLAN_ITEMS_MAX);
	json_array_foreach (array, i, item) {
		const size_t len = json_string_length(item);

		if (!json_is_string(item) || len == 0 || len > PLAN_TEXT_MAX ||
			strlen(json_string_value(item)) != len)
			return err_set(e, ERR_INVALID,
				"plan: \"%s\" is a list of texts of 1 to %d bytes", name,
				PLAN_TEXT_MAX);
	}
	return 0;
}

static int
refuse_field(const char *key, const struct field *fields, struct err *e)
{
	SCOPED(buf_free) struct buf known = BUF_INIT(1024);

	for (const struct field *f = fields; f->name != NULL; f++)
		if (f == fields || strcmp(f->name, f[-1].name) != 0)
			(void)buf_format(&known, "%s%s", f == fields ? "" : ", ", f->name);
	return err_set(
		e, ERR_INVALID, "plan: unknown field \"%.64s\"; known are: %s", key, known.data);
}

static int
check_fields(const json_t *object, const struct field *fields, struct err *e)
{
	json_t *copy = (json_t *)(uintptr_t)object; /* jansson's iterator takes no const */
	const char *key;
	json_t *value;

	json_object_foreach (copy, key, value) {
		const struct field *f = fields;

		while (f->name != NULL && strcmp(f->name, key) != 0)
			f++;
		if (f->name == NULL)
			return refuse_field(key, fields, e);
		if (json_typeof(value) != f->type && f[1].name != NULL &&
			strcmp(f[1].name, key) == 0)
			f++; /* it may be of two types */
		if (json_typeof(value) != f->type)
			return err_set(e, ERR_INVALID, "plan: \"%s\" must be %s", key,
				f->type == JSON_ARRAY	 ? "a list"
				: f->type == JSON_OBJECT ? "an object"
				: f->type == JSON_FALSE	 ? "true or false"
							 : "a text");
		if (f->type == JSON_ARRAY && check_texts(key, value, e) != 0)
			return -1;
	}
	return 0;
}

static int
check_path(const char *path, struct err *e)
{
	const size_t len = strlen(path);

	if (path[0] != '/' || len < 2 || path[len - 1] == '/' || strstr(path, "//") != NULL ||
		strstr(path, "/../") != NULL || strstr(path, "/./") != NULL ||
		(len >= 3 && strcmp(path + len - 3, "/..") == 0) ||
		(len >= 2 && strcmp(path + len - 2, "/.") == 0))
		return err_set(e, ERR_INVALID,
			"plan: host path \"%.256s\" must be absolute, without a trailing "
			"\"/\", \".\" or \"..\", and not \"/\" itself",
			path);
	return 0;
}

static const json_t *
array_of(const json_t *object, const char *name)
{
	return json_object_get(object, name);
}

/* "unreadable" is the old name of "on_error", and "mark" that of "continue". */
static int
check_on_error(struct plan *p, struct err *e)
{
	const char *now = json_string_value(json_object_get(p->document, "on_error"));
	const char *old = json_string_value(json_object_get(p->document, "unreadable"));

	if (now != NULL && strcmp(now, "fail") != 0 && strcmp(now, "continue") != 0)
		return err_set(e, ERR_INVALID, "plan: \"on_error\" is \"continue\" or \"fail\"");
	if (old != NULL && strcmp(old, "fail") != 0 && strcmp(old, "mark") != 0)
		return err_set(e, ERR_INVALID, "plan: \"unreadable\" is \"fail\" or \"mark\"");
	const bool fails = now != NULL && strcmp(now, "fail") == 0;
	const bool failed = old != NULL && strcmp(old, "fail") == 0;

	if (now != NULL && old != NULL && fails != failed)
		return err_set(e, ERR_INVALID,
			"plan: \"unreadable\" is the old name of \"on_error\", and says otherwise: "
			"leave it out");
	p->fails = fails || failed;
	return 0;
}

static int
plan_check(struct plan *p, struct err *e)
{
	const json_t *selection = json_object_get(p->document, "containers");
	const json_t *rehearse = json_object_get(p->document, "rehearse");
	const json_t *keep = json_object_get(p->document, "keep");
	struct schedule schedule;
	const json_t *path;
	size_t i;

	if (check_fields(p->document, plan_fields, e) != 0 ||
		(selection != NULL && check_fields(selection, selection_fields, e) != 0))
		return -1;
	if (check_on_error(p, e) != 0)
		return -1;
	if (json_is_string(rehearse) && strcmp(json_string_value(rehearse), "after-backup") != 0)
		return err_set(e, ERR_INVALID,
			"plan: \"rehearse\" is \"after-backup\", or a schedule as {\"cron\": \"0 5 "
			"* * sun\"}");
	p->copies = json_object_get(p->document, "copies");
	if (check_texts("copies", p->copies, e) != 0)
		return -1;
	p->rehearses = json_is_string(rehearse);
	p->rehearsals = json_is_object(rehearse) ? rehearse : NULL;
	if (p->rehearsals != NULL && schedule_parse(p->rehearsals, &schedule, e) != 0)
		return err_prefix(e, "plan: \"rehearse\"");
	if (keep != NULL && keep_parse(keep, &p->keep, e) != 0)
		return err_prefix(e, "plan");
	p->schedule = json_object_get(p->document, "schedule");
	if (p->schedule != NULL && schedule_parse(p->schedule, &schedule, e) != 0)
		return err_prefix(e, "plan");
	p->tmpfs = json_is_true(json_object_get(p->document, "tmpfs"));
	p->keeps = keep != NULL;
	p->names = array_of(selection, "names");
	p->labels = array_of(selection, "labels");
	p->projects = array_of(selection, "projects");
	p->not_names = array_of(selection, "exclude_names");
	p->not_labels = array_of(selection, "exclude_labels");
	p->host_paths = array_of(p->document, "host_paths");
	p->exclude = array_of(p->document, "exclude");
	json_array_foreach (p->host_paths, i, path) {
		if (check_path(json_string_value(path), e) != 0)
			return -1;
	}
	return 0;
}

int
plan_parse(const json_t *document, struct plan **ret_plan, struct err *e)
{
	SCOPED(plan_free_at) struct plan *p = mem_new(sizeof(*p));

	p->embedded = document == NULL;
	if (document == NULL)
		p->document = json_loads(embedded, 0, NULL);
	else if (json_is_object(document))
		p->document = json_deep_copy(document);
	else
		return err_set(e, ERR_INVALID, "a plan is a JSON object");
	if (plan_check(p, e) != 0)
		return -1;
	*ret_plan = TAKE(p);
	return 0;
}

int
plan_load(const char *path, struct plan **ret_plan, struct err *e)
{
	json_error_t error;
	SCOPED(json_decref_at)
	json_t *document = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

	if (document == NULL)
		return err_set(e, ERR_INVALID, "plan %s: line %d, column %d: %s", path, error.line,
			error.column, error.text);
	return plan_parse(document, ret_plan, e) == 0 ? 0 : err_prefix(e, "%s", path);
}

void
plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	json_decref(p->document);
	free(p);
}

void
plan_free_at(struct plan **p)
{
	plan_free(*p);
}

static bool
name_matches(const json_t *patterns, const char *name)
{
	const json_t *pattern;
	size_t i;

	json_array_foreach (patterns, i, pattern) {
		if (fnmatch(json_string_value(pattern), name, 0) == 0)
			return true;
	}
	return false;
}

/* "key" or "key=value", the value a pattern. */
static bool
label_matches(const char *wanted, const json_t *labels)
{
	const char *equals = strchr(wanted, '=');
	SCOPED(free_at)
	char *key = mem_copy(wanted, equals == NULL ? strlen(wanted) : (size_t)(equals - wanted));
	const char *value = json_string_value(json_object_get(labels, key));

	if (value == NULL || equals == NULL)
		return value != NULL;
	return fnmatch(equals + 1, value, 0) == 0;
}

static bool
labels_match(const json_t *wanted, const json_t *labels)
{
	const json_t *item;
	size_t i;

	json_array_foreach (wanted, i, item) {
		if (label_matches(json_string_value(item), labels))
			return true;
	}
	return false;
}

bool
plan_takes(const struct plan *p, const json_t *inspect)
{
	const char *name = json_string_value(json_object_get(inspect, "Name"));
	const json_t *labels = json_object_get(json_object_get(inspect, "Config"), "Labels");
	const char *project =
		json_string_value(json_object_get(labels, "com.docker.compose.project"));
	const char *stack =
		json_string_value(json_object_get(labels, "com.docker.stack.namespace"));
	const char *service = container_service(inspect); /* a task goes by its name, too */
	const char *exclude = json_string_value(json_object_get(labels, "fuel-backup.exclude"));
	const bool all = json_array_size(p->names) == 0 && json_array_size(p->labels) == 0 &&
			 json_array_size(p->projects) == 0;

	name = name == NULL ? "" : name + (name[0] == '/');
	if ((exclude != NULL && strcmp(exclude, "true") == 0) || name_matches(p->not_names, name) ||
		(service != NULL && name_matches(p->not_names, service)) ||
		labels_match(p->not_labels, labels))
		return false;
	return all || name_matches(p->names, name) || labels_match(p->labels, labels) ||
	       (service != NULL && name_matches(p->names, service)) ||
	       (project != NULL && name_matches(p->projects, project)) ||
	       (stack != NULL && name_matches(p->projects, stack));
}

static void
fuel_add(json_t *paths)
{
	for (size_t i = 0; i < sizeof(fuel_paths) / sizeof(fuel_paths[0]); i++)
		(void)json_array_append_new(paths, json_string(fuel_paths[i]));
}

void
plan_add_fuel(struct plan *p)
{
	fuel_add(json_object_get(p->document, "host_paths"));
}

/* What a plan takes; a new object. */
static json_t *
plan_taken(const json_t *document)
{
	json_t *copy = json_deep_copy(document);

	(void)json_object_del(copy, "keep");
	(void)json_object_del(copy, "schedule");
	(void)json_object_del(copy, "rehearse");
	(void)json_object_del(copy, "copies");
	(void)json_object_del(copy, "on_error");
	(void)json_object_del(copy, "unreadable");
	if (json_is_false(json_object_get(copy, "tmpfs")))
		(void)json_object_del(copy, "tmpfs");
	return copy;
}

bool
plan_same(const struct plan *p, const json_t *document)
{
	SCOPED(json_decref_at) json_t *mine = plan_taken(p->document);
	SCOPED(json_decref_at) json_t *other = plan_taken(document);

	if (json_equal(mine, other))
		return true;
	if (!p->embedded)
		return false;
	fuel_add(json_object_get(mine, "host_paths")); /* as a backup on a Fuel master has it */
	return json_equal(mine, other);
}
