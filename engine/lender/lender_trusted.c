/* The lender as the keeper of attributes trusted.* (base/trusted.h). */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender_internal.h"

/* Ask about the file ${fd}: what it answers is added to ${records} (NULL: nothing is expected), and
 * the byte of its last word returned; -1. */
static int
lender_trusted_ask(struct lender *l, char type, int fd, const struct buf *question,
	struct buf *records, struct err *e)
{
	SCOPED(free_at) struct wire_message *m = mem_new(sizeof(*m));
	LOCKED(&l->mutex);

	if (wire_send_fds(l->fd, type, question->data, question->len, &fd, 1, e) != 0)
		return -1;
	for (;;) {
		if (lender_receive(l, WIRE_STALL_MS, m, e) != 0)
			return -1;
		if (m->type == 'k')
			return m->len > 0 ? (unsigned char)m->data[0] : 0;
		if (records == NULL || buf_add(records, m->data, m->len) != 0)
			return err_set(e, ERR_TOO_LARGE, "the lender tells too much");
	}
}

static int
keeper_any(void *ctx, int dir_fd, struct err *e)
{
	const struct buf nothing = {0};

	return lender_trusted_ask(ctx, 'w', dir_fd, &nothing, NULL, e);
}

static int
keeper_get(void *ctx, int fd, const char *name, struct buf *records, struct err *e)
{
	SCOPED(buf_free) struct buf question = BUF_INIT(WIRE_MAX);

	if (buf_text(&question, name) != 0)
		return err_set(e, ERR_TOO_LARGE, "a name is over %d bytes", WIRE_MAX);
	return lender_trusted_ask(ctx, 'n', fd, &question, records, e) < 0 ? -1 : 0;
}

static int
keeper_set(void *ctx, int fd, const char *name, const void *value, size_t len, struct err *e)
{
	SCOPED(buf_free) struct buf question = BUF_INIT(WIRE_MAX);
	int number;

	if (buf_add(&question, name, strlen(name) + 1) != 0 ||
		(len > 0 && buf_add(&question, value, len) != 0))
		return 0; /* longer than any that a program was seen to set */
	number = lender_trusted_ask(ctx, value == NULL ? 'U' : 'u', fd, &question, NULL, e);
	if (number <= 0)
		return number == 0 ? 1 : -1;
	if (number == EPERM || number == ENOTSUP || number == EACCES)
		return 0;
	errno = number;
	return err_errno(e, "cannot set the extended attribute %.255s", name);
}

void
lender_keep_trusted(struct lender *l)
{
	l->keeper = (struct trusted_keeper){
		.any = keeper_any, .get = keeper_get, .set = keeper_set, .ctx = l};
	trusted_lend(&l->keeper);
}
