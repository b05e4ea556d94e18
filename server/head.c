#include "server/head.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Empty lines before the request line, which RFC 9112, section 2.2, wants forgiven. */
enum { EMPTY_MAX = 2, LENGTH_DIGITS_MAX = 18, METHOD_MAX = 32 };

struct text {
	const char *at;
	size_t len;
};

/* Headers that must not stand there twice: each reader would take another one. */
enum single { SINGLE_LENGTH, SINGLE_ENCODING, SINGLE_HOST, SINGLE_AUTHORIZATION, SINGLE_OTHERS };
static const char *const singles[] = {
	[SINGLE_LENGTH] = "Content-Length",
	[SINGLE_ENCODING] = "Transfer-Encoding",
	[SINGLE_HOST] = "Host",
	[SINGLE_AUTHORIZATION] = "Authorization",
	[SINGLE_OTHERS] = "X-Auth-Token",
	"Content-Type",
	"Content-Range",
	"Range",
	"If-Range",
	"Expect",
	"Idempotency-Key",
	"Last-Event-ID",
	"Origin",
};
enum { SINGLES = sizeof(singles) / sizeof(singles[0]) };

struct lines {
	struct text request;
	int count;
	struct text values[SINGLES]; /* .at NULL: not there */
};

static enum head_state
bad(struct head *h, int status, const char *why)
{
	h->status = status;
	h->why = why;
	return HEAD_BAD;
}

static bool
head_is_token(struct text t)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < t.len; i++)
		if (!isalnum((unsigned char)t.at[i]) &&
			(t.at[i] == '\0' || strchr(marks, t.at[i]) == NULL))
			return false;
	return t.len > 0;
}

static bool
is(struct text t, const char *other)
{
	return t.len == strlen(other) && strncasecmp(t.at, other, t.len) == 0;
}

static struct text
trimmed(struct text t)
{
	while (t.len > 0 && (*t.at == ' ' || *t.at == '\t')) {
		t.at++;
		t.len--;
	}
	while (t.len > 0 && (t.at[t.len - 1] == ' ' || t.at[t.len - 1] == '\t'))
		t.len--;
	return t;
}

/* A control character, of which a tabulator is none. */
static bool
has_control(struct text t)
{
	for (size_t i = 0; i < t.len; i++)
		if (((unsigned char)t.at[i] < ' ' && t.at[i] != '\t') || t.at[i] == 0x7f)
			return true;
	return false;
}

/* Take a line of "Name: value" into ${lines}. */
static enum head_state
take_field(struct text line, struct lines *lines, struct head *h)
{
	const char *colon = memchr(line.at, ':', line.len);
	struct text name = {line.at, colon == NULL ? 0 : (size_t)(colon - line.at)};

	if (*line.at == ' ' || *line.at == '\t')
		return bad(h, 400, "a header is continued on a second line (obs-fold)");
	if (!head_is_token(name))
		return bad(h, 400, "a header's name has other than letters, digits and marks");
	const struct text value = trimmed((struct text){colon + 1, line.len - name.len - 1});
	if (has_control(value))
		return bad(h, 400, "a header's value has a control character");
	for (int i = 0; i < SINGLES; i++) {
		if (!is(name, singles[i]))
			continue;
		if (lines->values[i].at != NULL)
			return bad(h, 400, "a header that may stand there once is there twice");
		lines->values[i] = value;
	}
	return HEAD_COMPLETE;
}

/* Whether ${t} contains "%00", which would end a path or a parameter for a reader in C. */
static bool
has_nul(struct text t)
{
	for (size_t i = 0; i + 3 <= t.len; i++)
		if (memcmp(t.at + i, "%00", 3) == 0)
			return true;
	return false;
}

static enum head_state
judge_target(struct text target, struct head *h)
{
	const char *query = memchr(target.at, '?', target.len);
	const struct text path = {
		target.at, query == NULL ? target.len : (size_t)(query - target.at)};

	for (size_t i = 0; i < target.len; i++)
		if ((unsigned char)target.at[i] <= ' ' || target.at[i] == 0x7f)
			return bad(h, 400, "the request's target has a control character");
	if (target.len == 0 || (*target.at != '/' && !is(target, "*")))
		return bad(h, 400, "the request's target must begin with /");
	if (has_nul(path))
		return bad(h, 404, "there is nothing at a path with %00");
	if (has_nul(target))
		return bad(h, 400, "a query parameter has %00");
	return HEAD_COMPLETE;
}

static enum head_about
about(struct text method, struct text target)
{
	const bool reads = (method.len == 3 && memcmp(method.at, "GET", 3) == 0) ||
			   (method.len == 4 && memcmp(method.at, "HEAD", 4) == 0);

	if (reads && target.len == 7 && memcmp(target.at, "/health", 7) == 0)
		return HEAD_HEALTH;
	if (method.len == 4 && memcmp(method.at, "POST", 4) == 0 && target.len == 5 &&
		memcmp(target.at, "/thaw", 5) == 0)
		return HEAD_THAW;
	return HEAD_ANYTHING;
}

/* METHOD SP target SP HTTP/1.x */
static enum head_state
judge_request(struct text line, const struct lines *lines, struct head *h)
{
	const char *first = memchr(line.at, ' ', line.len);
	const char *last = memrchr(line.at, ' ', line.len);

	if (first == NULL || last == first)
		return bad(h, 400, "the first line is not METHOD, target and HTTP/1.1");
	const struct text method = {line.at, (size_t)(first - line.at)};
	const struct text target = {first + 1, (size_t)(last - first - 1)};
	const struct text version = {last + 1, line.len - (size_t)(last + 1 - line.at)};
	if (!head_is_token(method) || method.len > METHOD_MAX)
		return bad(h, 400, "the method is none");
	if (judge_target(target, h) != HEAD_COMPLETE)
		return HEAD_BAD;
	if (version.len != 8 || memcmp(version.at, "HTTP/1.", 7) != 0 ||
		(version.at[7] != '0' && version.at[7] != '1'))
		return bad(h, 505, "this service speaks HTTP/1.1 and HTTP/1.0");
	if (version.at[7] == '1' && lines->values[SINGLE_HOST].at == NULL)
		return bad(h, 400, "a request of HTTP/1.1 wants the header Host");
	if (version.at[7] == '0' && lines->values[SINGLE_ENCODING].at != NULL)
		return bad(h, 400, "HTTP/1.0 has no Transfer-Encoding");
	h->about = about(method, target);
	return HEAD_COMPLETE;
}

/* How long the body is must be said in one way. */
static enum head_state
judge_framing(const struct lines *lines, struct head *h)
{
	const struct text length = lines->values[SINGLE_LENGTH];
	const struct text encoding = lines->values[SINGLE_ENCODING];

	if (length.at != NULL && encoding.at != NULL)
		return bad(h, 400, "Content-Length and Transfer-Encoding exclude each other");
	if (encoding.at != NULL && !is(encoding, "chunked"))
		return bad(h, 501, "of transfer encodings only chunked is known");
	if (length.at == NULL)
		return HEAD_COMPLETE;
	if (length.len == 0 || length.len > LENGTH_DIGITS_MAX)
		return bad(h, 400, "Content-Length must be a number of at most 18 digits");
	for (size_t i = 0; i < length.len; i++)
		if (!isdigit((unsigned char)length.at[i]))
			return bad(h, 400, "Content-Length must be a number");
	return HEAD_COMPLETE;
}

static enum head_state
judge_host(const struct lines *lines, struct head *h)
{
	const struct text host = lines->values[SINGLE_HOST];

	for (size_t i = 0; i < host.len; i++)
		if (!isalnum((unsigned char)host.at[i]) &&
			(host.at[i] == '\0' || strchr("-._:[]%~", host.at[i]) == NULL))
			return bad(h, 400, "Host must be a name or an address, and a port");
	return HEAD_COMPLETE;
}

static void
find_bearer(const struct lines *lines, struct head *h)
{
	struct text value = lines->values[SINGLE_AUTHORIZATION];

	if (value.at == NULL || value.len < 7 || strncasecmp(value.at, "Bearer ", 7) != 0)
		return;
	value = trimmed((struct text){value.at + 7, value.len - 7});
	if (value.len >= sizeof(h->bearer))
		return;
	memcpy(h->bearer, value.at, value.len);
	h->bearer[value.len] = '\0';
}

static enum head_state
judge_whole(const struct lines *lines, struct head *h)
{
	if (judge_request(lines->request, lines, h) != HEAD_COMPLETE)
		return HEAD_BAD;
	if (judge_framing(lines, h) != HEAD_COMPLETE)
		return HEAD_BAD;
	if (judge_host(lines, h) != HEAD_COMPLETE)
		return HEAD_BAD;
	find_bearer(lines, h);
	return HEAD_COMPLETE;
}

/* What is no request at all is known by its first bytes: TLS, SSH, noise. */
static bool
begins_well(const char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len && at < (size_t)2 * EMPTY_MAX && bytes[at] == "\r\n"[at % 2])
		at++;
	if (at == len)
		return true;
	const char *space = memchr(bytes + at, ' ', len - at);
	const size_t end = space == NULL ? len : (size_t)(space - bytes);
	return end - at <= METHOD_MAX && head_is_token((struct text){bytes + at, end - at});
}

/* The next line from ${*at} on, moved past it.  HEAD_MORE: its end is not there yet. */
static enum head_state
next_line(const char **at, const char *end, struct text *ret_line, struct head *h)
{
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));
	const char *stop = newline == NULL ? end : newline;
	const char *carriage = memchr(*at, '\r', (size_t)(stop - *at));

	if (newline != NULL && carriage != newline - 1)
		return bad(h, 400, "a line must end with CR LF, and have no other CR");
	if (newline == NULL && carriage != NULL && carriage != end - 1)
		return bad(h, 400, "a CR stands in the middle of a line");
	if (newline == NULL)
		return HEAD_MORE;
	*ret_line = (struct text){*at, (size_t)(carriage - *at)};
	*at = newline + 1;
	return HEAD_COMPLETE;
}

static enum head_state
head_take_line(struct text line, struct lines *lines, struct head *h)
{
	if (++lines->count > HEAD_LINES_MAX)
		return bad(h, 431, "the head has more than 100 lines");
	if (lines->request.at != NULL)
		return take_field(line, lines, h);
	lines->request = line;
	return HEAD_COMPLETE;
}

enum head_state
head_judge(const char *bytes, size_t len, struct head *h)
{
	const char *at = bytes, *const end = bytes + len;
	struct lines lines = {0};
	struct text line;
	int empty = 0;

	*h = (struct head){0};
	if (!begins_well(bytes, len))
		return bad(h, 400, "this is no request of HTTP/1.1; TLS is spoken by a proxy");
	for (;;) {
		const enum head_state state = next_line(&at, end, &line, h);

		if (state == HEAD_MORE && len >= HEAD_BYTES_MAX)
			return bad(h, 431, "the head is larger than 16 KiB");
		if (state != HEAD_COMPLETE)
			return state;
		if (line.len == 0 && lines.request.at != NULL)
			return judge_whole(&lines, h);
		if (line.len == 0 && ++empty > EMPTY_MAX)
			return bad(h, 400, "empty lines stand before the request");
		if (line.len > 0 && head_take_line(line, &lines, h) != HEAD_COMPLETE)
			return HEAD_BAD;
	}
}
