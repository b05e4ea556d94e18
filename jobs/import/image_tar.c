#include "jobs/import/image_tar.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "archive/tar/names.h"
#include "archive/tar/reader.h"
#include "base/id.h"
#include "base/scope.h"
#include "jobs/import/expected_members.h"
#include "jobs/restore/containers/image_tags.h"

enum { DIGEST_SIZE = 32, HEX_SIZE = 2 * DIGEST_SIZE };

static void
context_free_at(EVP_MD_CTX **context)
{
	EVP_MD_CTX_free(*context);
}

/* The hash that the name of a member says its content has, or NULL. */
static const char *
promised(const char *path, char hex[HEX_SIZE + 1])
{
	static const char blobs[] = "blobs/sha256/", json[] = ".json";

	if (expected_members_hex(path, blobs))
		return path + strlen(blobs);
	if (strlen(path) != HEX_SIZE + strlen(json) || strcmp(path + HEX_SIZE, json) != 0)
		return NULL;
	memcpy(hex, path, HEX_SIZE);
	hex[HEX_SIZE] = '\0';
	return expected_members_hex(hex, "") ? hex : NULL;
}

/* The hash of the present member's content. */
static int
hash(struct reader *r, char hex[HEX_SIZE + 1], struct err *e)
{
	SCOPED(context_free_at) EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char digest[DIGEST_SIZE];
	const void *data;
	int64_t offset;
	size_t len;
	int more;

	if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
		return err_set(e, ERR_INTERNAL, "cannot compute a SHA-256");
	while ((more = reader_block(r, &data, &len, &offset, e)) > 0)
		if (EVP_DigestUpdate(context, data, len) != 1)
			return err_set(e, ERR_INTERNAL, "cannot compute a SHA-256");
	if (more < 0)
		return -1;
	if (EVP_DigestFinal_ex(context, digest, NULL) != 1)
		return err_set(e, ERR_INTERNAL, "cannot compute a SHA-256");
	(void)hex_text(digest, sizeof(digest), hex);
	return 0;
}

struct promised_image {
	const char *hex; /* its id */
	const json_t *tags;
};

static int
check_member(const struct member *m, struct reader *r, const struct promised_image *image,
	bool *found, struct err *e)
{
	char name[HEX_SIZE + 1], hex[HEX_SIZE + 1];
	const char *wanted = promised(m->path, name);

	/* under no other name, nor by a link, is what an engine opens under this one */
	if (!names_safe_path(m->path))
		return err_set(e, ERR_CORRUPT, "it has the unsafe path \"%.200s\"", m->path);
	if (image_tags_speaks(m->path))
		return image_tags_check(m, r, image->tags, e);
	if (wanted == NULL || m->type != MEMBER_FILE)
		return 0;
	if (m->sparse)
		return err_set(e, ERR_CORRUPT, "%.200s is no plain file", m->path);
	/* the name is gone once its member is read */
	*found = *found || strcmp(wanted, image->hex) == 0;
	memmove(name, wanted, HEX_SIZE + 1);
	if (hash(r, hex, e) != 0)
		return -1;
	if (strcmp(hex, name) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, "the content of %.64s has another SHA-256: %s", name, hex);
}

int
image_tar_check(struct source tar, const char *id, const json_t *tags, struct err *e)
{
	const struct promised_image image = {id + strlen("sha256:"), tags};
	SCOPED(reader_close_at) struct reader *r = NULL;
	const struct member *m;
	bool found = false;
	int more;

	if (reader_open(tar, &r, e) != 0)
		return -1;
	while ((more = reader_next(r, &m, e)) > 0)
		if (check_member(m, r, &image, &found, e) != 0)
			return -1;
	if (more < 0)
		return -1;
	return found ? 0 : err_set(e, ERR_CORRUPT, "the image %.80s is not in it", id);
}
