/* Goal: a container runs again whatever the engine does: answers, refuses, knows it no more, does
 * not answer at all, or takes it for paused although it runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/thaw.h"

/* An engine with one container. */
struct container_engine {
	char path[64];
	int fd;
	pthread_t thread;
	struct engine *engine;
	atomic_bool paused; /* what the engine believes */
	atomic_bool frozen; /* what the kernel does */
	atomic_bool probe;  /* an exec is frozen with it: nothing is answered until it is thawed, */
	atomic_bool tells;  /* but what it sees */
	atomic_bool gone, broken;
	atomic_bool lies;   /* it says that it unpaused, and did nothing */
	atomic_int slow_ms; /* it takes so long to unpause, and tells meanwhile */
	atomic_bool other;  /* somebody else unpauses it, just before our switch freezes it */
	atomic_int unpauses, switches;
	atomic_int calls; /* being answered */
};

static void
say(int fd, const char *status, const char *body)
{
	SCOPED(free_at)
	char *text = mem_format("HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: "
				"close\r\n\r\n%s",
		status, strlen(body), body);

	(void)!write(fd, text, strlen(text));
}

/* As dockerd and runc do it. */
static void
unpause(struct container_engine *s, int fd)
{
	s->unpauses++;
	(void)usleep((useconds_t)s->slow_ms * 1000);
	while (s->frozen && s->probe)
		(void)usleep(1000);
	s->probe = false;
	if (s->gone)
		say(fd, "404 Not Found", "{\"message\":\"No such container\"}");
	else if (s->lies)
		say(fd, "204 No Content", "");
	else if (s->broken || (s->paused && !s->frozen))
		say(fd, "500 Internal Server Error", "{\"message\":\"container not paused\"}");
	else if (!s->paused)
		say(fd, "409 Conflict", "{\"message\":\"is not paused\"}");
	else {
		s->frozen = s->paused = false;
		say(fd, "204 No Content", "");
	}
}

static void
tell(struct container_engine *s, int fd)
{
	while (s->frozen && s->probe && !s->tells)
		(void)usleep(1000);
	say(fd, "200 OK",
		s->paused ? "{\"State\":{\"Paused\":true}}" : "{\"State\":{\"Paused\":false}}");
}

struct call {
	struct container_engine *s;
	int fd;
};

static void *
answer(void *ctx)
{
	struct call *call = ctx;
	struct container_engine *s = call->s;
	char request[4096] = "";

	if (read(call->fd, request, sizeof(request) - 1) <= 0)
		;
	else if (strstr(request, "/version") != NULL)
		say(call->fd, "200 OK", "{\"ApiVersion\":\"1.41\"}");
	else if (strstr(request, "/unpause") != NULL)
		unpause(s, call->fd);
	else
		tell(s, call->fd);
	(void)close(call->fd);
	free(call);
	s->calls--;
	return NULL;
}

static void *
serve(void *ctx)
{
	struct container_engine *s = ctx;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		struct call *call = mem_new(sizeof(*call));
		pthread_t thread;

		*call = (struct call){s, fd};
		s->calls++;
		assert_int_equal(pthread_create(&thread, NULL, answer, call), 0);
		(void)pthread_detach(thread);
	}
	return NULL;
}

static int
setup(void **state)
{
	struct container_engine *s = mem_new(sizeof(*s));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED(free_at) char *host = NULL;
	struct err e;

	(void)snprintf(s->path, sizeof(s->path), "/tmp/fb-thaw-%d", (int)getpid());
	(void)strcpy(address.sun_path, s->path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	host = mem_format("unix://%s", s->path);
	assert_int_equal(engine_open(host, &s->engine, &e), 0);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct container_engine *s = *state;

	engine_close(s->engine);
	(void)shutdown(s->fd, SHUT_RDWR);
	(void)pthread_join(s->thread, NULL);
	while (s->calls > 0)
		(void)usleep(1000);
	(void)close(s->fd);
	(void)unlink(s->path);
	free(s);
	return 0;
}

static int
set(void *ctx, const char *id, bool frozen, struct err *e)
{
	struct container_engine *s = ctx;

	(void)e;
	assert_string_equal(id, "id");
	s->switches++;
	if (s->other && frozen)
		s->paused = false;
	s->frozen = frozen;
	return 0;
}

static int
see(void *ctx, const char *id)
{
	const struct container_engine *s = ctx;

	assert_string_equal(id, "id");
	return s->frozen;
}

static int
thaw(struct container_engine *s, bool *ret_helped, struct err *e)
{
	const struct thaw_switch by = {.set = set, .ctx = s};
	struct thaw_result result;
	int status;

	s->unpauses = s->switches = 0;
	status = thaw_container(s->engine, &by, "id", &result, e);
	*ret_helped = result.helped;
	return status;
}

/* The same, and what the kernel does is seen. */
static int
thaw_seeing(struct container_engine *s, struct thaw_result *ret_result, struct err *e)
{
	const struct thaw_switch by = {set, see, s};

	s->unpauses = s->switches = 0;
	return thaw_container(s->engine, &by, "id", ret_result, e);
}

static void
test_engine_answers(void **state)
{
	struct container_engine *s = *state;
	bool helped;
	struct err e;

	s->paused = s->frozen = true;
	assert_int_equal(thaw(s, &helped, &e), 0);
	assert_false(s->frozen || helped);
	assert_int_equal(thaw(s, &helped, &e), 0); /* it runs already */
	s->gone = true;
	assert_int_equal(thaw(s, &helped, &e), 0);
	assert_int_equal(s->switches, 0);
}

/* The probe ends, the engine's unpause finds it running, and both have to be made to agree. */
static void
test_engine_is_stuck(void **state)
{
	struct container_engine *s = *state;
	bool helped;
	struct err e;

	s->paused = s->frozen = s->probe = true;
	assert_int_equal(thaw(s, &helped, &e), 0);
	assert_true(helped);
	assert_false(s->frozen);
	assert_false(s->paused);
}

/* Some engine may answer what it sees although it is stuck. */
static void
test_engine_is_stuck_and_tells(void **state)
{
	struct container_engine *s = *state;
	bool helped;
	struct err e;

	s->paused = s->frozen = s->probe = s->tells = true;
	assert_int_equal(thaw(s, &helped, &e), 0);
	assert_true(helped);
	assert_false(s->frozen || s->paused);
}

/* A busy engine does it in the end, and needs no help. */
static void
test_engine_is_slow(void **state)
{
	struct container_engine *s = *state;
	bool helped;
	struct err e;

	s->slow_ms = 500;
	for (int i = 0; i < 5; i++) { /* this machine may be slow, too */
		s->paused = s->frozen = true;
		assert_int_equal(thaw(s, &helped, &e), 0);
		assert_false(s->frozen || s->paused);
		if (!helped)
			return;
	}
	fail_msg("it was helped each time");
}

/* Two thaw at once: what the one freezes for an engine that takes it for paused, the other's call
 * has unpaused before. */
static void
test_somebody_else_was_faster(void **state)
{
	struct container_engine *s = *state;
	bool helped;
	struct err e;

	s->paused = s->other = true;
	assert_int_equal(thaw(s, &helped, &e), 0);
	assert_false(s->frozen || s->paused);
	assert_int_equal(s->switches, 2);
}

/* As somebody leaves it who dies between the switch and the engine. */
static void
test_engine_takes_it_for_paused(void **state)
{
	struct container_engine *s = *state;
	bool helped;
	struct err e;

	s->paused = true;
	assert_int_equal(thaw(s, &helped, &e), 0);
	assert_false(s->frozen || s->paused);
	assert_int_equal(s->switches, 1);
}

/* An engine that cannot: the container runs, and that is told as an error. */
static void
test_engine_is_broken(void **state)
{
	struct container_engine *s = *state;
	bool helped;
	struct err e;

	s->paused = s->frozen = s->broken = true;
	assert_int_equal(thaw(s, &helped, &e), -1);
	assert_int_equal(e.code, ERR_ENGINE);
	assert_false(s->frozen);
}

static void
test_no_switch(void **state)
{
	struct container_engine *s = *state;
	const struct thaw_switch none = {0};
	struct thaw_result result;
	struct err e;

	s->paused = s->frozen = s->probe = true;
	assert_int_equal(thaw_container(s->engine, &none, "id", &result, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	s->frozen = false; /* lets the engine's thread end */
}

/* An answer is not yet a deed. */
static void
test_engine_lies(void **state)
{
	struct container_engine *s = *state;
	struct thaw_result result;
	struct err e;

	s->frozen = s->lies = true;
	assert_int_equal(thaw_seeing(s, &result, &e), 0);
	assert_true(result.helped && result.runs);
	assert_false(s->frozen);
}

/* It runs, whatever becomes of the engine; and what nobody froze is not touched. */
static void
test_engine_is_away(void **state)
{
	struct container_engine *s = *state;
	const char *const host = "unix:///nowhere/docker.sock";
	const struct thaw_switch by = {set, see, s};
	struct engine *away = NULL;
	struct thaw_result result;
	struct err e;

	assert_int_equal(engine_open(host, &away, &e), 0);
	s->frozen = true;
	s->switches = 0;
	assert_int_equal(thaw_container(away, &by, "id", &result, &e), -1);
	assert_int_equal(e.code, ERR_UNREACHABLE);
	assert_true(result.runs && !s->frozen);
	s->switches = 0;
	assert_int_equal(thaw_container(away, &by, "id", &result, &e), -1);
	assert_true(result.runs);
	assert_int_equal(s->switches, 0);
	engine_close(away);
}

/* What its owner paused in a freeze by cgroups stands still again; what he did not, runs. */
static void
test_pause_again(void **state)
{
	struct container_engine *s = *state;
	const struct thaw_switch by = {set, see, s};

	s->paused = true;
	thaw_pause_again(s->engine, &by, "id");
	assert_true(s->frozen);
	s->paused = s->frozen = false;
	thaw_pause_again(s->engine, &by, "id");
	assert_false(s->frozen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_engine_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_engine_is_stuck, setup, teardown),
		cmocka_unit_test_setup_teardown(test_engine_is_stuck_and_tells, setup, teardown),
		cmocka_unit_test_setup_teardown(test_engine_is_slow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_somebody_else_was_faster, setup, teardown),
		cmocka_unit_test_setup_teardown(test_engine_takes_it_for_paused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_engine_is_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_switch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_engine_lies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_engine_is_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pause_again, setup, teardown),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
