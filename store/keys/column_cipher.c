#include "store/keys/column_cipher.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"

/* Far over any text in the catalogue: a record of 100,000 warnings. */
enum { TEXT_MAX = 256 << 20 };

const char *
column_cipher_name(const struct cipher *c, const char *text, char to[COLUMN_CIPHER_NAME_SIZE])
{
	unsigned char mac[CIPHER_KEY];

	if (c == NULL)
		return text;
	cipher_mac(c->names, text, strlen(text), mac);
	return hex_text(mac, sizeof(mac), to);
}

const unsigned char *
column_cipher_key(const struct cipher *c, const unsigned char *key, unsigned char to[CIPHER_KEY])
{
	if (c == NULL)
		return key;
	cipher_mac(c->names, key, CIPHER_KEY, to);
	return to;
}

static void
corrupt(sqlite3_context *ctx)
{
	sqlite3_result_error(ctx, "a row was encrypted with other keys, or is damaged", -1);
	sqlite3_result_error_code(ctx, SQLITE_CORRUPT);
}

/* Both arguments as text; false if the second is NULL, which stays so. */
static bool
texts_take(sqlite3_context *ctx, sqlite3_value **values, const char **ret_bound,
	const char **ret_text, size_t *ret_len)
{
	*ret_bound = (const char *)sqlite3_value_text(values[0]);
	*ret_text = (const char *)sqlite3_value_text(values[1]);
	*ret_len = (size_t)sqlite3_value_bytes(values[1]);
	if (*ret_bound != NULL && *ret_text != NULL && *ret_len <= TEXT_MAX)
		return true;
	if (*ret_len > TEXT_MAX)
		sqlite3_result_error_toobig(ctx);
	return false;
}

static void
veil(sqlite3_context *ctx, int count, sqlite3_value **values)
{
	const struct cipher *c = sqlite3_user_data(ctx);
	const char *bound;
	const char *text;
	size_t len;

	(void)count;
	if (c == NULL) {
		sqlite3_result_value(ctx, values[1]);
		return;
	}
	if (!texts_take(ctx, values, &bound, &text, &len))
		return;
	SCOPED(free_at) unsigned char *box = mem_new(len + CIPHER_BOX);
	unsigned char *base64 = mem_new((len + CIPHER_BOX + 2) / 3 * 4 + 1);
	cipher_box(c->rows, bound, text, len, box);
	const int n = EVP_EncodeBlock(base64, box, (int)(len + CIPHER_BOX));
	sqlite3_result_text64(ctx, (const char *)base64, (sqlite3_uint64)n, free, SQLITE_UTF8);
}

static void
unveil(sqlite3_context *ctx, int count, sqlite3_value **values)
{
	const struct cipher *c = sqlite3_user_data(ctx);
	const char *bound;
	const char *text;
	size_t len;

	(void)count;
	if (c == NULL) {
		sqlite3_result_value(ctx, values[1]);
		return;
	}
	if (!texts_take(ctx, values, &bound, &text, &len))
		return;
	SCOPED(free_at) unsigned char *box = mem_new(len + 1);
	const int n = EVP_DecodeBlock(box, (const unsigned char *)text, (int)len);
	const size_t filled = len < 2 ? 0 : (size_t)(text[len - 1] == '=') + (text[len - 2] == '=');
	const size_t box_len = n < 0 ? 0 : (size_t)n - filled;
	char *plain = mem_new(len + 1);
	if (!cipher_unbox(c->rows, bound, box, box_len, (unsigned char *)plain)) {
		free(plain);
		corrupt(ctx);
		return;
	}
	sqlite3_result_text64(ctx, plain, box_len - CIPHER_BOX, free, SQLITE_UTF8);
}

static void
name(sqlite3_context *ctx, int count, sqlite3_value **values)
{
	const char *text = (const char *)sqlite3_value_text(values[0]);
	char to[COLUMN_CIPHER_NAME_SIZE];

	(void)count;
	if (text != NULL)
		sqlite3_result_text(ctx, column_cipher_name(sqlite3_user_data(ctx), text, to), -1,
			SQLITE_TRANSIENT);
}

int
column_cipher_register(sqlite3 *db, const struct cipher *c)
{
	union {
		const struct cipher *from;
		void *to;
	} keys = {.from = c};
	const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;

	if (sqlite3_create_function_v2(db, "veil", 2, flags, keys.to, veil, NULL, NULL, NULL) !=
			SQLITE_OK ||
		sqlite3_create_function_v2(
			db, "unveil", 2, flags, keys.to, unveil, NULL, NULL, NULL) != SQLITE_OK)
		return -1;
	return sqlite3_create_function_v2(db, "column_cipher_name", 1, flags | SQLITE_DETERMINISTIC,
		       keys.to, name, NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : -1;
}
