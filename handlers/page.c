#include <openssl/evp.h>
#include <string.h>

#include "base/id.h"
#include "handlers/app.h"
#include "server/range.h"
#include "web/assets.h"

static const char policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; "
	"img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
	"frame-ancestors 'none'";

int
page_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct asset *a = assets;
	unsigned char digest[32];
	char hex[2 * sizeof(digest) + 1], etag[sizeof(hex) + 2];

	(void)ctx;
	while (a->path != NULL && strcmp(a->path, r->path) != 0)
		a++;
	if (a->path == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is nothing at %s", r->path);
	(void)EVP_Digest(a->data, (size_t)(a->end - a->data), digest, NULL, EVP_sha256(), NULL);
	(void)snprintf(etag, sizeof(etag), "\"%s\"", hex_text(digest, sizeof(digest), hex));
	if (etag_listed(request_header(r, "If-None-Match"), etag))
		reply_empty(reply, 304);
	else
		reply_static(reply, a->type, a->data, (size_t)(a->end - a->data));
	reply_header(reply, "ETag", "%s", etag);
	reply_header(reply, "Cache-Control", "no-cache");
	reply_header(reply, "Content-Security-Policy", "%s", policy);
	return 0;
}
