#include "store/read/chunk_load.h"

#include <string.h>

const void *
chunk_load(struct pack_readers *files, struct codec *codec, unsigned char *record,
	const struct chunk *c, bool loaded, struct err *e)
{
	unsigned char id[RECORD_ID_SIZE];
	const void *plain;

	if (!loaded && pack_readers_read(files, c, record, e) != 0)
		return NULL;
	plain = codec_expand(codec, record + RECORD_SIZE, c->stored_len, c->plain_len, e);
	if (plain == NULL) {
		(void)pack_readers_blame(files, c, e);
		return NULL;
	}
	codec_id(codec, plain, c->plain_len, id);
	if (memcmp(id, c->id, sizeof(id)) == 0)
		return plain;
	(void)err_set(e, ERR_CORRUPT, "the chunk %llu is not what was stored",
		(unsigned long long)c->number);
	(void)pack_readers_blame(files, c, e);
	return NULL;
}
