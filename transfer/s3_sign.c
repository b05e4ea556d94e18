#include "transfer/s3_sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/sha256.h"

enum { HASH = 32 };

/* key = HMAC(key, text) */
static int
chain(unsigned char key[HASH], size_t key_len, const char *text, unsigned char to[HASH])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), mac,
		    &len) == NULL)
		return -1;
	memcpy(to, mac, HASH);
	explicit_bzero(mac, sizeof(mac));
	return 0;
}

/* The key of the day, then of the region, the service and the request. */
static int
signing_key(const struct s3_keys *keys, const char *day, unsigned char key[HASH])
{
	SCOPED(free_at) char *first = mem_format("AWS4%s", keys->secret_key);
	int status = chain((unsigned char *)first, strlen(first), day, key);

	explicit_bzero(first, strlen(first));
	if (status == 0)
		status = chain(key, HASH, keys->region, key);
	if (status == 0)
		status = chain(key, HASH, "s3", key);
	return status == 0 ? chain(key, HASH, "aws4_request", key) : -1;
}

static const char *
signed_headers(const struct s3_keys *keys)
{
	return keys->session_token == NULL
		       ? "host;x-amz-content-sha256;x-amz-date"
		       : "host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
}

/* What is signed of the request: the other headers may be read along the way anyhow. */
static char *
canonical(const struct s3_request *r, const struct s3_keys *keys, const char *date)
{
	SCOPED(free_at)
	char *token = keys->session_token == NULL
			      ? mem_string("")
			      : mem_format("x-amz-security-token:%s\n", keys->session_token);

	return mem_format("%s\n%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n%s\n%s\n%s",
		r->method, r->path, r->query, r->host, r->payload, date, token,
		signed_headers(keys), r->payload);
}

int
s3_sign(const struct s3_request *r, const struct s3_keys *keys, struct s3_signature *ret_signature,
	struct err *e)
{
	const time_t now = (time_t)r->time_s;
	SCOPED(free_at) char *text = NULL;
	SCOPED(free_at) char *to_sign = NULL;
	unsigned char key[HASH];
	char hash[65], signature[65], day[9];
	struct tm tm;
	int len;

	(void)gmtime_r(&now, &tm);
	(void)strftime(ret_signature->date, S3_DATE, "%Y%m%dT%H%M%SZ", &tm);
	(void)snprintf(day, sizeof(day), "%.8s", ret_signature->date);
	text = canonical(r, keys, ret_signature->date);
	sha256_hex(text, strlen(text), hash);
	to_sign = mem_format("AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s", ret_signature->date,
		day, keys->region, hash);
	if (signing_key(keys, day, key) != 0 || chain(key, HASH, to_sign, key) != 0)
		return err_set(e, ERR_INTERNAL, "the request could not be signed");
	(void)hex_text(key, HASH, signature);
	len = snprintf(ret_signature->authorization, sizeof(ret_signature->authorization),
		"Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request, "
		"SignedHeaders=%s, Signature=%s",
		keys->access_key, day, keys->region, signed_headers(keys), signature);
	if (len < 0 || (size_t)len >= sizeof(ret_signature->authorization))
		return err_set(
			e, ERR_INVALID, "the access key is longer than an access key can be");
	return 0;
}
