/* Goal: a compose project's files that no label names are found below its folder, and nothing else
 * is, whoever may write there. */
#include "tests/unit/trees.h"

#include "jobs/sources/compose_found.h"

static char top[64];

struct found {
	char *paths[128];
	size_t count;
};

static int
take(void *ctx, const char *path, struct err *e)
{
	struct found *f = ctx;

	(void)e;
	assert_true(f->count < 128);
	f->paths[f->count++] = mem_string(path);
	return 0;
}

/* Make the file ${name} below the folder "p", or beside it. */
static void
put(const char *name, const char *content)
{
	SCOPED(free_at) char *path = mem_format("%s/%s", top, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	(void)fputs(content, file);
	assert_int_equal(fclose(file), 0);
}

static void
folder(const char *name)
{
	SCOPED(free_at) char *path = mem_format("%s/%s", top, name);

	assert_int_equal(mkdir(path, 0755), 0);
}

static void
link_to(const char *target, const char *name)
{
	SCOPED(free_at) char *path = mem_format("%s/%s", top, name);

	assert_int_equal(symlink(target, path), 0);
}

static int
setup(void **state)
{
	(void)state;
	(void)strcpy(top, "/var/tmp/fb-compose-XXXXXX");
	assert_non_null(mkdtemp(top));
	folder("p");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tree_remove(top);
	return 0;
}

/* What is found in "p", as a sorted text of the paths below it. */
static char *
look(const char *name)
{
	SCOPED(fd_close_at) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	SCOPED(free_at) char *path = mem_format("%s/%s", top, name);
	struct found f = {.count = 0};
	char *text = mem_string("");
	struct err e;

	assert_int_equal(compose_found(root, path, take, &f, &e), 0);
	if (f.count > 1)
		qsort(f.paths, f.count, sizeof(f.paths[0]), by_text);
	for (size_t i = 0; i < f.count; i++) {
		char *longer = mem_format("%s %s", text, f.paths[i] + strlen(path) + 1);

		free(text);
		text = longer;
		free(f.paths[i]);
	}
	return text;
}

static void
wants(const char *name, const char *wanted)
{
	SCOPED(free_at) char *is = look(name);

	assert_string_equal(is, wanted);
}

static void
test_usual_names(void **state)
{
	(void)state;
	put("p/.env", "");
	put("p/.env.local", "");
	put("p/db.env", "");
	put("p/compose.yaml", "");
	put("p/compose.prod.yml", "");
	put("p/docker-compose.yml", "");
	put("p/other.yml", "");
	put("p/Dockerfile", "");
	put("p/environment", "");
	folder("p/x.env");
	wants("p", " .env .env.local compose.prod.yml compose.yaml db.env docker-compose.yml");
}

/* Every form that compose knows, nested; what is not there is not taken. */
static void
test_mentioned(void **state)
{
	(void)state;
	folder("p/conf");
	folder("p/parts");
	put("p/compose.yaml",
		"include:\n  - parts/db.yaml\n  - path: ['./parts/web.yml', \"parts/gone.yml\"]\n"
		"services:\n  a:\n    env_file: conf/a.env\n  b:\n    env_file:\n      - "
		"./conf/b.env\n"
		"      - path: conf/c.env\n        required: false\n"
		"  c: {env_file: [conf/d.env,conf/e.env]}\n");
	put("p/parts/db.yaml", "services: {db: {env_file: db.env, extends: {file: ./deep.yml}}}\n");
	put("p/parts/web.yml", "");
	put("p/parts/deep.yml", "# parts/db.yaml again, and conf/f.env\n");
	put("p/parts/db.env", "");
	for (const char *name = "abcdefg"; *name != '\0'; name++) {
		SCOPED(free_at) char *path = mem_format("p/conf/%c.env", *name);

		put(path, "");
	}
	wants("p", " compose.yaml conf/a.env conf/b.env conf/c.env conf/d.env conf/e.env conf/f.env"
		   " parts/db.env parts/db.yaml parts/deep.yml parts/web.yml");
}

static void
test_nothing_else(void **state)
{
	SCOPED(free_at) char *outside = NULL;
	SCOPED(free_at) char *text = NULL;

	(void)state;
	folder("q");
	put("q/secret.env", "");
	put("q/secret.yaml", "");
	outside = mem_format("%s/q", top);
	text = mem_format(
		"a: ../q/secret.env b: %s/secret.env c: x/../../q/secret.yaml d: in/secret.env"
		" e: /etc/passwd f: .. g: / h: ./ i: .env j: pipe.env k: large.env",
		outside);
	put("p/compose.yaml", text);
	link_to(outside, "p/in");
	link_to("../q/secret.env", "p/.env");
	link_to("../q/secret.yaml", "p/compose.override.yaml");
	put("p/large.env", "");
	SCOPED(free_at) char *large = mem_format("%s/p/large.env", top);
	SCOPED(free_at) char *pipe = mem_format("%s/p/pipe.env", top);

	assert_int_equal(truncate(large, COMPOSE_FOUND_BYTES + 1), 0);
	assert_int_equal(mkfifo(pipe, 0600), 0);
	wants("p", " compose.yaml");
	wants("none", "");
	wants("p/compose.yaml", "");
}

/* The folder itself may be reached by a link. */
static void
test_by_a_link(void **state)
{
	(void)state;
	put("p/compose.yaml", "env_file: a.env");
	put("p/a.env", "");
	link_to("p", "current");
	wants("current", " a.env compose.yaml");
}

static void
test_many(void **state)
{
	(void)state;
	for (int i = 0; i < COMPOSE_FOUND_MAX + 9; i++) {
		SCOPED(free_at) char *path = mem_format("p/%03d.env", i);

		put(path, "");
	}
	SCOPED(free_at) char *is = look("p");

	assert_non_null(strstr(is, " 063.env"));
	assert_null(strstr(is, " 064.env"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_usual_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mentioned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(test_by_a_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
