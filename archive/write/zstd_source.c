#include "archive/write/zstd_source.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/mem.h"

struct zstd_source {
	struct source packed;
	ZSTD_DCtx *context;
	ZSTD_inBuffer in;
	char *buffer;
	size_t room;
	bool inside; /* a frame has begun and not ended */
	bool ended;
};

struct zstd_source *
zstd_source_new(struct source packed)
{
	struct zstd_source *u = mem_new(sizeof(*u));

	u->packed = packed;
	u->room = ZSTD_DStreamInSize();
	u->buffer = mem_array(NULL, u->room, 1);
	u->in.src = u->buffer;
	u->context = ZSTD_createDCtx();
	if (u->context == NULL)
		abort(); /* as mem_new */
	(void)ZSTD_DCtx_setParameter(u->context, ZSTD_d_windowLogMax, ZSTD_SOURCE_WINDOW_LOG);
	return u;
}

void
zstd_source_free_at(struct zstd_source **u)
{
	if (*u == NULL)
		return;
	(void)ZSTD_freeDCtx((*u)->context);
	free((*u)->buffer);
	free(*u);
}

/* Have packed bytes: 1, 0 at the end, -1. */
static int
zstd_source_fetch(struct zstd_source *u, struct err *e)
{
	ssize_t got;

	if (u->in.pos < u->in.size)
		return 1;
	if ((got = source_read(&u->packed, u->buffer, u->room, e)) < 0)
		return -1;
	u->in.pos = 0;
	u->in.size = (size_t)got;
	return got > 0;
}

static int
zstd_source_failed(size_t code, struct err *e)
{
	if (ZSTD_getErrorCode(code) == ZSTD_error_frameParameter_windowTooLarge)
		return err_set(e, ERR_TOO_LARGE,
			"to unpack the archive more than %d MiB of memory would be needed: "
			"compress "
			"it again with `zstd -19` or less, and without --long",
			ZSTD_SOURCE_WINDOW >> 20);
	return err_set(e, ERR_CORRUPT, "the archive cannot be unpacked: zstd: %s",
		ZSTD_getErrorName(code));
}

static ssize_t
zstd_source_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct zstd_source *u = ctx;
	ZSTD_outBuffer out = {data, size, 0};

	while (out.pos == 0 && !u->ended) {
		const int more = zstd_source_fetch(u, e);
		size_t left;

		if (more < 0)
			return -1;
		left = more == 0 && !u->inside ? 0
					       : ZSTD_decompressStream(u->context, &out, &u->in);
		if (ZSTD_isError(left))
			return zstd_source_failed(left, e);
		u->inside = left != 0;
		if (more > 0 || out.pos > 0)
			continue;
		if (u->inside)
			return err_set(e, ERR_CORRUPT,
				"the archive ends too early, within a frame of zstd");
		u->ended = true;
	}
	return (ssize_t)out.pos;
}

struct source
zstd_source(struct zstd_source *u)
{
	return (struct source){.read = zstd_source_read, .ctx = u};
}
