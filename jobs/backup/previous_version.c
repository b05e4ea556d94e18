#include "jobs/backup/previous_version.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

/* A file with holes has its header, which changes, in the same stream. */
bool
previous_version_any(const struct segment *s)
{
	return s->bytes >= PREVIOUS_VERSION_MIN && s->kind != SEGMENT_RUN &&
	       s->kind != SEGMENT_SPARSE;
}

/* Keys of segments are hashes of something that begins otherwise. */
static void
previous_version_key_of(const struct segment *s, unsigned char key[KEY_SIZE])
{
	SCOPED(free_at) char *text = mem_format("earlier %d %s", (int)s->kind, s->path);

	if (EVP_Digest(text, strlen(text), key, NULL, EVP_sha256(), NULL) != 1)
		abort(); /* only without memory */
}

int
previous_version_find(struct ingest *in, const struct segment *s, struct recipe *to, struct err *e)
{
	unsigned char key[KEY_SIZE];

	if (!previous_version_any(s))
		return 0;
	previous_version_key_of(s, key);
	return ingest_find_earlier(in, key, to, e);
}

void
previous_version_keep(struct ingest *in, const struct segment *s, const struct recipe *recipe)
{
	unsigned char key[KEY_SIZE];

	if (!previous_version_any(s))
		return;
	previous_version_key_of(s, key);
	ingest_keep_segment(in, key, recipe);
}
