/* dockerctl ls, cat, fetch: looking into a backup. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/paint.h"
#include "cli/watch.h"

/* So that a page with the longest names fits in HTTP_BODY_MAX. */
enum { PAGE = 400 };

/* The address of ${path} (NULL: the root) of the backup that ${id} means; the caller's. */
static int
find_address(struct client *c, const char *id, const char *path, char **ret_address, struct err *e)
{
	SCOPED(free_at) char *found = NULL;
	struct buf address = BUF_INIT(64 * 1024);

	if (client_find_backup(c, id, &found, e) != 0)
		return -1;
	(void)buf_format(&address, "/backups/%s/files", found);
	for (const char *at = path; at != NULL; at = strchr(at, '/')) {
		SCOPED(free_at) char *part = NULL;
		SCOPED(free_at) char *escaped = NULL;

		at += strspn(at, "/");
		part = mem_copy(at, strcspn(at, "/"));
		escaped = http_escape(part);
		if (part[0] != '\0' && buf_format(&address, "/%s", escaped) != 0) {
			buf_free(&address);
			return err_set(e, ERR_TOO_LARGE, "the path is too long");
		}
	}
	*ret_address = buf_take(&address);
	return 0;
}

/* ---- ls ---- */

static void
print_entry(const json_t *entry)
{
	static const struct {
		const char *name;
		char letter;
	} types[] = {{"folder", 'd'}, {"file", '-'}, {"hardlink", 'h'}, {"symlink", 'l'},
		{"fifo", 'p'}, {"character-device", 'c'}, {"block-device", 'b'}};
	const json_t *size = json_object_get(entry, "size_bytes");
	const char *type = client_text(entry, "type");
	const char *link = client_text(entry, "link");
	char letter = '?', text[SIZE_TEXT];

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, type) == 0)
			letter = types[i].letter;
	say("%c %4s %6lld %6lld %10s  %-19.19s  ", letter, client_text(entry, "mode"),
		(long long)json_integer_value(json_object_get(entry, "uid")),
		(long long)json_integer_value(json_object_get(entry, "gid")),
		size == NULL ? "-" : watch_size(json_integer_value(size), text),
		client_text(entry, "modified_at"));
	paint(stdout, letter == 'd' ? PAINT_FOLDER : PAINT_NONE, 0, client_text(entry, "name"));
	if (link[0] != '\0') {
		say(" -> ");
		paint(stdout, PAINT_NONE, 0, link);
	}
	(void)putchar('\n');
}

/* One page, as lines or as members of a JSON array of which ${*shown} stand already. */
static void
print_page(const json_t *page, bool json, size_t *shown)
{
	const json_t *entries = json_object_get(page, "entries");
	const json_t *entry;
	size_t i;

	if (entries == NULL && !json)
		print_entry(json_object_get(page, "entry"));
	json_array_foreach (entries, i, entry) {
		if (!json) {
			print_entry(entry);
			continue;
		}
		(void)fputs((*shown)++ == 0 ? "\n" : ",\n", stdout);
		(void)json_dumpf(entry, stdout, JSON_COMPACT);
	}
}

/* HEAD: a file's bytes are application/octet-stream, all else is JSON. */
static int
browse_look(
	struct client *c, const char *address, bool *ret_bytes, int64_t *ret_size, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	const struct http_request request = {.method = "HEAD", .path = address};

	if (http_call(client_http(c), &request, &reply, e) != 0)
		return -1;
	/* What is wrong stands in the body, which a HEAD has not. */
	if (reply.status >= 400)
		return client_call(c, "GET", address, NULL, NULL, e) != 0
			       ? -1
			       : err_set(e, ERR_CHANGED, "try again");
	*ret_bytes = strcmp(reply.type, "application/octet-stream") == 0;
	*ret_size = reply.content_length;
	return 0;
}

int
command_ls(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(free_at) char *address = NULL;
	SCOPED(free_at) char *at = NULL;
	size_t shown = 0;
	int64_t size;
	bool bytes;

	if (find_address(c, a->words[0], a->words[1], &address, e) != 0 ||
		browse_look(c, address, &bytes, &size, e) != 0)
		return -1;
	if (bytes)
		return err_set(
			e, ERR_INVALID, "%s is a file; `dockerctl cat` shows it", a->words[1]);
	at = mem_format("%s?limit=%d", address, PAGE);
	if (a->json)
		(void)putchar('[');
	while (at != NULL) {
		SCOPED(json_decref_at) json_t *page = NULL;
		const char *next;

		if (client_call(c, "GET", at, NULL, &page, e) != 0)
			return -1;
		print_page(page, a->json, &shown);
		next = json_string_value(json_object_get(page, "next"));
		free(at);
		at = next == NULL ? NULL : mem_format("%s?limit=%d&after=%s", address, PAGE, next);
	}
	if (a->json)
		say("\n]\n");
	return 0;
}

/* ---- cat, fetch ---- */

static int
on_bytes(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)ctx;
	return fwrite(data, 1, len, stdout) == len ? 0 : err_errno(e, "standard output");
}

int
command_cat(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(free_at) char *address = NULL;
	const struct sink sink = {.write = on_bytes};
	int64_t size;
	bool bytes;

	if (find_address(c, a->words[0], a->words[1], &address, e) != 0 ||
		browse_look(c, address, &bytes, &size, e) != 0)
		return -1;
	if (!bytes)
		return err_set(e, ERR_INVALID,
			"%s is no file; `dockerctl ls` tells what it is, `dockerctl fetch` brings "
			"a "
			"folder as a tar",
			a->words[1]);
	if (http_call(client_http(c),
		    &(struct http_request){.method = "GET", .path = address, .sink = &sink}, &reply,
		    e) != 0)
		return -1;
	return reply.status >= 400 ? client_refused(&reply, e) : 0;
}

int
command_fetch(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(free_at) char *address = NULL;
	SCOPED(free_at) char *plain = mem_string(a->words[1]);
	SCOPED(free_at) char *name = NULL;
	SCOPED(free_at) char *path = NULL;
	struct fetch_want want = {.label = "fetch"};
	bool bytes;

	if (find_address(c, a->words[0], plain, &address, e) != 0 ||
		browse_look(c, address, &bytes, &want.total, e) != 0)
		return -1;
	for (size_t len = strlen(plain); len > 0 && plain[len - 1] == '/'; len--)
		plain[len - 1] = '\0';
	name = mem_format(
		"%s%s", plain[0] == '\0' ? "backup" : basename(plain), bytes ? "" : ".tar");
	want.name = name;
	want.dest = a->words[2] == NULL ? "." : a->words[2];
	if (!bytes) {
		SCOPED(json_decref_at) json_t *entry = NULL;
		char *tar = mem_format("%s?limit=1", address);

		if (client_call(c, "GET", tar, NULL, &entry, e) != 0) {
			free(tar);
			return -1;
		}
		free(tar);
		if (json_object_get(entry, "entries") == NULL)
			return err_set(e, ERR_INVALID, "%s is neither a file nor a folder: %s",
				a->words[1], client_text(json_object_get(entry, "entry"), "type"));
		tar = mem_format("%s?format=tar", address);
		free(address);
		address = tar;
		want.total = -1;
	}
	want.address = address;
	if (fetch_file(c, &want, &path, e) != 0)
		return -1;
	if (a->json) {
		SCOPED(json_decref_at) json_t *told = json_pack("{s:s?}", "file", path);

		if (told == NULL)
			return err_set(e, ERR_INVALID, "the file's name is not UTF-8");
		watch_json(told);
	} else {
		say("File is available at ");
		paint(stdout, PAINT_NONE, 0, path);
		(void)putchar('\n');
	}
	return 0;
}
