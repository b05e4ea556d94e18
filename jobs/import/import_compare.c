#include "jobs/import/import_compare.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "store/read/replay.h"

enum { PIECE = 64 * 1024 };

struct import_compare {
	EVP_MD_CTX *head; /* of what passed before the id was known */
	int64_t head_bytes;
	char id[ID_SIZE];
	struct replay *replay; /* NULL: the id is not known */
	struct source source;
	char *piece;
	bool differs;
	char *member; /* the first one that does */
};

struct import_compare *
import_compare_new(void)
{
	struct import_compare *c = mem_new(sizeof(*c));

	c->head = EVP_MD_CTX_new();
	if (c->head == NULL || EVP_DigestInit_ex(c->head, EVP_sha256(), NULL) != 1)
		c->differs = true; /* it is not known to be equal */
	c->piece = mem_array(NULL, PIECE, 1);
	return c;
}

void
import_compare_free_at(struct import_compare **at)
{
	struct import_compare *c = *at;

	if (c == NULL)
		return;
	EVP_MD_CTX_free(c->head);
	replay_close(c->replay);
	free(c->piece);
	free(c->member);
	free(c);
	*at = NULL;
}

/* Exactly ${len} bytes of the store's, or fewer at its end. */
static ssize_t
import_compare_read_own(struct import_compare *c, size_t len, struct err *e)
{
	size_t got = 0;

	while (got < len) {
		const ssize_t n = c->source.read(c->source.ctx, c->piece + got, len - got, e);

		if (n < 0)
			return err_prefix(e, "the store's own copy of %s", c->id);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* Zeros may follow the end of an archive. */
static bool
all_zero(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != '\0')
			return false;
	return true;
}

int
import_compare_data(struct import_compare *c, const void *data, size_t len, struct err *e)
{
	const char *at = data;

	if (c->replay == NULL) {
		c->head_bytes += (int64_t)len;
		c->differs = c->differs || EVP_DigestUpdate(c->head, data, len) != 1;
		return 0;
	}
	while (len > 0 && !c->differs) {
		const size_t want = len < PIECE ? len : PIECE;
		const ssize_t own = import_compare_read_own(c, want, e);

		if (own < 0)
			return -1;
		c->differs = memcmp(at, c->piece, (size_t)own) != 0 ||
			     !all_zero(at + own, want - (size_t)own);
		at += want;
		len -= want;
	}
	return 0;
}

/* What has passed already is what the store's archive begins with. */
static int
compare_head(struct import_compare *c, struct err *e)
{
	unsigned char theirs[EVP_MAX_MD_SIZE], ours[EVP_MAX_MD_SIZE];
	bool fine = EVP_DigestFinal_ex(c->head, theirs, NULL) == 1 &&
		    EVP_DigestInit_ex(c->head, EVP_sha256(), NULL) == 1;

	for (int64_t left = c->head_bytes; left > 0;) {
		const ssize_t own =
			import_compare_read_own(c, left < PIECE ? (size_t)left : PIECE, e);

		if (own < 0)
			return -1;
		if (own == 0)
			break;
		fine = fine && EVP_DigestUpdate(c->head, c->piece, (size_t)own) == 1;
		left -= own;
	}
	fine = fine && EVP_DigestFinal_ex(c->head, ours, NULL) == 1;
	c->differs = c->differs || !fine || memcmp(ours, theirs, 32) != 0;
	return 0;
}

int
import_compare_begin(struct import_compare *c, struct store *store, const char *id, struct err *e)
{
	memcpy(c->id, id, ID_SIZE);
	if (replay_open(store, id, &c->replay, e) != 0)
		return -1;
	c->source = replay_plain(c->replay);
	if (compare_head(c, e) != 0)
		return -1;
	import_compare_member(c, "backup.json");
	return 0;
}

void
import_compare_member(struct import_compare *c, const char *path)
{
	if (c->differs && c->member == NULL)
		c->member = mem_string(path);
}

int
import_compare_end(struct import_compare *c, struct err *e)
{
	const int64_t own = replay_plain_bytes(c->replay);

	c->differs = c->differs || replay_plain_at(c->replay) < own;
	if (!c->differs)
		return 0;
	return err_set(e, ERR_CONFLICT,
		"the store has a backup %s, and this archive is another one: %.300s differs, or "
		"comes "
		"at another place. Nothing was changed. If the archive is the right one, delete "
		"that "
		"backup first",
		c->id, c->member == NULL ? "its end" : c->member);
}
