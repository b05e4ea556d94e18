#include "jobs/copies/copy.h"

#include <openssl/evp.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/copies/destinations.h"
#include "jobs/copies/packs/packs_copy.h"
#include "store/read/replay.h"

/* GOES_ON_S: a copy that runs longer is found running by the copier, which waits for its end.
 * PIECE: of what is read for the hash alone.  FREEZE_LOOK_MS: how soon a copy goes on after one. */
enum {
	NAME_SIZE = 128,
	GOES_ON_S = 600,
	PIECE = 256 * 1024,
	FREEZE_LOOK_MS = 20,
	HASH_HEX = 65,
	LINE_MAX_BYTES = 160
};

/* One copy under way. */
struct copy {
	const struct copy_request *request;
	struct operation *operation;
	struct replay *replay;
	struct transfer *transfer;
	EVP_MD_CTX *hash;		     /* of the archive up to */
	int64_t hashed_to;		     /* here */
	int64_t told_to;		     /* of the progress */
	char name[NAME_SIZE], hex[HASH_HEX]; /* of packs no hash: "" */
	int64_t bytes;
	bool was_there;
};

void
copy_request_free(void *request)
{
	struct copy_request *r = request;

	free(r->backup);
	free(r->destination);
	free(r->host);
	free(r);
}

static int
settings_of(struct store *s, const char *destination, json_t **ret_settings, struct err *e)
{
	SCOPED(json_decref_at) json_t *document = NULL;
	SCOPED(json_decref_at) json_t *settings = NULL;

	if (destinations_get(s, destination, &document, e) != 0)
		return -1;
	settings = destinations_settings(document);
	if (destination_may_be_plain(settings, store_encrypted(s), e) != 0)
		return -1;
	*ret_settings = TAKE(settings);
	return 0;
}

int
copy_check(struct store *s, const char *destination, struct err *e)
{
	json_t *settings;

	if (settings_of(s, destination, &settings, e) != 0)
		return -1;
	json_decref(settings);
	return 0;
}

/* Containers that stand still wait for nothing that can wait. */
static void
freeze_wait(const struct copy *c)
{
	const struct timespec look = {0, FREEZE_LOOK_MS * 1000000};

	while (operations_phase_is(c->request->operations, "freeze") &&
		!operation_cancelled(c->operation))
		(void)nanosleep(&look, NULL);
}

static ssize_t
archive_read(void *ctx, int64_t at, void *data, size_t size, struct err *e)
{
	struct copy *c = ctx;
	ssize_t got;

	freeze_wait(c);
	got = replay_archive(c->replay, at, data, size, e);
	if (got <= 0)
		return got;
	if (at == c->hashed_to) {
		(void)EVP_DigestUpdate(c->hash, data, (size_t)got);
		c->hashed_to += got;
	}
	if (at + got > c->told_to) { /* S3 reads each part twice */
		operation_advance(c->operation, at + got - c->told_to, 0);
		c->told_to = at + got;
	}
	return got;
}

/* The hash of all of it; what was not read for the copy (it was there already) is read now. */
static int
hash_rest(struct copy *c, struct err *e)
{
	SCOPED(free_at) char *piece = mem_new(PIECE);
	unsigned char hash[EVP_MAX_MD_SIZE];

	while (c->hashed_to < c->bytes) {
		if (operation_check(c->operation, e) != 0)
			return -1;
		if (archive_read(c, c->hashed_to, piece, PIECE, e) <= 0)
			return -1;
	}
	if (EVP_DigestFinal_ex(c->hash, hash, NULL) != 1)
		return err_set(e, ERR_INTERNAL, "no SHA-256");
	(void)hex_text(hash, 32, c->hex);
	return 0;
}

static int
put_archive(struct copy *c, struct err *e)
{
	const struct transfer_body body = {archive_read, c, c->bytes};
	int64_t there = -1;

	if (transfer_put(c->transfer, c->name, &body, TRANSFER_NEW, e) == 0)
		return 0;
	if (e->code != ERR_CONFLICT)
		return -1;
	/* Of an earlier try, perhaps. */
	if (transfer_stat(c->transfer, c->name, &there, e) < 0)
		return -1;
	c->was_there = true;
	return there == c->bytes ? 0
				 : err_set(e, ERR_CONFLICT,
					   "%s is there with %lld bytes and not with %lld: it is "
					   "another one, and left "
					   "alone; look at it, and move it away",
					   c->name, (long long)there, (long long)c->bytes);
}

static ssize_t
line_read(void *ctx, int64_t at, void *data, size_t size, struct err *e)
{
	const char *line = ctx;
	const size_t left = strlen(line) - (size_t)at;

	(void)e;
	if (size > left)
		size = left;
	memcpy(data, line + at, size);
	return (ssize_t)size;
}

/* What came of the line that is there. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
};

static int
line_write(void *ctx, const void *data, size_t len, struct err *e)
{
	struct line *l = ctx;

	if (len > sizeof(l->text) - 1 - l->len)
		return err_set(e, ERR_CONFLICT, "it is longer than a line of sha256sum");
	memcpy(l->text + l->len, data, len);
	l->len += len;
	return 0;
}

/* Put last: it exists, so the archive is whole. */
static int
put_hash(struct copy *c, struct err *e)
{
	SCOPED(free_at) char *name = mem_format("%s.sha256", c->name);
	char line[LINE_MAX_BYTES];
	struct line there = {.len = 0};
	const struct sink sink = {line_write, &there};
	const struct transfer_body body = {line_read, line,
		snprintf(line, sizeof(line), "%s  %s\n", c->hex, strrchr(c->name, '/') + 1)};

	if (transfer_put(c->transfer, name, &body, TRANSFER_NEW, e) == 0)
		return 0;
	if (e->code != ERR_CONFLICT)
		return -1;
	if (transfer_get(c->transfer, name, 0, -1, &sink, e) != 0)
		return e->code == ERR_BARRED ? 0 : -1; /* who may write need not read */
	return strcmp(there.text, line) == 0 ? 0
					     : err_set(e, ERR_CONFLICT,
						       "%s is there and tells of other bytes: it "
						       "and the archive are left alone; "
						       "move them away",
						       name);
}

static int
copy_archive(struct copy *c, struct err *e)
{
	if (replay_open(c->request->store, c->request->backup, &c->replay, e) != 0)
		return -1;
	c->bytes = replay_archive_bytes(c->replay);
	operation_total(c->operation, c->bytes);
	(void)snprintf(c->name, sizeof(c->name), "archives/%s.tar.zst", c->request->backup);
	if (put_archive(c, e) != 0)
		return -1;
	operation_phase(c->operation, "hash");
	if (hash_rest(c, e) != 0)
		return -1;
	return put_hash(c, e);
}

static bool
packs_pause(void *ctx)
{
	const struct copy *c = ctx;

	return operations_phase_is(c->request->operations, "freeze");
}

static bool
packs_cancelled(void *ctx)
{
	const struct copy *c = ctx;

	return operation_cancelled(c->operation);
}

static void
packs_progress(void *ctx, int64_t done, int64_t total)
{
	struct copy *c = ctx;

	operation_total(c->operation, total);
	if (done > c->told_to)
		operation_advance(c->operation, done - c->told_to, 0);
	c->told_to = done;
}

static int
copy_packs(struct copy *c, const json_t *settings, struct err *e)
{
	const struct copy_request *r = c->request;
	const char *url = json_string_value(json_object_get(settings, "url"));
	const struct packs_copy_options options = {
		.destination = r->destination,
		.url = url,
		.host = r->host,
		.plain = json_is_true(json_object_get(settings, "plain")) ||
			 strncasecmp(url, "file:", 5) == 0,
		.transfer = c->transfer,
		.pause = packs_pause,
		.cancelled = packs_cancelled,
		.progress = packs_progress,
		.ctx = c,
	};
	struct packs_copy_totals totals = {0};

	if (packs_copy_put(r->store, r->backup, &options, &totals, e) != 0)
		return -1;
	(void)snprintf(c->name, sizeof(c->name), "%s", totals.head);
	c->bytes = totals.bytes;
	c->was_there = totals.present;
	return 0;
}

static int
copy_all(struct copy *c, struct err *e)
{
	const struct destination_way way = {.cancelled = operation_given_up, .ctx = c->operation};
	SCOPED(json_decref_at) json_t *settings = NULL;

	if (settings_of(c->request->store, c->request->destination, &settings, e) != 0)
		return -1;
	if (destination_open(settings, &way, &c->transfer, e) != 0)
		return -1;
	return destination_form(settings) == FORM_PACKS ? copy_packs(c, settings, e)
							: copy_archive(c, e);
}

/* What became of it. */
static void
record(const struct copy *c, int status, const struct err *why)
{
	const struct copy_request *r = c->request;
	struct err e;
	int kept;

	if (status == 0)
		kept = copies_complete(r->copies, r->backup, r->destination,
			&(struct copies_object){
				c->name, c->bytes, c->hex[0] == '\0' ? NULL : c->hex},
			&e);
	else if (operation_stopping(c->operation)) /* the next process goes on */
		kept = copies_want(r->copies, r->backup, r->destination, 0, &e);
	else
		kept = copies_failed(r->copies, r->backup, r->destination, why, &e);
	if (kept != 0)
		log_warn("what became of the copy of %s to %s is not recorded: %s", r->backup,
			r->destination, e.text);
}

int
copy_run(struct operation *o, void *request, json_t **ret_result, struct err *e)
{
	const struct copy_request *r = request;
	struct copy c = {.request = r, .operation = o, .hash = EVP_MD_CTX_new()};
	int status;

	operation_phase(o, "copy");
	/* If this process dies before its end, the next one goes on. */
	(void)copies_want(r->copies, r->backup, r->destination, GOES_ON_S, e);
	if (c.hash == NULL || EVP_DigestInit_ex2(c.hash, EVP_sha256(), NULL) != 1)
		status = err_set(e, ERR_INTERNAL, "no SHA-256");
	else
		status = copy_all(&c, e);
	record(&c, status, e);
	if (status == 0)
		*ret_result = json_pack("{s:s, s:s, s:I, s:s?, s:b}", "destination", r->destination,
			"object", c.name, "bytes", (json_int_t)c.bytes, "sha256",
			c.hex[0] == '\0' ? NULL : c.hex, "was_there", c.was_there);
	transfer_close(c.transfer);
	replay_close(c.replay);
	EVP_MD_CTX_free(c.hash);
	return status;
}
