/* Goal: what goes to servers and comes from them as text is right to the byte: signatures, URLs,
 * XML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "transfer/s3_sign.h"
#include "transfer/transfer_internal.h"
#include "transfer/xml.h"

static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/* The examples of "Authenticating Requests: Using the Authorization Header (AWS Signature Version
 * 4)". */
static void
test_signatures(void **state)
{
	static const struct {
		const char *query, *signature;
	} rows[] = {
		{"lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"max-keys=2&prefix=J",
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	};
	const struct s3_keys keys = {.access_key = "AKIAIOSFODNN7EXAMPLE",
		.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		.region = "us-east-1"};
	struct s3_signature s;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct s3_request r = {.method = "GET",
			.host = "examplebucket.s3.amazonaws.com",
			.path = "/",
			.query = rows[i].query,
			.payload = empty,
			.time_s = 1369353600};

		assert_int_equal(s3_sign(&r, &keys, &s, &e), 0);
		assert_string_equal(s.date, "20130524T000000Z");
		assert_non_null(strstr(s.authorization, rows[i].signature));
		assert_null(strstr(s.authorization, keys.secret_key));
	}
	char hash[65];

	sha256_hex("", 0, hash);
	assert_string_equal(hash, empty);
}

static void
test_urls(void **state)
{
	static const char *const wrong[] = {"", "x", "sftp://u:p@h/", "http://h/?q", "http://h/#f",
		"http://h/..", "http://h/a/../b", "http://h/a%0Ab", "http://h/%22", "http://h/a*b",
		"http://h/a%00b"};
	struct url u;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(url_parse(wrong[i], &u, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_null(strstr(e.text, ":p@"));
	}
	assert_int_equal(url_parse("SFTP://us%40er@[::1]:22/a%20b/c//", &u, &e), 0);
	assert_string_equal(u.scheme, "sftp");
	assert_string_equal(u.user, "us@er");
	assert_string_equal(u.host, "[::1]");
	assert_string_equal(u.port, "22");
	assert_string_equal(u.path, "/a b/c");
	assert_string_equal(u.coded, "/a%20b/c");
	url_free(&u);
	assert_int_equal(url_parse("file:///", &u, &e), 0);
	assert_string_equal(u.path, "");
	url_free(&u);
}

struct seen {
	char text[1024];
};

static int
each(void *ctx, const char *name, const char *text, struct err *e)
{
	struct seen *s = ctx;
	const size_t used = strlen(s->text);

	(void)snprintf(s->text + used, sizeof(s->text) - used, "%s=%s;", name, text);
	return strcmp(name, "stop") == 0 ? err_set(e, ERR_CANCELLED, "stopped") : 0;
}

static void
test_xml(void **state)
{
	static const struct {
		const char *xml, *seen; /* NULL: refused */
	} rows[] = {
		{"<?xml version=\"1.0\"?><D:a xmlns:D='DAV:'><D:b>1&amp;2</D:b><D:c/></D:a>",
			"b=1&2;c=;a=;"},
		{"<a><!-- <x> --><b><![CDATA[<&amp;>]]></b></a>", "b=<&amp;>;a=;"},
		{"<a>&#65;&#x42;&#xe9;&#8364;&unknown;</a>", "a=AB\xc3\xa9\xe2\x82\xac&unknown;;"},
		{"<a>text</a>\n", "a=text;"},
		{"", ""},
		{"<a>", NULL},
		{"</a>", NULL},
		{"<a", NULL},
		{"<a><![CDATA[x</a>", NULL},
		{"<a><stop/></a>", NULL},
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* Without a byte behind it, so that reading on is seen. */
		char *copy = strndup(rows[i].xml, strlen(rows[i].xml));
		struct seen s = {""};
		const int status = xml_read(copy, strlen(copy), each, &s, &e);

		assert_int_equal(status, rows[i].seen == NULL ? -1 : 0);
		if (rows[i].seen != NULL)
			assert_string_equal(s.text, rows[i].seen);
		free(copy);
	}
}

static void
test_xml_deep(void **state)
{
	char text[8 * 1024] = "";
	struct seen s = {""};
	struct err e;

	(void)state;
	for (int i = 0; i < 40; i++)
		(void)strcat(text, "<a>");
	assert_int_equal(xml_read(text, strlen(text), each, &s, &e), -1);
	text[0] = '\0';
	(void)strcat(text, "<a>");
	(void)memset(text + 3, 'x', 6000);
	(void)strcpy(text + 6003, "</a>");
	assert_int_equal(xml_read(text, strlen(text), each, &s, &e), 0);
}

static void
test_names(void **state)
{
	static const char *const good[] = {"a", "a/b", "packs/ab/c-d_e.zpk", "20261130-x.tar.zst"};
	static const char *const bad[] = {"", "/", "/a", "a/", "a//b", ".a", "a/.b", "..", "a b",
		"a\n", "a%b", "a\"b", "\xc3\xa9"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(transfer_name_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(transfer_name_valid(bad[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_xml),
		cmocka_unit_test(test_xml_deep),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
