#include "jobs/restore/restore_as.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "archive/disk/remove_tree.h"
#include "archive/restore/extract.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "engine/lender/lender.h"
#include "engine/volumes.h"
#include "jobs/content/id_map.h"
#include "jobs/operations/inspect.h"
#include "jobs/operations/run_state.h"
#include "jobs/restore/restore_as_place.h"
#include "store/read/replay.h"

static const char note_name[] = "beside.json";
static const char label[] = "fuel-backup.beside";
static const char single[] = "file"; /* a single file's name while it is filled */

struct beside {
	const struct restore_request *request;
	const char *id;
	const char *key, *name; /* what is asked for: "volumes", "data" */
	struct self *self;
	struct contents *contents;
	char *prefix; /* its archive path; NULL: not known yet */
	bool found, file;
	int64_t entries, bytes, marks;
	char *leads;		       /* a hard link below it to a file outside of it, or NULL */
	char *parent;		       /* of a host path: the folder that it is made in */
	struct restore_as_place place; /* of that */
	char *temporary;
	bool made;
	struct lender *lender;
	struct extract *extract;
	struct operation *operation;
};

static const char *
restore_as_base_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* How far ${prefix} reaches into ${path}: true if it is that, or above it. */
static bool
restore_as_holds(const char *prefix, const char *path)
{
	const size_t len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* ---- what is asked for ---- */

/* Where it stands in the archive; nothing if the backup does not have it. */
static void
resolve(struct beside *b, const json_t *manifest)
{
	const json_t *source;
	size_t i;

	json_array_foreach (json_object_get(manifest, "sources"), i, source) {
		const char *kind = json_text(source, "kind", NULL);
		const char *prefix = json_text(source, "prefix", NULL);
		const bool volume = strcmp(kind, "volume") == 0;
		const bool path = strcmp(kind, "host") == 0 || strcmp(kind, "bind") == 0;

		if (strcmp(b->key, "files") == 0 ? !restore_as_holds(prefix, b->name)
			: strcmp(b->key, "volumes") == 0
				? !volume || strcmp(json_text(source, "name", NULL), b->name) != 0
				: !path || strcmp(json_text(source, "path", NULL), b->name) != 0)
			continue;
		b->prefix = mem_string(strcmp(b->key, "files") == 0 ? b->name : prefix);
		return;
	}
}

/* A deletion in a layer: it means nothing in a folder that has no image below it. */
static bool
restore_as_is_mark(const struct beside *b, const struct member *m)
{
	return strncmp(b->prefix, "containers/", 11) == 0 && strcmp(m->path, b->prefix) != 0 &&
	       strncmp(restore_as_base_name(m->path), ".wh.", 4) == 0;
}

static void
look_member(void *ctx, const struct contents *c, const struct member *m)
{
	struct beside *b = ctx;

	if (b->prefix == NULL && c->manifest != NULL && b->entries == 0)
		resolve(b, c->manifest);
	if (b->prefix == NULL || !restore_as_holds(b->prefix, m->path))
		return;
	if (restore_as_is_mark(b, m)) {
		b->marks++;
		return;
	}
	b->found = true;
	b->entries++;
	b->bytes += member_stored_size(m);
	if (strcmp(m->path, b->prefix) == 0)
		b->file = m->type != MEMBER_DIR;
	if (m->type == MEMBER_LINK && !restore_as_holds(b->prefix, m->link) && b->leads == NULL)
		b->leads = mem_format("%s is another name of %s", m->path, m->link);
}

static int
restore_as_set_total(struct beside *b, struct err *e)
{
	SCOPED(replay_close_at) struct replay *replay = NULL;

	if (replay_open(b->request->store, b->request->backup, &replay, e) != 0)
		return -1;
	operation_total(b->operation, (b->request->dry_run ? 1 : 2) * replay_plain_bytes(replay));
	return 0;
}

/* ---- where it goes ---- */

static int
look_volume(const struct beside *b, struct err *e)
{
	SCOPED(json_decref_at) json_t *present = NULL;

	if (volumes_inspect(b->request->engine, b->request->as, &present, e) == 0)
		return err_set(e, ERR_CONFLICT, "there is a volume %s already: choose another name",
			b->request->as);
	return e->code == ERR_NOT_FOUND ? 0 : -1;
}

static int
look_path(struct beside *b, struct err *e)
{
	SCOPED(free_at) char *run_path = mem_format("%s/run", store_path(b->request->store));
	const struct restore_as_place_options options = {.engine = b->request->engine,
		.self = b->self,
		.store_path = store_path(b->request->store),
		.run_path = run_path,
		.id = b->id};

	if (b->place.view != NULL)
		return 0;
	return restore_as_place_find(&b->place, &options, b->parent,
		b->request->as == NULL ? NULL : restore_as_base_name(b->request->as), e);
}

static int
restore_as_look(struct beside *b, struct err *e)
{
	const struct restore_request *r = b->request;
	const struct contents_looker looker = {look_member, b};

	operation_phase(b->operation, "verify");
	if (restore_as_set_total(b, e) != 0 || contents_read_looking(r->store, r->backup,
						       b->operation, &looker, &b->contents, e) != 0)
		return -1;
	if (!b->found)
		return err_set(
			e, ERR_NOT_FOUND, "the backup has no %.200s in its %s", b->name, b->key);
	if (b->leads != NULL)
		return err_set(e, ERR_CONFLICT,
			"%.1000s, which is not restored with it: restore a folder that holds both",
			b->leads);
	return b->parent == NULL ? look_volume(b, e) : look_path(b, e);
}

/* ---- made ---- */

static int
restore_as_open_run(struct store *store, struct err *e)
{
	const int fd = openat(store_fd(store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s/run", store_path(store)) : fd;
}

static int
restore_as_write_note(const struct beside *b, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = restore_as_open_run(b->request->store, e);
	SCOPED(json_decref_at)
	json_t *note = json_pack("{s:s, s:s?, s:s?}", "id", b->id, "volume",
		b->parent == NULL ? b->request->as : NULL, "parent", b->place.real);

	return run_fd < 0 ? -1 : run_state_write(run_fd, note_name, note, e);
}

static int
remove_note(struct store *store, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = restore_as_open_run(store, e);

	return run_fd < 0 ? -1 : run_state_remove(run_fd, note_name, e);
}

static int
make_volume(struct beside *b, struct err *e)
{
	SCOPED(json_decref_at)
	json_t *body = json_pack("{s:s, s:s, s:{s:s}}", "Name", b->request->as, "Driver", "local",
		"Labels", label, b->id);

	return volumes_recreate(b->request->engine, body, e);
}

static int
restore_as_lend(struct beside *b, struct err *e)
{
	SCOPED(free_at) char *name = mem_format("fuel-backup-lender-%s", b->id);
	SCOPED(free_at) char *run_path = mem_format("%s/run", store_path(b->request->store));
	SCOPED(json_decref_at) json_t *volume = NULL;
	struct lender_root root = {.path = b->place.real, .writable = true};

	if (b->parent == NULL) {
		if (volumes_inspect(b->request->engine, b->request->as, &volume, e) != 0)
			return -1;
		if (strcmp(json_text(volume, "Labels", label), b->id) != 0) /* create took it */
			return err_set(e, ERR_CONFLICT,
				"there is a volume %s by now: choose another name", b->request->as);
		root.volume = b->request->as;
		root.path = json_text(volume, "Mountpoint", NULL);
	}
	if (lender_open(&(struct lender_options){.engine = b->request->engine,
				.self = b->self,
				.run_path = run_path,
				.name = name,
				.roots = &root,
				.count = 1},
		    &b->lender, e) != 0)
		return -1;
	return b->parent == NULL ? 0
				 : restore_as_place_check(&b->place, lender_fd(b->lender, 0), e);
}

static int
restore_as_check_space(const struct beside *b, struct err *e)
{
	struct statfs fs;
	int64_t have;

	if (fstatfs(lender_fd(b->lender, 0), &fs) != 0)
		return err_errno(e, "%s", b->request->as);
	have = (int64_t)fs.f_bavail * fs.f_bsize;
	return have >= b->bytes ? 0
				: err_set(e, ERR_NO_SPACE,
					  "%s needs %lld MiB, and %lld are left there: make room",
					  b->request->as, (long long)(b->bytes >> 20),
					  (long long)(have >> 20));
}

static int
restore_as_put(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	struct beside *b = ctx;
	SCOPED(free_at) char *path = NULL;
	struct member copy = *m;

	if (!restore_as_holds(b->prefix, m->path) || restore_as_is_mark(b, m))
		return 0;
	operation_advance(b->operation, 0, 1);
	if (!b->file)
		return extract_member(b->extract, m, r, e);
	path = mem_format("%s/%s", single, single);
	copy.path = path;
	return extract_member(b->extract, &copy, r, e);
}

/* Durable before it gets its name. */
static int
sync_root(int root_fd, struct err *e)
{
	SCOPED(fd_close_at) int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || syncfs(fd) != 0 ? err_errno(e, "what was restored cannot be synced") : 0;
}

static int
restore_as_fill(struct beside *b, int root_fd, struct err *e)
{
	const struct restore_request *r = b->request;
	const struct extract_options options = {.prefix = b->file ? single : b->prefix};
	SCOPED(id_map_visit_free) struct id_map_visit mapped = {0};

	operation_phase(b->operation, "extract");
	if (id_map_visit_by(&mapped, r->engine, b->contents, restore_as_put, b, e) != 0)
		return -1;
	if (extract_open(root_fd, &options, &b->extract, e) != 0 ||
		contents_walk(r->store, r->backup, b->operation, id_map_visit, &mapped, e) != 0 ||
		extract_finish(b->extract, e) != 0 || extract_sync(b->extract, e) != 0)
		return -1;
	return sync_root(root_fd, e);
}

/* Filled under a name of ours, then renamed. */
static int
fill_path(struct beside *b, struct err *e)
{
	const int parent = lender_fd(b->lender, 0);
	const char *name = restore_as_base_name(b->request->as);

	if (mkdirat(parent, b->temporary, 0700) != 0)
		return err_errno(e, "%s/%s", b->parent, b->temporary);
	SCOPED(fd_close_at) int root = restore_as_place_open(parent, b->temporary, e);
	if (root < 0)
		return err_prefix(e, "%s", b->parent);
	if (restore_as_fill(b, root, e) != 0)
		return -1;
	if (renameat2(b->file ? root : parent, b->file ? single : b->temporary, parent, name,
		    RENAME_NOREPLACE) != 0)
		return errno == EEXIST
			       ? err_set(e, ERR_CONFLICT, "there is %s by now: choose another name",
					 b->request->as)
			       : err_errno(e, "%s", b->request->as);
	if (b->file && unlinkat(parent, b->temporary, AT_REMOVEDIR) != 0)
		return err_errno(e, "%s/%s", b->parent, b->temporary);
	return sync_root(parent, e);
}

/* Remove what was made, as long as it is ours. */
static int
restore_as_remove_volume(struct engine *g, const char *name, const char *id, struct err *e)
{
	SCOPED(json_decref_at) json_t *volume = NULL;

	if (volumes_inspect(g, name, &volume, e) != 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	if (strcmp(json_text(volume, "Labels", label), id) != 0)
		return 0;
	return volumes_remove(g, name, e);
}

static void
restore_as_undo(struct beside *b)
{
	struct err e;
	int status = 0;

	if (b->parent != NULL && b->lender != NULL)
		status = remove_tree(lender_fd(b->lender, 0), b->temporary, &e);
	lender_close(b->lender);
	b->lender = NULL;
	if (b->parent == NULL)
		status = restore_as_remove_volume(b->request->engine, b->request->as, b->id, &e);
	if (status == 0)
		status = remove_note(b->request->store, &e);
	if (status != 0)
		log_warn("%s is left, and removed at the next start: %s", b->request->as, e.text);
}

static int
restore_as_make(struct beside *b, struct err *e)
{
	if (restore_as_write_note(b, e) != 0)
		return -1;
	if ((b->parent == NULL && make_volume(b, e) != 0) || restore_as_lend(b, e) != 0 ||
		restore_as_check_space(b, e) != 0 ||
		(b->parent == NULL ? restore_as_fill(b, lender_fd(b->lender, 0), e)
				   : fill_path(b, e)) != 0) {
		restore_as_undo(b);
		return -1;
	}
	return remove_note(b->request->store, e);
}

static json_t *
restore_as_result(const struct beside *b)
{
	json_t *warnings = json_array();

	if (b->marks > 0)
		(void)json_array_append_new(warnings,
			json_sprintf("%lld deletions of the container's layer are left out: what "
				     "they delete is in its image",
				(long long)b->marks));
	return json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:o}", "backup", b->request->backup,
		"part", b->prefix, "as", b->request->as, "dry_run", (int)b->request->dry_run,
		"entries", (json_int_t)b->entries, "bytes", (json_int_t)b->bytes, "warnings",
		warnings);
}

static void
restore_as_clear(struct beside *b)
{
	extract_close(b->extract);
	lender_close(b->lender);
	self_free(b->self);
	contents_free(b->contents);
	free(b->prefix);
	free(b->leads);
	free(b->parent);
	restore_as_place_clear(&b->place);
	free(b->temporary);
}

int
restore_as_run(struct operation *o, const struct restore_request *request, json_t **ret_result,
	struct err *e)
{
	SCOPED(restore_as_clear)
	struct beside b = {.request = request, .id = operation_id(o), .operation = o};

	(void)restore_as_one(request->only, &b.key, &b.name);
	if (strcmp(b.key, "volumes") != 0)
		b.parent = mem_copy(
			request->as, (size_t)(restore_as_base_name(request->as) - request->as) - 1);
	b.temporary = mem_format(".fuel-backup-beside-%s", b.id);
	if (restore_as_recover(request->store, request->engine, e) != 0 ||
		self_find(request->engine, &b.self, e) != 0 || restore_as_look(&b, e) != 0 ||
		(!request->dry_run && restore_as_make(&b, e) != 0))
		return err_prefix(e, "nothing was changed");
	*ret_result = restore_as_result(&b);
	return 0;
}

/* ---- after a crash ---- */

/* Whoever moved that folder away, or put a link in its place, took with it what was made. */
static int
remove_folder(struct beside *b, struct err *e)
{
	if (look_path(b, e) != 0 || strcmp(b->place.real, b->parent) != 0) {
		if (b->place.real == NULL && e->code != ERR_CONFLICT)
			return -1;
		log_warn("%s/%s, if it is there, is left: it cannot be found any more", b->parent,
			b->temporary);
		return 0;
	}
	return restore_as_lend(b, e) != 0 ? -1
					  : remove_tree(lender_fd(b->lender, 0), b->temporary, e);
}

int
restore_as_recover(struct store *store, struct engine *g, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = restore_as_open_run(store, e);
	SCOPED(json_decref_at) json_t *note = run_fd < 0 ? NULL : run_state_read(run_fd, note_name);
	const struct restore_request request = {.store = store, .engine = g};
	const char *volume = json_string_value(json_object_get(note, "volume"));
	const char *parent = json_string_value(json_object_get(note, "parent"));
	SCOPED(restore_as_clear)
	struct beside b = {.request = &request, .id = json_text(note, "id", NULL)};

	if (note == NULL)
		return run_fd < 0 ? -1 : 0;
	b.temporary = mem_format(".fuel-backup-beside-%s", b.id);
	if (parent != NULL)
		b.parent = mem_string(parent);
	if (self_find(g, &b.self, e) != 0 ||
		(volume != NULL && restore_as_remove_volume(g, volume, b.id, e) != 0) ||
		(parent != NULL && remove_folder(&b, e) != 0))
		return err_prefix(e, "what a cut-off restore had made beside");
	log_warn("what restore %s, which had been cut off, had made was removed", b.id);
	return run_state_remove(run_fd, note_name, e);
}
