/* dockerctl metrics: as Prometheus reads them, or as JSON. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "cli/watch.h"

/* A label's value from behind its opening quote to behind the closing one; NULL: there is none. */
static const char *
read_value(const char *at, json_t **ret_value)
{
	SCOPED(buf_free) struct buf value = BUF_INIT(64 * 1024);

	for (; *at != '"'; at++) {
		char letter = *at;

		if (letter == '\\')
			letter = *++at == 'n' ? '\n' : *at;
		if (letter == '\0' || buf_add(&value, &letter, 1) != 0)
			return NULL;
	}
	*ret_value = json_stringn(value.data == NULL ? "" : value.data, value.len);
	return *ret_value == NULL ? NULL : at + 1;
}

/* The labels behind `{`, up to behind `}`; NULL: they are none. */
static const char *
read_labels(const char *at, json_t *labels)
{
	while (*at != '}') {
		const size_t len = strcspn(at, "=\"}");
		json_t *value = NULL;

		if (len == 0 || strncmp(at + len, "=\"", 2) != 0)
			return NULL;
		SCOPED(free_at) char *name = mem_copy(at, len);

		at = read_value(at + len + 2, &value);
		if (at == NULL || json_object_set_new(labels, name, value) != 0)
			return NULL;
		at += *at == ',';
	}
	return at + 1;
}

/* One sample, `name{label="value",…} number`; NULL: it is none. */
static json_t *
read_sample(const char *line)
{
	SCOPED(json_decref_at) json_t *labels = json_object();
	SCOPED(free_at) char *name = mem_copy(line, strcspn(line, "{ "));
	const char *at = line + strlen(name);
	double number;
	char *end;

	if (*at == '{')
		at = read_labels(at + 1, labels);
	if (at == NULL || *at != ' ')
		return NULL;
	number = strtod(at + 1, &end);
	if (end == at + 1 || (*end != '\0' && *end != ' '))
		return NULL;
	/* JSON has no infinity: it stays the text that it was. */
	return isfinite(number) ? json_pack("{s:s, s:O, s:f}", "name", name, "labels", labels,
					  "value", number)
				: json_pack("{s:s, s:O, s:s}", "name", name, "labels", labels,
					  "value", at + 1);
}

static int
print_samples(const struct http_reply *reply, struct err *e)
{
	SCOPED(json_decref_at) json_t *samples = json_array();
	SCOPED(free_at) char *text = mem_copy(reply->body.data, reply->body.len);
	char *rest = text;

	for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (json_array_append_new(samples, read_sample(line)) != 0)
			return err_set(e, ERR_ENGINE, "this is no metric: %.64s", line);
	}
	watch_json(samples);
	return 0;
}

int
command_metrics(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	const struct http_request request = {.method = "GET", .path = "/metrics"};

	if (http_call(client_http(c), &request, &reply, e) != 0)
		return -1;
	if (reply.status >= 400)
		return client_refused(&reply, e);
	if (a->json)
		return print_samples(&reply, e);
	return fwrite(reply.body.data, 1, reply.body.len, stdout) == reply.body.len
		       ? 0
		       : err_errno(e, "standard output");
}
