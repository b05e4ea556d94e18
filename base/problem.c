#include "base/problem.h"

#include <assert.h>
#include <stdio.h>

#include "base/text.h"

static const struct {
	int status;
	const char *title;
} problems[ERR_COUNT] = {
	[ERR_NONE] = {500, "No error"},
	[ERR_INVALID] = {400, "The request is not valid"},
	[ERR_DENIED] = {401, "A valid token is needed"},
	[ERR_NOT_FOUND] = {404, "There is no such thing"},
	[ERR_CONFLICT] = {409, "Not possible in the present state"},
	[ERR_BUSY] = {409, "Another operation is running"},
	[ERR_TOO_LARGE] = {413, "Larger than the limit"},
	[ERR_RANGE] = {416, "The range cannot be satisfied"},
	[ERR_NO_SPACE] = {507, "Not enough space"},
	[ERR_IO] = {500, "Input or output failed"},
	[ERR_CORRUPT] = {500, "Stored data are damaged"},
	[ERR_CHANGED] = {409, "Something changed meanwhile"},
	[ERR_UNREADABLE] = {500, "A source cannot be read"},
	[ERR_UNREACHABLE] = {503, "The container engine does not answer"},
	[ERR_ENGINE] = {502, "The container engine refused"},
	[ERR_TIMEOUT] = {504, "Nothing moved for too long"},
	[ERR_REFUSED] = {400, "The archive was refused"},
	[ERR_HOOK] = {500, "A hook failed"},
	[ERR_UNPROVEN] = {500, "The rehearsal failed"},
	[ERR_CANCELLED] = {409, "Cancelled"},
	[ERR_FORBIDDEN] = {403, "Not allowed"},
	[ERR_LOGIN] = {503, "The login service does not answer"},
	[ERR_OCCUPIED] = {409, "Fuel is at work"},
	[ERR_PREFLIGHT] = {503, "Fuel could not be asked"},
	[ERR_UNSUPPORTED] = {501, "Not supported"},
	[ERR_AWAY] = {503, "The destination does not answer"},
	[ERR_BARRED] = {502, "The destination does not let us in"},
	[ERR_FULL] = {507, "The destination is full"},
	[ERR_REMOTE] = {502, "The destination refused"},
	[ERR_INTERNAL] = {500, "A fault of the service"},
};

int
problem_status(enum err_code code)
{
	assert(code < ERR_COUNT);
	return problems[code].status;
}

json_t *
problem_json(const struct err *e)
{
	char type[64];

	(void)snprintf(type, sizeof(type), "urn:fuel-backup:%s", err_name(e->code));
	return json_pack("{s:s, s:s, s:i, s:o}", "type", type, "title", problems[e->code].title,
		"status", problems[e->code].status, "detail", text_json(e->text));
}
