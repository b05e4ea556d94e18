#include "server/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *
request_header(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *
request_parameter(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

int
request_integer(const struct request *r, const char *name, int64_t min, int64_t max, int64_t preset,
	int64_t *ret, struct err *e)
{
	const char *text = request_parameter(r, name);
	char *end = NULL;
	long long value;

	*ret = preset;
	if (text == NULL)
		return 0;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min ||
		value > max)
		return err_set(e, ERR_INVALID, "\"%s\" must be a number from %lld to %lld", name,
			(long long)min, (long long)max);
	*ret = value;
	return 0;
}

int
request_after(const struct request *r, const char **ret_after, struct err *e)
{
	*ret_after = request_parameter(r, "after");
	if (*ret_after == NULL || id_valid(*ret_after))
		return 0;
	return err_set(e, ERR_INVALID, "\"after\" must be an id, as in the \"next\" of a list");
}

struct request_check {
	const char *known;
	const char *unknown;
};

static bool
request_is_known(const char *known, const char *name)
{
	const size_t len = strlen(name);

	for (const char *at = strstr(known, name); len > 0 && at != NULL; at = strstr(at + 1, name))
		if ((at == known || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

static enum MHD_Result
check_one(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct request_check *c = ctx;

	(void)kind;
	(void)value;
	if (!request_is_known(c->known, name))
		c->unknown = name;
	return MHD_YES;
}

int
request_check_parameters(const struct request *r, const char *known, struct err *e)
{
	struct request_check c = {.known = known};

	(void)MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND, check_one, &c);
	if (c.unknown == NULL)
		return 0;
	return err_set(e, ERR_INVALID, "unknown query parameter \"%.64s\"; known here: %s",
		c.unknown, known[0] == '\0' ? "none" : known);
}

static bool
declared_json(const struct request *r)
{
	static const char json[] = "application/json";
	const char *type = request_header(r, "Content-Type");
	const size_t len = sizeof(json) - 1;

	return type != NULL && strncasecmp(type, json, len) == 0 &&
	       (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

int
request_parse(struct request *r, struct err *e)
{
	json_error_t error;

	if (r->too_large)
		return err_set(
			e, ERR_TOO_LARGE, "the body is larger than %d bytes", REQUEST_BODY_MAX);
	if (r->body.len == 0)
		return 0;
	if (!declared_json(r)) {
		(void)err_set(e, ERR_INVALID,
			"the body must be JSON: send it with `Content-Type: application/json`");
		return 415;
	}
	r->json = json_loadb(r->body.data, r->body.len, JSON_REJECT_DUPLICATES, &error);
	if (r->json == NULL)
		return err_set(e, ERR_INVALID, "the body is no JSON: line %d, column %d: %s",
			error.line, error.column, error.text);
	if (json_is_object(r->json) && json_object_size(r->json) == 0) {
		json_decref(r->json);
		r->json = NULL;
	}
	return 0;
}
