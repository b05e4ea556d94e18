#ifndef STORE_PACKS_PACKS_H
#define STORE_PACKS_PACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/catalogue/state.h"
#include "store/format/record.h"
#include "store/keys/seal.h"

/*
 * A pack that is being written, by one session at a time: `packs/<hh>/<uuid>.zpk`.  What is
 * appended goes through a buffer; nothing is on disk before packs_sync, nor referred to before the
 * transaction with packs_settle is committed.
 */
enum pack_state {
	PACK_OPEN = 1,	  /* may hold records behind its durable bytes */
	PACK_SEALED = 2,  /* never written again */
	PACK_DOOMED = 3,  /* to be unlinked; a sweep writes this */
	PACK_DAMAGED = 4, /* its file is gone: its chunks are bad until it is back */
};

struct pack {
	int64_t row;
	unsigned char uuid[RECORD_UUID_SIZE];
	int fd;
	int64_t end;	   /* where the next record goes */
	int64_t written;   /* handed to the kernel; the rest is in the batch */
	int64_t synced;	   /* on disk */
	int64_t durable;   /* as the catalogue knows it */
	uint32_t ordinal;  /* of the next record */
	bool poisoned;	   /* a write or sync failed: never written or synced again */
	bool uncertain;	   /* a commit failed: its rows may yet appear after a crash */
	struct seal *seal; /* NULL in a plain store */
	unsigned char *batch;
};

/* A sealed pack's length is a multiple of this in an encrypted store: it tells less. */
enum { PACK_ROUND = 64 << 10 };

enum { PACK_NAME_SIZE = 48 };

/* `<hh>/<uuid>.zpk`, below packs/. */
const char *packs_name(const unsigned char uuid[RECORD_UUID_SIZE], char name[PACK_NAME_SIZE]);
/* The other way; false if ${file} (without its folder) is no pack's name. */
bool packs_uuid(const char *file, unsigned char uuid[RECORD_UUID_SIZE]);

/* A new pack with its file, header, folder entry and row durable, in this order. */
int packs_create(struct store *s, struct pack **ret_pack, struct err *e);

/* The idle pack if it has room for ${size} more bytes, or NULL. */
struct pack *packs_take(struct store *s, int64_t size);

/* Make a usable pack the idle one, for whoever writes next; close it if there is one already. */
void packs_leave(struct store *s, struct pack *p);

/* Seal the idle pack, if there is one: what is copied elsewhere must not grow any more. */
void packs_seal(struct store *s);

/* An existing pack's file for reading.  ERR_CORRUPT if it is gone. */
int packs_open(struct store *s, const unsigned char uuid[RECORD_UUID_SIZE], int flags, int *ret_fd,
	struct err *e);

/**
 * packs_append(s, p, r, frame, ret_offset, e):
 * Append the record ${r} (its ordinal and pack are filled in here) with ${r->stored_len} bytes of
 * ${frame}.  packs_sync makes all of it durable.  After an error of either the pack is poisoned.
 */
int packs_append(struct store *s, struct pack *p, struct record *r, const void *frame,
	int64_t *ret_offset, struct err *e);
int packs_sync(struct store *s, struct pack *p, struct err *e);

/* Put what is synced, and ${state}, into the pack's row, in the caller's transaction. */
int packs_settle(struct connection *w, const struct pack *p, enum pack_state state, struct err *e);

/**
 * packs_close(s, p):
 * Seal the row and free; an encrypted pack is first padded to a multiple of PACK_ROUND, if there is
 * room for that.  A poisoned pack is first cut back to its durable bytes, to give their
 * room free; an uncertain one is left as it is, for the next start to look at.  Faults are ignored:
 * the row stays open then, and the next start recovers it.
 */
void packs_close(struct store *s, struct pack *p);

#endif
