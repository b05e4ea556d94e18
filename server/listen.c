#include "server/listen.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"
#include "server/endpoint.h"
#include "server/gate.h"

struct listen {
	struct listen_options options;
	struct endpoint endpoint;
	struct gate *gate;
	struct MHD_Daemon *daemon;
};

/* The token of `Authorization: Bearer TOKEN`, or NULL. */
static const char *
bearer(const struct request *r)
{
	const char *header = request_header(r, "Authorization");

	if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0)
		return NULL;
	header += 7;
	return header + strspn(header, " ");
}

static int
check_token(
	const struct listen *l, const struct route *route, const struct request *r, struct err *e)
{
	const char *text = bearer(r);
	const char *ticket = route->ticket ? request_parameter(r, "ticket") : NULL;

	const char *fuel_token = request_header(r, "X-Auth-Token");

	if (route->open)
		return 0;
	if (text == NULL && ticket != NULL) {
		if (l->options.ticket(l->options.app, r, ticket))
			return 0;
		return err_set(e, ERR_DENIED,
			"the ticket is not of this backup, or its minute has passed");
	}
	if (text == NULL && fuel_token != NULL && l->options.login != NULL)
		return l->options.login(l->options.login_ctx, fuel_token, e);
	if (text == NULL)
		return err_set(e, ERR_DENIED,
			"send the header `Authorization: Bearer TOKEN`; the token is in %s",
			l->options.token_hint);
	if (token_matches(l->options.token, text))
		return 0;
	if (route->metrics && l->options.metrics_token != NULL &&
		token_matches(l->options.metrics_token, text))
		return 0;
	return err_set(
		e, ERR_DENIED, "the token is wrong; the right one is in %s", l->options.token_hint);
}

static void
answer_unrouted(struct request *r, struct reply *reply, const char *allowed)
{
	struct err e;

	if (allowed[0] == '\0') {
		(void)err_set(&e, ERR_NOT_FOUND,
			"there is nothing at %.256s; GET /api-spec says "
			"what there is",
			r->path);
		reply_error(reply, &e);
		return;
	}
	if (strcmp(r->method, "OPTIONS") == 0) {
		reply_empty(reply, 204);
	} else {
		(void)err_set(&e, ERR_INVALID, "%.256s has no method %.32s; it has %s", r->path,
			r->method, allowed);
		reply_new_problem(reply, 405,
			json_pack("{s:s, s:s, s:s}", "type", "urn:fuel-backup:method", "title",
				"The method is not allowed", "detail", e.text));
	}
	reply_header(reply, "Allow", "%s", allowed);
}

/* The token has been judged, and the body has come. */
static int
answer_routed(const struct listen *l, const struct route *route, struct request *r,
	struct reply *reply, struct err *e)
{
	SCOPED(free_at)
	char *known = route->ticket ? mem_format("%s,ticket", route->parameters)
				    : mem_string(route->parameters);
	int parsed;

	if (request_check_parameters(r, known, e) != 0)
		return -1;
	parsed = request_parse(r, e);
	if (parsed < 0)
		return -1;
	if (parsed > 0) {
		reply_new_problem(reply, parsed, problem_json(e));
		return 0;
	}
	return route->handler(l->options.app, r, reply, e);
}

/* What every reply has, and what is counted. */
static void
listen_conclude(const struct listen *l, const struct route *route, struct request *r,
	const char *allowed, struct reply *reply)
{
	if (l->options.cors != NULL)
		cors_apply(l->options.cors, r, reply, allowed);
	visits_count(l->options.visits,
		r->head		? "HEAD"
		: route == NULL ? NULL
				: route->method,
		route == NULL ? NULL : route->pattern, reply->status);
}

/* A connection's request, and what was answered before its body came. */
struct listen_exchange {
	struct request request;
	struct guest *guest;
	const struct route *route; /* NULL: none */
	char allowed[ALLOW_SIZE];
	struct reply early; /* .response NULL: nothing yet */
};

static enum MHD_Result
send_reply(const struct listen *l, struct listen_exchange *x, struct reply *reply)
{
	listen_conclude(l, x->route, &x->request, x->allowed, reply);
	return reply_send(reply, x->request.connection);
}

/* The whole request is there. */
static enum MHD_Result
listen_answer(const struct listen *l, struct listen_exchange *x)
{
	struct request *r = &x->request;
	struct reply reply = {0};
	struct err e;

	if (answer_routed(l, x->route, r, &reply, &e) != 0) {
		/* The request is no operation: nobody else cancels it. */
		if (e.code == ERR_CANCELLED)
			(void)err_set(&e, ERR_UNREACHABLE,
				"the service is stopping: ask again when it is back");
		reply_error(&reply, &e);
		if (reply.status >= 500)
			log_warn("%s %s: %s", r->method, r->path, e.text);
	}
	return send_reply(l, x, &reply);
}

/* The same of an upload. */
static enum MHD_Result
answer_upload(const struct listen *l, struct listen_exchange *x)
{
	struct err e;

	if (x->early.response == NULL &&
		x->route->handler(l->options.app, &x->request, &x->early, &e) != 0)
		reply_error(&x->early, &e);
	return send_reply(l, x, &x->early);
}

static int
prepare_upload(const struct listen *l, struct listen_exchange *x, struct err *e)
{
	struct request *r = &x->request;

	if (request_check_parameters(r, x->route->parameters, e) != 0)
		return -1;
	return x->route->upload(l->options.app, r, &x->early, e);
}

/* An upload of somebody who may make it.  Who asks whether to go on is answered at once if not. */
static enum MHD_Result
begin_upload(const struct listen *l, struct listen_exchange *x)
{
	const char *expect = request_header(&x->request, "Expect");
	struct err e;

	if (prepare_upload(l, x, &e) != 0)
		reply_error(&x->early, &e);
	return x->early.response == NULL || expect == NULL ? MHD_YES : send_reply(l, x, &x->early);
}

/*
 * The headers are there.  Who has not shown that he may is answered now: of what he sends on
 * nothing is read.
 */
static enum MHD_Result
listen_begin(const struct listen *l, struct listen_exchange *x)
{
	struct request *r = &x->request;
	struct err e;

	x->route = route_find(l->options.routes, r, x->allowed);
	if (x->route == NULL) {
		answer_unrouted(r, &x->early, x->allowed);
		return send_reply(l, x, &x->early);
	}
	if (x->route->open)
		return listen_answer(l, x);
	if (check_token(l, x->route, r, &e) != 0) {
		reply_error(&x->early, &e);
		return send_reply(l, x, &x->early);
	}
	gate_trust(l->gate, x->guest);
	if (request_header(r, "Content-Length") != NULL ||
		request_header(r, "Transfer-Encoding") != NULL)
		gate_body_begins(l->gate, x->guest);
	return x->route->upload == NULL ? MHD_YES : begin_upload(l, x);
}

/* Keep more of a body.  False: it is enough, break off. */
static bool
listen_keep(struct listen_exchange *x, const char *data, size_t len)
{
	struct request *r = &x->request;

	if (x->route->upload == NULL) {
		r->too_large = r->too_large || buf_add(&r->body, data, len) != 0;
		r->discarded += r->too_large ? (int64_t)len : 0;
	} else if (r->upload == NULL || !r->upload->take(r->upload->ctx, data, len)) {
		r->discarded += (int64_t)len;
	}
	return r->discarded <= REQUEST_DISCARD_MAX;
}

static enum MHD_Result
listen_take(const struct listen *l, struct listen_exchange *x, const char *data, size_t len)
{
	bool going;

	gate_body_came(l->gate, x->guest, len);
	going = listen_keep(x, data, len);
	gate_body_goes_on(l->gate, x->guest);
	return going ? MHD_YES : MHD_NO;
}

static struct listen_exchange *
exchange_new(struct MHD_Connection *connection, const char *path, const char *method)
{
	struct listen_exchange *x = mem_new(sizeof(*x));
	const bool head = strcmp(method, "HEAD") == 0;

	x->request = (struct request){.connection = connection,
		.body = BUF_INIT(REQUEST_BODY_MAX),
		.head = head,
		.path = path,
		.method = head ? "GET" : method};
	x->guest = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
			   ->socket_context;
	return x;
}

/* libmicrohttpd calls once for the headers, for each piece of the body, and at its end. */
static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *connection, const char *path, const char *method,
	const char *version, const char *data, size_t *len, void **state)
{
	const struct listen *l = ctx;
	struct listen_exchange *x = *state;

	(void)version;
	if (x == NULL) {
		x = *state = exchange_new(connection, path, method);
		if (l->options.enter != NULL)
			l->options.enter(l->options.enter_ctx);
		return listen_begin(l, x);
	}
	if (*len > 0) {
		const size_t got = *len;

		*len = 0;
		return listen_take(l, x, data, got);
	}
	gate_body_ended(l->gate, x->guest);
	return x->route->upload != NULL ? answer_upload(l, x) : listen_answer(l, x);
}

static void
on_completed(void *ctx, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode why)
{
	struct listen_exchange *x = *state;

	(void)ctx;
	(void)connection;
	(void)why;
	if (x == NULL)
		return;
	if (x->request.upload != NULL)
		x->request.upload->close(x->request.upload->ctx);
	if (x->early.response != NULL)
		MHD_destroy_response(x->early.response);
	json_decref(x->request.json);
	buf_free(&x->request.body);
	free(x);
	*state = NULL;
}

/* libmicrohttpd has a connection from the gate, or is about to close it. */
static void
on_connection(void *ctx, struct MHD_Connection *connection, void **guest,
	enum MHD_ConnectionNotificationCode what)
{
	const struct listen *l = ctx;

	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*guest = gate_entered(l->gate,
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
				->connect_fd);
	else if (*guest != NULL)
		gate_left(l->gate, *guest);
}

static int
on_guest(void *ctx, int fd, const struct sockaddr *address, socklen_t len)
{
	const struct listen *l = ctx;

	return MHD_add_connection(l->daemon, fd, address, len) == MHD_YES ? 0 : -1;
}

static int
listen_start(struct listen *l, struct err *e)
{
	if (endpoint_open(l->options.address, &l->endpoint, e) != 0)
		return -1;
	l->daemon = MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET | MHD_USE_THREAD_PER_CONNECTION |
					     MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
					     MHD_USE_ITC,
		0, NULL, NULL, on_request, l, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, l, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)LISTEN_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)LISTEN_HEAD_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)LISTEN_IDLE_SECONDS, MHD_OPTION_THREAD_STACK_SIZE,
		(size_t)LISTEN_STACK_BYTES, MHD_OPTION_END);
	if (l->daemon == NULL)
		return err_set(e, ERR_INTERNAL, "the HTTP server cannot be started");
	return gate_open(&(struct gate_options){.fd = l->endpoint.fd,
				 .token = l->options.token,
				 .serve = on_guest,
				 .ctx = l},
		&l->gate, e);
}

static void
listen_stop(struct listen *l)
{
	if (l->daemon != NULL)
		MHD_stop_daemon(l->daemon);
	gate_close(l->gate);
	endpoint_close(&l->endpoint);
	free(l);
}

int
listen_open(const struct listen_options *options, struct listen **ret_listen, struct err *e)
{
	struct listen *l = mem_new(sizeof(*l));

	l->options = *options;
	if (listen_start(l, e) != 0) {
		listen_stop(l);
		return -1;
	}
	*ret_listen = l;
	return 0;
}

void
listen_quiesce(struct listen *l)
{
	gate_shut(l->gate);
}

void
listen_close(struct listen *l)
{
	if (l == NULL)
		return;
	gate_empty(l->gate, LISTEN_LAST_MS);
	listen_stop(l);
}
