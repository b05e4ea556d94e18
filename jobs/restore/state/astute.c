#include "jobs/restore/state/astute.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "archive/disk/beneath.h"
#include "base/mem.h"
#include "base/scope.h"

/* Top-level keys whose values, or all values below, are settings of the network. */
static const char *const networked[] = {"ADMIN_NETWORK", "DNS_DOMAIN", "DNS_SEARCH", "DNS_UPSTREAM",
	"HOSTNAME", "NTP1", "NTP2", "NTP3", "TEST_DNS"};

enum { NETWORKED = sizeof(networked) / sizeof(networked[0]) };

static bool
is_networked(const char *key)
{
	for (size_t i = 0; i < NETWORKED; i++)
		if (strcmp(networked[i], key) == 0)
			return true;
	return false;
}

/* Without spaces and quotes around it, and without a comment behind; the caller's. */
static char *
scalar(const char *text, size_t len)
{
	while (len > 0 && (text[0] == ' ' || text[0] == '\t')) {
		text++;
		len--;
	}
	if (len > 0 && (text[0] == '"' || text[0] == '\'')) {
		const char *end = memchr(text + 1, text[0], len - 1);

		return mem_copy(text + 1, end == NULL ? len - 1 : (size_t)(end - text - 1));
	}
	for (size_t i = 0; i < len; i++)
		if (text[i] == '#' && (i == 0 || text[i - 1] == ' '))
			len = i;
	while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
		len--;
	return mem_copy(text, len);
}

/* Texts that are no UTF-8 are no settings. */
static void
astute_set(json_t *settings, const char *key, const char *value)
{
	const char *before = json_string_value(json_object_get(settings, key));

	if (value[0] == '\0')
		return;
	(void)json_object_set_new(settings, key,
		before == NULL ? json_string(value) : json_sprintf("%s, %s", before, value));
}

/* One line; ${top}: the top-level key that it may stand below, the caller's. */
static void
astute_take_line(json_t *settings, const char *line, size_t len, char **top)
{
	const size_t indent = strspn(line, " ") < len ? strspn(line, " ") : len;
	const bool item = indent + 1 < len && line[indent] == '-' && line[indent + 1] == ' ';
	const char *colon = memchr(line + indent, ':', len - indent);
	SCOPED(free_at) char *key = NULL;
	SCOPED(free_at) char *value = NULL;
	SCOPED(free_at) char *path = NULL;

	if (indent == len || line[indent] == '#')
		return;
	if (item) {
		value = scalar(line + indent + 2, len - indent - 2);
		if (*top != NULL && is_networked(*top))
			astute_set(settings, *top, value);
		return;
	}
	if (colon == NULL)
		return;
	key = scalar(line + indent, (size_t)(colon - line) - indent);
	value = scalar(colon + 1, len - (size_t)(colon - line) - 1);
	if (indent == 0) {
		free(*top);
		*top = mem_string(key);
	}
	if (*top == NULL || !is_networked(*top))
		return;
	path = indent == 0 ? mem_string(key) : mem_format("%s.%s", *top, key);
	astute_set(settings, path, value);
}

json_t *
astute_settings(const char *text, size_t len)
{
	json_t *settings = json_object();
	SCOPED(free_at) char *copy = mem_copy(len == 0 ? "" : text, len);
	SCOPED(free_at) char *top = NULL;
	char *at = copy;

	while (*at != '\0') { /* a NUL in it ends it */
		const size_t line = strcspn(at, "\n");

		astute_take_line(settings, at, line, &top);
		at += line + (at[line] == '\n');
	}
	return settings;
}

static void
astute_tell(json_t *list, const char *key, const json_t *backup, const json_t *host)
{
	if (backup == host || (backup != NULL && host != NULL && json_equal(backup, host)))
		return;
	(void)json_array_append_new(
		list, json_pack("{s:s, s:s?, s:s?}", "key", key, "backup",
			      json_string_value(backup), "host", json_string_value(host)));
}

json_t *
astute_differences(const json_t *backup, const json_t *host)
{
	SCOPED(json_decref_at) json_t *all = json_copy((json_t *)(uintptr_t)host);
	json_t *list = json_array(), *value;
	const char *key;

	(void)json_object_update(all, (json_t *)(uintptr_t)backup);
	for (size_t i = 0; i < NETWORKED; i++) /* in this order, and below as they stand */
		json_object_foreach (all, key, value) {
			const size_t len = strlen(networked[i]);

			if (strncmp(key, networked[i], len) == 0 &&
				(key[len] == '\0' || key[len] == '.'))
				astute_tell(list, key, json_object_get(backup, key),
					json_object_get(host, key));
		}
	return list;
}

static int
astute_add(struct buf *to, const char *data, size_t len, struct err *e)
{
	if (buf_add(to, data, len) == 0)
		return 0;
	return err_set(e, ERR_TOO_LARGE, ASTUTE_PATH " is larger than %d bytes", ASTUTE_MAX);
}

int
astute_member(struct reader *r, struct buf *to, struct err *e)
{
	struct source content = reader_content(r);
	char piece[4096];
	ssize_t got;

	while ((got = source_read(&content, piece, sizeof(piece), e)) > 0)
		if (astute_add(to, piece, (size_t)got, e) != 0)
			return -1;
	return got < 0 ? -1 : 1;
}

int
astute_file(int root_fd, const char *path, struct buf *to, struct err *e)
{
	SCOPED(free_at) char *itself = mem_format("/proc/self/fd/%d", root_fd);
	SCOPED(fd_close_at)
	int fd = path[0] == '\0'
			 ? open(itself, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
			 : beneath_open(root_fd, path, O_RDONLY | O_NONBLOCK, BENEATH_ONE_MOUNT);
	char piece[4096];
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, ASTUTE_PATH);
	while ((got = read(fd, piece, sizeof(piece))) > 0)
		if (astute_add(to, piece, (size_t)got, e) != 0)
			return -1;
	return got < 0 ? err_errno(e, ASTUTE_PATH) : 1;
}
