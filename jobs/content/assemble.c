#include "jobs/content/assemble.h"

#include <string.h>

#include "archive/tar/member.h"
#include "base/buf.h"
#include "base/scope.h"

/* inspect documents are some kilobytes; a manifest of thousands of containers some megabytes. */
enum { TEXT_MAX = 64 * 1024 * 1024 };

static const char zeros[MEMBER_END_SIZE];

static int
assemble_put(struct ingest *in, struct recipe *to, const struct buf *data, struct err *e)
{
	ingest_begin(in, CUT_CONTENT);
	if (ingest_write(in, data->data, data->len, e) != 0)
		return -1;
	return ingest_end(in, to, e);
}

static int
header(struct buf *out, const char *path, int64_t bytes, int64_t mtime_ns, struct err *e)
{
	const struct member m = {.path = path,
		.type = MEMBER_FILE,
		.mode = 0600,
		.size = bytes,
		.mtime_ns = mtime_ns};

	return member_write_header(&m, out, e);
}

int
assemble_text(struct ingest *in, struct recipe *to, const char *path, const char *text,
	int64_t mtime_ns, struct err *e)
{
	SCOPED(buf_free) struct buf data = BUF_INIT(TEXT_MAX);
	const size_t len = strlen(text);

	if (header(&data, path, (int64_t)len, mtime_ns, e) != 0)
		return -1;
	if (buf_add(&data, text, len) != 0 ||
		buf_add(&data, zeros, member_padding((int64_t)len)) != 0)
		return err_set(e, ERR_TOO_LARGE, "%s is larger than %d bytes", path, TEXT_MAX);
	return assemble_put(in, to, &data, e);
}

int
assemble_json(struct ingest *in, struct recipe *to, const char *path, const json_t *json,
	int64_t mtime_ns, struct err *e)
{
	SCOPED(free_at) char *text = json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS);

	if (text == NULL)
		return err_set(e, ERR_INTERNAL, "%s cannot be encoded", path);
	return assemble_text(in, to, path, text, mtime_ns, e);
}

int
assemble_stored(struct ingest *in, struct recipe *to, const char *path,
	const struct recipe *content, int64_t bytes, struct err *e)
{
	SCOPED(buf_free) struct buf data = BUF_INIT(TEXT_MAX);

	if (header(&data, path, bytes, 0, e) != 0 || assemble_put(in, to, &data, e) != 0)
		return -1;
	recipe_add_all(to, content);
	buf_clear(&data);
	if (member_padding(bytes) == 0)
		return 0;
	(void)buf_add(&data, zeros, member_padding(bytes));
	return assemble_put(in, to, &data, e);
}

int
assemble_end(struct ingest *in, struct recipe *to, struct err *e)
{
	ingest_begin(in, CUT_WHOLE);
	if (ingest_write(in, zeros, sizeof(zeros), e) != 0)
		return -1;
	return ingest_end(in, to, e);
}
