#include "engine/lender/guard_lend.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

struct lent {
	int fds[WIRE_FDS_MAX];
	char data[1 + WIRE_FDS_MAX * sizeof(uint32_t)];
	size_t fd_count, len;
};

static int
send_lent(int socket, struct lent *l, struct err *e)
{
	const int status = l->fd_count == 0 ? 0
					    : wire_send_fds(socket, 'd', l->data, l->len, l->fds,
						      l->fd_count, e);

	l->fd_count = 0;
	l->len = 1;
	return status;
}

int
guard_lend(struct cgroups *c, int socket, const struct wire_message *m, struct err *e)
{
	SCOPED(free_at) const char **ids = NULL;
	struct lent l = {.len = 1};
	uint32_t count = 0;

	if (m->len == 0 || m->data[m->len - 1] != '\0')
		return err_set(e, ERR_INVALID, "ids have no end");
	if (c == NULL)
		return err_set(e, ERR_UNSUPPORTED, "the host's cgroups cannot be reached");
	for (size_t at = 0; at < m->len; at += strlen(m->data + at) + 1) {
		ids = mem_array(ids, count + 1, sizeof(*ids));
		ids[count++] = m->data + at;
	}
	if (cgroups_find(c, ids, count, e) < 0)
		return -1;
	l.data[0] = cgroups_unified(c) ? 2 : 1;
	for (uint32_t i = 0; i < count; i++) {
		if (!cgroups_has(c, i))
			continue;
		memcpy(l.fds + l.fd_count, cgroups_fds(c, i), CGROUP_FDS * sizeof(int));
		l.fd_count += CGROUP_FDS;
		memcpy(l.data + l.len, &i, sizeof(i));
		l.len += sizeof(i);
		if (l.fd_count + CGROUP_FDS > WIRE_FDS_MAX && send_lent(socket, &l, e) != 0)
			return -1;
	}
	return send_lent(socket, &l, e);
}
