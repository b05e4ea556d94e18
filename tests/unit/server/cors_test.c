/* Goal: exactly the origins that are named may use the service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/cors.h"

/* The headers of the request; in the place of the library's own function. */
static const char *origin, *asked_method;

const char *
MHD_lookup_connection_value(
	struct MHD_Connection *connection, enum MHD_ValueKind kind, const char *key)
{
	(void)connection;
	(void)kind;
	return strcmp(key, "Origin") == 0			   ? origin
	       : strcmp(key, "Access-Control-Request-Method") == 0 ? asked_method
								   : NULL;
}

static struct cors *
parsed(const char *text)
{
	struct cors *c = NULL;
	struct err e;

	assert_int_equal(cors_parse(text, &c, &e), 0);
	return c;
}

static void
test_parse(void **state)
{
	static const char *const bad[] = {"*", "null", "fuel:8000", "http://", "http://fuel/",
		"http://fuel/x", "http://Fuel", "HTTP://fuel", "ftp://fuel", "http://a b",
		"http://good,*", "http://fuel?x", "http://user@fuel"};
	char many[33 * 16] = "";
	struct cors *c;
	struct err e;

	(void)state;
	assert_null(parsed(NULL));
	assert_null(parsed(""));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(cors_parse(bad[i], &c, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_null(c);
	}
	for (int i = 0; i < 33; i++) {
		if (i == 32)
			cors_free(parsed(many)); /* 32 are taken */
		(void)strcat(many, "http://a.b,");
	}
	assert_int_equal(cors_parse(many, &c, &e), -1);
	assert_non_null(strstr(e.text, "32"));
}

/* The value of a header of what ${c} makes of the request; NULL: it is not there. */
static const char *
answered(const struct cors *c, const char *method, const char *name)
{
	static char value[256];
	const struct request r = {.method = method};
	struct reply reply = {0};
	const char *found;

	reply_empty(&reply, 204);
	cors_apply(c, &r, &reply, "GET, POST, OPTIONS");
	assert_string_equal(MHD_get_response_header(reply.response, "Vary"), "Origin");
	assert_null(MHD_get_response_header(reply.response, "Access-Control-Allow-Credentials"));
	found = MHD_get_response_header(reply.response, name);
	if (found != NULL)
		(void)snprintf(value, sizeof(value), "%s", found);
	MHD_destroy_response(reply.response);
	return found == NULL ? NULL : value;
}

static void
test_apply(void **state)
{
	static const char *const strangers[] = {NULL, "null", "http://fuel", "https://fuel:8000",
		"http://fuel:8000.evil", "http://fuel:8000/", "HTTP://fuel:8000", ""};
	struct cors *c = parsed("http://fuel:8000, https://[::1]:8443");

	(void)state;
	asked_method = "POST";
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		origin = strangers[i];
		assert_null(answered(c, "GET", "Access-Control-Allow-Origin"));
		assert_null(answered(c, "OPTIONS", "Access-Control-Allow-Methods"));
	}
	origin = "https://[::1]:8443";
	assert_string_equal(answered(c, "GET", "Access-Control-Allow-Origin"), origin);
	assert_non_null(strstr(answered(c, "GET", "Access-Control-Expose-Headers"), "Location"));
	assert_null(answered(c, "GET", "Access-Control-Allow-Methods"));
	assert_string_equal(
		answered(c, "OPTIONS", "Access-Control-Allow-Methods"), "GET, POST, OPTIONS");
	assert_non_null(
		strstr(answered(c, "OPTIONS", "Access-Control-Allow-Headers"), "X-Auth-Token"));
	asked_method = NULL; /* no preflight, but somebody's OPTIONS */
	assert_null(answered(c, "OPTIONS", "Access-Control-Allow-Methods"));
	cors_free(c);
	cors_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_apply),
	};

	return cmocka_run_group_tests_name("cors", tests, NULL, NULL);
}
