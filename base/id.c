#include "base/id.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

void
random_bytes(void *data, size_t len)
{
	char *at = data;

	while (len > 0) {
		const ssize_t got = getrandom(at, len, 0);

		if (got < 0)
			abort();
		at += got;
		len -= (size_t)got;
	}
}

char *
hex_text(const void *data, size_t len, char *text)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * len] = '\0';
	return text;
}

void
id_new(char id[ID_SIZE])
{
	const time_t now = time(NULL);
	unsigned char noise[4];
	struct tm tm;
	size_t used;

	(void)gmtime_r(&now, &tm);
	used = strftime(id, ID_SIZE, "%Y%m%d-%H%M%S-", &tm);
	random_bytes(noise, sizeof(noise));
	(void)hex_text(noise, sizeof(noise), id + used);
}

bool
id_valid(const char *text)
{
	static const char form[] = "dddddddd-dddddd-xxxxxxxx";

	for (size_t i = 0; i < ID_LEN; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (form[i] == '-' ? c != '-' : form[i] == 'd' ? !isdigit(c) : !isxdigit(c))
			return false;
	}
	return text[ID_LEN] == '\0';
}

bool
equal_constant_time(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

int64_t
id_time_ns(const char *text, size_t len)
{
	char copy[ID_SIZE];
	struct tm tm = {0};

	if (len != ID_LEN)
		return 0;
	memcpy(copy, text, ID_LEN);
	copy[ID_LEN] = '\0';
	if (!id_valid(copy) || strptime(copy, "%Y%m%d-%H%M%S", &tm) == NULL)
		return 0;
	return (int64_t)timegm(&tm) * 1000000000;
}
