#ifndef STORE_KEYS_H
#define STORE_KEYS_H

#include <jansson.h>

#include "store/slot.h"
#include "store/state.h"

/*
 * The file `keys` of an encrypted store: JSON with a version, the slots, and an HMAC over all of it
 * under a key of the store's own, so that whoever has opened a slot knows the rest to be right.
 * Changed by rename, synced, never in place.  Its content is of no use without one of the secrets;
 * and without the file, or a copy of it, all secrets are of no use either.
 *
 * That an older file was put in its place, with a slot that was removed since, cannot be told.
 */
enum { KEYS_SLOTS_MAX = 8, KEYS_FILE_MAX = 64 << 10, KEYS_VERSION = 1 };

struct keys {
	struct slot slots[KEYS_SLOTS_MAX];
	size_t count;
	unsigned char mac[CIPHER_KEY];
	size_t opened;			  /* the slot that keys_open opened */
	unsigned char master[CIPHER_KEY]; /* once it is open */
};

void keys_wipe(struct keys *k); /* usable as SCOPED(keys_wipe) */

/* A new master key; no slots yet. */
void keys_make(struct keys *k);

/* Returns 1, 0 if there is no such file, -1: ERR_CORRUPT, ERR_UNSUPPORTED, ERR_IO. */
int keys_load(struct store *s, struct keys *k, struct err *e);

/* Open one of the slots: ERR_DENIED if the secret opens none, ERR_CORRUPT if the file is not what
 * was written. */
int keys_open(struct keys *k, const struct secret *secret, struct err *e);

/* A slot more; the keys are open.  ERR_CONFLICT: there are KEYS_SLOTS_MAX. */
int keys_add(struct keys *k, const struct slot_options *o, struct err *e);

/* Write it, durably; the keys are open. */
int keys_save(struct store *s, struct keys *k, struct err *e);

#endif
