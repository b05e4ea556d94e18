#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[ERR_COUNT] = {
	[ERR_NONE] = "none",
	[ERR_INVALID] = "invalid",
	[ERR_DENIED] = "denied",
	[ERR_NOT_FOUND] = "not-found",
	[ERR_CONFLICT] = "conflict",
	[ERR_BUSY] = "busy",
	[ERR_TOO_LARGE] = "too-large",
	[ERR_RANGE] = "range",
	[ERR_NO_SPACE] = "no-space",
	[ERR_IO] = "io",
	[ERR_CORRUPT] = "corrupt",
	[ERR_CHANGED] = "changed",
	[ERR_UNREADABLE] = "unreadable",
	[ERR_UNREACHABLE] = "engine-unreachable",
	[ERR_ENGINE] = "engine",
	[ERR_TIMEOUT] = "timeout",
	[ERR_REFUSED] = "archive-refused",
	[ERR_HOOK] = "hook",
	[ERR_UNPROVEN] = "unproven",
	[ERR_CANCELLED] = "cancelled",
	[ERR_FORBIDDEN] = "forbidden",
	[ERR_LOGIN] = "login-unavailable",
	[ERR_OCCUPIED] = "fuel-busy",
	[ERR_PREFLIGHT] = "preflight-failed",
	[ERR_UNSUPPORTED] = "unsupported",
	[ERR_AWAY] = "destination-unreachable",
	[ERR_BARRED] = "destination-denied",
	[ERR_FULL] = "destination-full",
	[ERR_REMOTE] = "destination-refused",
	[ERR_INTERNAL] = "internal",
};

int
err_set(struct err *e, enum err_code code, const char *format, ...)
{
	va_list args;

	e->code = code;
	e->number = 0;
	va_start(args, format);
	(void)vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	return -1;
}

int
err_errno(struct err *e, const char *format, ...)
{
	const int number = errno;
	va_list args;
	size_t used;

	e->code = number == ENOSPC || number == EDQUOT ? ERR_NO_SPACE : ERR_IO;
	e->number = number;
	va_start(args, format);
	(void)vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	used = strlen(e->text);
	(void)snprintf(e->text + used, sizeof(e->text) - used, ": %s", strerrordesc_np(number));
	errno = number;
	return -1;
}

int
err_prefix(struct err *e, const char *format, ...)
{
	char old[ERR_TEXT_MAX];
	va_list args;
	size_t used;

	memcpy(old, e->text, sizeof(old));
	va_start(args, format);
	(void)vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	used = strlen(e->text);
	(void)snprintf(e->text + used, sizeof(e->text) - used, ": %s", old);
	return -1;
}

const char *
err_name(enum err_code code)
{
	assert(code < ERR_COUNT);
	return names[code];
}
