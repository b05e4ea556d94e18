#include "store/read/salvage.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/read/check.h"
#include "store/read/replay.h"
#include "store/read/row_window.h"

struct salvage {
	struct replay *replay; /* for its recipe and its lease */
	struct row_window window;
	struct check check;
	uint64_t index;		   /* the next chunk */
	const unsigned char *data; /* of the chunk before; NULL: a hole */
	size_t len, used;
	int64_t start; /* of that chunk */
	struct salvage_hole *holes;
	size_t holes_count, holes_room;
};

int
salvage_open(struct store *s, const char *id, struct salvage **ret_salvage, struct err *e)
{
	struct replay *replay = NULL;

	if (replay_open(s, id, &replay, e) != 0)
		return -1;
	struct salvage *v = mem_new(sizeof(*v));
	v->replay = replay;
	row_window_init(&v->window, s->catalogue, replay_recipe(replay));
	check_init(&v->check, s);
	*ret_salvage = v;
	return 0;
}

void
salvage_close_at(struct salvage **at)
{
	struct salvage *v = *at;

	if (v == NULL)
		return;
	row_window_free(&v->window);
	check_close(&v->check);
	replay_close(v->replay);
	free(v->holes);
	free(v);
}

static void
hole_add(struct salvage *v, uint64_t number)
{
	if (v->holes_count == v->holes_room) {
		v->holes_room = v->holes_room == 0 ? 16 : v->holes_room * 2;
		v->holes = mem_array(v->holes, v->holes_room, sizeof(*v->holes));
	}
	v->holes[v->holes_count++] =
		(struct salvage_hole){v->start, v->start + (int64_t)v->len, number};
}

/* Load the next chunk: 1, 0 at the end, -1. */
static int
salvage_load(struct salvage *v, struct err *e)
{
	const void *plain = NULL;

	v->start += (int64_t)v->len;
	v->len = v->used = 0;
	if (v->index == v->window.chunks)
		return 0;
	const struct chunk *row = row_window_row(&v->window, v->index, e);
	if (row == NULL)
		return -1;
	const enum checked found = check_chunk(&v->check, row, &plain, e);
	if (found == CHECK_FAILED)
		return -1;
	v->data = found == CHECK_WHOLE ? plain : NULL;
	v->len = row->plain_len;
	v->index++;
	if (v->data == NULL)
		hole_add(v, row->number);
	return 1;
}

static ssize_t
salvage_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct salvage *v = ctx;

	if (v->used == v->len) {
		const int more = salvage_load(v, e);
		if (more <= 0)
			return more;
	}
	const size_t left = v->len - v->used;
	const size_t len = left < size ? left : size;
	if (v->data != NULL)
		memcpy(data, v->data + v->used, len);
	else
		memset(data, 0xFF, len);
	v->used += len;
	return (ssize_t)len;
}

struct source
salvage_source(struct salvage *v)
{
	return (struct source){.read = salvage_read, .ctx = v};
}

int64_t
salvage_at(const struct salvage *v)
{
	return v->start + (int64_t)v->used;
}

const struct salvage_hole *
salvage_holes(const struct salvage *v, size_t *ret_count)
{
	*ret_count = v->holes_count;
	return v->holes;
}

int
salvage_skip(struct salvage *v, const void **ret_data, size_t *ret_len, struct err *e)
{
	int more = salvage_load(v, e);

	while (more > 0 && v->data == NULL)
		more = salvage_load(v, e);
	*ret_data = v->data;
	*ret_len = v->len;
	return more;
}
