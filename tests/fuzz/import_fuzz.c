/* Goal: whatever is uploaded is imported whole or refused, and a refusal leaves nothing listed.
 *
 * The whole of import_run on a store of its own, as an operation.  The first byte: bit 0, that the
 * rest is packed by zstd; bit 1, that devices are allowed; bit 2, that headers' checksums are put
 * right before; the others, in pieces of what size it comes.
 */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/tar/header.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/import/import.h"
#include "store/catalogue/backups.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 4 << 20, WAIT_MS = 60 * 1000, RUNS_OF_A_STORE = 1000 };

#define CLAIM(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,    \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct memory {
	const uint8_t *data;
	size_t size, at, piece;
};

static struct store *store;
static struct engine *engine; /* of a socket that is not there */
static struct operations *operations;
static char folder[64];

static bool
memory_wait(void *ctx, int timeout_ms)
{
	(void)ctx;
	(void)timeout_ms;
	return true;
}

static ssize_t
memory_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct memory *m = ctx;
	size_t n = m->size - m->at;

	(void)e;
	CLAIM(size > 0);
	n = n > size ? size : n;
	n = n > m->piece ? m->piece : n;
	if (n > 0)
		memcpy(data, m->data + m->at, n);
	m->at += n;
	return (ssize_t)n;
}

static void
memory_leave(void *ctx)
{
	(void)ctx;
}

static void
put_right(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + sizeof(struct ustar) <= size; at += sizeof(struct ustar)) {
		struct ustar u;
		unsigned sum = 0;

		memcpy(&u, data + at, sizeof(u));
		if (memcmp(u.magic, "ustar", 5) != 0)
			continue;
		memset(u.checksum, ' ', sizeof(u.checksum));
		for (size_t i = 0; i < sizeof(u); i++)
			sum += ((const unsigned char *)&u)[i];
		(void)snprintf(u.checksum, sizeof(u.checksum), "%06o", sum & 0777777);
		memcpy(data + at, &u, sizeof(u));
	}
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void
close_all(void)
{
	if (store == NULL)
		return;
	operations_stop(operations);
	operations_close(operations);
	engine_close(engine);
	store_close(store);
	store = NULL;
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A store in memory, another one now and then: it grows. */
static void
open_now_and_then(void)
{
	static unsigned runs;
	struct err e;

	if (runs++ % RUNS_OF_A_STORE != 0)
		return;
	if (runs == 1)
		CLAIM(atexit(close_all) == 0);
	close_all();
	(void)snprintf(folder, sizeof(folder), "/dev/shm/fb-import-fuzz-XXXXXX");
	CLAIM(mkdtemp(folder) != NULL);
	CLAIM(store_open(folder, &(struct store_options){.reserve_bytes = -1}, &store, &e) == 0);
	CLAIM(engine_open("unix:///nonexistent/docker.sock", &engine, &e) == 0);
	CLAIM(operations_open(store, &operations, &e) == 0);
}

/* Of all that is listed: whole, and then removed. */
static void
check_list(bool imported)
{
	json_t *list = NULL;
	const json_t *backup;
	struct err e;
	bool more;
	size_t i;

	CLAIM(backups_list(store, 1000, NULL, &list, &more, &e) == 0);
	CLAIM(json_array_size(list) == (size_t)imported);
	json_array_foreach (list, i, backup) {
		const char *state = json_string_value(json_object_get(backup, "state"));

		CLAIM(strcmp(state, "complete") == 0);
		CLAIM(backups_delete(store, json_string_value(json_object_get(backup, "id")), &e) ==
			0);
	}
	json_decref(list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t head = size == 0 ? 0 : data[0];
	struct import_request *request;
	char id[ID_SIZE];
	json_t *document = NULL;
	const char *state;
	struct err e;

	if (size == 0 || size > INPUT_MAX)
		return 0;
	open_now_and_then();
	SCOPED(free_at) uint8_t *copy = mem_new(size);
	memcpy(copy, data + 1, size - 1);
	if ((head & 4) != 0 && (head & 1) == 0)
		put_right(copy, size - 1);
	struct memory memory = {copy, size - 1, 0, (size_t)1 << (head >> 3 & 31)};
	request = mem_new(sizeof(*request));
	*request = (struct import_request){.store = store,
		.engine = engine,
		.body = {memory_wait, memory_read, memory_leave, &memory},
		.body_bytes = -1,
		.packed = (head & 1) != 0,
		.devices = (head & 2) != 0};
	CLAIM(operations_start(operations,
		      &(struct operation_start){.kind = "import",
			      .run = import_run,
			      .arg = request,
			      .arg_free = import_request_free},
		      id, &e) == 0);
	do {
		json_decref(document);
		CLAIM(operations_wait(operations, id, INT64_MAX, WAIT_MS, &document, &e) == 0);
	} while (!operation_ended(document));
	state = json_string_value(json_object_get(document, "state"));
	CLAIM(strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0);
	check_list(strcmp(state, "succeeded") == 0);
	json_decref(document);
	return 0;
}
