/*
 * copies_verbs OPTIONS.json: the six verbs of transfer/transfer.h, for the tests.  Reads a verb a
 *line and answers each with a line of JSON: {"ok": …} or {"error": code, "text": …}. put NAME FILE
 *| new NAME FILE | get NAME FROM LENGTH FILE | stat NAME | list FOLDER | delete NAME | facts | peak
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "transfer/secrets.h"
#include "transfer/transfer.h"

enum { LINE = 4096 };

static const char *
text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static int
open_it(const json_t *o, struct transfer **ret_transfer, struct err *e)
{
	struct transfer_options options = {
		.url = text(o, "url"),
		.user = text(o, "user"),
		.key_file = text(o, "key_file"),
		.host_key = text(o, "host_key"),
		.ca_file = text(o, "ca_file"),
		.endpoint = text(o, "endpoint"),
		.region = text(o, "region"),
		.style = text(o, "style"),
		.rate_bytes_s = json_integer_value(json_object_get(o, "rate_bytes_s")),
		.connect_s = json_integer_value(json_object_get(o, "connect_s")),
		.stall_s = json_integer_value(json_object_get(o, "stall_s")),
		.part_bytes = json_integer_value(json_object_get(o, "part_bytes")),
	};

	for (int i = 0; i < TRANSFER_SECRETS; i++) {
		const char *name = secrets_name((enum transfer_secret)i);
		SCOPED(free_at) char *file = mem_format("%s_file", name);
		SCOPED(free_at) char *env = mem_format("%s_env", name);

		options.secret_file[i] = text(o, file);
		options.secret_env[i] = text(o, env);
	}
	return transfer_open(&options, ret_transfer, e);
}

static ssize_t
body_read(void *ctx, int64_t at, void *data, size_t size, struct err *e)
{
	const ssize_t got = pread(*(int *)ctx, data, size, at);

	return got < 0 ? err_errno(e, "reading what is put") : got;
}

static int
put(struct transfer *t, const char *name, const char *path, enum transfer_how how, struct err *e)
{
	SCOPED(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct transfer_body body = {body_read, &fd, 0};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_errno(e, "%s", path);
	body.length = st.st_size;
	return transfer_put(t, name, &body, how, e);
}

static int
file_write(void *ctx, const void *data, size_t len, struct err *e)
{
	return fwrite(data, 1, len, ctx) == len ? 0 : err_errno(e, "writing what came");
}

static int
get(struct transfer *t, const char *name, const char *rest, struct err *e)
{
	long long from = 0, length = 0;
	char path[LINE];
	SCOPED(file_close_at) FILE *to = NULL;
	struct sink sink = {file_write, NULL};

	if (sscanf(rest, "%lld %lld %4095s", &from, &length, path) != 3)
		return err_set(e, ERR_INVALID, "get NAME FROM LENGTH FILE");
	to = fopen(path, "we");
	sink.ctx = to;
	return to == NULL ? err_errno(e, "%s", path)
			  : transfer_get(t, name, from, length, &sink, e);
}

static int
keep(void *ctx, const struct transfer_object *object, struct err *e)
{
	(void)e;
	(void)json_object_set_new(ctx, object->name,
		object->folder ? json_string("folder") : json_integer(object->size));
	return 0;
}

static json_t *
facts(const struct transfer *t)
{
	struct transfer_facts f;

	transfer_facts(t, &f);
	return json_pack("{s:s, s:s, s:b, s:I, s:b, s:b}", "host_key", f.host_key, "certificate",
		f.certificate, "clock_known", f.clock_known, "clock_ahead_ms",
		(json_int_t)f.clock_ahead_ms, "encrypted", f.encrypted, "exclusive",
		transfer_exclusive(t));
}

static int
verb(struct transfer *t, const char *what, const char *name, const char *rest, json_t **ret_answer,
	struct err *e)
{
	struct rusage usage;
	int64_t size = -1;
	int found;

	if (strcmp(what, "put") == 0 || strcmp(what, "new") == 0)
		return put(t, name, rest, *what == 'n' ? TRANSFER_NEW : TRANSFER_REPLACE, e);
	if (strcmp(what, "get") == 0)
		return get(t, name, rest, e);
	if (strcmp(what, "delete") == 0)
		return transfer_delete(t, name, e);
	if (strcmp(what, "facts") == 0)
		*ret_answer = facts(t);
	if (strcmp(what, "peak") == 0 && getrusage(RUSAGE_SELF, &usage) == 0)
		*ret_answer = json_integer(usage.ru_maxrss);
	if (strcmp(what, "list") == 0) {
		*ret_answer = json_object();
		return transfer_list(t, name, keep, *ret_answer, e);
	}
	if (strcmp(what, "stat") != 0)
		return 0;
	found = transfer_stat(t, name, &size, e);
	*ret_answer = found > 0 ? json_integer(size) : json_null();
	return found < 0 ? -1 : 0;
}

static void
answer(int status, json_t *value, const struct err *e)
{
	SCOPED(json_decref_at)
	json_t *line =
		status == 0 ? json_pack("{s:o}", "ok", value == NULL ? json_true() : value)
			    : json_pack("{s:s, s:s}", "error", err_name(e->code), "text", e->text);

	if (status != 0)
		json_decref(value);
	(void)json_dumpf(line, stdout, JSON_COMPACT);
	(void)printf("\n");
	(void)fflush(stdout);
}

int
main(int argc, char **argv)
{
	SCOPED(json_decref_at) json_t *options = argc < 2 ? NULL : json_load_file(argv[1], 0, NULL);
	SCOPED(transfer_close_at) struct transfer *t = NULL;
	char line[LINE], what[16], name[LINE];
	struct err e = {.code = ERR_NONE};
	int status;

	if (options == NULL)
		return 2;
	status = open_it(options, &t, &e);
	if (status != 0) {
		answer(status, NULL, &e);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		int used = 0;
		json_t *value = NULL;

		name[0] = '\0';
		line[strcspn(line, "\n")] = '\0';
		(void)sscanf(line, "%15s %4095s %n", what, name, &used);
		status = verb(t, what, name, line + used, &value, &e);
		answer(status, value, &e);
	}
	return 0;
}
