#ifndef HANDLERS_START_H
#define HANDLERS_START_H

#include "handlers/app.h"

/* Starting operations, with Idempotency-Key. */

typedef int start_call(struct app *app, const struct request *r, char id[ID_SIZE], struct err *e);

/**
 * start_operation(app, r, start, reply, e):
 * Answer 202 with the operation that ${start} begins, or that the same request began before; 409
 * with the running one's address; 422 if the key came with another request.
 */
int start_operation(
	struct app *app, struct request *r, start_call *start, struct reply *reply, struct err *e);

/* Answer ${status} with the document of operation ${id} and its address. */
int start_answer(struct app *app, const char *id, int status, struct reply *reply, struct err *e);

/* Answer with ${e}, and the address of the operation that is in the way ("": none); always 0. */
int start_refuse(const struct err *e, const char *running, struct reply *reply);

/* Refuse a body that is more than an empty object. */
int start_no_body(const struct request *r, struct err *e);

#endif
