#ifndef STORE_PLAIN_H
#define STORE_PLAIN_H

#include "store/packs/packfiles.h"

/**
 * plain_of(files, codec, record, c, e):
 * The ${c->plain_len} bytes of the chunk ${c}: read, decrypted, decompressed, and their id compared
 * with the row's.  Borrowed from ${codec}.  ${record}: PACKFILES_RECORD_MAX bytes to work in; with
 * ${loaded} they hold the record already.  NULL with an error that names pack and offset.
 */
const void *plain_of(struct packfiles *files, struct codec *codec, unsigned char *record,
	const struct chunk *c, bool loaded, struct err *e);

#endif
