#ifndef UNIT_WALK_TO_FD_H
#define UNIT_WALK_TO_FD_H

#include <unistd.h>

#include "archive/write/segments.h"

/* The consumer of a walk that writes all to the descriptor that its ctx points to. */

static int
on_begin(void *ctx, const struct segment *s, struct err *e)
{
	(void)ctx;
	(void)s;
	(void)e;
	return 0;
}

static int
on_data(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	return write(*(int *)ctx, data, len) == (ssize_t)len ? 0 : -1;
}

static int
on_end(void *ctx, const struct segment *s, bool stable, struct err *e)
{
	(void)stable;
	return on_begin(ctx, s, e);
}

static int
on_notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	(void)ctx;
	(void)n;
	return err_set(e, ERR_INTERNAL, "notice of %s", path);
}

#endif
