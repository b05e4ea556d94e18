#ifndef HANDLERS_PAGES_H
#define HANDLERS_PAGES_H

#include "server/reply.h"
#include "server/request.h"

/* Long lists, a page at a time: `limit` and `after`. */

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };

struct page {
	int limit;
	const char *after; /* an id, or NULL; borrowed from the request */
};

int page_asked(const struct request *r, struct page *ret_page, struct err *e);

/* Answer with ${list} (taken) under ${name}, and the id that the next page begins after. */
void page_answer(struct reply *reply, const char *name, json_t *list, bool more);

#endif
