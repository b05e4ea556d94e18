#include "jobs/import/import.h"

#include <string.h>

#include "archive/tar/pax.h"
#include "archive/tar/reader.h"
#include "archive/write/resegment.h"
#include "archive/write/zstd_source.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/priority.h"
#include "base/scope.h"
#include "jobs/backup/walker.h"
#include "jobs/content/assemble.h"
#include "jobs/content/host_diff.h"
#include "jobs/content/shapes.h"
#include "jobs/import/expected_members.h"
#include "jobs/import/image_tar.h"
#include "jobs/import/import_compare.h"
#include "jobs/import/import_record.h"
#include "jobs/import/import_rules.h"
#include "jobs/operations/inspect.h"
#include "store/write/ingest.h"

enum {
	LOOK_MS = 100,				     /* how soon a cancelled import ends */
	HELD_MAX = 2 * PAX_TEXT_MAX + HEADER_MAP_MAX /* the headers of one member */
};

/* So much is stored between two looks at the free space. */
static const int64_t LOOK_BYTES = 64 * 1024 * 1024;
/* Below this an import ends: the catalogue wants room for its own log. */
static const int64_t SPACE_MIN_BYTES = 32 * 1024 * 1024;

/* Where the bytes go that the reader goes past. */
enum passing { PASSING_HELD, PASSING_INGEST, PASSING_RECUT, PASSING_GONE };

struct import {
	struct operation *operation;
	const struct import_request *request;
	int64_t since_ns;
	int64_t packed_bytes; /* that have come */
	int64_t plain_bytes;  /* that the members declared */
	int64_t plain_max;
	int64_t looked_bytes; /* stored when the free space was looked at */
	int64_t members;
	struct zstd_source *unpack;
	struct reader *reader;
	struct ingest *ingest;
	struct resegment *recut;
	struct recipe recipe;
	enum passing passing;
	struct buf held;
	bool ours; /* the error is not the archive's */
	json_t *manifest;
	struct expected *expected;
	struct rules *rules;
	json_t *addresses;		/* host_diff.h */
	struct import_compare *compare; /* NULL: the store has no backup of this id */
};

/* An error of the store, not of the archive; always -1. */
static int
ours(struct import *im)
{
	im->ours = true;
	return -1;
}

static ssize_t
import_body_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct import *im = ctx;
	const struct import_body *body = &im->request->body;
	ssize_t got;

	do
		if (operation_check(im->operation, e) != 0)
			return ours(im);
	while (!body->wait(body->ctx, LOOK_MS));
	got = body->read(body->ctx, data, size, e);
	if (got < 0)
		return ours(im);
	im->packed_bytes += got;
	operation_advance(im->operation, got, 0);
	return got;
}

/* The room that is left, now and then. */
static int
import_check_space(struct import *im, struct err *e)
{
	const int64_t stored = ingest_stored_bytes(im->ingest);
	int64_t have;

	if (stored - im->looked_bytes < LOOK_BYTES)
		return 0;
	im->looked_bytes = stored;
	if ((have = store_free_bytes(im->request->store, e)) < 0)
		return -1;
	if (have >= SPACE_MIN_BYTES)
		return 0;
	return err_set(e, ERR_NO_SPACE,
		"the store %s has %lld MiB left: make room, or delete backups, then repeat the "
		"import",
		store_path(im->request->store), (long long)(have >> 20));
}

static int
store_bytes(struct import *im, const void *data, size_t len, struct err *e)
{
	if (ingest_write(im->ingest, data, len, e) != 0 || import_check_space(im, e) != 0)
		return ours(im);
	return 0;
}

static int
store_end(struct import *im, struct err *e)
{
	return ingest_end(im->ingest, &im->recipe, e) != 0 ? ours(im) : 0;
}

static int
segment_begin(void *ctx, enum segment_kind kind, bool whole, struct err *e)
{
	struct import *im = ctx;

	(void)e;
	ingest_begin(im->ingest, kind == SEGMENT_RUN && !whole ? CUT_CONTENT : walker_cut(kind));
	return 0;
}

static int
segment_data(void *ctx, const void *data, size_t len, struct err *e)
{
	return store_bytes(ctx, data, len, e);
}

static int
segment_end(void *ctx, struct err *e)
{
	return store_end(ctx, e);
}

static int
import_pass(void *ctx, const void *data, size_t len, struct err *e)
{
	struct import *im = ctx;

	if (im->compare != NULL && import_compare_data(im->compare, data, len, e) != 0)
		return ours(im);
	switch (im->passing) {
	case PASSING_HELD:
		if (buf_add(&im->held, data, len) == 0)
			return 0;
		return err_set(e, ERR_CORRUPT, "the headers of a member pass %d bytes", HELD_MAX);
	case PASSING_INGEST:
		return store_bytes(im, data, len, e);
	case PASSING_RECUT:
		return resegment_data(im->recut, data, len, e);
	case PASSING_GONE:
		break;
	}
	return 0;
}

/* What is held, as a stream that goes on. */
static int
store_held(struct import *im, struct err *e)
{
	ingest_begin(im->ingest, CUT_CONTENT);
	im->passing = PASSING_INGEST;
	return store_bytes(im, im->held.data, im->held.len, e);
}

/* Read all of the present member, which has at most ${max} bytes. */
static int
read_text(struct import *im, const struct member *m, int64_t max, struct buf *text, struct err *e)
{
	const void *data;
	int64_t offset;
	size_t len;
	int more;

	if (m->size > max)
		return err_set(e, ERR_TOO_LARGE, "%.200s has %lld bytes, and may have %lld",
			m->path, (long long)m->size, (long long)max);
	text->max = (size_t)max;
	if (store_held(im, e) != 0)
		return -1;
	while ((more = reader_block(im->reader, &data, &len, &offset, e)) > 0)
		if (buf_add(text, data, len) != 0)
			return err_set(e, ERR_INTERNAL, "%.200s is too large", m->path);
	if (more < 0 || reader_skip(im->reader, e) != 0)
		return -1;
	return store_end(im, e);
}

static json_t *
take_json(struct import *im, const struct member *m, int64_t max, struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(0);
	SCOPED(free_at) char *path = mem_string(m->path);
	json_error_t error;
	json_t *json;

	if (read_text(im, m, max, &text, e) != 0)
		return NULL;
	json = json_parse(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		(void)err_set(e, ERR_CORRUPT, "%.200s is no JSON: line %d: %s", path, error.line,
			error.text);
	return json;
}

static int
take_inspect(struct import *im, const struct member *m, const struct promise *p, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspect = take_json(im, m, IMPORT_JSON_MAX, e);

	if (inspect == NULL)
		return -1;
	if (shapes_check(inspect, p->kind == PROMISE_INSPECT ? SHAPE_INSPECT : SHAPE_NETWORK,
		    p->path, e) != 0)
		return -1;
	if (p->kind == PROMISE_INSPECT)
		host_diff_note(inspect, im->addresses);
	return expected_members_kept(p, inspect, e);
}

static int
take_image(struct import *im, const struct promise *p, struct err *e)
{
	if (store_held(im, e) != 0 || store_end(im, e) != 0)
		return -1;
	ingest_begin(im->ingest, CUT_CONTENT);
	if (image_tar_check(reader_content(im->reader), json_text(p->item, "id", NULL),
		    json_object_get(p->item, "tags"), e) != 0)
		return err_prefix(e, "%.200s", p->path);
	if (store_end(im, e) != 0)
		return -1;
	ingest_begin(im->ingest, CUT_CONTENT); /* the padding; nothing if there is none */
	return reader_skip(im->reader, e) != 0 ? -1 : store_end(im, e);
}

static int
take_in_tree(struct import *im, const struct member *m, struct err *e)
{
	const void *data;
	int64_t offset;
	size_t len;
	int more;

	if (resegment_member(im->recut, m, im->held.data, im->held.len, e) != 0)
		return -1;
	im->passing = PASSING_RECUT;
	while ((more = reader_block(im->reader, &data, &len, &offset, e)) > 0)
		;
	return more < 0 ? -1 : reader_skip(im->reader, e);
}

static int
take_promised(struct import *im, const struct member *m, const struct promise *p, struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(0);

	switch (p->kind) {
	case PROMISE_TEXT:
		return read_text(im, m, IMPORT_TEXT_MAX, &text, e);
	case PROMISE_IMAGE:
		return take_image(im, p, e);
	case PROMISE_INSPECT:
	case PROMISE_NETWORK:
		return take_inspect(im, m, p, e);
	case PROMISE_TREE:
		break;
	}
	return take_in_tree(im, m, e);
}

/* Of what a member says before any of it is read. */
static int
import_check_size(struct import *im, const struct member *m, struct err *e)
{
	im->members++;
	if (m->size > im->plain_max - im->plain_bytes)
		return err_set(e, ERR_TOO_LARGE,
			"%.200s: with its %lld bytes the archive has over %d times what the store "
			"has free",
			m->path, (long long)m->size, IMPORT_PLAIN_PER_FREE);
	im->plain_bytes += m->size;
	return 0;
}

/* 1 with the next member, whose headers are held; 0 at the end; -1. */
static int
import_next(struct import *im, const struct member **ret_member, struct err *e)
{
	int more;

	buf_clear(&im->held);
	im->passing = PASSING_HELD;
	more = reader_next(im->reader, ret_member, e);
	return more <= 0 ? more : import_check_size(im, *ret_member, e) != 0 ? -1 : 1;
}

static int
take_manifest(struct import *im, struct err *e)
{
	const struct import_rules_options options = {.devices = im->request->devices};
	const struct member *m;
	const int more = import_next(im, &m, e);

	if (more < 0)
		return -1;
	if (more == 0 || strcmp(m->path, "backup.json") != 0 || m->type != MEMBER_FILE || m->sparse)
		return err_set(e, ERR_CORRUPT,
			"this is no archive of a backup: its first member is not backup.json");
	im->manifest = take_json(im, m, IMPORT_MANIFEST_MAX, e);
	if (im->manifest == NULL ||
		shapes_check(im->manifest, SHAPE_MANIFEST, "backup.json", e) != 0)
		return -1;
	if (expected_members_read(im->manifest, &im->expected, e) != 0)
		return -1;
	im->rules = import_rules_new(im->expected, &options);
	operation_backup(im->operation, im->expected->id);
	return 0;
}

/* All behind the manifest. */
static int
take_rest(struct import *im, struct err *e)
{
	const struct promise *p = NULL;
	const struct member *m;
	int more;

	while ((more = import_next(im, &m, e)) > 0) {
		const int first = import_rules_member(im->rules, m, &p, e);

		if (first < 0 || (first == 1 && resegment_end(im->recut, e) != 0) ||
			take_promised(im, m, p, e) != 0)
			return -1;
		operation_advance(im->operation, 0, 1);
	}
	if (more < 0 || import_rules_end(im->rules, e) != 0 || resegment_end(im->recut, e) != 0)
		return -1;
	return assemble_end(im->ingest, &im->recipe, e) != 0 ? ours(im) : 0;
}

/* The same of a backup that the store has: all of it is read, so that no rotten one looks fine. */
static int
compare_rest(struct import *im, struct err *e)
{
	const struct member *m;
	int more;

	operation_phase(im->operation, "compare");
	if (import_compare_begin(im->compare, im->request->store, im->expected->id, e) != 0)
		return ours(im);
	while ((more = import_next(im, &m, e)) > 0) {
		im->passing = PASSING_GONE;
		if (reader_skip(im->reader, e) != 0)
			return -1;
		import_compare_member(im->compare, m->path);
		operation_advance(im->operation, 0, 1);
	}
	return more < 0 ? -1 : import_compare_end(im->compare, e);
}

static int
open_all(struct import *im, struct err *e)
{
	const struct resegment_sink sink = {segment_begin, segment_data, segment_end, im};
	struct source source = {.read = import_body_read, .ctx = im};
	const int64_t have = store_free_bytes(im->request->store, e);

	if (have < 0 || ingest_open(im->request->store, &im->ingest, e) != 0)
		return ours(im);
	im->plain_max =
		have > INT64_MAX / IMPORT_PLAIN_PER_FREE ? INT64_MAX : have * IMPORT_PLAIN_PER_FREE;
	im->held = (struct buf)BUF_INIT(HELD_MAX);
	im->recut = resegment_new(&sink);
	im->addresses = json_object();
	im->compare = import_compare_new();
	if (im->request->packed) {
		im->unpack = zstd_source_new(source);
		source = zstd_source(im->unpack);
	}
	if (im->request->body_bytes >= 0)
		operation_total(im->operation, im->request->body_bytes);
	if (reader_open(source, &im->reader, e) != 0)
		return ours(im);
	reader_tap(im->reader, &(struct sink){.write = import_pass, .ctx = im});
	return 0;
}

/* 1: the store has it already, and it is the same; 0: all has passed; -1. */
static int
take_all(struct import *im, struct err *e)
{
	int existing;

	if (open_all(im, e) != 0)
		return -1;
	operation_phase(im->operation, "import");
	if (take_manifest(im, e) != 0)
		return -1;
	if ((existing = import_record_find(im->request->store, im->expected, e)) < 0)
		return ours(im);
	if (existing == 1)
		return compare_rest(im, e) != 0 ? -1 : 1;
	import_compare_free_at(&im->compare);
	return take_rest(im, e);
}

static json_t *
import_result(const struct import *im, bool existed, int64_t size_bytes, int64_t stored_bytes)
{
	return json_pack("{s:s, s:b, s:s*, s:I, s:I, s:I}", "backup", im->expected->id, "existed",
		(int)existed, "compared", existed ? "equal" : NULL, "members",
		(json_int_t)im->members, "size_bytes", (json_int_t)size_bytes, "stored_bytes",
		(json_int_t)stored_bytes);
}

static int
import_commit(struct import *im, json_t **ret_result, struct err *e)
{
	struct import_record r = {.expected = im->expected,
		.addresses = im->addresses,
		.engine = im->request->engine,
		.packed_bytes = im->packed_bytes};

	operation_phase(im->operation, "commit");
	if (operation_decide(im->operation, e) != 0 ||
		ingest_totals(im->ingest, &im->recipe, &r.totals, e) != 0)
		return ours(im);
	r.duration_ms = clock_since_ms(im->since_ns);
	if (import_record_commit(&r, im->request->store, im->ingest, &im->recipe, e) != 0)
		return ours(im);
	*ret_result = import_result(im, false, r.totals.size_bytes, r.totals.stored_bytes);
	return 0;
}

static void
import_clear(struct import *im)
{
	import_rules_free_at(&im->rules);
	expected_members_free_at(&im->expected);
	json_decref(im->manifest);
	json_decref(im->addresses);
	import_compare_free_at(&im->compare);
	resegment_free_at(&im->recut);
	reader_close_at(&im->reader);
	zstd_source_free_at(&im->unpack);
	if (im->ingest != NULL)
		ingest_drop(im->ingest);
	ingest_close(im->ingest);
	recipe_free(&im->recipe);
	buf_free(&im->held);
}

/* What the archive is to blame for is the request's fault, not damage of the store. */
static void
blame(const struct import *im, struct err *e)
{
	if (im->ours || (e->code != ERR_CORRUPT && e->code != ERR_UNSUPPORTED))
		return;
	e->code = ERR_REFUSED;
}

int
import_run(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	struct import im = {.operation = o, .request = arg, .since_ns = clock_mono_ns()};
	int status;

	priority_low();
	status = take_all(&im, e);
	if (status == 1)
		*ret_result = import_result(&im, true, 0, 0);
	else if (status == 0)
		status = import_commit(&im, ret_result, e);
	if (status < 0)
		blame(&im, e);
	import_clear(&im);
	return status < 0 ? -1 : 0;
}

void
import_request_free(void *arg)
{
	struct import_request *request = arg;

	request->body.leave(request->body.ctx);
	free(request->volume);
	free(request->host_path);
	free(request);
}
