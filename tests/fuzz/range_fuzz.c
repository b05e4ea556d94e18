/* Goal: whatever stands in Range, a part that is sent lies in the whole. */
#include <string.h>
#include <strings.h>

#include "server/range.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct range range = {-1, -1};
	char header[512];
	int64_t whole = 0;

	if (size < sizeof(whole) || size - sizeof(whole) >= sizeof(header))
		return 0;
	memcpy(&whole, data, sizeof(whole));
	whole &= INT64_MAX;
	memcpy(header, data + sizeof(whole), size - sizeof(whole));
	header[size - sizeof(whole)] = '\0';

	const int kind = range_parse(header, whole, &range);
	CLAIM(kind >= -1 && kind <= 1);
	if (kind == 1)
		CLAIM(range.first >= 0 && range.len > 0 && range.first < whole &&
			range.len <= whole - range.first);
	if (kind == -1)
		CLAIM(strncasecmp(header, "bytes=", 6) == 0);
	/* An entity tag is found where it stands alone, and never in what has it not. */
	static const char tag[] = "\"0123\"";
	if (etag_listed(header, tag))
		CLAIM(strcmp(header, "*") == 0 || strstr(header, tag) != NULL);
	if (strcmp(header, tag) == 0)
		CLAIM(etag_listed(header, tag));
	return 0;
}
