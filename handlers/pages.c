#include "handlers/pages.h"

int
page_asked(const struct request *r, struct page *ret_page, struct err *e)
{
	int64_t limit;

	if (request_integer(r, "limit", 1, PAGE_MAX, PAGE_DEFAULT, &limit, e) != 0)
		return -1;
	ret_page->limit = (int)limit;
	return request_after(r, &ret_page->after, e);
}

void
page_answer(struct reply *reply, const char *name, json_t *list, bool more)
{
	const json_t *last = json_array_get(list, json_array_size(list) - 1);
	json_t *next = more ? json_incref(json_object_get(last, "id")) : json_null();

	reply_json(reply, 200, json_pack("{s:o, s:o}", name, list, "next", next));
}
