/* What a service says to its lender as the guard of a freeze. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender_internal.h"

/* How long a guard may take to answer, before anything is frozen. */
enum { GUARD_MS = 5000 };

/* A question that a guard answers at once.  ${m}: its answer. */
static int
ask_guard(struct lender *l, char type, const void *data, size_t len, struct wire_message *m,
	struct err *e)
{
	return wire_send(l->fd, type, data, len, e) != 0 ? -1 : lender_receive(l, GUARD_MS, m, e);
}

static int
wrong_answer(const struct wire_message *m, size_t adopted, struct err *e)
{
	for (size_t i = adopted; i < m->fd_count; i++)
		(void)close(m->fds[i]);
	return err_set(e, ERR_IO, "the lender's answer is wrong");
}

/* The freezers that one message lends, of containers from number ${from} on. */
static int
adopt(const struct wire_message *m, size_t from, size_t count, struct cgroups **c, struct err *e)
{
	const size_t known = m->fd_count / CGROUP_FDS;

	if (m->type != 'd' || m->fd_count % CGROUP_FDS != 0 ||
		m->len != 1 + known * sizeof(uint32_t))
		return wrong_answer(m, 0, e);
	if (*c == NULL)
		*c = cgroups_new(m->data[0] == 2, count);
	for (size_t i = 0; i < known; i++) {
		uint32_t number;

		memcpy(&number, m->data + 1 + i * sizeof(number), sizeof(number));
		if (number >= count - from)
			return wrong_answer(m, i * CGROUP_FDS, e);
		cgroups_adopt(*c, from + number, m->fds + i * CGROUP_FDS);
	}
	return 0;
}

static int
ask_freezers(struct lender *l, const struct buf *ids, size_t from, size_t count, struct cgroups **c,
	struct err *e)
{
	SCOPED(free_at) struct wire_message *m = mem_new(sizeof(*m));

	if (ask_guard(l, 'l', ids->data, ids->len, m, e) != 0)
		return -1;
	while (m->type != 'k')
		if (adopt(m, from, count, c, e) != 0 || lender_receive(l, GUARD_MS, m, e) != 0)
			return -1;
	return 0;
}

int
lender_freezers(struct lender *l, const char *const *ids, size_t count,
	struct cgroups **ret_cgroups, struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(WIRE_MAX);
	struct cgroups *c = NULL;
	size_t from = 0;
	int status = 0;
	LOCKED(&l->mutex);

	for (size_t i = 0; status == 0 && i < count; i++) {
		if (buf_add(&text, ids[i], strlen(ids[i]) + 1) == 0)
			continue;
		status = ask_freezers(l, &text, from, count, &c, e);
		buf_clear(&text);
		(void)buf_add(&text, ids[i], strlen(ids[i]) + 1);
		from = i;
	}
	if (status == 0 && text.len > 0)
		status = ask_freezers(l, &text, from, count, &c, e);
	if (status != 0) {
		cgroups_close(c);
		if (e->code == ERR_UNREADABLE)
			e->code = ERR_UNSUPPORTED;
		return -1;
	}
	*ret_cgroups = c == NULL ? cgroups_new(false, count) : c;
	return 0;
}

static int
ask_to_hold(struct lender *l, const struct lender_held *held, size_t count, struct wire_message *m,
	struct err *e)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(WIRE_MAX);

	for (size_t i = 0; i < count; i++) {
		SCOPED(free_at)
		char *item = mem_format("%c%s", held[i].by_engine ? 'e' : 'c', held[i].id);

		if (buf_add(&text, item, strlen(item) + 1) == 0)
			continue;
		if (ask_guard(l, 'g', text.data, text.len, m, e) != 0)
			return -1;
		buf_clear(&text);
		(void)buf_add(&text, item, strlen(item) + 1);
	}
	return ask_guard(l, 'g', text.data, text.len, m, e);
}

int
lender_guard(struct lender *l, const struct lender_held *held, size_t count, uint32_t limit_ms,
	struct err *e)
{
	SCOPED(free_at) struct wire_message *m = mem_new(sizeof(*m));
	LOCKED(&l->mutex);

	if (ask_guard(l, 'c', NULL, 0, m, e) != 0 || ask_to_hold(l, held, count, m, e) != 0 ||
		ask_guard(l, 'a', &limit_ms, sizeof(limit_ms), m, e) != 0)
		return err_prefix(e, "the freeze has no guard");
	return 0;
}

int
lender_release(struct lender *l, bool *ret_thawed, struct err *e)
{
	SCOPED(free_at) struct wire_message *m = mem_new(sizeof(*m));
	LOCKED(&l->mutex);

	if (ask_guard(l, 'c', NULL, 0, m, e) != 0)
		return -1;
	*ret_thawed = m->len == 1 && m->data[0] != 0;
	return 0;
}

const char *
lender_mark(const struct lender *l)
{
	return strrchr(l->socket_path, '/') + 1;
}

bool
lender_lives(const struct lender *l)
{
	struct pollfd p = {.fd = l->fd};

	return poll(&p, 1, 0) == 0 || (p.revents & (POLLHUP | POLLERR)) == 0;
}
