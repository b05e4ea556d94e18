/* Goal: a request's head is judged as RFC 9112 has it, and what two readers could understand in two
 * ways is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "server/head.h"

#define GET "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST "POST /backups HTTP/1.1\r\nHost: x\r\n"

static const struct {
	const char *bytes;
	enum head_state state;
	int status;
} cases[] = {
	{"", HEAD_MORE, 0},
	{"G", HEAD_MORE, 0},
	{"GET / HTTP/1.1\r", HEAD_MORE, 0},
	{GET, HEAD_MORE, 0},
	{GET "X: y\r\n\r", HEAD_MORE, 0},
	{GET "\r\n", HEAD_COMPLETE, 0},
	{"\r\n\r\n" GET "\r\n", HEAD_COMPLETE, 0},
	{"\r\n\r\n\r\n" GET "\r\n", HEAD_BAD, 400},
	{"GET / HTTP/1.0\r\n\r\n", HEAD_COMPLETE, 0},
	{"GET / HTTP/1.1\r\n\r\n", HEAD_BAD, 400}, /* no Host */
	{"GET / HTTP/2.0\r\nHost: x\r\n\r\n", HEAD_BAD, 505},
	{"GET / HTTP/1.2\r\nHost: x\r\n\r\n", HEAD_BAD, 505},
	{"GET /\r\n\r\n", HEAD_BAD, 400},
	{"GET  HTTP/1.1\r\nHost: x\r\n\r\n", HEAD_BAD, 400},
	{"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", HEAD_BAD, 400},
	{"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", HEAD_COMPLETE, 0},
	{"G\tT / HTTP/1.1\r\n", HEAD_BAD, 400},
	{"GET /a\001 HTTP/1.1\r\nHost: x\r\n\r\n", HEAD_BAD, 400},
	{"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", HEAD_BAD, 400},
	{"GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n", HEAD_BAD, 404},
	{"GET /a?b=%00 HTTP/1.1\r\nHost: x\r\n\r\n", HEAD_BAD, 400},
	{"GET /a%2500 HTTP/1.1\r\nHost: x\r\n\r\n", HEAD_COMPLETE, 0},
	{"\026\003\001\002\000", HEAD_BAD, 400}, /* TLS */
	{"SSH-2.0-OpenSSH_9\r\n", HEAD_BAD, 400},
	{"a-method-that-is-longer-than-thirty-two-characters", HEAD_BAD, 400},
	/* lines */
	{"GET / HTTP/1.1\nHost: x\n\n", HEAD_BAD, 400},
	{GET "X: a\rb\r\n\r\n", HEAD_BAD, 400},
	{GET "X: a\r\r\n\r\n", HEAD_BAD, 400},
	{GET "X: a\rb", HEAD_BAD, 400},
	{GET "X: a\r\n b\r\n\r\n", HEAD_BAD, 400},
	{GET "X: a\r\n\tb\r\n\r\n", HEAD_BAD, 400},
	{GET " X: a\r\n\r\n", HEAD_BAD, 400},
	{GET "X : a\r\n\r\n", HEAD_BAD, 400},
	{GET "X\r\n\r\n", HEAD_BAD, 400},
	{GET ": a\r\n\r\n", HEAD_BAD, 400},
	{GET "X: \177\r\n\r\n", HEAD_BAD, 400},
	{GET "X:\ta\tb \r\n\r\n", HEAD_COMPLETE, 0},
	{GET "X:\r\n\r\n", HEAD_COMPLETE, 0},
	{GET "X: a\r\nX: b\r\n\r\n", HEAD_COMPLETE, 0},
	/* once */
	{GET "Host: y\r\n\r\n", HEAD_BAD, 400},
	{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HEAD_BAD, 400},
	{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HEAD_BAD, 400},
	{"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", HEAD_COMPLETE, 0},
	{GET "Authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n", HEAD_BAD, 400},
	{GET "X-Auth-Token: a\r\nX-Auth-Token: b\r\n\r\n", HEAD_BAD, 400},
	{GET "Range: bytes=0-\r\nRange: bytes=1-\r\n\r\n", HEAD_BAD, 400},
	{GET "If-Range: \"a\"\r\nIf-Range: \"b\"\r\n\r\n", HEAD_BAD, 400},
	/* framing */
	{POST "Content-Length: 2\r\n\r\n", HEAD_COMPLETE, 0},
	{POST "Content-Length: 2\r\nContent-Length: 3\r\n\r\n", HEAD_BAD, 400},
	{POST "Content-Length: 2\r\ncontent-length: 2\r\n\r\n", HEAD_BAD, 400},
	{POST "Content-Length: 2, 3\r\n\r\n", HEAD_BAD, 400},
	{POST "Content-Length: +2\r\n\r\n", HEAD_BAD, 400},
	{POST "Content-Length: -2\r\n\r\n", HEAD_BAD, 400},
	{POST "Content-Length: 0x2\r\n\r\n", HEAD_BAD, 400},
	{POST "Content-Length:\r\n\r\n", HEAD_BAD, 400},
	{POST "Content-Length: 9999999999999999999\r\n\r\n", HEAD_BAD, 400},
	{POST "Transfer-Encoding: chunked\r\n\r\n", HEAD_COMPLETE, 0},
	{POST "Transfer-Encoding: Chunked\r\n\r\n", HEAD_COMPLETE, 0},
	{POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", HEAD_BAD, 400},
	{POST "Transfer-Encoding: gzip, chunked\r\n\r\n", HEAD_BAD, 501},
	{POST "Transfer-Encoding: xchunked\r\n\r\n", HEAD_BAD, 501},
	{POST "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", HEAD_BAD, 400},
	{POST "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", HEAD_BAD, 400},
	{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HEAD_BAD, 400},
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct head head;
		const size_t len = strlen(cases[i].bytes);
		/* of its own size, so that a sanitizer sees a byte too far */
		SCOPED(free_at) char *copy = malloc(len + (len == 0));
		enum head_state is;

		memcpy(copy, cases[i].bytes, len);
		is = head_judge(copy, len, &head);
		if (is != cases[i].state || head.status != cases[i].status)
			fail_msg("%s: %d, %d", cases[i].bytes, is, head.status);
		assert_int_equal(head.why == NULL, is != HEAD_BAD);
	}
}

/* However a head comes, in pieces, it is judged the same at its end, and never bad before. */
static void
test_pieces(void **state)
{
	static const char text[] = POST "Authorization: bearer  secret \r\nA: b\r\n\r\nbody";
	struct head head;

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++)
		assert_int_equal(head_judge(text, len, &head),
			len < sizeof(text) - 5 ? HEAD_MORE : HEAD_COMPLETE);
	assert_string_equal(head.bearer, "secret");
}

static void
test_about(void **state)
{
	static const struct {
		const char *line;
		enum head_about about;
	} of[] = {
		{"GET /health", HEAD_HEALTH},
		{"HEAD /health", HEAD_HEALTH},
		{"POST /health", HEAD_ANYTHING},
		{"GET /healthy", HEAD_ANYTHING},
		{"GET /health?x", HEAD_ANYTHING},
		{"get /health", HEAD_ANYTHING},
		{"POST /thaw", HEAD_THAW},
		{"GET /thaw", HEAD_ANYTHING},
	};
	char text[128];
	struct head head;

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		(void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: x\r\n\r\n", of[i].line);
		assert_int_equal(head_judge(text, strlen(text), &head), HEAD_COMPLETE);
		assert_int_equal(head.about, of[i].about);
		assert_string_equal(head.bearer, "");
	}
}

static void
test_limits(void **state)
{
	SCOPED(free_at) char *text = malloc(HEAD_BYTES_MAX + 1);
	struct head head;
	size_t len = (size_t)sprintf(text, GET);

	(void)state;
	for (int i = 0; i < HEAD_LINES_MAX - 2; i++)
		len += (size_t)sprintf(text + len, "X%d: y\r\n", i);
	(void)strcpy(text + len, "\r\n");
	assert_int_equal(head_judge(text, len + 2, &head), HEAD_COMPLETE);
	(void)strcpy(text + len, "Y: z\r\n\r\n");
	assert_int_equal(head_judge(text, len + 8, &head), HEAD_BAD);
	assert_int_equal(head.status, 431);

	len = (size_t)sprintf(text, GET "X: ");
	memset(text + len, 'y', HEAD_BYTES_MAX - len);
	assert_int_equal(head_judge(text, HEAD_BYTES_MAX - 1, &head), HEAD_MORE);
	assert_int_equal(head_judge(text, HEAD_BYTES_MAX, &head), HEAD_BAD);
	assert_int_equal(head.status, 431);

	/* a token that is longer than any is none */
	len = (size_t)sprintf(text, GET "Authorization: Bearer ");
	memset(text + len, 'y', HEAD_BEARER_SIZE);
	(void)strcpy(text + len + HEAD_BEARER_SIZE, "\r\n\r\n");
	assert_int_equal(head_judge(text, strlen(text), &head), HEAD_COMPLETE);
	assert_string_equal(head.bearer, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_about),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
