#include "transfer/url.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"

static void
curl_url_at(CURLU **u)
{
	curl_url_cleanup(*u);
}

/* A part of it, the caller's to free; NULL: it has none. */
static char *
part(CURLU *u, CURLUPart which, unsigned flags)
{
	char *text = NULL, *copy;

	if (curl_url_get(u, which, &text, flags) != CURLUE_OK || text == NULL)
		return NULL;
	copy = mem_string(text);
	curl_free(text);
	return copy;
}

static bool
has(CURLU *u, CURLUPart which)
{
	SCOPED(free_at) char *text = part(u, which, 0);

	return text != NULL;
}

static int
path_check(const char *path, struct err *e)
{
	for (const char *c = path; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f || strchr("\"'\\*?[]", *c) != NULL)
			return err_set(e, ERR_INVALID,
				"the folder in the URL has a character that servers understand "
				"differently: choose one without controls, quotes, \\ * ? [ ]");
	for (const char *at = path; at != NULL; at = strchr(at + 1, '/'))
		if (strncmp(at, "/..", 3) == 0 && (at[3] == '/' || at[3] == '\0'))
			return err_set(e, ERR_INVALID, "the folder in the URL has a \"..\" in it");
	return 0;
}

static int
fill(CURLU *u, struct url *url, struct err *e)
{
	size_t len;

	url->scheme = part(u, CURLUPART_SCHEME, 0);
	url->user = part(u, CURLUPART_USER, CURLU_URLDECODE);
	url->host = part(u, CURLUPART_HOST, 0);
	url->port = part(u, CURLUPART_PORT, 0);
	url->path = part(u, CURLUPART_PATH, CURLU_URLDECODE);
	if (url->host == NULL)
		url->host = mem_string("");
	if (url->scheme == NULL || url->path == NULL)
		return err_set(e, ERR_INVALID, "the URL has a %%00 or another byte that cannot be");
	len = strlen(url->path);
	while (len > 0 && url->path[len - 1] == '/')
		url->path[--len] = '\0';
	url->coded = text_percent(url->path);
	return path_check(url->path, e);
}

int
url_parse(const char *text, struct url *ret_url, struct err *e)
{
	SCOPED(curl_url_at) CURLU *u = curl_url();
	struct url url = {0};

	if (u == NULL)
		return err_set(e, ERR_INTERNAL, "no room for a URL");
	if (curl_url_set(u, CURLUPART_URL, text,
		    CURLU_NON_SUPPORT_SCHEME | CURLU_NO_AUTHORITY | CURLU_PATH_AS_IS) != CURLUE_OK)
		return err_set(e, ERR_INVALID,
			"\"%.200s\" is no URL: write scheme://host/folder, or file:///folder with "
			"three slashes",
			strchr(text, '@') == NULL ? text
						  : "(not shown, for it may hold a password)");
	if (has(u, CURLUPART_PASSWORD))
		return err_set(e, ERR_INVALID,
			"a password in a URL is seen by many: leave it out, and name the file that "
			"holds it as `password_file`");
	if (has(u, CURLUPART_QUERY) || has(u, CURLUPART_FRAGMENT))
		return err_set(e, ERR_INVALID, "a destination's URL has no \"?\" and no \"#\"");
	if (fill(u, &url, e) != 0) {
		url_free(&url);
		return -1;
	}
	*ret_url = url;
	return 0;
}

void
url_free(struct url *u)
{
	free(u->scheme);
	free(u->user);
	free(u->host);
	free(u->port);
	free(u->path);
	free(u->coded);
	*u = (struct url){0};
}
