#ifndef UNIT_STORE_SAMPLE_H
#define UNIT_STORE_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "store/catalogue/backups.h"
#include "store/open/store.h"
#include "store/read/replay.h"
#include "store/write/ingest.h"

/* What the tests of store/ are made of: folders, bytes, backups. */
#define SAMPLE __attribute__((unused)) static

/* A call that must succeed; its error is the message. */
#define must(call)                                                                                 \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s (%s)", #call, e.text, err_name(e.code));                  \
	} while (0)

#define must_fail(call, expected)                                                                  \
	do {                                                                                       \
		assert_int_equal((call), -1);                                                      \
		if (e.code != (expected))                                                          \
			fail_msg("%s: %s: %s", #call, err_name(e.code), e.text);                   \
	} while (0)

/* The same tests are built once more with this: every store of theirs is encrypted. */
#ifdef SAMPLE_ENCRYPTED
static const struct secret sample_secret = {
	.kind = SECRET_KEYFILE, .len = 32, .data = "thirty-two bytes are enough here"};
#define SAMPLE_SECRET &sample_secret
enum { SAMPLE_PLAIN = 0 };
#else
#define SAMPLE_SECRET NULL
enum { SAMPLE_PLAIN = 1 };
#endif

/* The second of two such runs is a short one, unless FB_LONG is set. */
SAMPLE bool
sample_short(void)
{
	return !SAMPLE_PLAIN && getenv("FB_LONG") == NULL;
}

/* Small, so that a test sees several packs; no reserve. */
static const struct store_options sample_options = {
	.pack_bytes = 256 << 10, .reserve_bytes = -1, .secret = SAMPLE_SECRET};

SAMPLE int
sample_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

/* A new folder, in memory where there is such a file system.  The caller's, with folder_drop. */
SAMPLE char *
folder_make(void)
{
	char *path = mem_format(
		"%s/fuel-store-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");

	assert_non_null(mkdtemp(path));
	return path;
}

SAMPLE void
folder_drop(char *path)
{
	(void)nftw(path, sample_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}

/* Bytes that do not compress, the same for the same ${seed} (xorshift64, Marsaglia 2003). */
SAMPLE unsigned char *
bytes_noise(size_t len, uint64_t seed)
{
	unsigned char *data = mem_new(len);
	uint64_t x = seed * 0x9E3779B97F4A7C15 + 1;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = (unsigned char)(x >> 32);
	}
	return data;
}

/* Bytes that compress to about a third. */
SAMPLE unsigned char *
bytes_text(size_t len, uint64_t seed)
{
	unsigned char *data = bytes_noise(len, seed);

	for (size_t i = 0; i < len; i++)
		data[i] = (unsigned char)("etaoin shrdlu"[data[i] % 13]);
	return data;
}

/* Write a file; both it and its reading back are the tests' own, not the store's. */
SAMPLE void
file_put(const char *path, const void *data, size_t len)
{
	SCOPED(file_close_at) FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fflush(file), 0);
}

/* The first pack's path; the caller's.  There must be one, and only one if ${only}. */
SAMPLE char *
pack_path(const char *folder, bool only)
{
	SCOPED(free_at) char *pattern = mem_format("%s/packs/*/*.zpk", folder);
	glob_t found = {0};

	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	if (only)
		assert_int_equal(found.gl_pathc, 1);
	char *path = mem_string(found.gl_pathv[0]);
	globfree(&found);
	return path;
}

/* One stream, handed over in pieces of ${piece} bytes. */
SAMPLE int
stream_put(struct ingest *in, enum cut cut, const unsigned char *data, size_t len, size_t piece,
	struct recipe *to, struct err *e)
{
	ingest_begin(in, cut);
	for (size_t at = 0; at < len; at += piece) {
		const size_t n = len - at < piece ? len - at : piece;
		if (ingest_write(in, data + at, n, e) != 0)
			return -1;
	}
	return ingest_end(in, to, e);
}

/* A complete backup of ${data}; ${id} is filled in. */
SAMPLE int
backup_put(struct store *s, const unsigned char *data, size_t len, char id[ID_SIZE], struct err *e)
{
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *record = json_pack("{s:s}", "note", "sample");

	id_new(id);
	if (backups_begin(s, id, clock_real_ns(), record, e) != 0 || ingest_open(s, &in, e) != 0 ||
		stream_put(in, CUT_CONTENT, data, len, 100000, &recipe, e) != 0)
		return -1;
	return ingest_commit(in, id, "{\"note\":\"done\"}", &recipe, e);
}

/* Whether the backup's plain bytes are ${data}: 0, or -1 with ${e}. */
SAMPLE int
backup_compare(
	struct store *s, const char *id, const unsigned char *data, size_t len, struct err *e)
{
	SCOPED(replay_close_at) struct replay *r = NULL;
	SCOPED(free_at) unsigned char *piece = mem_new(70000);
	size_t at = 0;
	ssize_t n = 1;

	if (replay_open(s, id, &r, e) != 0)
		return -1;
	const struct source source = replay_plain(r);
	while (n > 0) {
		n = source_read(&source, piece, 70000, e);
		if (n < 0)
			return -1;
		if (at + (size_t)n > len || (n > 0 && memcmp(piece, data + at, (size_t)n) != 0))
			return err_set(e, ERR_INTERNAL, "other bytes around %zu", at);
		at += (size_t)n;
	}
	if (at != len || replay_plain_bytes(r) != (int64_t)len)
		return err_set(e, ERR_INTERNAL, "%zu bytes instead of %zu", at, len);
	return 0;
}

#endif
