#include "server/range.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The digits at ${*at}, moved past; -1 if there are none.  What is larger than any archive is just
 * that: INT64_MAX. */
static int64_t
range_number(const char **at)
{
	int64_t value = 0;
	int digits = 0;

	for (; isdigit((unsigned char)**at); (*at)++) {
		digits++;
		value = value > (INT64_MAX - 9) / 10 ? INT64_MAX : 10 * value + (**at - '0');
	}
	return digits == 0 ? -1 : value;
}

static int
suffix(const char *at, int64_t size, struct range *ret)
{
	const int64_t len = range_number(&at);

	if (len < 0 || *at != '\0')
		return 0;
	if (len == 0 || size == 0)
		return -1;
	ret->len = len < size ? len : size;
	ret->first = size - ret->len;
	return 1;
}

int
range_parse(const char *header, int64_t size, struct range *ret)
{
	const char *at;
	int64_t first, last;
	bool open;

	if (header == NULL || strncasecmp(header, "bytes=", 6) != 0)
		return 0;
	at = header + 6;
	if (*at == '-')
		return suffix(at + 1, size, ret);
	first = range_number(&at);
	if (first < 0 || *at++ != '-')
		return 0;
	open = *at == '\0';
	last = open ? size - 1 : range_number(&at);
	if (*at != '\0' || (last < first && !open))
		return 0;
	if (first >= size)
		return -1;
	ret->first = first;
	ret->len = (last < size ? last : size - 1) - first + 1;
	return 1;
}

bool
etag_listed(const char *header, const char *etag)
{
	const size_t len = strlen(etag);

	if (header == NULL)
		return false;
	if (strcmp(header, "*") == 0)
		return true;
	for (const char *at = strstr(header, etag); at != NULL; at = strstr(at + 1, etag))
		if ((at == header || at[-1] == ',' || at[-1] == ' ' || at[-1] == '/') &&
			(at[len] == '\0' || at[len] == ',' || at[len] == ' '))
			return true;
	return false;
}
