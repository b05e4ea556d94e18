#ifndef JOBS_COPIES_PACKS_COPY_FORMAT_H
#define JOBS_COPIES_PACKS_COPY_FORMAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/format/record.h"
#include "store/keys/cipher.h"
#include "store/packs/pack_verify.h"

/*
 * What stands at a destination below `<store id>/`, every object of it written once and never
 *again:
 *
 *	format				JSON: version, store, host, made, encrypted
 *	keys/HASH			the store's file `keys`; 16 hex digits of its SHA-256
 *	packs/HH/UUID.zpk		a sealed pack, byte for byte
 *	index/SEQ-HASH			the packs that one run put, and where their chunks stand
 *	backups/ID.CREATED_NS		the head of a backup.  Put last: it exists = all that it
 *names is there, and the backup can be restored from here
 *
 * An index or a head is 8 bytes, "FBCOPY" 1 and 0 or 1, then a zstd frame with its checksum; if the
 * last of the 8 is 1, in a box (cipher.h) of the key `copies`, bound to the object's name up to the
 * '-'.  HASH of an index: the first 8 hex digits of the SHA-256 of the object.
 *
 * An index, little-endian:
 *	 0 u32 version (1)		 4 u32 packs
 *	 8 32  SHA-256 of the index object before it; zero in the first
 *	40 for each pack:	16 uuid, u64 bytes, 32 SHA-256, u32 chunks, and for each chunk:
 *				u64 number, u64 offset, u32 ordinal, u32 plain, u32 stored, 32 id
 *
 * A head is JSON: version, store, backup, created_ns, keys (HASH, or null), digest (of the recipe),
 * recipe {pack, offset}, packs [uuid], indexes [{name, sha256}], record.
 */
enum { COPY_ID = 16, COPY_ID_TEXT = 2 * COPY_ID + 1, COPY_HASH_TEXT = 2 * PACK_HASH + 1 };
enum { COPY_VERSION = 1, COPY_NAME_MAX = 160, COPY_KEYS_HASH = 16, COPY_INDEX_HASH = 8 };

/* More than what a head or index of ours can have. */
enum { COPY_OBJECT_MAX = 64 << 20 };

/* The lower-case hex SHA-256 of ${len} bytes.  Returns ${text}. */
const char *copy_hash(const void *data, size_t len, char text[COPY_HASH_TEXT]);

/* Whether ${text} is a store's id, and whether it is `ID.CREATED_NS`, a head's name. */
bool copy_id_valid(const char *text);
bool copy_head_valid(const char *name, char backup[25], int64_t *ret_created_ns);

/* A pack's name below the store's id. */
const char *copy_pack_name(const unsigned char uuid[RECORD_UUID_SIZE], char name[COPY_NAME_MAX]);

/**
 * copy_object_close(c, bound, data, len, ret_len), copy_object_open(c, bound, object, len, to, e):
 * An index or a head as it stands there, and back.  ${c}: NULL in a plain store.  The object is the
 * caller's to free.  ERR_CORRUPT: it is not what was put there; ERR_DENIED: it is encrypted, and
 * there are no keys, or the other way round.
 */
void *copy_object_close(
	const struct cipher *c, const char *bound, const void *data, size_t len, size_t *ret_len);
int copy_object_open(const struct cipher *c, const char *bound, const void *object, size_t len,
	struct buf *to, struct err *e);

/* An index that grows; usable as soon as it is all zero but for `bytes`' maximum. */
struct copy_index {
	struct buf bytes;
	uint32_t packs;
	json_t *uuids;	  /* of the packs in it, as hex */
	size_t chunks_at; /* of the pack that grows: where its number of chunks stands */
	uint32_t chunks;
};

enum { COPY_INDEX_BYTES = 4 << 20, COPY_INDEX_MAX = 48 << 20 };

void copy_index_start(struct copy_index *i, const unsigned char before[PACK_HASH]);
void copy_index_free(struct copy_index *i);

/* A pack, its chunks, and at its end what is known only then. */
void copy_index_pack(
	struct copy_index *i, const unsigned char uuid[RECORD_UUID_SIZE], int64_t bytes);
int copy_index_chunk(
	struct copy_index *i, const struct record *record, int64_t offset, struct err *e);
void copy_index_pack_end(struct copy_index *i, const unsigned char hash[PACK_HASH]);
/* As if it had not been begun. */
void copy_index_pack_drop(struct copy_index *i);

/* What an index says of a pack. */
struct copy_index_entry {
	unsigned char uuid[RECORD_UUID_SIZE];
	unsigned char hash[PACK_HASH];
	int64_t bytes;
};
typedef int copy_index_each(void *ctx, const struct copy_index_entry *entry, struct err *e);

/* ERR_CORRUPT, ERR_UNSUPPORTED. */
int copy_index_read(const void *bytes, size_t len, copy_index_each *each, void *ctx, struct err *e);

#endif
