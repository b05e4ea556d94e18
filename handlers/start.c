#include "handlers/start.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"
#include "store/catalogue/journal.h"

enum { KEY_MAX = 128, DIGEST_SIZE = 65 };

int
start_no_body(const struct request *r, struct err *e)
{
	return r->json == NULL ? 0
			       : err_set(e, ERR_INVALID, "this takes no body, or an empty object");
}

int
start_answer(struct app *app, const char *id, int status, struct reply *reply, struct err *e)
{
	json_t *document;

	if (operations_get(jobs_operations(app->jobs), id, &document, e) != 0)
		return -1;
	reply_json(reply, status, document);
	reply_header(reply, "Location", "/operations/%s", id);
	return 0;
}

/* What the request is, so that the same one is known again. */
static void
digest_of(const struct request *r, char hex[DIGEST_SIZE])
{
	SCOPED(free_at)
	char *text = mem_format(
		"%s %s\n%s", r->method, r->path, r->body.data == NULL ? "" : r->body.data);
	unsigned char digest[32];

	(void)EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
	(void)hex_text(digest, sizeof(digest), hex);
}

static int
check_key(const char *key, struct err *e)
{
	const size_t len = strlen(key);

	for (size_t i = 0; i < len; i++)
		if (key[i] < '!' || key[i] > '~')
			return err_set(e, ERR_INVALID, "Idempotency-Key: visible ASCII only");
	return len > 0 && len <= KEY_MAX
		       ? 0
		       : err_set(e, ERR_INVALID, "Idempotency-Key: 1 to %d characters", KEY_MAX);
}

int
start_refuse(const struct err *e, const char *running, struct reply *reply)
{
	json_t *problem = problem_json(e);

	if (running[0] != '\0')
		(void)json_object_set_new(
			problem, "operation", json_sprintf("/operations/%s", running));
	reply_new_problem(reply, problem_status(e->code), problem);
	return 0;
}

static int
start_begin(struct app *app, struct request *r, start_call *start, struct reply *reply,
	char id[ID_SIZE], struct err *e)
{
	id[0] = '\0';
	if (start(app, r, id, e) == 0)
		return start_answer(app, id, 202, reply, e);
	if (e->code != ERR_BUSY)
		return -1;
	(void)start_refuse(e, id, reply);
	id[0] = '\0';
	return 0;
}

int
start_operation(
	struct app *app, struct request *r, start_call *start, struct reply *reply, struct err *e)
{
	const char *key = request_header(r, "Idempotency-Key");
	SCOPED(free_at) char *earlier = NULL;
	char digest[DIGEST_SIZE], id[ID_SIZE] = "";
	struct err ignored;
	int known, status;

	if (key == NULL)
		return start_begin(app, r, start, reply, id, e);
	if (check_key(key, e) != 0)
		return -1;
	digest_of(r, digest);
	known = journal_request(app->store, key, digest, clock_real_ns(), &earlier, e);
	if (known == 1)
		return start_answer(app, earlier, 202, reply, e);
	if (known < 0 && e->code == ERR_INVALID) {
		reply_new_problem(reply, 422, problem_json(e));
		return 0;
	}
	if (known < 0)
		return e->code == ERR_BUSY ? start_refuse(e, "", reply) : -1;
	status = start_begin(app, r, start, reply, id, e);
	(void)journal_request_done(
		app->store, key, status == 0 && id[0] != '\0' ? id : NULL, &ignored);
	return status;
}
