#include "server/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"

struct listen {
	struct listen_options options;
	struct MHD_Daemon *daemon;
	int fd; /* while it is quiesced; else the daemon's */
	char *unix_path;
};

static int
listen_unix(struct listen *l, const char *path, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED(fd_close_at) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (path[0] != '/' || strlen(path) >= sizeof(address.sun_path))
		return err_set(e, ERR_INVALID, "unix:%s: an absolute path of at most %zu bytes",
			path, sizeof(address.sun_path) - 1);
	(void)strcpy(address.sun_path, path);
	(void)unlink(path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
		chmod(path, 0600) != 0 || listen(fd, SOMAXCONN) != 0)
		return err_errno(e, "unix:%s", path);
	l->unix_path = mem_string(path);
	return TAKE_FD(fd);
}

static int
listen_on(const struct addrinfo *a)
{
	const int one = 1;
	SCOPED(fd_close_at)
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0)
		return -1;
	return TAKE_FD(fd);
}

static int
listen_tcp(const char *address, struct err *e)
{
	const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(address, ':');
	SCOPED(free_at) char *copy = mem_string(address);
	char *host = copy;
	struct addrinfo *list = NULL;
	int fd, failed;

	if (colon == NULL || colon[1] == '\0')
		return err_set(e, ERR_INVALID,
			"FUEL_BACKUP_LISTEN \"%s\" is neither host:port nor unix:/path", address);
	copy[colon - address] = '\0';
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		host++;
	}
	failed = getaddrinfo(host[0] == '\0' ? NULL : host, colon + 1, &hints, &list);
	if (failed != 0)
		return err_set(e, ERR_INVALID, "FUEL_BACKUP_LISTEN \"%s\": %s", address,
			gai_strerror(failed));
	fd = listen_on(list);
	if (fd < 0)
		(void)err_errno(e, "cannot listen on %s", address);
	freeaddrinfo(list);
	return fd;
}

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
		reply_problem(reply, 405,
			json_pack("{s:s, s:s, s:s}", "type", "urn:fuel-backup:method", "title",
				"The method is not allowed", "detail", e.text));
	}
	reply_header(reply, "Allow", "%s", allowed);
}

static int
answer_routed(const struct listen *l, const struct route *route, struct request *r,
	struct reply *reply, struct err *e)
{
	SCOPED(free_at)
	char *known = route->ticket ? mem_format("%s,ticket", route->parameters)
				    : mem_string(route->parameters);
	int parsed;

	if (check_token(l, route, r, e) != 0 || request_check_parameters(r, known, e) != 0)
		return -1;
	parsed = request_parse(r, e);
	if (parsed < 0)
		return -1;
	if (parsed > 0) {
		reply_problem(reply, parsed, problem_json(e));
		return 0;
	}
	return route->handler(l->options.app, r, reply, e);
}

/* What every reply has, and what is counted. */
static void
conclude(const struct listen *l, const struct route *route, struct request *r, const char *allowed,
	struct reply *reply)
{
	if (l->options.cors != NULL)
		cors_apply(l->options.cors, r, reply, allowed);
	visits_count(l->options.visits,
		r->head		? "HEAD"
		: route == NULL ? NULL
				: route->method,
		route == NULL ? NULL : route->pattern, reply->status);
}

static void
answer(const struct listen *l, struct request *r, struct reply *reply)
{
	char allowed[ALLOW_SIZE];
	const struct route *route = route_find(l->options.routes, r, allowed);
	struct err e;

	if (route == NULL) {
		answer_unrouted(r, reply, allowed);
	} else if (answer_routed(l, route, r, reply, &e) != 0) {
		reply_error(reply, &e);
		if (reply->status >= 500)
			log_warn("%s %s: %s", r->method, r->path, e.text);
	}
	conclude(l, route, r, allowed, reply);
}

/* A connection's request, and what was answered before its body came. */
struct exchange {
	struct request request;
	const struct route *route; /* of an upload; else NULL */
	char allowed[ALLOW_SIZE];
	struct reply early; /* .response NULL: nothing yet */
};

static int
prepare_upload(const struct listen *l, struct exchange *x, struct err *e)
{
	struct request *r = &x->request;

	if (check_token(l, x->route, r, e) != 0 ||
		request_check_parameters(r, x->route->parameters, e) != 0)
		return -1;
	return x->route->upload(l->options.app, r, &x->early, e);
}

/* The headers are there.  Who asks whether to go on is answered at once if not. */
static enum MHD_Result
begin(const struct listen *l, struct exchange *x)
{
	struct request *r = &x->request;
	const char *expect = request_header(r, "Expect");
	struct err e;

	x->route = route_find(l->options.routes, r, x->allowed);
	if (x->route == NULL || x->route->upload == NULL) {
		x->route = NULL;
		return MHD_YES;
	}
	if (prepare_upload(l, x, &e) != 0)
		reply_error(&x->early, &e);
	if (x->early.response == NULL || expect == NULL)
		return MHD_YES;
	conclude(l, x->route, r, x->allowed, &x->early);
	return reply_send(&x->early, r->connection);
}

/* More of a body. */
static enum MHD_Result
take(struct exchange *x, const char *data, size_t len)
{
	struct request *r = &x->request;

	if (x->route == NULL) {
		r->too_large = r->too_large || buf_add(&r->body, data, len) != 0;
		return MHD_YES;
	}
	if (r->upload != NULL && r->upload->take(r->upload->ctx, data, len))
		return MHD_YES;
	r->discarded += (int64_t)len;
	return r->discarded <= REQUEST_DISCARD_MAX ? MHD_YES : MHD_NO;
}

static void
answer_upload(const struct listen *l, struct exchange *x)
{
	struct err e;

	if (x->early.response == NULL &&
		x->route->handler(l->options.app, &x->request, &x->early, &e) != 0)
		reply_error(&x->early, &e);
	conclude(l, x->route, &x->request, x->allowed, &x->early);
}

/* libmicrohttpd calls once for the headers, for each piece of the body, and at its end. */
static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *connection, const char *path, const char *method,
	const char *version, const char *data, size_t *len, void **state)
{
	const struct listen *l = ctx;
	struct exchange *x = *state;
	struct reply reply = {0};

	(void)version;
	if (x == NULL) {
		x = mem_new(sizeof(*x));
		x->request = (struct request){.connection = connection,
			.body = BUF_INIT(REQUEST_BODY_MAX),
			.head = strcmp(method, "HEAD") == 0,
			.path = path};
		x->request.method = x->request.head ? "GET" : method;
		*state = x;
		return begin(l, x);
	}
	if (*len > 0) {
		const size_t got = *len;

		*len = 0;
		return take(x, data, got);
	}
	if (x->route != NULL) {
		answer_upload(l, x);
		return reply_send(&x->early, connection);
	}
	answer(l, &x->request, &reply);
	return reply_send(&reply, connection);
}

static void
on_completed(void *ctx, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *state;

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

int
listen_open(const struct listen_options *options, struct listen **ret_listen, struct err *e)
{
	struct listen *l = mem_new(sizeof(*l));

	l->options = *options;
	l->fd = strncmp(options->address, "unix:", 5) == 0 ? listen_unix(l, options->address + 5, e)
							   : listen_tcp(options->address, e);
	if (l->fd >= 0) {
		l->daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION |
						     MHD_USE_INTERNAL_POLLING_THREAD |
						     MHD_USE_POLL | MHD_USE_ITC,
			0, NULL, NULL, on_request, l, MHD_OPTION_LISTEN_SOCKET, l->fd,
			MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
			MHD_OPTION_CONNECTION_LIMIT, (unsigned)LISTEN_CONNECTIONS_MAX,
			MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)LISTEN_IDLE_SECONDS,
			MHD_OPTION_THREAD_STACK_SIZE, (size_t)LISTEN_STACK_BYTES, MHD_OPTION_END);
		if (l->daemon == NULL)
			(void)err_set(e, ERR_INTERNAL, "the HTTP server cannot be started");
	}
	if (l->daemon == NULL) {
		fd_close_at(&l->fd);
		free(l->unix_path);
		free(l);
		return -1;
	}
	l->fd = -1;
	*ret_listen = l;
	return 0;
}

void
listen_quiesce(struct listen *l)
{
	l->fd = MHD_quiesce_daemon(l->daemon);
}

void
listen_close(struct listen *l)
{
	if (l == NULL)
		return;
	MHD_stop_daemon(l->daemon);
	fd_close_at(&l->fd);
	if (l->unix_path != NULL)
		(void)unlink(l->unix_path);
	free(l->unix_path);
	free(l);
}
