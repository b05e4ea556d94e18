#include "server/cors.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

enum { CORS_ORIGINS_MAX = 32, CORS_SECONDS = 600 };

static const char headers[] = "Authorization, Content-Type, Idempotency-Key, If-Match, "
			      "If-None-Match, Last-Event-ID, Range, X-Auth-Token";
static const char exposed[] = "Content-Disposition, Content-Length, Content-Range, ETag, Location, "
			      "Repr-Digest, Retry-After";

struct cors {
	char *list[CORS_ORIGINS_MAX];
	int count;
};

/* scheme://host[:port], as a browser sends it: no path, no upper case. */
static bool
is_origin(const char *text)
{
	const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
			   : strncmp(text, "http://", 7) == 0 ? text + 7
							      : "";
	const size_t len = strlen(host);

	return len > 0 && len <= 255 &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") == len;
}

int
cors_parse(const char *text, struct cors **ret_cors, struct err *e)
{
	SCOPED(free_at) char *copy = text == NULL ? NULL : mem_string(text);
	struct cors *c;
	char *rest = NULL;

	*ret_cors = NULL;
	if (text == NULL || text[0] == '\0')
		return 0;
	c = mem_new(sizeof(*c));
	for (char *one = strtok_r(copy, ", ", &rest); one != NULL;
		one = strtok_r(NULL, ", ", &rest)) {
		if (!is_origin(one) || c->count == CORS_ORIGINS_MAX) {
			cors_free(c);
			return err_set(e, ERR_INVALID,
				"FUEL_BACKUP_ORIGINS: \"%.100s\": wanted are up to %d origins as "
				"https://fuel.example:8443, in lower case and without a path",
				one, CORS_ORIGINS_MAX);
		}
		c->list[c->count++] = mem_string(one);
	}
	*ret_cors = c;
	return 0;
}

void
cors_free(struct cors *c)
{
	if (c == NULL)
		return;
	for (int i = 0; i < c->count; i++)
		free(c->list[i]);
	free(c);
}

static bool
allows(const struct cors *c, const char *origin)
{
	for (int i = 0; i < c->count; i++)
		if (strcmp(c->list[i], origin) == 0)
			return true;
	return false;
}

void
cors_apply(const struct cors *c, const struct request *r, struct reply *reply, const char *allowed)
{
	const char *origin = request_header(r, "Origin");

	reply_header(reply, "Vary", "Origin"); /* also to those without one: caches must know */
	if (origin == NULL || !allows(c, origin))
		return;
	reply_header(reply, "Access-Control-Allow-Origin", "%s", origin);
	reply_header(reply, "Access-Control-Expose-Headers", "%s", exposed);
	if (strcmp(r->method, "OPTIONS") != 0 || allowed[0] == '\0' ||
		request_header(r, "Access-Control-Request-Method") == NULL)
		return;
	reply_header(reply, "Access-Control-Allow-Methods", "%s", allowed);
	reply_header(reply, "Access-Control-Allow-Headers", "%s", headers);
	reply_header(reply, "Access-Control-Max-Age", "%d", CORS_SECONDS);
}
