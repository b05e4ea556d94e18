#include "transfer/request.h"

#include <string.h>

#include "base/scope.h"

static const struct {
	int status;
	enum err_code code;
	const char *advice;
} meanings[] = {
	{401, ERR_BARRED,
		"user, password or token are wrong: check what the destination's `user`, "
		"`password_file` or `token_file` names"},
	{403, ERR_BARRED, "these credentials may not do that: give them the right, or use others"},
	{404, ERR_NOT_FOUND, "there is no such object, or the URL's folder is wrong"},
	{405, ERR_UNSUPPORTED, "the server does not do that: has it WebDAV switched on?"},
	{409, ERR_REMOTE, "its folder is not there"},
	{412, ERR_CONFLICT, "it is there already"},
	{413, ERR_FULL, "the server does not take objects of this size: raise its limit"},
	{416, ERR_RANGE, "the object is shorter than that"},
	{423, ERR_REMOTE, "somebody has locked it"},
	{429, ERR_AWAY, "too many requests: it is tried again later"},
	{501, ERR_UNSUPPORTED, "the server cannot do that"},
	{507, ERR_FULL, "it has no room: make some, or lower `keep`"},
};

/* ${said}, and ${advice}, if there is one. */
static int
say(enum err_code code, int status, const char *what, const char *said, const char *advice,
	struct err *e)
{
	(void)err_set(e, code, "%.200s: the server answered %d%s%.200s%s%s", what, status,
		said[0] == '\0' ? "" : ", ", said, advice == NULL ? "" : ": ",
		advice == NULL ? "" : advice);
	e->number = status;
	return -1;
}

int
request_fault(int status, const char *what, const char *said, struct err *e)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].status == status)
			return say(meanings[i].code, status, what, said, meanings[i].advice, e);
	if (status >= 500)
		return say(ERR_AWAY, status, what, said, "look into its log", e);
	if (status >= 300 && status < 400)
		return say(ERR_REMOTE, status, what, said,
			"it sends us elsewhere, and that is not followed: give the URL that it "
			"names",
			e);
	return say(ERR_REMOTE, status, what, said, NULL, e);
}

int
request_call(struct transfer *t, const struct wire_call *call, struct wire_reply *reply,
	const char *what, struct err *e)
{
	if (wire_call(t->wire, call, reply, e) != 0)
		return -1;
	if (reply->status >= 200 && reply->status < 300)
		return 0;
	return request_fault(reply->status, what, "", e);
}

int
request_get(struct transfer *t, const struct wire_call *call, const char *name, struct err *e)
{
	SCOPED(wire_reply_free) struct wire_reply reply = WIRE_REPLY_INIT;

	return request_call(t, call, &reply, name, e);
}

int
request_open(struct transfer *t, const struct transfer_options *o, struct err *e)
{
	const char *user = o->user == NULL ? t->url.user : o->user;

	if (user != NULL && t->secret[TRANSFER_PASSWORD] == NULL)
		return err_set(e, ERR_INVALID,
			"there is a user and no password: name the file that holds it as "
			"`password_file`");
	return wire_open(
		&(struct wire_options){
			.user = user,
			.password = t->secret[TRANSFER_PASSWORD],
			.ca_file = o->ca_file,
			.basic = user != NULL,
			.rate_bytes_s = o->rate_bytes_s,
			.connect_s = o->connect_s,
			.stall_s = o->stall_s,
			.cancelled = o->cancelled,
			.ctx = o->ctx,
		},
		&t->wire, e);
}
