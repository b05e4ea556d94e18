#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"

enum { TOKEN_MAX = 512, STALL_MS = 330 * 1000 /* the longest wait is 300 s */ };

struct client {
	struct http *http;
	char *url;
	char *store;
	bool quiet;
};

static const char *
setting(const char *name, const char *preset)
{
	const char *value = getenv(name);

	return value == NULL || value[0] == '\0' ? preset : value;
}

static char *
read_token(const char *path, struct err *e)
{
	SCOPED(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[TOKEN_MAX + 1];
	const ssize_t len = fd < 0 ? -1 : read(fd, text, TOKEN_MAX);

	if (len < 0) {
		(void)err_set(e, ERR_DENIED,
			"no token: %s cannot be read (%s); set FUEL_BACKUP_TOKEN, or run this as "
			"root on the host of the service",
			path, strerror(errno));
		return NULL;
	}
	text[len] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	return mem_string(text);
}

static char *
find_token(const struct client *c, struct err *e)
{
	const char *token = setting("FUEL_BACKUP_TOKEN", NULL);
	const char *file = setting("FUEL_BACKUP_TOKEN_FILE", NULL);
	SCOPED(free_at)
	char *path = file == NULL ? mem_format("%s/token", c->store) : mem_string(file);

	return token != NULL ? mem_string(token) : read_token(path, e);
}

int
client_open(struct client **ret_client, struct err *e)
{
	SCOPED(client_close_at) struct client *c = mem_new(sizeof(*c));
	const char *url = setting("FUEL_BACKUP_URL", NULL);
	SCOPED(free_at) char *token = NULL;
	struct http_options options = {.stall_ms = STALL_MS};

	c->store = mem_string(setting("FUEL_BACKUP_STORE", "/var/backup/fuel"));
	if (url == NULL)
		c->url = mem_format("http://127.0.0.1:%s", setting("FUEL_BACKUP_PORT", "8088"));
	else if (strncmp(url, "unix:", 5) == 0)
		c->url = mem_string("http://localhost");
	else
		c->url = mem_copy(url, strlen(url) - (url[strlen(url) - 1] == '/'));
	options.url = c->url;
	options.unix_path = url != NULL && strncmp(url, "unix:", 5) == 0 ? url + 5 : NULL;
	token = find_token(c, e);
	if (token == NULL)
		return -1;
	options.bearer = token;
	if (http_open(&options, &c->http, e) != 0)
		return err_prefix(
			e, "FUEL_BACKUP_URL is http://host:port, https://host or unix:/path");
	*ret_client = TAKE(c);
	return 0;
}

void
client_close_at(struct client **at)
{
	struct client *c = *at;

	if (c == NULL)
		return;
	http_close(c->http);
	free(c->url);
	free(c->store);
	free(c);
}

struct http *
client_http(struct client *c)
{
	return c->http;
}

const char *
client_url(const struct client *c)
{
	return c->url;
}

const char *
client_store(const struct client *c)
{
	return c->store;
}

const char *
client_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

bool
client_readable(const json_t *backup)
{
	const char *state = client_text(backup, "state");

	return strcmp(state, "complete") == 0 || strcmp(state, "partial") == 0;
}

static json_t *
client_body_of(const struct http_reply *reply)
{
	return json_loadb(
		reply->body.data == NULL ? "" : reply->body.data, reply->body.len, 0, NULL);
}

static enum err_code
code_of(int status)
{
	switch (status) {
	case 401:
		return ERR_DENIED;
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_CONFLICT;
	case 507:
		return ERR_NO_SPACE;
	default:
		return status < 500 ? ERR_INVALID : ERR_ENGINE;
	}
}

int
client_refused(const struct http_reply *reply, struct err *e)
{
	SCOPED(json_decref_at) json_t *problem = client_body_of(reply);
	const char *title = client_text(problem, "title");

	if (title[0] == '\0')
		(void)err_set(e, code_of(reply->status), "the service answered %d", reply->status);
	else
		(void)err_set(
			e, code_of(reply->status), "%s: %s", title, client_text(problem, "detail"));
	if (client_text(problem, "operation")[0] != '\0')
		e->code = ERR_BUSY;
	e->number = reply->status;
	return -1;
}

/* The service is not well, and its answer says why: that is no problem of the request. */
static bool
tells_health(const struct http_reply *reply)
{
	return reply->status == 503 && strcmp(reply->type, "application/json") == 0;
}

int
client_call(struct client *c, const char *method, const char *path, const json_t *body,
	json_t **ret, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(free_at) char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
	const struct http_request request = {.method = method,
		.path = path,
		.type = text == NULL ? NULL : "application/json",
		.body = text,
		.body_len = text == NULL ? 0 : strlen(text)};

	if (http_call(c->http, &request, &reply, e) != 0)
		return e->code == ERR_UNREACHABLE
			       ? err_prefix(e, "is the service up? `docker ps` shows it as "
					       "fuel-backup; FUEL_BACKUP_URL says where it is")
			       : -1;
	if (reply.status >= 400 && !tells_health(&reply))
		return client_refused(&reply, e);
	if (ret == NULL)
		return 0;
	*ret = client_body_of(&reply);
	return *ret != NULL ? 0
			    : err_set(e, ERR_ENGINE, "%s %s: the answer is no JSON", method, path);
}

int
client_pages(struct client *c, const char *path, const char *key, json_t **ret_list, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = json_array();
	SCOPED(free_at) char *at = mem_format("%s?limit=1000", path);

	while (at != NULL) {
		SCOPED(json_decref_at) json_t *page = NULL;
		const char *next;

		if (client_call(c, "GET", at, NULL, &page, e) != 0)
			return -1;
		(void)json_array_extend(list, json_object_get(page, key));
		next = json_string_value(json_object_get(page, "next"));
		free(at);
		at = next == NULL ? NULL : mem_format("%s?limit=1000&after=%s", path, next);
	}
	*ret_list = TAKE(list);
	return 0;
}

void
client_set_quiet(struct client *c, bool quiet)
{
	c->quiet = quiet;
}

bool
client_quiet(const struct client *c)
{
	return c->quiet;
}

static int
find_latest(struct client *c, char **ret_id, struct err *e)
{
	SCOPED(json_decref_at) json_t *page = NULL;
	const char *partial = NULL;
	const json_t *backup;
	size_t i;

	if (client_pages(c, "/backups", "backups", &page, e) != 0)
		return -1;
	json_array_foreach (page, i, backup) {
		if (strcmp(client_text(backup, "state"), "complete") == 0) {
			*ret_id = mem_string(client_text(backup, "id"));
			return 0;
		}
		if (partial == NULL && client_readable(backup))
			partial = client_text(backup, "id");
	}
	if (partial == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is no complete backup yet");
	*ret_id = mem_string(partial);
	return 0;
}

/* Whether ${text} means ${backup}: its name, or (${as_name}: not) the beginning of its id. */
static bool
means(const char *text, const json_t *backup, bool as_name)
{
	return as_name ? strcmp(client_text(backup, "name"), text) == 0
		       : strncmp(client_text(backup, "id"), text, strlen(text)) == 0;
}

/* The one of ${list} that ${text} means; NULL: none. */
static int
find_meant(const json_t *list, const char *text, bool as_name, const char **ret_id, struct err *e)
{
	const json_t *backup;
	size_t i;

	*ret_id = NULL;
	json_array_foreach (list, i, backup) {
		if (!means(text, backup, as_name))
			continue;
		if (*ret_id != NULL)
			return err_set(e, ERR_INVALID, "\"%.64s\" is %s: say which by its id", text,
				as_name ? "the name of several backups"
					: "the beginning of several ids");
		*ret_id = client_text(backup, "id");
	}
	return 0;
}

int
client_find_backup(struct client *c, const char *text, char **ret_id, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const char *found = NULL;

	if (strcmp(text, "latest") == 0)
		return find_latest(c, ret_id, e);
	if (id_valid(text)) {
		*ret_id = mem_string(text);
		return 0;
	}
	if (text[0] == '\0')
		return err_set(e, ERR_INVALID, "a backup's id is missing: it is empty");
	if (client_pages(c, "/backups", "backups", &list, e) != 0 ||
		find_meant(list, text, true, &found, e) != 0 ||
		(found == NULL && find_meant(list, text, false, &found, e) != 0))
		return -1;
	if (found == NULL)
		return err_set(e, ERR_NOT_FOUND,
			"there is no backup \"%.64s\"; `dockerctl list` shows what there is", text);
	*ret_id = mem_string(found);
	return 0;
}

int
client_get_backup(struct client *c, const char *text, json_t **ret_backup, struct err *e)
{
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *path = NULL;

	if (client_find_backup(c, text, &id, e) != 0)
		return -1;
	path = mem_format("/backups/%s", id);
	return client_call(c, "GET", path, NULL, ret_backup, e);
}
