#include "jobs/import/foreign_import.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/disk/remove_tree.h"
#include "archive/tar/names.h"
#include "archive/write/foreign.h"
#include "archive/write/segments.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/priority.h"
#include "base/scope.h"
#include "base/text.h"
#include "jobs/backup/walker.h"
#include "jobs/content/assemble.h"
#include "jobs/content/manifest.h"
#include "jobs/import/expected_members.h"
#include "jobs/import/import_record.h"
#include "store/write/ingest.h"

/* Of the folders in run/; how soon a cancelled import ends; what the catalogue wants for itself. */
static const char folder_prefix[] = "foreign-";
enum { LOOK_MS = 100, VOLUME_NAME_MAX = 200 };
static const int64_t SPACE_MIN_BYTES = 64 * 1024 * 1024;

struct foreign {
	struct operation *operation;
	const struct import_request *request;
	int64_t since_ns, made_ns;
	int64_t packed_bytes;
	char id[ID_SIZE];
	int run_fd;
	char folder[PATH_MAX]; /* in run/ */
	const char *name;      /* of the folder in run/; "": not made */
	char *prefix;	       /* in the archive */
	json_t *warnings;
	struct foreign_result unpacked;
	struct ingest *ingest;
	struct recipe tree, recipe;
	json_t *manifest;
	struct expected *expected;
};

int
foreign_import_check(const struct import_request *r, struct err *e)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	if (r->volume != NULL && r->host_path != NULL)
		return err_set(e, ERR_INVALID, "give \"volume\" or \"host_path\", not both");
	if (r->host_path != NULL && (r->host_path[0] != '/' || !names_safe_path(r->host_path + 1)))
		return err_set(e, ERR_INVALID,
			"\"host_path\" is an absolute path of a folder, without \"..\"");
	if (r->volume == NULL)
		return 0;
	if (r->volume[0] == '\0' || strchr(letters, r->volume[0]) == NULL ||
		strlen(r->volume) > VOLUME_NAME_MAX)
		return err_set(e, ERR_INVALID,
			"\"volume\" is the name of a volume: it begins with a letter or a digit, "
			"and "
			"has at most %d of them",
			VOLUME_NAME_MAX);
	for (const char *at = r->volume; *at != '\0'; at++)
		if (strchr(letters, *at) == NULL && strchr("_.-", *at) == NULL)
			return err_set(e, ERR_INVALID,
				"\"volume\" is the name of a volume: letters, digits, \"_\", \".\" "
				"and \"-\"");
	return 0;
}

static ssize_t
foreign_import_body_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct foreign *f = ctx;
	const struct import_body *body = &f->request->body;
	ssize_t got;

	do
		if (operation_check(f->operation, e) != 0)
			return -1;
	while (!body->wait(body->ctx, LOOK_MS));
	got = body->read(body->ctx, data, size, e);
	if (got > 0)
		f->packed_bytes += got;
	operation_advance(f->operation, got > 0 ? got : 0, 0);
	return got;
}

static int
check(void *ctx, struct err *e)
{
	const struct foreign *f = ctx;

	return operation_check(f->operation, e);
}

static void
foreign_import_warn(void *ctx, const char *text)
{
	struct foreign *f = ctx;

	(void)json_array_append_new(f->warnings, text_json(text));
}

void
foreign_import_tidy(struct store *store)
{
	SCOPED(fd_close_at)
	int run_fd = openat(store_fd(store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SCOPED(names_free) struct names names = {0};
	struct err e;

	if (run_fd < 0 || names_read(run_fd, true, &names, &e) != 0)
		return;
	for (size_t i = 0; i < names.count; i++)
		if (strncmp(names.list[i].text, folder_prefix, strlen(folder_prefix)) == 0 &&
			remove_tree(run_fd, names.list[i].text, &e) != 0)
			log_warn("run/%s is left: %s", names.list[i].text, e.text);
}

/* A folder of its own, below the store's real path: no part of it is a link. */
static int
make_folder(struct foreign *f, struct err *e)
{
	SCOPED(free_at) char *path = mem_format("%s/run", store_path(f->request->store));
	SCOPED(free_at) char *real = realpath(path, NULL);
	SCOPED(free_at) char *folder = NULL;

	f->run_fd = openat(store_fd(f->request->store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->run_fd < 0 || real == NULL)
		return err_errno(e, "%s", path);
	folder = mem_format("%s/%s%s", real, folder_prefix, f->id);
	if (strlen(folder) >= sizeof(f->folder))
		return err_set(e, ERR_IO, "the store's path is too long");
	memcpy(f->folder, folder, strlen(folder) + 1);
	if (mkdir(f->folder, 0700) != 0)
		return err_errno(e, "%s cannot be made", f->folder);
	f->name = strrchr(f->folder, '/') + 1;
	return 0;
}

static int
unpack(struct foreign *f, struct err *e)
{
	const struct source body = {.read = foreign_import_body_read, .ctx = f};
	const int64_t have = store_free_bytes(f->request->store, e);
	const struct foreign_options options = {.folder = f->folder,
		.spool_dir_fd = f->run_fd,
		.strip = f->request->strip,
		.devices = f->request->devices,
		/* It is stored, too, while it is unpacked. */
		.bytes_max = (have - SPACE_MIN_BYTES) / 2,
		.check = check,
		.warn = foreign_import_warn,
		.ctx = f};

	if (have < 0)
		return -1;
	if (f->request->body_bytes >= 0)
		operation_total(f->operation, f->request->body_bytes);
	operation_phase(f->operation, "unpack");
	if (foreign_unpack(&body, &options, &f->unpacked, e) != 0)
		return -1;
	/* What follows the archive's end is read, so that the client listens to the answer. */
	for (char rest[4096]; foreign_import_body_read(f, rest, sizeof(rest), e) > 0;)
		;
	return operation_check(f->operation, e);
}

/* ---- the tree, as a walk of a source ---- */

static int
foreign_import_segment_begin(void *ctx, const struct segment *s, struct err *e)
{
	struct foreign *f = ctx;

	if (operation_check(f->operation, e) != 0)
		return -1;
	ingest_begin(f->ingest, walker_cut(s->kind));
	return 0;
}

static int
foreign_import_segment_data(void *ctx, const void *data, size_t len, struct err *e)
{
	struct foreign *f = ctx;

	return ingest_write(f->ingest, data, len, e);
}

static int
foreign_import_segment_end(void *ctx, const struct segment *s, bool stable, struct err *e)
{
	struct foreign *f = ctx;

	(void)stable;
	operation_advance(f->operation, 0, s->files);
	return ingest_end(f->ingest, &f->tree, e);
}

static int
segment_notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	struct foreign *f = ctx;
	SCOPED(free_at) char *text = NULL;

	if (n == SEGMENT_EXCLUDED)
		return 0;
	if (n == SEGMENT_BARE) {
		text = mem_format("%s comes without its attributes: %s", path, e->text);
		foreign_import_warn(f, text);
		return 0;
	}
	text = mem_format("%s was left out%s%s", path, n == SEGMENT_UNREADABLE ? ": " : "",
		n == SEGMENT_UNREADABLE ? e->text : "");
	foreign_import_warn(f, text);
	return 0;
}

static int
store_tree(struct foreign *f, struct err *e)
{
	SCOPED(fd_close_at)
	int root = openat(f->run_fd, f->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct segment_sink sink = {.begin = foreign_import_segment_begin,
		.data = foreign_import_segment_data,
		.end = foreign_import_segment_end,
		.notice = segment_notice,
		.ctx = f};
	const struct tree tree = {.root_fd = root, .prefix = f->prefix};

	operation_phase(f->operation, "store");
	if (root < 0)
		return err_errno(e, "%s", f->folder);
	return segments_walk(&tree, &sink, e);
}

/* ---- what makes a backup of it ---- */

static json_t *
source_json(const struct foreign *f)
{
	const char *volume = f->request->volume, *path = f->request->host_path;
	SCOPED(free_at)
	char *usual =
		volume == NULL ? NULL : mem_format("/var/lib/docker/volumes/%s/_data", volume);

	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b}", "kind",
		volume == NULL ? "host" : "volume", "name", volume == NULL ? path : volume, "path",
		volume == NULL ? path : usual, "prefix", f->prefix, "file", 0, "compose", 0);
}

static json_t *
volumes_json(const struct foreign *f)
{
	if (f->request->volume == NULL)
		return json_array();
	return json_pack("[{s:s, s:s, s:{}, s:{}, s:s}]", "Name", f->request->volume, "Driver",
		"local", "Labels", "Options", "Scope", "local");
}

static json_t *
plan_json(const struct foreign *f)
{
	json_t *paths = json_array();

	if (f->request->host_path != NULL)
		(void)json_array_append_new(paths, json_string(f->request->host_path));
	return json_pack("{s:{s:[]}, s:o}", "containers", "names", "host_paths", paths);
}

static int
make_manifest(struct foreign *f, struct err *e)
{
	char time[CLOCK_TEXT_SIZE];
	json_t *engine = manifest_engine(f->request->engine, e);

	if (engine == NULL)
		return -1;
	f->manifest = json_pack("{s:i, s:s, s:s, s:s, s:b, s:o, s:o, s:[], s:[], s:[], s:o, s:[o], "
				"s:O, s:[], s:i}",
		"format", MANIFEST_FORMAT, "made_by", "fuel-backup " FB_VERSION, "id", f->id,
		"created_at", clock_text(f->made_ns, time), "incomplete", 0, "engine", engine,
		"plan", plan_json(f), "containers", "images", "networks", "volumes",
		volumes_json(f), "sources", source_json(f), "warnings", f->warnings, "omitted",
		"omitted_total", 0);
	if (f->manifest == NULL)
		return err_set(e, ERR_INTERNAL, "the manifest cannot be encoded");
	return expected_members_read(f->manifest, &f->expected, e);
}

static int
foreign_import_assemble(struct foreign *f, struct err *e)
{
	SCOPED(free_at) char *text = NULL;

	if (make_manifest(f, e) != 0)
		return -1;
	text = manifest_restore_text(f->manifest);
	if (assemble_json(f->ingest, &f->recipe, "backup.json", f->manifest, f->made_ns, e) != 0)
		return -1;
	if (assemble_text(f->ingest, &f->recipe, "RESTORE.txt", text, f->made_ns, e) != 0)
		return -1;
	recipe_add_all(&f->recipe, &f->tree);
	return assemble_end(f->ingest, &f->recipe, e);
}

static int
foreign_import_commit(struct foreign *f, json_t **ret_result, struct err *e)
{
	SCOPED(json_decref_at) json_t *addresses = json_object();
	struct import_record r = {.expected = f->expected,
		.addresses = addresses,
		.engine = f->request->engine,
		.format = f->unpacked.format,
		.packed_bytes = f->packed_bytes};

	operation_phase(f->operation, "commit");
	if (operation_decide(f->operation, e) != 0)
		return -1;
	if (ingest_totals(f->ingest, &f->recipe, &r.totals, e) != 0)
		return -1;
	r.duration_ms = clock_since_ms(f->since_ns);
	if (import_record_commit(&r, f->request->store, f->ingest, &f->recipe, e) != 0)
		return -1;
	*ret_result = json_pack("{s:s, s:b, s:I, s:I, s:I}", "backup", f->id, "existed", 0,
		"members", (json_int_t)f->unpacked.members, "size_bytes",
		(json_int_t)r.totals.size_bytes, "stored_bytes", (json_int_t)r.totals.stored_bytes);
	return 0;
}

static int
foreign_import_carry_out(struct foreign *f, json_t **ret_result, struct err *e)
{
	/* Nobody else can enter the folder in which it is unpacked. */
	if (make_folder(f, e) != 0 || unpack(f, e) != 0)
		return -1;
	if (ingest_open(f->request->store, &f->ingest, e) != 0)
		return -1;
	/* The tree is read as a source is, so that it is stored, browsed and restored like one. */
	if (store_tree(f, e) != 0 || foreign_import_assemble(f, e) != 0)
		return -1;
	return foreign_import_commit(f, ret_result, e);
}

static void
foreign_clear(struct foreign *f)
{
	struct err e;

	if (f->name[0] != '\0' && remove_tree(f->run_fd, f->name, &e) != 0)
		log_warn("%s is left: %s", f->folder, e.text);
	fd_close_at(&f->run_fd);
	expected_members_free_at(&f->expected);
	json_decref(f->manifest);
	json_decref(f->warnings);
	if (f->ingest != NULL)
		ingest_drop(f->ingest);
	ingest_close(f->ingest);
	recipe_free(&f->tree);
	recipe_free(&f->recipe);
	free(f->prefix);
}

int
foreign_import_run(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	const struct import_request *request = arg;
	struct foreign f = {.operation = o,
		.request = request,
		.since_ns = clock_mono_ns(),
		.made_ns = clock_real_ns(),
		.run_fd = -1,
		.name = "",
		.warnings = json_array(),
		.prefix = request->volume != NULL ? mem_format("volumes/%s", request->volume)
						  : mem_format("host%s", request->host_path)};
	int status;

	priority_low();
	id_new(f.id);
	operation_backup(o, f.id);
	status = foreign_import_carry_out(&f, ret_result, e);
	foreign_clear(&f);
	return status;
}
