#ifndef STORE_OPEN_STORE_H
#define STORE_OPEN_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/catalogue/store_stats.h"
#include "store/format/io.h"
#include "store/keys/secret.h"

/*
 * The store: a folder with `packs/`, `catalogue.db`, `reserve`, `lock`, and `run/` for sockets and
 * journals.  One process holds it, by an open-file-description lock that dies with the process.
 */
struct store;

struct store_options {
	const struct io *io;   /* NULL: io_system */
	int64_t pack_bytes;    /* 0: 64 MiB; a pack is rolled when it would pass this */
	int64_t reserve_bytes; /* 0: 64 MiB; -1: none */

	/* What opens an encrypted store, or makes a new store one; NULL: nothing.  Borrowed. */
	const struct secret *secret;
	int64_t scrypt_n; /* of a new slot; 0: SLOT_SCRYPT_N */
};

/**
 * store_open(path, options, ret_store, e):
 * Open the store at ${path}; make the folder (0700) and an empty store where there is none.
 * Recovers first: open packs are scanned from their durable length, valid records adopted, the
 * rest cut off, the packs sealed; backups left `running` by a crash are taken off the list.
 * ${options} may be NULL.  Errors: ERR_BUSY (another process holds it), ERR_NO_SPACE, ERR_IO,
 * ERR_CORRUPT, ERR_UNSUPPORTED (made by a newer version), ERR_DENIED (no or a wrong secret for an
 * encrypted store, or one for a store that is not).
 * Source: docs/design/design.md section 5.
 */
int store_open(const char *path, const struct store_options *options, struct store **ret_store,
	struct err *e);

/**
 * store_close(s):
 * Seal the packs, check-point the catalogue, release the lock.  No session may be open.
 */
void store_close(struct store *s);
void store_close_at(struct store **s);

/* The folder's descriptor (borrowed) and absolute path (borrowed). */
int store_fd(const struct store *s);
const char *store_path(const struct store *s);

bool store_encrypted(const struct store *s);

/* Its keys (borrowed); NULL: it is not encrypted. */
struct cipher;
const struct cipher *store_cipher(const struct store *s);

/* Bytes that this process may still write to the store's file system; -1 on error. */
int64_t store_free_bytes(struct store *s, struct err *e);

/**
 * store_round(s, ret_round, e):
 * The next number of a sequence that goes on over restarts: for whatever is done in turns.
 */
int store_round(struct store *s, int64_t *ret_round, struct err *e);

#endif
