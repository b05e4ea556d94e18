/* Goal: the newest version of the engine's API that both sides know is spoken, within 1.40 and
 * 1.51; an engine that wants more, or knows less, is refused in words that say which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/engine.h"

/* An engine that says what it speaks, once. */
struct speaker {
	const char *version;
	int fd;
};

static void *
speak(void *ctx)
{
	const struct speaker *s = ctx;
	SCOPED(fd_close_at) int fd = accept(s->fd, NULL, NULL);
	SCOPED(free_at)
	char *text = mem_format("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: "
				"close\r\n\r\n%s",
		strlen(s->version), s->version);
	char ask[4096];

	(void)!read(fd, ask, sizeof(ask));
	(void)!write(fd, text, strlen(text));
	return NULL;
}

static int
spoken_with(const char *version, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char host[128];
	struct speaker s = {version, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	SCOPED(engine_close_at) struct engine *g = NULL;
	pthread_t thread;
	int api;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/fb-engine-%d.sock",
		(int)getpid());
	(void)snprintf(host, sizeof(host), "unix://%s", address.sun_path);
	(void)unlink(address.sun_path);
	assert_int_equal(bind(s.fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(s.fd, 1), 0);
	assert_int_equal(engine_open(host, &g, e), 0);
	assert_int_equal(pthread_create(&thread, NULL, speak, &s), 0);
	api = engine_api(g, e);
	(void)pthread_join(thread, NULL);
	(void)close(s.fd);
	(void)unlink(address.sun_path);
	return api;
}

static void
test_versions(void **context)
{
	static const struct {
		const char *version;
		int api;
		const char *words;
	} cases[] = {
		{"{\"ApiVersion\": \"1.41\", \"MinAPIVersion\": \"1.12\"}", 141, ""},
		{"{\"ApiVersion\": \"1.40\"}", 140, ""},
		{"{\"ApiVersion\": \"1.47\", \"MinAPIVersion\": \"1.24\"}", 147, ""},
		{"{\"ApiVersion\": \"1.51\", \"MinAPIVersion\": \"1.24\"}", 151, ""},
		{"{\"ApiVersion\": \"1.55\", \"MinAPIVersion\": \"1.44\"}", 151, ""},
		{"{\"ApiVersion\": \"1.55\", \"MinAPIVersion\": \"1.51\"}", 151, ""},
		{"{\"ApiVersion\": \"1.55\", \"MinAPIVersion\": \"1.52\"}", -1,
			"1.52 and newer only"},
		{"{\"ApiVersion\": \"2.0\", \"MinAPIVersion\": \"2.0\"}", -1, "2.0 and newer only"},
		{"{\"ApiVersion\": \"1.39\", \"MinAPIVersion\": \"1.12\"}", -1, "at least 1.40"},
		{"{\"ApiVersion\": \"new\"}", -1, "not as a Docker engine does"},
		{"hello", -1, "not as a Docker engine does"},
	};

	(void)context;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = {.text = ""};

		assert_int_equal(spoken_with(cases[i].version, &e), cases[i].api);
		assert_non_null(strstr(e.text, cases[i].words));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_versions)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
