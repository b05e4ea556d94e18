#include "server/refusal.h"

#include <stdio.h>
#include <string.h>

static const struct refusal_kind {
	int status;
	const char *phrase, *type, *title;
} kinds[] = {
	{400, "Bad Request", "invalid", "The request is not valid"},
	{404, "Not Found", "not-found", "There is no such thing"},
	{408, "Request Timeout", "timeout", "Nothing moved for too long"},
	{431, "Request Header Fields Too Large", "too-large", "Larger than the limit"},
	{501, "Not Implemented", "unsupported", "Not supported"},
	{503, "Service Unavailable", "busy", "Too many connections"},
	{505, "HTTP Version Not Supported", "unsupported", "Not supported"},
};

static const struct refusal_kind *
refusal_kind_of(int status)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].status == status)
			return &kinds[i];
	return &kinds[0];
}

size_t
refusal_text(int status, const char *why, char text[REFUSAL_SIZE])
{
	const struct refusal_kind *k = refusal_kind_of(status);
	char body[REFUSAL_SIZE / 2];

	(void)snprintf(body, sizeof(body),
		"{\"type\":\"urn:fuel-backup:%s\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%"
		"s\"}",
		k->type, k->title, k->status, why);
	(void)snprintf(text, REFUSAL_SIZE,
		"HTTP/1.1 %d %s\r\n"
		"Content-Type: application/problem+json\r\n"
		"Content-Length: %zu\r\n"
		"Connection: close\r\n"
		"Cache-Control: no-store\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"%s\r\n%s",
		k->status, k->phrase, strlen(body), k->status == 503 ? "Retry-After: 5\r\n" : "",
		body);
	return strlen(text);
}
