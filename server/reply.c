#include "server/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"

/* libmicrohttpd asks for this much at a time; a stored frame has 100 KiB on the average. */
enum { STREAM_BLOCK = 128 * 1024, HEADER_MAX = 1024 };

static void
set_response(struct reply *r, int status, struct MHD_Response *response)
{
	if (r->response != NULL)
		MHD_destroy_response(r->response);
	r->status = status;
	r->response = response;
}

void
reply_header(struct reply *r, const char *name, const char *format, ...)
{
	char value[HEADER_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	(void)MHD_add_response_header(r->response, name, value);
}

void
reply_text(struct reply *r, int status, const char *type, char *text)
{
	set_response(r, status,
		MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE));
	reply_header(r, "Content-Type", "%s", type);
	reply_header(r, "Cache-Control", "no-store");
}

static void
reply_object(struct reply *r, int status, const char *type, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	reply_text(r, status, type, text == NULL ? mem_string("{}") : text);
}

void
reply_json(struct reply *r, int status, json_t *json)
{
	reply_object(r, status, "application/json", json);
}

void
reply_problem(struct reply *r, int status, const json_t *problem)
{
	json_t *answer = json_copy((json_t *)(uintptr_t)problem); /* jansson's takes no const */

	(void)json_object_set_new(answer, "status", json_integer(status));
	reply_object(r, status, "application/problem+json", answer);
}

void
reply_new_problem(struct reply *r, int status, json_t *problem)
{
	reply_problem(r, status, problem);
	json_decref(problem);
}

void
reply_error(struct reply *r, const struct err *e)
{
	reply_new_problem(r, problem_status(e->code), problem_json(e));
	if (e->code == ERR_DENIED)
		reply_header(r, "WWW-Authenticate", "Bearer realm=\"fuel-backup\"");
	if (problem_status(e->code) == 503)
		reply_header(r, "Retry-After", "5");
}

void
reply_empty(struct reply *r, int status)
{
	set_response(r, status, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

void
reply_static(struct reply *r, const char *type, const void *data, size_t len)
{
	set_response(r, 200,
		MHD_create_response_from_buffer(
			len, (void *)(uintptr_t)data, MHD_RESPMEM_PERSISTENT));
	reply_header(r, "Content-Type", "%s", type);
}

struct streaming {
	struct reply_stream stream;
};

static ssize_t
reply_stream_read(void *ctx, uint64_t offset, char *data, size_t size)
{
	const struct streaming *s = ctx;
	const ssize_t got = s->stream.read(s->stream.ctx, offset, data, size);

	if (got < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return got == 0 ? MHD_CONTENT_READER_END_OF_STREAM : got;
}

static void
stream_close(void *ctx)
{
	struct streaming *s = ctx;

	s->stream.close(s->stream.ctx);
	free(s);
}

void
reply_streamed(struct reply *r, int status, const char *type, const struct reply_stream *stream)
{
	struct streaming *s = mem_new(sizeof(*s));

	s->stream = *stream;
	set_response(r, status,
		MHD_create_response_from_callback(
			stream->len < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)stream->len, STREAM_BLOCK,
			reply_stream_read, s, stream_close));
	reply_header(r, "Content-Type", "%s", type);
}

enum MHD_Result
reply_send(struct reply *r, struct MHD_Connection *connection)
{
	enum MHD_Result result;

	reply_header(r, "X-Content-Type-Options", "nosniff");
	reply_header(r, "Connection", "close"); /* the next one comes by the gate */
	result = MHD_queue_response(connection, (unsigned)r->status, r->response);
	MHD_destroy_response(r->response);
	r->response = NULL;
	return result;
}
