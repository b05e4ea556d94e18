#ifndef STORE_READ_CHUNK_LOAD_H
#define STORE_READ_CHUNK_LOAD_H

#include "store/packs/pack_readers.h"

/**
 * chunk_load(files, codec, record, c, loaded, e):
 * The ${c->plain_len} bytes of the chunk ${c}: read, decrypted, decompressed, and their id compared
 * with the row's.  Borrowed from ${codec}.  ${record}: PACK_READERS_RECORD_MAX bytes to
 * work in; with ${loaded} they hold the record already.  NULL with an error that names pack and
 * offset.
 */
const void *chunk_load(struct pack_readers *files, struct codec *codec, unsigned char *record,
	const struct chunk *c, bool loaded, struct err *e);

#endif
