#ifndef STORE_KEYS_KEYS_H
#define STORE_KEYS_KEYS_H

#include <jansson.h>

#include "store/format/io.h"
#include "store/keys/slot.h"

/*
 * The file `keys` of an encrypted store: JSON with a version, the slots, and an HMAC over all of it
 * under a key of the store's own, so that whoever has opened a slot knows the rest to be right.
 * Changed by rename, synced, never in place.  Its content is of no use without one of the secrets;
 * and without the file, or a copy of it, all secrets are of no use either.
 *
 * That an older file was put in its place, with a slot that was removed since, cannot be told.
 *
 * Who changes it has the place's lock from loading to saving (keys_lock); a service, which reads it
 * at its start and makes the first one, needs none, for there is always a whole file.
 */
enum { KEYS_SLOTS_MAX = 8, KEYS_FILE_MAX = 64 << 10, KEYS_VERSION = 1 };

struct keys {
	struct slot slots[KEYS_SLOTS_MAX];
	size_t count;
	unsigned char mac[CIPHER_KEY];
	size_t opened;			  /* the slot that keys_open opened */
	unsigned char master[CIPHER_KEY]; /* once it is open */
};

/* The store's folder.  All borrowed. */
struct keys_place {
	const struct io *io;
	int fd;
	const char *path; /* for messages */
};

/* Until the descriptor is closed: ERR_BUSY if another process changes the file now. */
int keys_lock(const struct keys_place *at, struct err *e);

void keys_wipe(struct keys *k); /* usable as SCOPED(keys_wipe) */

/* A new master key; no slots yet. */
void keys_make(struct keys *k);

/* Returns 1, 0 if there is no such file, -1: ERR_CORRUPT, ERR_UNSUPPORTED, ERR_IO. */
int keys_load(const struct keys_place *at, struct keys *k, struct err *e);

/* The same of a file's bytes, wherever they are from.  ERR_CORRUPT, ERR_UNSUPPORTED. */
int keys_parse(const char *text, size_t len, struct keys *k, struct err *e);

/* Open one of the slots: ERR_DENIED if the secret opens none, ERR_CORRUPT if the file is not what
 * was written. */
int keys_open(struct keys *k, const struct secret *secret, struct err *e);

/* A slot more; the keys are open.  ERR_CONFLICT: there are KEYS_SLOTS_MAX. */
int keys_add(struct keys *k, const struct slot_options *o, struct err *e);

/* Write it, durably; the keys are open. */
int keys_save(const struct keys_place *at, struct keys *k, struct err *e);

#endif
