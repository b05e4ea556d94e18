/* Goal: a token of Keystone's opens if Keystone says now that it is an administrator's, and never
 * otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/scope.h"
#include "fuel/keystone.h"
#include "tests/unit/peer.h"

enum { HOUR = 3600 };

/* What the Keystone of a test answers when it is asked about a token. */
struct script {
	bool v3;
	int status;    /* 200 */
	int expires_s; /* from now */
	const char *role;
	const char *body; /* instead of all this */
	int login;	  /* status of a login; the token is "own-N", N the number of logins */
	int logins;
	bool own_expired; /* once: 401 to who asks with own-1 */
};

static void
answer_login(struct script *s, char reply[PEER_TEXT])
{
	char headers[64], body[128];

	s->logins++;
	(void)snprintf(headers, sizeof(headers), "X-Subject-Token: own-%d\r\n", s->logins);
	(void)snprintf(
		body, sizeof(body), "{\"access\": {\"token\": {\"id\": \"own-%d\"}}}", s->logins);
	peer_reply(reply, s->login, s->v3 ? headers : "", s->v3 ? "{}" : body);
}

static void
answer(struct peer *p, const char *request, char reply[PEER_TEXT])
{
	struct script *s = p->ctx;
	const time_t when = time(NULL) + s->expires_s;
	char expires[32], body[256];
	struct tm tm;

	if (strncmp(request, "POST ", 5) == 0) {
		answer_login(s, reply);
		return;
	}
	if (s->own_expired && strstr(request, "own-1\r\n") != NULL) {
		peer_reply(reply, 401, "", "{}");
		return;
	}
	(void)strftime(expires, sizeof(expires), "%FT%TZ", gmtime_r(&when, &tm));
	(void)snprintf(body, sizeof(body),
		s->v3 ? "{\"token\": {\"expires_at\": \"%s\", \"roles\": [{\"name\": \"member\"}, "
			"{\"name\": \"%s\"}]}}"
		      : "{\"access\": {\"token\": {\"expires\": \"%s\"}, \"user\": {\"roles\": "
			"[{\"name\": \"%s\"}]}}}",
		expires, s->role);
	peer_reply(reply, s->status, "", s->body == NULL ? body : s->body);
}

struct world {
	struct peer peer;
	struct script script;
	struct keystone *keystone;
};

static void
begin(struct world *w, bool v3, bool user)
{
	char url[80];
	struct err e;

	*w = (struct world){.script = {.v3 = v3,
				    .status = 200,
				    .expires_s = HOUR,
				    .role = "admin",
				    .login = v3 ? 201 : 200},
		.peer.answer = answer};
	w->peer.ctx = &w->script;
	peer_open(&w->peer);
	(void)snprintf(url, sizeof(url), "%s/%s", w->peer.url, v3 ? "v3" : "v2.0");
	assert_int_equal(keystone_open(&(struct keystone_options){.url = url,
					       .user = user ? "fuel" : NULL,
					       .password = user ? "secret" : NULL,
					       .project = user ? "services" : NULL},
				 &w->keystone, &e),
		0);
}

static void
end(struct world *w)
{
	keystone_close(w->keystone);
	peer_close(&w->peer);
}

static enum err_code
check(struct world *w, const char *token)
{
	struct err e = {.code = ERR_NONE};
	const int status = keystone_check(w->keystone, token, &e);

	assert_int_equal(status, e.code == ERR_NONE ? 0 : -1);
	return e.code;
}

static void
test_url(void **state)
{
	static const char *const wrong[] = {
		"http://127.0.0.1:5000", "http://127.0.0.1:5000/v2", "/v3", "v3", ""};
	struct keystone *k = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(
			keystone_open(&(struct keystone_options){.url = wrong[i]}, &k, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
	}
	keystone_close(NULL);
}

/* The same in both versions of the API, with and without a user of our own. */
static void
test_verdicts(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct world w;

		begin(&w, i & 1, i & 2);
		assert_int_equal(check(&w, "good"), ERR_NONE);
		w.script.role = "administrator";
		assert_int_equal(check(&w, "member"), ERR_FORBIDDEN);
		w.script.role = "admin";
		w.script.expires_s = -HOUR;
		assert_int_equal(check(&w, "old"), ERR_DENIED);
		w.script.expires_s = HOUR;
		w.script.status = 404;
		assert_int_equal(check(&w, "none"), ERR_DENIED);
		w.script.status = 500;
		assert_int_equal(check(&w, "broken"), ERR_LOGIN);
		w.script.status = 302;
		assert_int_equal(check(&w, "elsewhere"), ERR_LOGIN);
		w.script.status = 403; /* ours may not ask, or it is no administrator's that asks
					  for itself */
		assert_int_equal(check(&w, "refused"), i & 2 ? ERR_LOGIN : ERR_FORBIDDEN);
		w.script.status = 401;
		assert_int_equal(check(&w, "unknown"), i & 2 ? ERR_LOGIN : ERR_DENIED);
		end(&w);
	}
}

static void
test_answers_that_are_none(void **state)
{
	static const char *const bodies[] = {"", "{", "[]", "{}", "null", "{\"token\": {}}",
		"{\"token\": {\"expires_at\": 5}}",
		"{\"token\": {\"expires_at\": \"soon\", \"roles\": [{\"name\": \"admin\"}]}}",
		"{\"token\": {\"roles\": [{\"name\": \"admin\"}]}}"};
	struct world w;
	char token[16];

	(void)state;
	begin(&w, true, false);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		w.script.body = bodies[i];
		(void)snprintf(token, sizeof(token), "t%zu", i);
		assert_int_equal(check(&w, token), ERR_LOGIN);
	}
	w.script.body = "{\"token\": {\"expires_at\": \"2999-01-01T00:00:00Z\", \"roles\": [5, {}, "
			"{\"name\": null}]}}";
	assert_int_equal(check(&w, "odd"), ERR_FORBIDDEN);
	end(&w);
}

static void
test_what_is_remembered(void **state)
{
	struct world w;
	char token[16];

	(void)state;
	begin(&w, true, false);
	assert_int_equal(check(&w, "good"), ERR_NONE);
	w.script.role = "none";
	assert_int_equal(check(&w, "member"), ERR_FORBIDDEN);
	assert_int_equal(peer_count(&w.peer), 2);
	w.script.status = 500; /* both are known; what failed never is */
	assert_int_equal(check(&w, "good"), ERR_NONE);
	assert_int_equal(check(&w, "member"), ERR_FORBIDDEN);
	assert_int_equal(peer_count(&w.peer), 2);
	assert_int_equal(check(&w, "new"), ERR_LOGIN);
	assert_int_equal(check(&w, "new"), ERR_LOGIN);
	assert_int_equal(peer_count(&w.peer), 4);
	w.script.status = 200;
	w.script.role = "admin";
	assert_int_equal(check(&w, "new"), ERR_NONE);
	for (int i = 0; i < KEYSTONE_CACHE;
		i++) { /* as many others, and the first ones are forgotten */
		(void)snprintf(token, sizeof(token), "many-%d", i);
		assert_int_equal(check(&w, token), ERR_NONE);
	}
	w.script.status = 404;
	assert_int_equal(check(&w, "many-0"), ERR_NONE);
	assert_int_equal(check(&w, "good"), ERR_DENIED);
	end(&w);
}

static void
test_our_own_token(void **state)
{
	struct world w;
	struct err e;

	(void)state;
	for (int v3 = 0; v3 < 2; v3++) {
		begin(&w, v3, true);
		assert_int_equal(check(&w, "a"), ERR_NONE);
		assert_int_equal(check(&w, "b"), ERR_NONE);
		assert_int_equal(w.script.logins, 1);
		assert_non_null(strstr(
			w.peer.requests[0], v3 ? "POST /v3/auth/tokens" : "POST /v2.0/tokens"));
		assert_non_null(strstr(w.peer.requests[0], "\"secret\""));
		assert_non_null(strstr(
			w.peer.requests[1], v3 ? "X-Subject-Token: a\r\n" : "GET /v2.0/tokens/a "));
		assert_non_null(strstr(w.peer.requests[1], "X-Auth-Token: own-1\r\n"));
		w.script.own_expired = true; /* it is taken anew, and the question asked again */
		assert_int_equal(check(&w, "c"), ERR_NONE);
		assert_int_equal(w.script.logins, 2);
		w.script.login = 401;
		assert_null(keystone_login(w.keystone, &e));
		assert_int_equal(e.code, ERR_LOGIN);
		assert_null(strstr(e.text, "secret"));
		end(&w);
	}
	begin(&w, true, false);
	assert_null(keystone_login(w.keystone, &e));
	assert_int_equal(e.code, ERR_LOGIN);
	assert_int_equal(peer_count(&w.peer), 0);
	end(&w);
}

/* It becomes a header, or part of a path: nothing else may come of it. */
static void
test_what_is_no_token(void **state)
{
	static const char *const wrong[] = {
		"", "a b", "a\r\nX-Auth-Token: b", "a\n", "\x7f", "\xc3\xa4"};
	SCOPED(free_at) char *longest = mem_new(KEYSTONE_TOKEN_MAX + 2);
	struct world w;

	(void)state;
	begin(&w, false, false);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(check(&w, wrong[i]), ERR_DENIED);
	memset(longest, 'x', KEYSTONE_TOKEN_MAX + 1);
	assert_int_equal(check(&w, longest), ERR_DENIED);
	assert_int_equal(peer_count(&w.peer), 0);
	longest[KEYSTONE_TOKEN_MAX] = '\0';
	assert_int_equal(check(&w, longest), ERR_NONE);
	assert_int_equal(check(&w, "../users?x#"), ERR_NONE);
	assert_non_null(strstr(w.peer.requests[1], "GET /v2.0/tokens/..%2Fusers%3Fx%23 "));
	end(&w);
}

static void
test_nobody_there(void **state)
{
	struct world w;

	(void)state;
	begin(&w, true, false);
	peer_close(&w.peer);
	assert_int_equal(check(&w, "good"), ERR_LOGIN);
	keystone_close(w.keystone);
}

static void *
ask_one(void *ctx)
{
	struct err e;
	char token[32];

	(void)snprintf(token, sizeof(token), "slow-%d", (int)gettid());
	(void)keystone_check(ctx, token, &e);
	return NULL;
}

/* A slow Keystone holds KEYSTONE_AT_ONCE requests, and one more is refused at once. */
static void
test_at_once(void **state)
{
	pthread_t threads[KEYSTONE_AT_ONCE];
	struct err e;
	struct world w;

	(void)state;
	begin(&w, true, false);
	w.peer.held = true;
	for (int i = 0; i < KEYSTONE_AT_ONCE; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_one, w.keystone), 0);
	peer_wait(&w.peer, KEYSTONE_AT_ONCE);
	assert_int_equal(keystone_check(w.keystone, "more", &e), -1);
	assert_int_equal(e.code, ERR_LOGIN);
	assert_non_null(strstr(e.text, "asked about 16 tokens already"));
	assert_int_equal(peer_count(&w.peer), KEYSTONE_AT_ONCE);
	w.peer.held = false;
	for (int i = 0; i < KEYSTONE_AT_ONCE; i++)
		(void)pthread_join(threads[i], NULL);
	assert_int_equal(check(&w, "more"), ERR_NONE);
	end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_answers_that_are_none),
		cmocka_unit_test(test_what_is_remembered),
		cmocka_unit_test(test_our_own_token),
		cmocka_unit_test(test_what_is_no_token),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
