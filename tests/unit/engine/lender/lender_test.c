/* Goal: roots are lent, writable or not; a guard that is left alone thaws, a released one does not.
 * Run on a host: the lender is a child process, this very program called as `lend`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender.h"

/* An engine that knows one call and counts it. */
struct counting_engine {
	char path[64];
	int fd;
	pthread_t thread;
	atomic_int unpaused;
};

struct fixture {
	char top[64], run[80], data[80], socket[80];
	struct counting_engine counter;
	struct engine *engine;
	struct self self;
};

static void
answer(struct counting_engine *s, int fd)
{
	static const char version[] = "HTTP/1.1 200 OK\r\nContent-Length: 21\r\nConnection: "
				      "close\r\n\r\n{\"ApiVersion\":\"1.41\"}";
	static const char done[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
	char request[4096] = "";
	ssize_t len = read(fd, request, sizeof(request) - 1);

	if (len > 0 && strstr(request, "/version") != NULL)
		(void)!write(fd, version, sizeof(version) - 1);
	else if (len > 0) {
		if (strstr(request, "/unpause") != NULL)
			s->unpaused++;
		(void)!write(fd, done, sizeof(done) - 1);
	}
	(void)close(fd);
}

static void *
serve(void *ctx)
{
	struct counting_engine *s = ctx;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0)
		answer(s, fd);
	return NULL;
}

static int
setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED(free_at) char *host = NULL;
	struct err e;

	(void)strcpy(f->top, "/tmp/fb-lender-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	(void)snprintf(f->run, sizeof(f->run), "%s/run", f->top);
	(void)snprintf(f->data, sizeof(f->data), "%s/data", f->top);
	(void)snprintf(f->socket, sizeof(f->socket), "%s/engine", f->top);
	assert_int_equal(mkdir(f->run, 0700), 0);
	assert_int_equal(mkdir(f->data, 0755), 0);
	(void)strcpy(address.sun_path, f->socket);
	f->counter.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(f->counter.fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(f->counter.fd, 8), 0);
	assert_int_equal(pthread_create(&f->counter.thread, NULL, serve, &f->counter), 0);
	host = mem_format("unix://%s", f->socket);
	assert_int_equal(engine_open(host, &f->engine, &e), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	SCOPED(free_at) char *command = mem_format("rm -rf %s", f->top);

	engine_close(f->engine);
	(void)shutdown(f->counter.fd, SHUT_RDWR);
	(void)pthread_join(f->counter.thread, NULL);
	(void)close(f->counter.fd);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static struct lender *
open_lender(struct fixture *f, const struct lender_root *roots, size_t count)
{
	const struct lender_options options = {.engine = f->engine,
		.self = &f->self,
		.run_path = f->run,
		.name = "test",
		.roots = roots,
		.count = count};
	struct lender *l = NULL;
	struct err e;

	if (lender_open(&options, &l, &e) != 0)
		fail_msg("%s", e.text);
	return l;
}

static void
test_roots(void **state)
{
	struct fixture *f = *state;
	const struct lender_root roots[] = {{.path = f->data}, {.host = true}};
	struct lender *l = open_lender(f, roots, 2);
	struct stat a, b;

	assert_int_equal(fstat(lender_fd(l, 0), &a), 0);
	assert_int_equal(stat(f->data, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(fstat(lender_fd(l, 1), &a), 0);
	assert_int_equal(stat("/", &b), 0);
	assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	lender_close(l);
}

static void
test_many_roots(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 300 };
	struct lender_root *roots = mem_new(COUNT * sizeof(*roots));
	struct lender *l;
	struct stat st;

	for (size_t i = 0; i < COUNT; i++)
		roots[i].path = i % 2 == 0 ? f->data : f->run;
	l = open_lender(f, roots, COUNT);
	assert_int_equal(fstat(lender_fd(l, COUNT - 1), &st), 0);
	lender_close(l);
	free(roots);
}

static void
test_missing_root(void **state)
{
	struct fixture *f = *state;
	const struct lender_root roots[] = {{.path = f->data}, {.path = "/no/such/place"}};
	const struct lender_options options = {.engine = f->engine,
		.self = &f->self,
		.run_path = f->run,
		.name = "test",
		.roots = roots,
		.count = 2};
	struct lender *l = NULL;
	struct err e;

	assert_int_equal(lender_open(&options, &l, &e), -1);
	assert_int_equal(e.code, ERR_UNREADABLE);
	assert_non_null(strstr(e.text, "/no/such/place"));
}

static void
test_opaque(void **state)
{
	struct fixture *f = *state;
	const struct lender_root roots[] = {{.path = f->data, .writable = true}};
	SCOPED(free_at) char *command = mem_format("mkdir -p %s/a/b %s/c", f->data, f->data);
	SCOPED(lender_paths_free) char **paths = NULL;
	struct lender *l = open_lender(f, roots, 1);
	struct err e;

	assert_int_equal(system(command), 0);
	if (lender_set_opaque(l, 0, "c", &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(lender_set_opaque(l, 0, "a/b", &e), 0);
	assert_int_equal(lender_set_opaque(l, 0, "gone", &e), -1);
	assert_int_equal(lender_opaque(l, 0, &paths, &e), 0);
	assert_string_equal(paths[0], "a/b");
	assert_string_equal(paths[1], "c");
	assert_null(paths[2]);
	lender_close(l);
}

static void
test_guard(void **state)
{
	struct fixture *f = *state;
	const struct lender_root roots[] = {{.path = f->data}};
	const struct lender_held held[] = {{"one", true}, {"two", true}};
	struct lender *l = open_lender(f, roots, 1);
	bool thawed = true;
	struct err e;

	assert_int_equal(lender_guard(l, held, 2, 60000, &e), 0);
	assert_int_equal(lender_release(l, &thawed, &e), 0);
	assert_false(thawed);
	assert_true(lender_lives(l));
	lender_close(l);
	assert_int_equal(f->counter.unpaused, 0);
	l = open_lender(f, roots, 1);
	assert_int_equal(lender_guard(l, held, 1, 60000, &e), 0);
	assert_int_equal(lender_guard(l, held, 2, 60000, &e), 0); /* replaces, does not add */
	lender_close(l);
	assert_int_equal(f->counter.unpaused, 2);
}

/* The time is up: it thaws although we are there, and says so. */
static void
test_guard_has_a_limit(void **state)
{
	struct fixture *f = *state;
	const struct lender_held held[] = {{"one", true}, {"two", true}};
	struct lender *l = open_lender(f, NULL, 0);
	bool thawed = false;
	struct err e;

	assert_int_equal(lender_guard(l, held, 2, 200, &e), 0);
	for (int i = 0; i < 500 && f->counter.unpaused < 2; i++)
		(void)usleep(10 * 1000);
	assert_int_equal(f->counter.unpaused, 2);
	assert_int_equal(lender_release(l, &thawed, &e), 0);
	assert_true(thawed);
	lender_close(l);
	assert_int_equal(f->counter.unpaused, 2);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_roots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_roots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_opaque, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guard_has_a_limit, setup, teardown),
	};

	if (argc > 1 && strcmp(argv[1], "lend") == 0)
		return lender_main(argc - 1, argv + 1);
	return cmocka_run_group_tests_name("lender", tests, NULL, NULL);
}
