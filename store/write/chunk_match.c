#include "store/write/chunk_match.h"

#include "base/scope.h"
#include "store/read/row_window.h"

/* Of the oldest batch.  Returns how many chunks, -1 if it was stopped. */
static ssize_t
chunk_match_tell(struct read_ahead *a, const struct chunk_match *m, int64_t *at, struct err *e)
{
	struct err unreadable; /* whoever reads on finds out why */
	const unsigned char *data;
	size_t len;
	const ssize_t whole = read_ahead_take(a, &data, &len, &unreadable);

	for (ssize_t i = 0; i < whole; i++) {
		const struct chunk *c = &read_ahead_rows(a)[i];

		if (m->tell(m->ctx, c, read_ahead_same(a)[i], data, e) != 0)
			return -1;
		data += c->plain_len;
		*at += c->plain_len;
	}
	return whole < 0 ? 0 : whole;
}

int64_t
chunk_match_file(struct read_ahead *a, const struct chunk_match *m, struct err *e)
{
	SCOPED(row_window_free) struct row_window window = {0};
	struct read_ahead_file file = {.use = READ_AHEAD_LOOK, .fd = m->fd, .end = m->size - 1};
	struct err no_row;
	uint64_t told = 0;
	int64_t at = 0;
	ssize_t some = 1;
	int more = 1;

	row_window_init(&window, m->catalogue, m->recipe);
	window.chunks -= window.chunks > 0; /* the last one ended where the file did */
	while (some > 0) {
		while (more == 1 && read_ahead_count(a) < read_ahead_room(a))
			more = read_ahead_put_file(a, &window, &file, &no_row);
		if (told == file.put)
			return at;
		some = chunk_match_tell(a, m, &at, e);
		told += some > 0 ? (uint64_t)some : 0;
		if (read_ahead_count(a) == 0 && told < file.put)
			break; /* the file has become shorter */
	}
	read_ahead_drop(a);
	return some < 0 ? -1 : at;
}
