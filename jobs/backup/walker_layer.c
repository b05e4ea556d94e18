/* What a walk over the layer of a container has to know beside the files. */
#include "archive/write/changes.h"
#include "base/scope.h"
#include "jobs/backup/walker_internal.h"
#include "jobs/sources/layer_copy.h"

/* The layer cannot be had: all of it is left out, or the backup fails. */
static int
leave_out(struct walker *w, struct err *e)
{
	struct inventory *v = w->passes->inventory;
	LOCKED(&w->passes->mutex);

	if (omissions_add(v->omissions, "layer", v->sources[w->source].name,
		    "exclude the container", e) != 0)
		return -1;
	inventory_leave_out(v, w->source);
	return 0;
}

static int
opaque_folders(struct walker *w, struct tree *t, char ***ret_opaque, struct err *e)
{
	struct passes *p = w->passes;
	char **list = NULL;
	int status;

	{
		LOCKED(&p->mutex);
		status = lender_opaque(p->lender, p->roots[w->source], &list, e);
	}
	if (status != 0)
		return leave_out(w, e);
	t->opaque = (const char *const *)list;
	while (list[t->opaque_count] != NULL)
		t->opaque_count++;
	*ret_opaque = list;
	return 0;
}

int
walker_changes(struct lender *lender, const struct plan_source *s, int root_fd,
	struct changes **ret_changes, struct err *e)
{
	const struct changes_options o = {.root_fd = root_fd,
		.base_fd = lender_fd(lender, s->base_number),
		.born_fd = s->born == NULL ? -1 : lender_fd(lender, s->born_number)};

	return changes_find(&o, ret_changes, e);
}

/* The first walk of a pass finds them, those beside it wait for that. */
static int
find_changes(struct walker *w, struct tree *t, struct err *e)
{
	struct passes *p = w->passes;
	const struct plan_source *s = &p->inventory->sources[w->source];
	struct tree_changes *c = &p->changes[w->source];
	LOCKED(&c->mutex);

	if (c->found == NULL && !s->left_out &&
		walker_changes(p->lender, s, t->root_fd, &c->found, e) != 0)
		return leave_out(w, e);
	t->changes = c->found;
	return 0;
}

static bool
is_over(void *ctx)
{
	const struct passes *p = ctx;
	struct err ignored;

	return operation_cancelled(p->operation) || freeze_check(p->freeze, &ignored) != 0;
}

int
walker_copy_layers(struct passes *p, struct err *e)
{
	for (size_t i = 0; i < p->inventory->count; i++) {
		struct plan_source *s = &p->inventory->sources[i];

		if (s->copy == NULL || s->left_out || layer_copy_take(s->copy, is_over, p, e) == 0)
			continue;
		if (is_over(p))
			return freeze_check(p->freeze, e) != 0 ? -1
							       : operation_check(p->operation, e);
		if (omissions_add(p->inventory->omissions, "layer", s->name,
			    "keep its data in volumes", e) != 0)
			return -1;
		inventory_leave_out(p->inventory, i);
	}
	return 0;
}

int
walker_layer(
	struct walker *w, enum segment_part part, struct tree *t, char ***ret_opaque, struct err *e)
{
	const struct plan_source *s = &w->passes->inventory->sources[w->source];

	t->named_marks = s->form == LAYER_NAMED;
	if (s->copy != NULL)
		return 0;
	if (s->base != NULL)
		return find_changes(w, t, e);
	return part == SEGMENTS_REST ? opaque_folders(w, t, ret_opaque, e) : 0;
}
