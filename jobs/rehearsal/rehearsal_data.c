#include "jobs/rehearsal/rehearsal_data.h"

#include <string.h>
#include <sys/vfs.h>

#include "archive/restore/extract.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender.h"
#include "engine/volumes.h"
#include "jobs/content/id_map.h"
#include "jobs/operations/inspect.h"
#include "jobs/rehearsal/clone_config.h"

/* The name of a single file in its volume. */
static const char in_volume[] = "file";

struct vessel {
	char *prefix;  /* archive path of what is put in */
	char *volume;  /* name of the fresh volume, or NULL: a layer */
	char *path;    /* on the host, once it is made */
	char *of;      /* recorded: the volume's name, or the host path */
	bool bind;     /* `of` is a host path */
	bool file;     /* a single file */
	bool tree;     /* a layer that goes into a whole tree */
	bool part;     /* lies within a source: hard links may lead out of it */
	size_t level;  /* so many other vessels hold it: each level is a pass of its own */
	int64_t links; /* hard links that lead out, and were left out */
	size_t number; /* with the lender */
	struct extract *extract;
};

struct rehearsal_data {
	const struct contents *contents;
	int64_t bytes;
	struct vessel *list;
	size_t count;
	json_t *volumes, *binds;
	struct lender *lender; /* while it is filled */
	size_t level;
	struct vessel *last;
	int64_t files;
	struct small_file_writer *scribe;
};

/* How far ${prefix} reaches into ${path}: true if it is that, or above it. */
static bool
rehearsal_data_holds(const char *prefix, const char *path)
{
	const size_t len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* ---- what is bound ---- */

/* All host paths that containers bind: {path: true}. */
static json_t *
rehearsal_data_bound(const json_t *inspects)
{
	json_t *paths = json_object();
	const char *name;
	json_t *inspect, *mount;
	size_t i;

	json_object_foreach ((json_t *)(uintptr_t)inspects, name, inspect) {
		json_array_foreach (json_object_get(inspect, "Mounts"), i, mount) {
			const char *path = json_text(mount, "Source", NULL);

			if (strcmp(json_text(mount, "Type", NULL), "bind") == 0 && path[0] == '/')
				(void)json_object_set_new(paths, path, json_true());
		}
	}
	return paths;
}

static json_t *
rehearsal_data_wanted(const json_t *inspects)
{
	SCOPED(json_decref_at) json_t *paths = rehearsal_data_bound(inspects);
	json_t *set = json_object();
	const char *path;
	json_t *value;

	json_object_foreach (paths, path, value) {
		SCOPED(free_at) char *bind = mem_format("binds%s", path);
		SCOPED(free_at) char *host = mem_format("host%s", path);

		(void)json_object_set(set, bind, value);
		(void)json_object_set(set, host, value);
	}
	return set;
}

void
rehearsal_data_look(void *ctx, const struct contents *c, const struct member *m)
{
	struct rehearsal_data_seen *seen = ctx;
	const bool path =
		rehearsal_data_holds("binds", m->path) || rehearsal_data_holds("host", m->path);

	if (path || rehearsal_data_holds("volumes", m->path) ||
		rehearsal_data_holds("containers", m->path))
		seen->bytes += member_stored_size(m);
	if (!path)
		return;
	if (seen->wanted == NULL) {
		seen->wanted = rehearsal_data_wanted(c->inspects);
		seen->kinds = json_object();
	}
	if (json_object_get(seen->wanted, m->path) != NULL &&
		(m->type == MEMBER_DIR || m->type == MEMBER_FILE || m->type == MEMBER_LINK))
		(void)json_object_set_new(seen->kinds, m->path,
			json_string(m->type == MEMBER_DIR ? "folder" : "file"));
}

void
rehearsal_data_seen_clear(struct rehearsal_data_seen *seen)
{
	json_decref(seen->wanted);
	json_decref(seen->kinds);
}

/* ---- which there are ---- */

static struct vessel *
rehearsal_data_add(struct rehearsal_data *v, char *prefix, char *volume, const char *of)
{
	struct vessel *s;

	v->list = mem_array(v->list, v->count + 1, sizeof(*v->list));
	s = &v->list[v->count++];
	*s = (struct vessel){.prefix = prefix, .volume = volume, .of = mem_string(of)};
	return s;
}

/* The volume is an ordinary one here, whatever it was. */
static void
tell_driver(const struct contents *c, const char *name, json_t *unproven)
{
	const json_t *volume;
	size_t i;

	json_array_foreach (json_object_get(c->manifest, "volumes"), i, volume) {
		const char *driver = json_text(volume, "Driver", NULL);

		if (strcmp(json_text(volume, "Name", NULL), name) == 0 &&
			(strcmp(driver, "local") != 0 ||
				json_object_size(json_object_get(volume, "Options")) > 0))
			clone_config_unproven(unproven, NULL,
				"volume %s: driver %s with its options; it is a plain one", name,
				driver);
	}
}

static void
plan_volumes(struct rehearsal_data *v, const char *id, json_t *unproven)
{
	const json_t *source;
	size_t i;

	json_array_foreach (json_object_get(v->contents->manifest, "sources"), i, source) {
		const char *name = json_text(source, "name", NULL);

		if (strcmp(json_text(source, "kind", NULL), "volume") != 0)
			continue;
		(void)rehearsal_data_add(v, mem_string(json_text(source, "prefix", NULL)),
			mem_format("rehearsal-%s-volume-%s", id, name), name);
		tell_driver(v->contents, name, unproven);
	}
}

/* The source of the host that holds ${path} most closely, or NULL. */
static const json_t *
source_of(const struct contents *c, const char *path)
{
	const json_t *source, *best = NULL;
	size_t i, longest = 0;

	json_array_foreach (json_object_get(c->manifest, "sources"), i, source) {
		const char *kind = json_text(source, "kind", NULL);
		const char *top = json_text(source, "path", NULL);

		if ((strcmp(kind, "bind") != 0 && strcmp(kind, "host") != 0) || top[0] != '/' ||
			!rehearsal_data_holds(top, path) || strlen(top) <= longest)
			continue;
		longest = strlen(top);
		best = source;
	}
	return best;
}

static void
plan_bind(struct rehearsal_data *v, const struct rehearsal_data_seen *seen, const char *id,
	const char *path)
{
	const json_t *source = source_of(v->contents, path);
	const char *rest = source == NULL ? "" : path + strlen(json_text(source, "path", NULL));
	SCOPED(free_at) char *prefix = mem_format("%s%s", json_text(source, "prefix", NULL), rest);
	const char *kind = json_text(seen->kinds, prefix, NULL);
	struct vessel *s;

	if (source == NULL || kind[0] == '\0')
		return; /* clone_config_body tells of it */
	s = rehearsal_data_add(
		v, TAKE(prefix), mem_format("rehearsal-%s-bind-%zu", id, v->count), path);
	s->bind = true;
	s->file = strcmp(kind, "file") == 0;
	s->part = rest[0] != '\0';
}

struct rehearsal_data *
rehearsal_data_plan(const struct contents *c, const struct rehearsal_data_seen *seen,
	const char *id, json_t *unproven)
{
	struct rehearsal_data *v = mem_new(sizeof(*v));
	SCOPED(json_decref_at) json_t *paths = rehearsal_data_bound(c->inspects);
	const char *path;
	json_t *value;

	v->contents = c;
	v->scribe = small_file_writer_new();
	v->bytes = seen->bytes;
	v->volumes = json_object();
	v->binds = json_object();
	plan_volumes(v, id, unproven);
	json_object_foreach (paths, path, value) {
		plan_bind(v, seen, id, path);
	}
	for (size_t i = 0; i < v->count; i++)
		for (size_t k = 0; k < v->count; k++)
			if (k != i && rehearsal_data_holds(v->list[k].prefix, v->list[i].prefix)) {
				v->list[i].level++;
				clone_config_unproven(unproven, NULL,
					"that %s is a part of %s: they are folders of their own",
					v->list[i].of, v->list[k].of);
			}
	return v;
}

void
rehearsal_data_free(struct rehearsal_data *v)
{
	if (v == NULL)
		return;
	for (size_t i = 0; i < v->count; i++) {
		extract_close(v->list[i].extract);
		free(v->list[i].prefix);
		free(v->list[i].volume);
		free(v->list[i].path);
		free(v->list[i].of);
	}
	free(v->list);
	small_file_writer_free(v->scribe);
	lender_close(v->lender);
	json_decref(v->volumes);
	json_decref(v->binds);
	free(v);
}

void
rehearsal_data_free_at(struct rehearsal_data **v)
{
	rehearsal_data_free(*v);
}

/* ---- made ---- */

static int
make(struct rehearsal_data *v, struct vessel *s, struct engine *g, json_t *labels, struct err *e)
{
	SCOPED(json_decref_at)
	json_t *body = json_pack(
		"{s:s, s:s, s:O}", "Name", s->volume, "Driver", "local", "Labels", labels);
	SCOPED(json_decref_at) json_t *made = NULL;

	if (volumes_recreate(g, body, e) != 0 || volumes_inspect(g, s->volume, &made, e) != 0)
		return err_prefix(e, "volume %s", s->volume);
	s->path = mem_string(json_text(made, "Mountpoint", NULL));
	if (!s->bind)
		(void)json_object_set_new(v->volumes, s->of, json_string(s->volume));
	else if (s->file)
		(void)json_object_set_new(v->binds, s->of,
			json_pack("{s:o}", "file", json_sprintf("%s/%s", s->path, in_volume)));
	else
		(void)json_object_set_new(v->binds, s->of, json_pack("{s:s}", "volume", s->volume));
	return 0;
}

int
rehearsal_data_make(struct rehearsal_data *v, struct engine *g, json_t *labels, struct err *e)
{
	for (size_t i = 0; i < v->count; i++)
		if (make(v, &v->list[i], g, labels, e) != 0)
			return -1;
	return 0;
}

const json_t *
rehearsal_data_volumes(const struct rehearsal_data *v)
{
	return v->volumes;
}

const json_t *
rehearsal_data_binds(const struct rehearsal_data *v)
{
	return v->binds;
}

void
rehearsal_data_add_layer(struct rehearsal_data *v, const char *container, const struct layer *layer)
{
	struct vessel *s = rehearsal_data_add(
		v, mem_format("containers/%s/layer", container), NULL, container);

	s->path = mem_string(layer->path);
	s->tree = layer->form == LAYER_TREE;
}

/* ---- filled ---- */

static int
rehearsal_data_lend(
	struct rehearsal_data *v, const struct rehearsal_data_source *source, struct err *e)
{
	SCOPED(free_at) struct lender_root *roots = mem_array(NULL, v->count + 1, sizeof(*roots));
	SCOPED(free_at) char *name = mem_format("fuel-backup-lender-%s", source->id);
	SCOPED(free_at) char *run_path = mem_format("%s/run", store_path(source->store));
	const struct lender_options options = {.engine = source->engine,
		.self = source->self,
		.run_path = run_path,
		.name = name,
		.roots = roots,
		.count = v->count};

	for (size_t i = 0; i < v->count; i++) {
		v->list[i].number = i;
		roots[i] = (struct lender_root){
			.path = v->list[i].path, .volume = v->list[i].volume, .writable = true};
	}
	return v->count == 0 ? 0 : lender_open(&options, &v->lender, e);
}

/* They all lie in the engine's data folder. */
static int
rehearsal_data_check_space(const struct rehearsal_data *v, struct err *e)
{
	struct statfs fs;
	int64_t have;

	if (v->count == 0)
		return 0;
	if (fstatfs(lender_fd(v->lender, 0), &fs) != 0)
		return err_errno(e, "the engine's data folder");
	have = (int64_t)fs.f_bavail * fs.f_bsize;
	if (have >= v->bytes)
		return 0;
	return err_set(e, ERR_NO_SPACE,
		"the engine's data folder has %lld MiB left, and the clones need %lld: make room",
		(long long)(have >> 20), (long long)(v->bytes >> 20));
}

/* What the extraction of one vessel needs; lives as long as it. */
struct marking {
	struct rehearsal_data *vessels;
	size_t number;
};

static int
rehearsal_data_mark_opaque(void *ctx, const char *path, struct err *e)
{
	const struct marking *m = ctx;

	return lender_set_opaque(m->vessels->lender, m->number, path, e);
}

static int
rehearsal_data_begin(
	struct rehearsal_data *v, struct vessel *s, struct marking *marking, struct err *e)
{
	const struct extract_options options = {.prefix = s->file ? in_volume : s->prefix,
		.layer = s->volume == NULL,
		.merge = s->tree,
		.opaque = rehearsal_data_mark_opaque,
		.ctx = marking,
		.scribe = v->scribe};

	*marking = (struct marking){v, s->number};
	return extract_open(lender_fd(v->lender, s->number), &options, &s->extract, e);
}

static struct vessel *
vessel_of(struct rehearsal_data *v, const char *path)
{
	/* Those of one level do not hold each other. */
	if (v->last != NULL && v->last->level == v->level &&
		rehearsal_data_holds(v->last->prefix, path))
		return v->last;
	v->last = NULL;
	for (size_t i = 0; i < v->count && v->last == NULL; i++)
		if (v->list[i].level == v->level && rehearsal_data_holds(v->list[i].prefix, path))
			v->last = &v->list[i];
	return v->last;
}

static int
rehearsal_data_put(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	struct rehearsal_data *v = ctx;
	struct vessel *s = vessel_of(v, m->path);
	struct member copy = *m;
	SCOPED(free_at) char *path = NULL;

	if (s == NULL)
		return 0;
	v->files++;
	if (m->type == MEMBER_LINK && s->part &&
		(s->file || !rehearsal_data_holds(s->prefix, m->link))) {
		s->links++;
		return 0;
	}
	if (!s->file)
		return extract_member(s->extract, m, r, e);
	if (m->type != MEMBER_FILE || strcmp(m->path, s->prefix) != 0)
		return err_set(e, ERR_CORRUPT, "%.200s is not the single file it was", m->path);
	path = mem_format("%s/%s", in_volume, in_volume);
	copy.path = path;
	return extract_member(s->extract, &copy, r, e);
}

static int
rehearsal_data_finish(struct rehearsal_data *v, json_t *unproven, struct err *e)
{
	for (size_t i = 0; i < v->count; i++) {
		const struct vessel *s = &v->list[i];

		if (extract_finish(s->extract, e) != 0)
			return err_prefix(e, "%s", s->prefix);
		if (s->links > 0)
			clone_config_unproven(unproven, NULL,
				"%s: %lld hard links to files outside of it", s->of,
				(long long)s->links);
	}
	return 0;
}

int
rehearsal_data_fill(
	struct rehearsal_data *v, const struct rehearsal_data_source *source, struct err *e)
{
	SCOPED(free_at)
	struct marking *markings = mem_array(NULL, v->count + 1, sizeof(*markings));
	size_t deepest = 0;
	SCOPED(id_map_visit_free) struct id_map_visit mapped = {0};
	struct err late;
	int status;

	if (id_map_visit_by(&mapped, source->engine, v->contents, rehearsal_data_put, v, e) != 0)
		return -1;
	if (rehearsal_data_lend(v, source, e) != 0 || rehearsal_data_check_space(v, e) != 0)
		return -1;
	for (size_t i = 0; i < v->count; i++) {
		if (rehearsal_data_begin(v, &v->list[i], &markings[i], e) != 0)
			return err_prefix(e, "%s", v->list[i].prefix);
		deepest = v->list[i].level > deepest ? v->list[i].level : deepest;
	}
	status = 0;
	for (v->level = 0; status == 0 && v->level <= deepest && v->count > 0; v->level++) {
		v->last = NULL;
		status = contents_walk(
			source->store, source->backup, source->operation, id_map_visit, &mapped, e);
	}
	if (small_file_writer_settle(v->scribe, status < 0 ? &late : e) != 0)
		status = -1;
	if (status == 0)
		status = rehearsal_data_finish(v, source->unproven, e);
	operation_advance(source->operation, 0, v->files);
	lender_close(v->lender);
	v->lender = NULL;
	return status;
}
