/*
 * Goal: no key and nonce ever encrypt two plaintexts (store/keys/seal.h), whatever fails and
 * whenever the process is killed, with the folder copied and both copies going on: no byte of a
 * pack is ever written with two values, and the records of each pack have the ordinals 1, 2, 3, …
 */
#define SAMPLE_ENCRYPTED
#include "tests/unit/store/whole.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "store/gc/sweep.h"
#include "tests/unit/store/faults.h"

enum { LEN = 300000, PACKS = 2048, PACK_MAX = 512 << 10, KILLED_MAX = 300, NAME_LEN = 64 };

/* All that was ever written to each pack, by this process and by those it makes. */
struct pack_seen {
	char name[NAME_LEN]; /* "" : free */
	bool known[PACK_MAX];
	unsigned char bytes[PACK_MAX];
};
static struct pack_seen *seen;

static struct pack_seen *
seen_of(const char *name)
{
	size_t i = 0;

	while (i < PACKS && seen[i].name[0] != '\0' && strcmp(seen[i].name, name) != 0)
		i++;
	assert_true(i < PACKS);
	(void)snprintf(seen[i].name, NAME_LEN, "%s", name);
	return &seen[i];
}

static ssize_t
noted_pwrite(void *ctx, int fd, const void *data, size_t len, off_t offset)
{
	char link[64], path[PATH_MAX];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	const ssize_t n = readlink(link, path, sizeof(path) - 1);
	assert_true(n > 0);
	path[n] = '\0';
	const char *name = strrchr(path, '/') + 1;
	if (strstr(name, ".zpk") != NULL) {
		struct pack_seen *p = seen_of(name);
		assert_true((size_t)offset + len <= PACK_MAX);
		for (size_t i = 0; i < len; i++) {
			const size_t at = (size_t)offset + i;
			if (p->known[at] && p->bytes[at] != ((const unsigned char *)data)[i])
				abort(); /* two values: also in a child */
			p->known[at] = true;
			p->bytes[at] = ((const unsigned char *)data)[i];
		}
	}
	return fault_pwrite(ctx, fd, data, len, offset);
}

static struct store *
store_start(const char *folder, struct faults *f, enum fault kind)
{
	struct store_options options = sample_options;
	struct store *s = NULL;
	struct err e;

	faults_init(f, kind, EIO);
	f->io.pwrite = noted_pwrite;
	options.io = &f->io;
	must(store_open(folder, &options, &s, &e));
	return s;
}

/* A backup with something new, the deletion of the one before, and a sweep that moves records. */
static int
work(struct store *s, uint64_t seed, char old[ID_SIZE])
{
	SCOPED(free_at) unsigned char *data = bytes_noise(LEN, 1);
	SCOPED(free_at) unsigned char *fresh = bytes_noise(LEN, seed);
	const struct sweep_options fast = {.bytes_per_second = -1};
	struct sweep_totals totals;
	char id[ID_SIZE];
	struct err e;

	memcpy(data + LEN / 2, fresh, LEN / 2);
	if (backup_put(s, data, LEN, id, &e) != 0)
		return -1;
	if (old[0] != '\0' && backups_delete(s, old, &e) != 0)
		return -1;
	memcpy(old, id, ID_SIZE);
	return sweep_run(s, &fast, &totals, &e);
}

static int
set_up(void **context)
{
	const size_t size = PACKS * sizeof(*seen);

	seen = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
		-1, 0);
	assert_true(seen != MAP_FAILED);
	*context = folder_make();
	return 0;
}

static int
tear_down(void **context)
{
	folder_drop(*context);
	return munmap(seen, PACKS * sizeof(*seen));
}

/* Read what was written to each pack from its front: the ordinals follow each other. */
static void
ordinals_check(const char *folder)
{
	struct faults f;
	struct store *s = store_start(folder, &f, FAULT_ERROR);
	size_t records = 0, packs = 0;

	for (; packs < PACKS && seen[packs].name[0] != '\0'; packs++) {
		const struct pack_seen *p = &seen[packs];
		unsigned char header[RECORD_SIZE], tag[CIPHER_TAG], uuid[RECORD_UUID_SIZE];
		size_t at = RECORD_SIZE;
		struct record r;
		struct err e;
		assert_true(packs_uuid(p->name, uuid));
		struct seal *seal = seal_new(s->cipher, uuid);
		for (uint32_t ordinal = 1;
			at + RECORD_SIZE < PACK_MAX && p->known[at + RECORD_SIZE];
			ordinal++, records++) {
			memcpy(header, p->bytes + at, sizeof(header));
			must(seal_read_header(seal, ordinal, header, tag, &e));
			must(record_decode(header, &r, &e));
			at += RECORD_SIZE + (size_t)r.stored_len;
		}
		seal_free(seal);
	}
	print_message("%zu packs, %zu records\n", packs, records);
	assert_true(packs > 30 && records > packs);
	store_close(s);
}

static void
test_calls_fail(void **context)
{
	const char *folder = *context;
	const enum fault kinds[] = {FAULT_ERROR, FAULT_ALWAYS, FAULT_SHORT};
	char old[ID_SIZE] = "";
	struct faults f;

	for (int kind = 0; kind < 3; kind++) {
		bool hit = true;
		for (long n = 1; hit; n += 3) {
			struct store *s = store_start(folder, &f, kinds[kind]);
			f.at = f.calls + n;
			(void)work(s, (uint64_t)(1000 * kind + n), old);
			hit = f.hit;
			f.at = 0;
			(void)work(s, (uint64_t)(7000 * kind + n), old); /* in the same process */
			store_close(s);
		}
	}
	ordinals_check(folder);
}

static void
test_killed(void **context)
{
	const char *folder = *context;
	int status = FAULT_DIED << 8;
	struct faults f;

	for (long n = 1; n < KILLED_MAX && status != 0; n += 2) {
		const pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			char old[ID_SIZE] = "";
			struct store *s =
				store_start(folder, &f, n % 4 == 1 ? FAULT_DIE : FAULT_DIE_AFTER);
			f.at = f.calls + n;
			(void)work(s, (uint64_t)n, old);
			(void)work(s, (uint64_t)(n + KILLED_MAX), old);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAULT_DIED);
	}
	ordinals_check(folder);
}

/* Also one whose pack was open and behind its durable bytes when it was copied. */
static void
test_copies_go_on(void **context)
{
	const char *folder = *context;
	char *copy = folder_make();
	SCOPED(free_at) char *command = mem_format("cp -a %s/. %s/", folder, copy);
	char old[ID_SIZE] = "";
	struct faults f, g;

	for (uint64_t turn = 0; turn < 30; turn++) {
		struct store *s = store_start(folder, &f, FAULT_ERROR);
		(void)work(s, 10 * turn + 2, old);
		f.at = f.calls + 8; /* something is appended, and no more */
		f.kind = FAULT_ALWAYS;
		char lost[ID_SIZE] = "";
		(void)work(s, 10 * turn + 3, lost);
		assert_int_equal(system(command), 0);
		f.at = 0;
		struct store *other = store_start(copy, &g, FAULT_ERROR);
		char there[ID_SIZE] = "";
		(void)work(other, 10 * turn + 4, there);
		(void)work(s, 10 * turn + 5, old);
		(void)work(other, 10 * turn + 6, there);
		store_close(s);
		store_close(other);
	}
	folder_drop(copy);
	ordinals_check(folder);
}

int
main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_calls_fail),
		CASE(test_killed),
		CASE(test_copies_go_on),
	};

	return cmocka_run_group_tests_name("nonce", tests, NULL, NULL);
}
