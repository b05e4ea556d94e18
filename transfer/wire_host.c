#include "transfer/wire_host.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* "SHA256:" and base64 without its padding. */
static void
fingerprint(const char *key, size_t len, char text[64])
{
	unsigned char hash[EVP_MAX_MD_SIZE], coded[64];
	unsigned size = 0;

	if (EVP_Digest(key, len, hash, &size, EVP_sha256(), NULL) != 1)
		return;
	(void)EVP_EncodeBlock(coded, hash, (int)size);
	coded[strcspn((const char *)coded, "=")] = '\0';
	(void)snprintf(text, 64, "SHA256:%.50s", (const char *)coded);
}

/* Whether ${word} stands in ${list}, whose words have spaces between. */
static bool
listed(const char *list, const char *word)
{
	const size_t len = strlen(word);

	for (const char *at = list; (at = strstr(at, word)) != NULL; at += len)
		if ((at == list || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
			return true;
	return false;
}

int
wire_host_key(void *ctx, int type, const char *key, size_t len)
{
	struct wire_host *h = ctx;

	(void)type;
	h->shown[0] = '\0';
	fingerprint(key, len, h->shown);
	h->refused = h->pinned == NULL || h->shown[0] == '\0' || !listed(h->pinned, h->shown);
	return h->refused ? CURLKHMATCH_MISMATCH : CURLKHMATCH_OK;
}

int
wire_host_error(const struct wire_host *h, struct err *e)
{
	if (h->pinned == NULL)
		return err_set(e, ERR_BARRED,
			"the server's host key is %s: compare it with `ssh-keygen -lf` of the key "
			"on "
			"the server, then set it as `host_key`",
			h->shown);
	return err_set(e, ERR_BARRED,
		"the server's host key is %s and not the pinned one: it was changed, or somebody "
		"stands in between; nothing was sent. If the server's owner confirms the new key, "
		"set it as `host_key`",
		h->shown);
}
