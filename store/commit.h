#ifndef STORE_COMMIT_H
#define STORE_COMMIT_H

#include "store/session.h"

/*
 * The record of a backup in a pack, from which a catalogue can be made again: the bytes
 *
 *	 0 u8  version (1)		 8 u32 length of the id
 *	 1 u8  zero (three bytes)	12 u32 length of the record
 *	 4 u32 zero			16 u64 length of the encoded recipe
 *	24 the id, the record (JSON text), the encoded recipe
 *
 * little-endian, cut into parts of CHUNK_MAX bytes.  Each part is a record of type RECORD_RECIPE,
 * all of them one behind the other in one pack: id = SHA-256 of all the bytes, number = part |
 * parts << 32.
 */
int commit_backup(struct ingest *in, const char *id, const char *record,
	const struct recipe *recipe, struct err *e);

#endif
