#include "transfer/transfer.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "transfer/secrets.h"
#include "transfer/transfer_internal.h"

static const struct protocol *const protocols[] = {
	&protocol_file, &protocol_s3, &protocol_sftp, &protocol_ftp, &protocol_dav, &protocol_http};

/* The protocol of ${scheme}; NULL: none of ours. */
static const struct protocol *
protocol_of(const char *scheme)
{
	const size_t len = strlen(scheme);

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		for (const char *at = protocols[i]->schemes; *at != '\0';
			at += strcspn(at, " ") + 1)
			if (strncmp(at, scheme, len) == 0 && at[len] == ' ')
				return protocols[i];
	return NULL;
}

int
transfer_open(const struct transfer_options *o, struct transfer **ret_transfer, struct err *e)
{
	SCOPED(transfer_close_at) struct transfer *t = mem_new(sizeof(*t));

	if (url_parse(o->url, &t->url, e) != 0)
		return -1;
	t->protocol = protocol_of(t->url.scheme);
	if (t->protocol == NULL)
		return err_set(e, ERR_INVALID,
			"no destination is reached by %.40s://: there are file, s3, sftp, ftp, "
			"ftps, dav, "
			"davs, http and https",
			t->url.scheme);
	if (secrets_read(o, t->secret, e) != 0)
		return -1;
	if (t->protocol->open(t, o, e) != 0)
		return -1;
	*ret_transfer = TAKE(t);
	return 0;
}

void
transfer_close(struct transfer *t)
{
	if (t == NULL)
		return;
	if (t->state != NULL)
		t->protocol->close(t);
	wire_close(t->wire);
	secrets_wipe(t->secret);
	url_free(&t->url);
	free(t);
}

void
transfer_close_at(struct transfer **t)
{
	transfer_close(*t);
}

const char *
transfer_protocol(const struct transfer *t)
{
	return t->protocol->name;
}

bool
transfer_exclusive(const struct transfer *t)
{
	return t->protocol->exclusive;
}

bool
transfer_name_valid(const char *name)
{
	const size_t len = strlen(name);
	char before = '/';

	if (len == 0 || len > TRANSFER_NAME_MAX || name[len - 1] == '/')
		return false;
	for (const char *c = name; *c != '\0'; before = *c++) {
		if (before == '/' && (*c == '.' || *c == '/'))
			return false;
		if (!isalnum((unsigned char)*c) && strchr("._-/", *c) == NULL)
			return false;
	}
	return true;
}

bool
transfer_name_part(const char *name)
{
	const size_t len = strlen(name), end = strlen(TRANSFER_PART_SUFFIX);

	return len > end && strcmp(name + len - end, TRANSFER_PART_SUFFIX) == 0;
}

static int
name_check(const char *name, struct err *e)
{
	if (transfer_name_valid(name) && !transfer_name_part(name))
		return 0;
	return err_set(e, ERR_INVALID,
		"\"%.100s\" cannot be an object's name: letters, digits, '.', '_', '-' and '/', at "
		"most %d of them, no part beginning with '.', and not ending "
		"with " TRANSFER_PART_SUFFIX,
		name, TRANSFER_NAME_MAX);
}

int
transfer_put(struct transfer *t, const char *name, const struct transfer_body *body,
	enum transfer_how how, struct err *e)
{
	int64_t size;
	int found = 0;

	if (name_check(name, e) != 0)
		return -1;
	/* Before all its bytes are sent.  Who may write and not look (403) learns it by the put. */
	if (how == TRANSFER_NEW)
		found = transfer_stat(t, name, &size, e);
	if (found > 0)
		return err_set(e, ERR_CONFLICT, "%s is there already", name);
	if (found < 0 && e->number != 403 && e->code != ERR_UNSUPPORTED)
		return -1;
	return t->protocol->put(
		t, name, body, how == TRANSFER_REPLACE ? TRANSFER_REPLACE : TRANSFER_NEW, e);
}

/* A sink before another, that counts. */
struct transfer_counted {
	const struct sink *next;
	int64_t bytes;
};

static int
count_bytes(void *ctx, const void *data, size_t len, struct err *e)
{
	struct transfer_counted *c = ctx;

	c->bytes += (int64_t)len;
	return sink_write(c->next, data, len, e);
}

int
transfer_get(struct transfer *t, const char *name, int64_t from, int64_t length,
	const struct sink *sink, struct err *e)
{
	struct transfer_counted counted = {sink, 0};
	const struct sink counting = {count_bytes, &counted};

	if (name_check(name, e) != 0)
		return -1;
	if (length == 0)
		return 0;
	if (t->protocol->get(t, name, from, length, &counting, e) != 0)
		return -1;
	if (length > 0 && counted.bytes != length)
		return err_set(e, ERR_IO, "%s: %lld bytes from %lld on were asked for, %lld came",
			name, (long long)length, (long long)from, (long long)counted.bytes);
	return 0;
}

int
transfer_stat(struct transfer *t, const char *name, int64_t *ret_size, struct err *e)
{
	if (name_check(name, e) != 0)
		return -1;
	return t->protocol->stat(t, name, ret_size, e);
}

int
transfer_list(struct transfer *t, const char *folder, transfer_each *each, void *ctx, struct err *e)
{
	if (folder[0] != '\0' && name_check(folder, e) != 0)
		return -1;
	return t->protocol->list(t, folder, each, ctx, e);
}

int
transfer_delete(struct transfer *t, const char *name, struct err *e)
{
	if (name_check(name, e) != 0)
		return -1;
	return t->protocol->remove(t, name, e);
}

void
transfer_facts(const struct transfer *t, struct transfer_facts *ret_facts)
{
	*ret_facts = t->facts;
	if (t->wire != NULL)
		wire_facts(t->wire, ret_facts);
}

static int
compare(void *ctx, const void *data, size_t len, struct err *e)
{
	struct same *s = ctx;
	const char *there = data;
	char here[16 * 1024];

	while (len > 0 && !s->differs) {
		const size_t want = len < sizeof(here) ? len : sizeof(here);
		const ssize_t got = s->body->read(s->body->ctx, s->at, here, want, e);

		if (got < 0)
			return -1;
		if (got == 0 || memcmp(here, there, (size_t)got) != 0) {
			s->differs = true;
			break;
		}
		s->at += got;
		there += got;
		len -= (size_t)got;
	}
	return 0;
}

struct sink
same_sink(struct same *s)
{
	return (struct sink){compare, s};
}

int
transfer_tell(transfer_each *each, void *ctx, const char *name, size_t len, int64_t size,
	bool folder, struct err *e)
{
	char text[TRANSFER_NAME_MAX + 1];

	if (len > TRANSFER_NAME_MAX)
		return 0;
	memcpy(text, name, len);
	text[len] = '\0';
	if (strlen(text) != len || strchr(text, '/') != NULL || !transfer_name_valid(text) ||
		transfer_name_part(text))
		return 0;
	return each(ctx, &(struct transfer_object){text, folder ? -1 : size, folder}, e);
}
