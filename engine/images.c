#include "engine/images.h"

#include <stdbool.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/scope.h"

/* The end of a tar: two blocks of zeros (some writers add more, up to a record of 20). */
enum { TAR_END = 1024, LOAD_STALL_MS = 600 * 1000 };

int
images_inspect(struct engine *g, const char *id, json_t **ret_inspect, struct err *e)
{
	SCOPED(free_at) char *escaped = http_escape(id);
	SCOPED(free_at) char *path = mem_format("/images/%s/json", escaped);

	return engine_json(g, "GET", path, NULL, ret_inspect, e);
}

char *
images_familiar(const char *reference)
{
	/* Podman puts localhost/ before what has no registry. */
	static const char *const heads[] = {"docker.io/library/", "docker.io/", "localhost/"};
	const char *colon;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (strncmp(reference, heads[i], strlen(heads[i])) == 0) {
			reference += strlen(heads[i]);
			break;
		}
	colon = strrchr(reference, ':');
	if (strchr(reference, '@') != NULL || (colon != NULL && strchr(colon, '/') == NULL))
		return mem_string(reference);
	return mem_format("%s:latest", reference);
}

static bool
lists(const json_t *names, const char *familiar)
{
	const json_t *name;
	size_t i;

	json_array_foreach (names, i, name) {
		SCOPED(free_at)
		char *listed = json_is_string(name) ? images_familiar(json_string_value(name))
						    : mem_string("");

		if (strcmp(listed, familiar) == 0)
			return true;
	}
	return false;
}

int
images_find(struct engine *g, const char *reference, json_t **ret_inspect, struct err *e)
{
	SCOPED(free_at) char *familiar = images_familiar(reference);
	SCOPED(json_decref_at) json_t *inspect = NULL;

	if (images_inspect(g, reference, &inspect, e) != 0)
		return -1;
	if (!lists(json_object_get(inspect, "RepoTags"), familiar) &&
		!lists(json_object_get(inspect, "RepoDigests"), familiar))
		return err_set(e, ERR_NOT_FOUND, "no image has the name %.200s", reference);
	*ret_inspect = TAKE(inspect);
	return 0;
}

int
images_list(struct engine *g, json_t **ret_array, struct err *e)
{
	return engine_json(g, "GET", "/images/json", NULL, ret_array, e);
}

int
images_remove(struct engine *g, const char *reference, struct err *e)
{
	SCOPED(free_at) char *escaped = http_escape(reference);
	SCOPED(free_at) char *path = mem_format("/images/%s", escaped);

	if (engine_json(g, "DELETE", path, NULL, NULL, e) == 0)
		return 0;
	return e->code == ERR_NOT_FOUND ? 0 : -1;
}

/* Passes everything on and counts the zeros at the end. */
struct checked {
	const struct sink *sink;
	size_t zeros;
};

static int
checked_write(void *ctx, const void *data, size_t len, struct err *e)
{
	struct checked *c = ctx;
	const char *bytes = data;
	size_t zeros = 0;

	while (zeros < len && zeros < TAR_END && bytes[len - 1 - zeros] == 0)
		zeros++;
	c->zeros = zeros == len ? c->zeros + zeros : zeros;
	return sink_write(c->sink, data, len, e);
}

int
images_save(struct engine *g, const char *const *names, size_t count, const struct sink *sink,
	struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(buf_free) struct buf path = BUF_INIT(1024 * 1024);
	struct checked checked = {.sink = sink};
	const struct sink through = {.write = checked_write, .ctx = &checked};
	struct http_request request = {
		.method = "GET", .sink = &through, .stall_ms = LOAD_STALL_MS};

	(void)buf_text(&path, "/images/get");
	for (size_t i = 0; i < count; i++) {
		SCOPED(free_at) char *escaped = http_escape(names[i]);

		if (buf_format(&path, "%snames=%s", i == 0 ? "?" : "&", escaped) != 0)
			return err_set(e, ERR_TOO_LARGE, "an image has too many names");
	}
	request.path = path.data;
	if (engine_call(g, &request, &reply, e) != 0 || engine_check(&request, &reply, e) != 0)
		return -1;
	if (checked.zeros < TAR_END)
		return err_set(e, ERR_IO, "the engine's tar of image %s has no end: it broke off",
			names[0]);
	return 0;
}

/* "Loaded image: NAME" and "Loaded image ID: sha256:…" */
static void
note_loaded(const char *text, json_t *loaded)
{
	static const char head[] = "Loaded image";
	const char *name;

	if (text == NULL || strncmp(text, head, sizeof(head) - 1) != 0)
		return;
	name = strstr(text, ": ");
	if (name != NULL)
		(void)json_array_append_new(
			loaded, json_stringn(name + 2, strcspn(name + 2, "\r\n")));
}

/* The stream of messages that the engine answers with: an error in it, and what was loaded. */
static int
read_messages(const struct buf *body, json_t *loaded, struct err *e)
{
	const char *at = body->data == NULL ? "" : body->data;
	size_t left = body->len;

	while (left > 0) {
		json_error_t error;
		SCOPED(json_decref_at)
		json_t *message = json_parse(at, left, JSON_DISABLE_EOF_CHECK, &error);
		const char *text = json_string_value(json_object_get(message, "error"));

		if (text != NULL)
			return err_set(e, ERR_ENGINE, "the engine could not load it: %.400s", text);
		if (message == NULL || error.position <= 0 || (size_t)error.position > left)
			return 0;
		note_loaded(json_string_value(json_object_get(message, "stream")), loaded);
		at += error.position;
		left -= (size_t)error.position;
	}
	return 0;
}

int
images_load(struct engine *g, const struct source *tar, json_t **ret_loaded, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(json_decref_at) json_t *loaded = json_array();
	struct http_request request = {.method = "POST",
		.path = "/images/load?quiet=1",
		.type = "application/x-tar",
		.source = tar,
		.source_len = -1,
		.stall_ms = LOAD_STALL_MS};

	if (engine_call(g, &request, &reply, e) != 0 || engine_check(&request, &reply, e) != 0)
		return -1;
	if (read_messages(&reply.body, loaded, e) != 0)
		return -1;
	*ret_loaded = TAKE(loaded);
	return 0;
}

int
images_tag(struct engine *g, const char *id, const char *reference, struct err *e)
{
	const char *colon = strrchr(reference, ':');
	const bool tagged = colon != NULL && strchr(colon, '/') == NULL;
	SCOPED(free_at)
	char *repo = mem_copy(reference, tagged ? (size_t)(colon - reference) : strlen(reference));
	SCOPED(free_at) char *repo_escaped = http_escape(repo);
	SCOPED(free_at) char *tag = http_escape(tagged ? colon + 1 : "latest");
	SCOPED(free_at) char *escaped = http_escape(id);
	SCOPED(free_at)
	char *path = mem_format("/images/%s/tag?repo=%s&tag=%s", escaped, repo_escaped, tag);

	return engine_json(g, "POST", path, NULL, NULL, e);
}
