#include "jobs/restore/containers/references.h"

#include <string.h>

#include "base/scope.h"
#include "engine/containers.h"
#include "engine/networks.h"
#include "jobs/operations/inspect.h"

/* Shorter ones are no beginning of an id to anybody but by chance. */
enum { ID_BEGIN_MIN = 4 };

static bool
references_begins(const char *ref, const char *id)
{
	const size_t len = strlen(ref);

	return len >= ID_BEGIN_MIN && strncmp(id, ref, len) == 0;
}

static const char *
id_in(const struct references *refs, const struct restore_container *item)
{
	return json_text(
		refs->view == REFERENCES_PRESENT ? item->present : item->inspect, "Id", NULL);
}

/* A name goes before the beginning of an id, as with the engine. */
static const struct restore_container *
references_item_of(const struct references *refs, const char *ref)
{
	const struct restore *r = refs->restore;

	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].name != NULL && strcmp(r->items[i].name, ref) == 0)
			return &r->items[i];
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].name != NULL && references_begins(ref, id_in(refs, &r->items[i])))
			return &r->items[i];
	return NULL;
}

/* 0 if there is none, with ${ret_inspect} NULL. */
static int
references_look_up(struct engine *g, const char *ref, json_t **ret_inspect, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *c;
	size_t i;

	*ret_inspect = NULL;
	if (containers_find(g, ref, ret_inspect, e) == 0)
		return 0;
	if (e->code != ERR_NOT_FOUND || containers_list(g, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, c) {
		const char *id = json_text(c, "Id", NULL);

		if (!references_begins(ref, id))
			continue;
		if (containers_inspect(g, id, ret_inspect, e) == 0)
			return 0;
		if (e->code != ERR_NOT_FOUND)
			return -1;
	}
	return 0;
}

/* The container of the host, not of this restore, that ${ref} means; NULL: none.  Borrowed. */
static const json_t *
outside(struct references *refs, const char *ref)
{
	struct restore *r = refs->restore;
	json_t *found;

	if (r->outside == NULL)
		r->outside = json_object();
	found = json_object_get(r->outside, ref);
	if (found == NULL) {
		if (references_look_up(r->request->engine, ref, &found, &refs->e) != 0) {
			refs->failed = true;
			return NULL;
		}
		found = found == NULL ? json_null() : found;
		(void)json_object_set_new(r->outside, ref, found);
	}
	return json_is_object(found) ? found : NULL;
}

static const char *
container(void *ctx, const char *ref)
{
	struct references *refs = ctx;
	const struct restore_container *item = references_item_of(refs, ref);
	const json_t *other;

	if (item != NULL && refs->view == REFERENCES_RECORDED)
		return item->name;
	if (item != NULL && refs->view == REFERENCES_PRESENT)
		return item->present == NULL ? NULL : item->name;
	if (item != NULL && item->id != NULL)
		return strcmp(item->name, ref) == 0 ? item->name : item->id;
	if (item != NULL)
		return NULL;
	other = outside(refs, ref);
	if (other == NULL)
		return NULL;
	return refs->view == REFERENCES_MADE && strcmp(container_name(other), ref) != 0
		       ? json_text(other, "Id", NULL)
		       : container_name(other);
}

static const json_t *
lender(void *ctx, const char *ref)
{
	struct references *refs = ctx;
	const struct restore_container *item = references_item_of(refs, ref);

	if (item == NULL)
		return outside(refs, ref);
	return refs->view == REFERENCES_PRESENT ? item->present : item->inspect;
}

/* Of the networks of the host: {name: …} under "networks" of what is outside. */
static const char *
network_here(struct references *refs, const char *ref)
{
	struct restore *r = refs->restore;
	const json_t *item;
	size_t i;

	if (r->networks_here == NULL &&
		networks_list(r->request->engine, &r->networks_here, &refs->e) != 0) {
		refs->failed = true;
		return NULL;
	}
	json_array_foreach (r->networks_here, i, item) {
		if (references_begins(ref, json_text(item, "Id", NULL)))
			return json_text(item, "Name", NULL);
	}
	return NULL;
}

static const char *
network(void *ctx, const char *ref)
{
	struct references *refs = ctx;
	const char *name;
	json_t *recorded;

	if (json_object_get(refs->restore->contents->networks, ref) != NULL)
		return ref;
	json_object_foreach (refs->restore->contents->networks, name, recorded) {
		if (references_begins(ref, json_text(recorded, "Id", NULL)))
			return name;
	}
	/* Only an id can be the beginning of one. */
	return strspn(ref, "0123456789abcdef") == strlen(ref) ? network_here(refs, ref) : NULL;
}

void
references_use(struct references *refs, struct recreate_options *o)
{
	o->container = container;
	o->lender = lender;
	o->network = network;
	o->ctx = refs;
}

int
references_check(const struct references *refs, struct err *e)
{
	if (!refs->failed)
		return 0;
	*e = refs->e;
	return -1;
}
