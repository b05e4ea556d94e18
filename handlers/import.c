#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"
#include "handlers/app.h"
#include "handlers/start.h"
#include "jobs/import/import.h"
#include "server/upload.h"
#include "store/catalogue/backups.h"

enum { WAIT_MS = 10 * 1000 };

/* An archive that comes in: the connection's side of it. */
struct incoming {
	struct request_upload entry; /* what the connection knows of it */
	struct upload *upload;
	char operation[ID_SIZE];
};

static bool
body_wait(void *ctx, int timeout_ms)
{
	return upload_wait(ctx, timeout_ms);
}

static ssize_t
import_body_read(void *ctx, void *data, size_t size, struct err *e)
{
	return upload_read(ctx, data, size, e);
}

static void
body_leave(void *ctx)
{
	upload_leave(ctx);
}

static bool
incoming_take(void *ctx, const void *data, size_t len)
{
	const struct incoming *in = ctx;

	return upload_push(in->upload, data, len);
}

static void
incoming_close(void *ctx)
{
	struct incoming *in = ctx;

	upload_end(in->upload, false); /* unless the end of the body has come */
	upload_release(in->upload);
	free(in);
}

static bool
is_type(const char *type, const char *name)
{
	const size_t len = strlen(name);

	return strncasecmp(type, name, len) == 0 && (type[len] == '\0' || type[len] == ';');
}

/* Whether the body is packed: 1, 0 (a tar), -1: it is neither. */
static int
is_packed(const struct request *r)
{
	const char *type = request_header(r, "Content-Type");

	if (type == NULL || is_type(type, "application/zstd") ||
		is_type(type, "application/octet-stream"))
		return 1;
	return is_type(type, "application/x-tar") ? 0 : -1;
}

static int
want_devices(const struct request *r, bool *ret_devices, struct err *e)
{
	const char *text = request_parameter(r, "devices");

	*ret_devices = text != NULL && strcmp(text, "true") == 0;
	if (text == NULL || *ret_devices || strcmp(text, "false") == 0)
		return 0;
	return err_set(e, ERR_INVALID, "\"devices\" is true or false");
}

/* What an archive of another tool is to be a backup of. */
static int
want_foreign(const struct request *r, struct import_request *import, struct err *e)
{
	const char *volume = request_parameter(r, "volume");
	const char *path = request_parameter(r, "host_path");
	const char *strip = request_parameter(r, "strip");

	if (strip != NULL && (strspn(strip, "0123456789") != strlen(strip) || strlen(strip) > 2 ||
				     strip[0] == '\0'))
		return err_set(e, ERR_INVALID, "\"strip\" is a number from 0 to 99");
	if (strip != NULL && volume == NULL && path == NULL)
		return err_set(e, ERR_INVALID,
			"\"strip\" is for an archive of another tool: give \"volume\" or "
			"\"host_path\", too");
	import->volume = volume == NULL ? NULL : mem_string(volume);
	import->host_path = path == NULL ? NULL : mem_string(path);
	import->strip = strip == NULL ? 0 : (unsigned)strtoul(strip, NULL, 10);
	return 0;
}

static int64_t
declared_length(const struct request *r)
{
	const char *text = request_header(r, "Content-Length");

	return text == NULL ? -1 : strtoll(text, NULL, 10);
}

static void
refuse_type(struct reply *reply)
{
	struct err e;

	(void)err_set(&e, ERR_INVALID,
		"the body is an archive: send it with `Content-Type: application/zstd` (a "
		".tar.zst) or application/x-tar");
	reply_new_problem(reply, 415, problem_json(&e));
}

/* The headers have come: start the operation that reads the body. */
int
archive_put_begin(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	struct import_request import = {.body_bytes = declared_length(r)};
	const int packed = is_packed(r);
	struct incoming *in;

	if (request_header(r, "Content-Range") != NULL)
		return err_set(e, ERR_INVALID,
			"an archive is sent as a whole, without Content-Range: if an upload broke "
			"off, repeat it; what has come already is not stored twice");
	if (want_devices(r, &import.devices, e) != 0 || want_foreign(r, &import, e) != 0)
		return -1;
	if (packed < 0 && import.volume == NULL && import.host_path == NULL) {
		refuse_type(reply);
		return 0;
	}
	import.packed = packed == 1;
	in = mem_new(sizeof(*in));
	in->upload = upload_new();
	import.body = (struct import_body){body_wait, import_body_read, body_leave, in->upload};
	if (jobs_import(app->jobs, &import, in->operation, e) != 0) {
		const int status = e->code == ERR_BUSY ? start_refuse(e, in->operation, reply) : -1;

		incoming_close(in);
		return status;
	}
	in->entry = (struct request_upload){incoming_take, incoming_close, in};
	r->upload = &in->entry;
	return 0;
}

/* The document of the operation when it has ended. */
static int
import_await_end(struct operations *ops, const char *id, json_t **ret_document, struct err *e)
{
	for (;;) {
		json_t *document = NULL;

		if (operations_wait(ops, id, INT64_MAX, WAIT_MS, &document, e) != 0)
			return -1;
		if (operation_ended(document)) {
			*ret_document = document;
			return 0;
		}
		json_decref(document);
	}
}

static int
import_answer(const struct app *app, const json_t *operation, struct reply *reply, struct err *e)
{
	const json_t *error = json_object_get(operation, "error");
	const json_t *result = json_object_get(operation, "result");
	const char *id = json_string_value(json_object_get(operation, "backup"));
	const bool existed = json_is_true(json_object_get(result, "existed"));
	json_t *record = NULL;

	if (json_is_object(error)) {
		reply_problem(
			reply, (int)json_integer_value(json_object_get(error, "status")), error);
		return 0;
	}
	if (backups_get(app->store, id, &record, e) != 0)
		return -1;
	if (existed)
		(void)json_object_set(record, "compared", json_object_get(result, "compared"));
	reply_json(reply, existed ? 200 : 201, record);
	reply_header(reply, "Location", "/backups/%s", id);
	return 0;
}

/* The body has come, or what came first was enough to refuse it. */
int
archive_put(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	const struct incoming *in = r->upload->ctx;
	SCOPED(json_decref_at) json_t *operation = NULL;

	upload_end(in->upload, true);
	if (import_await_end(jobs_operations(app->jobs), in->operation, &operation, e) != 0)
		return -1;
	return import_answer(app, operation, reply, e);
}
