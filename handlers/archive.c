#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "handlers/app.h"
#include "handlers/streams.h"
#include "server/range.h"
#include "store/read/replay.h"

/* A download under way. */
struct download {
	struct replay *replay;
	struct source plain; /* of the tar itself; else .read is NULL */
	int64_t first;	     /* of the download: where the answer begins */
	int64_t len;
	enum stream_kind kind;
	char id[ID_SIZE];
};

static ssize_t
download_read(void *ctx, uint64_t offset, char *data, size_t size)
{
	struct download *d = ctx;
	const int64_t left = d->len - (int64_t)offset;
	struct err e;
	ssize_t got;

	if (left < (int64_t)size)
		size = (size_t)left;
	if (size == 0)
		return 0;
	got = d->plain.read != NULL
		      ? source_read(&d->plain, data, size, &e)
		      : replay_archive(d->replay, d->first + (int64_t)offset, data, size, &e);
	if (got < 0)
		log_error("download of %s broken off: %s", d->id, e.text);
	return got == 0 ? -1 : got; /* a stream that is too short is a fault as well */
}

static void
download_close(void *ctx)
{
	struct download *d = ctx;

	replay_close(d->replay);
	streams_leave(d->kind);
	free(d);
}

static int
want_tar(const struct request *r, bool *ret_tar, struct err *e)
{
	const char *format = request_parameter(r, "format");

	*ret_tar = format != NULL && strcmp(format, "tar") == 0;
	if (*ret_tar || format == NULL || strcmp(format, "tar.zst") == 0)
		return 0;
	return err_set(e, ERR_INVALID, "\"format\" is tar.zst or tar");
}

static void
add_headers(struct reply *reply, const struct request *r, bool tar, const char *etag)
{
	reply_header(reply, "ETag", "%s", etag);
	reply_header(reply, "Accept-Ranges", "%s", tar ? "none" : "bytes");
	reply_header(reply, "Cache-Control", "private, no-cache");
	reply_header(reply, "Content-Disposition", "attachment; filename=\"fuel_backup_%s.tar%s\"",
		r->id, tar ? "" : ".zst");
}

static void
send_archive(struct reply *reply, int status, bool tar, struct replay *replay,
	const struct range *range, const struct request *r)
{
	struct download *d = mem_new(sizeof(*d));

	*d = (struct download){.replay = replay,
		.first = range->first,
		.len = range->len,
		.kind = tar ? STREAM_PLAIN : STREAM_STORED};
	memcpy(d->id, r->id, ID_SIZE);
	if (tar)
		d->plain = replay_plain(replay);
	reply_streamed(reply, status, tar ? "application/x-tar" : "application/zstd",
		&(struct reply_stream){.read = download_read,
			.close = download_close,
			.ctx = d,
			.len = range->len});
}

static void
archive_refuse_range(struct reply *reply, int64_t size)
{
	struct err e;

	(void)err_set(&e, ERR_RANGE, "the archive has %lld bytes; the range begins behind them",
		(long long)size);
	reply_error(reply, &e);
	reply_header(reply, "Content-Range", "bytes */%lld", (long long)size);
}

/* The answer; the place among the downloads is taken, and goes with it if there is a body to send.
 */
static int
archive_answer(const struct app *app, const struct request *r, bool tar, struct reply *reply,
	bool *ret_sends, struct err *e)
{
	SCOPED(replay_close_at) struct replay *replay = NULL;
	const char *condition = request_header(r, "If-Range");
	struct range range = {0};
	char etag[80];
	int64_t size;
	int ranged;

	if (replay_open(app->store, r->id, &replay, e) != 0)
		return -1;
	(void)snprintf(etag, sizeof(etag), "\"%s%s\"", replay_digest(replay), tar ? "-tar" : "");
	if (etag_listed(request_header(r, "If-None-Match"), etag)) {
		reply_empty(reply, 304);
		reply_header(reply, "ETag", "%s", etag);
		return 0;
	}
	size = tar ? replay_plain_bytes(replay) : replay_archive_bytes(replay);
	range.len = size;
	ranged = tar || r->head || (condition != NULL && strcmp(condition, etag) != 0)
			 ? 0
			 : range_parse(request_header(r, "Range"), size, &range);
	if (ranged < 0) {
		archive_refuse_range(reply, size);
		return 0;
	}
	*ret_sends = true;
	send_archive(reply, ranged == 1 ? 206 : 200, tar, TAKE(replay), &range, r);
	add_headers(reply, r, tar, etag);
	if (ranged == 1)
		reply_header(reply, "Content-Range", "bytes %lld-%lld/%lld", (long long)range.first,
			(long long)(range.first + range.len - 1), (long long)size);
	return 0;
}

int
archive_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	enum stream_kind kind;
	bool tar, sends = false;
	int status;

	if (want_tar(r, &tar, e) != 0)
		return -1;
	kind = tar ? STREAM_PLAIN : STREAM_STORED;
	if (streams_enter(kind, reply) != 0)
		return 0;
	status = archive_answer(app, r, tar, reply, &sends, e);
	if (!sends)
		streams_leave(kind);
	return status;
}
