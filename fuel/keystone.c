#include "fuel/keystone.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "http/http.h"

enum { ANSWER_MAX = 1024 * 1024, DIGEST = 32 };

struct verdict {
	unsigned char digest[DIGEST];
	int64_t until_ns; /* monotonic; 0: an empty place */
	bool admin;
};

struct keystone {
	struct http *http;
	bool v3;
	char *user, *password, *project;
	pthread_mutex_t mutex;
	struct verdict cache[KEYSTONE_CACHE];
	size_t next; /* the place to be used next */
	int asking;
	char *own; /* our token, or NULL */
};

static char *
keystone_optional(const char *text)
{
	return text == NULL ? NULL : mem_string(text);
}

static bool
ends_with(const char *text, const char *end)
{
	const size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

int
keystone_open(const struct keystone_options *o, struct keystone **ret_keystone, struct err *e)
{
	struct keystone *k;
	struct http *http;

	if (!ends_with(o->url, "/v3") && !ends_with(o->url, "/v2.0"))
		return err_set(e, ERR_INVALID,
			"FUEL_BACKUP_KEYSTONE_URL \"%.200s\" must end in /v3 or /v2.0", o->url);
	if (http_open(&(struct http_options){.url = o->url}, &http, e) != 0)
		return err_prefix(e, "FUEL_BACKUP_KEYSTONE_URL");
	k = mem_new(sizeof(*k));
	k->http = http;
	k->v3 = ends_with(o->url, "/v3");
	k->user = keystone_optional(o->user);
	k->password = keystone_optional(o->password);
	k->project = keystone_optional(o->project);
	(void)pthread_mutex_init(&k->mutex, NULL);
	*ret_keystone = k;
	return 0;
}

void
keystone_close(struct keystone *k)
{
	if (k == NULL)
		return;
	http_close(k->http);
	(void)pthread_mutex_destroy(&k->mutex);
	free(k->user);
	free(k->password);
	free(k->project);
	free(k->own);
	free(k);
}

static bool
keystone_time_is_up(void *ctx)
{
	const int64_t *since_ns = ctx;

	return clock_since_ms(*since_ns) > KEYSTONE_MS;
}

/* One request within the time, as one of not too many; the status, or -1 (ERR_LOGIN). */
static int
keystone_ask(
	struct keystone *k, struct http_request *request, struct http_reply *reply, struct err *e)
{
	int64_t since_ns = clock_mono_ns();
	bool full;
	int status;

	(void)pthread_mutex_lock(&k->mutex);
	full = k->asking == KEYSTONE_AT_ONCE;
	k->asking += full ? 0 : 1;
	(void)pthread_mutex_unlock(&k->mutex);
	if (full)
		return err_set(e, ERR_LOGIN,
			"Keystone is asked about %d tokens already: try again in some seconds",
			KEYSTONE_AT_ONCE);
	request->cancelled = keystone_time_is_up;
	request->ctx = &since_ns;
	status = http_call(k->http, request, reply, e);
	(void)pthread_mutex_lock(&k->mutex);
	k->asking--;
	(void)pthread_mutex_unlock(&k->mutex);
	if (status == 0)
		return reply->status;
	return err_set(e, ERR_LOGIN,
		"%s: see that it runs and that FUEL_BACKUP_KEYSTONE_URL is right, or use the "
		"service's own token",
		e->code == ERR_UNREACHABLE ? "Keystone cannot be reached"
		: e->code == ERR_CANCELLED ? "Keystone did not answer in time"
					   : "Keystone's answer broke off");
}

static json_t *
login_body(const struct keystone *k)
{
	if (!k->v3)
		return json_pack("{s:{s:s, s:{s:s, s:s}}}", "auth", "tenantName", k->project,
			"passwordCredentials", "username", k->user, "password", k->password);
	return json_pack("{s:{s:{s:[s], s:{s:{s:s, s:s, s:{s:s}}}}, s:{s:{s:s, s:{s:s}}}}}", "auth",
		"identity", "methods", "password", "password", "user", "name", k->user, "password",
		k->password, "domain", "id", "default", "scope", "project", "name", k->project,
		"domain", "id", "default");
}

static const char *
text_at(const json_t *json, const char *first, const char *second, const char *third)
{
	const char *text = json_string_value(
		json_object_get(json_object_get(json_object_get(json, first), second), third));

	return text == NULL ? "" : text;
}

char *
keystone_login(struct keystone *k, struct err *e)
{
	SCOPED(http_reply_free)
	struct http_reply reply = {.body = BUF_INIT(ANSWER_MAX), .content_length = -1};
	SCOPED(json_decref_at) json_t *body = k->user == NULL ? NULL : login_body(k);
	SCOPED(free_at) char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
	SCOPED(json_decref_at) json_t *answer = NULL;
	struct http_request request = {.method = "POST",
		.path = k->v3 ? "/auth/tokens" : "/tokens",
		.type = "application/json",
		.body = text};
	const char *token;

	if (text == NULL) {
		(void)err_set(e, ERR_LOGIN, "there is no FUEL_BACKUP_KEYSTONE_USER");
		return NULL;
	}
	request.body_len = strlen(text);
	const int status = keystone_ask(k, &request, &reply, e);
	if (status < 0)
		return NULL;
	answer =
		json_loadb(reply.body.data == NULL ? "" : reply.body.data, reply.body.len, 0, NULL);
	token = k->v3 ? reply.subject_token : text_at(answer, "access", "token", "id");
	if (status / 100 == 2 && token[0] != '\0')
		return mem_string(token);
	(void)err_set(e, ERR_LOGIN,
		"Keystone answered %d to FUEL_BACKUP_KEYSTONE_USER: its name, password and project "
		"must be right",
		status);
	return NULL;
}

/* Our own token, taken again if ${anew}; or without a user a copy of ${token}. */
static char *
asker(struct keystone *k, const char *token, bool anew, struct err *e)
{
	char *own = NULL;

	if (k->user == NULL)
		return mem_string(token);
	(void)pthread_mutex_lock(&k->mutex);
	if (!anew && k->own != NULL)
		own = mem_string(k->own);
	(void)pthread_mutex_unlock(&k->mutex);
	if (own != NULL)
		return own;
	own = keystone_login(k, e);
	if (own == NULL)
		return NULL;
	LOCKED(&k->mutex);
	free(k->own);
	k->own = mem_string(own);
	return own;
}

/* What Keystone answers about ${token}: the status, or -1. */
static int
ask_about(struct keystone *k, const char *token, bool anew, struct http_reply *reply, struct err *e)
{
	SCOPED(free_at) char *own = asker(k, token, anew, e);
	SCOPED(free_at) char *escaped = http_escape(token);
	SCOPED(free_at)
	char *path = k->v3 ? mem_string("/auth/tokens") : mem_format("/tokens/%s", escaped);
	SCOPED(free_at) char *subject = mem_format("X-Subject-Token: %s", token);

	if (own == NULL)
		return -1;
	SCOPED(free_at) char *header = mem_format("X-Auth-Token: %s", own);
	return keystone_ask(k,
		&(struct http_request){.method = "GET",
			.path = path,
			.headers = (const char *const[]){header, k->v3 ? subject : NULL, NULL}},
		reply, e);
}

/* 1: has the role, 0: has not, -1. */
static int
keystone_judge(const struct keystone *k, const struct http_reply *reply, struct err *e)
{
	SCOPED(json_decref_at)
	json_t *answer = json_loadb(
		reply->body.data == NULL ? "" : reply->body.data, reply->body.len, 0, NULL);
	const json_t *access = json_object_get(answer, k->v3 ? "token" : "access");
	const char *expires = k->v3 ? json_string_value(json_object_get(access, "expires_at"))
				    : json_string_value(json_object_get(
					      json_object_get(access, "token"), "expires"));
	const json_t *roles =
		json_object_get(k->v3 ? access : json_object_get(access, "user"), "roles");
	struct tm tm = {0};
	const json_t *role;
	size_t i;

	if (expires == NULL || strptime(expires, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
		return err_set(e, ERR_LOGIN, "Keystone's answer is not understood");
	if ((int64_t)timegm(&tm) <= clock_real_ns() / 1000000000)
		return err_set(e, ERR_DENIED, "the X-Auth-Token has expired: log in again");
	json_array_foreach (roles, i, role) {
		const char *name = json_string_value(json_object_get(role, "name"));
		if (name != NULL && strcmp(name, "admin") == 0)
			return 1;
	}
	return 0;
}

static int
find_out(struct keystone *k, const char *token, struct err *e)
{
	SCOPED(http_reply_free)
	struct http_reply reply = {.body = BUF_INIT(ANSWER_MAX), .content_length = -1};
	int status = ask_about(k, token, false, &reply, e);

	if (status == 401 && k->user != NULL) { /* our own one has expired */
		buf_clear(&reply.body);
		status = ask_about(k, token, true, &reply, e);
	}
	if (status < 0)
		return -1;
	if (status == 200 || status == 203)
		return keystone_judge(k, &reply, e);
	if (status == 404 || (status == 401 && k->user == NULL))
		return err_set(e, ERR_DENIED,
			"Keystone knows no such X-Auth-Token, or it has expired: log in again");
	if (status == 403 && k->user == NULL)
		return 0; /* only an administrator may ask */
	return err_set(e, ERR_LOGIN, "Keystone answered %d when asked about a token", status);
}

/* -1: not known; else whether it has the role. */
static int
recall(struct keystone *k, const unsigned char digest[DIGEST])
{
	const int64_t now_ns = clock_mono_ns();
	LOCKED(&k->mutex);

	for (size_t i = 0; i < KEYSTONE_CACHE; i++)
		if (k->cache[i].until_ns > now_ns &&
			memcmp(k->cache[i].digest, digest, DIGEST) == 0)
			return k->cache[i].admin ? 1 : 0;
	return -1;
}

static void
remember(struct keystone *k, const unsigned char digest[DIGEST], bool admin)
{
	struct verdict *v;
	LOCKED(&k->mutex);

	v = &k->cache[k->next];
	k->next = (k->next + 1) % KEYSTONE_CACHE;
	memcpy(v->digest, digest, DIGEST);
	v->until_ns = clock_mono_ns() + INT64_C(1000000) * KEYSTONE_CACHE_MS;
	v->admin = admin;
}

/* It becomes a header of ours. */
static bool
keystone_is_token(const char *text)
{
	const size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] < '!' || text[i] > '~')
			return false;
	return len > 0 && len <= KEYSTONE_TOKEN_MAX;
}

int
keystone_check(struct keystone *k, const char *token, struct err *e)
{
	unsigned char digest[DIGEST];
	int admin;

	if (!keystone_is_token(token))
		return err_set(e, ERR_DENIED, "the X-Auth-Token is no token");
	(void)EVP_Digest(token, strlen(token), digest, NULL, EVP_sha256(), NULL);
	admin = recall(k, digest);
	if (admin < 0) {
		admin = find_out(k, token, e);
		if (admin < 0)
			return -1;
		remember(k, digest, admin == 1);
	}
	if (admin == 1)
		return 0;
	return err_set(e, ERR_FORBIDDEN, "the user of this X-Auth-Token has not the role admin");
}
