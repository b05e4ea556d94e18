#include "jobs/sources/lending.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

/* Sources that were found wrong one after the other, and tries without finding one: what changes
 * all the time is not chased for ever. */
enum { FOUND_MAX = 256, TRIES_MAX = 5 };

/* Which sources of the inventory cannot be lent. */
struct sift {
	const struct roots_options *options;
	struct err *reasons; /* of source i; code ERR_NONE: it can be */
	size_t found;
};

/* What whole trees began with comes behind all others. */
static size_t
add_bases(struct plan_source *sources, size_t count, struct lender_root *roots, size_t n)
{
	for (size_t i = 0; i < count; i++) {
		struct plan_source *s = &sources[i];

		if (s->base == NULL)
			continue;
		s->base_number = n;
		roots[n++] = (struct lender_root){.path = s->base};
		if (s->born == NULL)
			continue;
		s->born_number = n;
		roots[n++] = (struct lender_root){.path = s->born};
	}
	return n;
}

/* Lend the sources from ${first} on; for a backup, not to try them alone, behind all of them the
 * host's root (${view}). */
static int
lending_lend(const struct roots_options *o, size_t first, size_t count, bool view,
	struct lender **ret_lender, struct err *e)
{
	struct plan_source *sources = o->inventory->sources + first;
	SCOPED(free_at)
	struct lender_root *roots = mem_array(NULL, 3 * count + 1, sizeof(*roots));
	struct lender_options options = {.engine = o->engine,
		.self = o->self,
		.run_path = o->run_path,
		.name = o->name,
		.roots = roots,
		.cgroups = first == 0 && count == o->inventory->count ? o->cgroups
								      : LENDER_NO_CGROUPS};

	for (size_t i = 0; i < count; i++)
		/* (of what is copied any folder stands there, so that the numbers fit) */
		roots[i] = (struct lender_root){
			.path = sources[i].copy != NULL ? "/usr" : sources[i].path,
			.holder = sources[i].holder,
			.pid = sources[i].pid,
			.volume = sources[i].kind == SOURCE_VOLUME ? sources[i].name : NULL};
	roots[count] = (struct lender_root){.host = true};
	options.count = add_bases(sources, count, roots, count + view);
	return lender_open(&options, ret_lender, e);
}

/* Whether these can be lent together: 0, or -1 with the reason. */
static int
try_them(const struct sift *s, size_t first, size_t count, struct err *e)
{
	SCOPED(lender_close_at) struct lender *lender = NULL;

	return lending_lend(s->options, first, count, false, &lender, e);
}

/* The lender itself does not come up, or the operation shall end: no source is to blame. */
static bool
blames_none(const struct err *e)
{
	return e->code == ERR_UNREACHABLE || e->code == ERR_CANCELLED || e->code == ERR_NO_SPACE ||
	       e->code == ERR_INTERNAL;
}

/* Find those of ${count} sources that cannot be lent; ${known}: some of them cannot. */
static int
sift_range(struct sift *s, size_t first, size_t count, bool known, struct err *e)
{
	const size_t half = count / 2, before = s->found;

	if (count == 0 || s->found >= FOUND_MAX)
		return 0;
	if (!known || count == 1) {
		if (try_them(s, first, count, e) == 0)
			return 0;
		if (blames_none(e))
			return -1;
	}
	if (count == 1) {
		s->reasons[first] = *e;
		s->found++;
		return 0;
	}
	if (sift_range(s, first, half, false, e) != 0)
		return -1;
	return sift_range(s, first + half, count - half, s->found == before, e);
}

static bool
lending_is_named(const struct plan_source *s, const char *text)
{
	return strstr(text, s->path) != NULL ||
	       (s->kind == SOURCE_VOLUME && strstr(text, s->name) != NULL);
}

/* The source that ${text} names, rather than one whose path is the beginning of it; or count. */
static size_t
lending_find_named(const struct inventory *v, const char *text)
{
	size_t best = v->count;

	for (size_t i = 0; i < v->count; i++)
		if (lending_is_named(&v->sources[i], text) &&
			(best == v->count ||
				strlen(v->sources[i].path) > strlen(v->sources[best].path)))
			best = i;
	return best;
}

/* All of them could not be lent, for the reason in ${why}.  The engine mostly names the culprit. */
static int
sift_all(struct sift *s, const struct err *why, struct err *e)
{
	const struct inventory *v = s->options->inventory;
	const size_t named = lending_find_named(v, why->text);

	if (named < v->count && sift_range(s, named, 1, true, e) != 0)
		return -1;
	if (s->found > 0)
		return 0;
	if (try_them(s, 0, 0, e) != 0) /* not even a lender of nothing comes up */
		return -1;
	return sift_range(s, 0, v->count, true, e);
}

static const char *
advice(enum source_kind kind)
{
	switch (kind) {
	case SOURCE_LAYER:
		return "see why the engine cannot mount it, or exclude the container";
	case SOURCE_TMPFS:
		return "see that its container stays up";
	case SOURCE_VOLUME:
		return "see that its driver can mount it, or exclude it";
	case SOURCE_BIND:
	case SOURCE_HOST:
		break;
	}
	return "see that the host has it and that it can be read, or exclude it";
}

/* Take off what was found. */
static int
lending_leave_out(const struct sift *s, struct err *e)
{
	struct inventory *v = s->options->inventory;

	for (size_t i = 0; i < v->count; i++) {
		const struct plan_source *source = &v->sources[i];

		if (s->reasons[i].code == ERR_NONE || source->left_out)
			continue;
		*e = s->reasons[i];
		e->code = ERR_UNREADABLE;
		if (omissions_add(v->omissions, source_kind_name(source->kind), source->name,
			    advice(source->kind), e) != 0)
			return -1;
		inventory_leave_out(v, i);
	}
	return 0;
}

/* Something could not be lent: find it.  0: it is off the inventory; -1. */
static int
sort_out(const struct roots_options *o, struct err *e)
{
	struct inventory *v = o->inventory;
	SCOPED(free_at) struct err *reasons = mem_new((v->count + 1) * sizeof(*reasons));
	struct sift s = {.options = o, .reasons = reasons};
	const struct err why = *e;
	int gone;

	if (blames_none(&why))
		return -1;
	gone = inventory_forget_gone(v, o->engine, e);
	if (gone < 0)
		return -1;
	if (gone == 0 && (sift_all(&s, &why, e) != 0 || lending_leave_out(&s, e) != 0))
		return -1;
	inventory_purge(v);
	*e = why;
	return 0;
}

static int
lend_all(const struct roots_options *o, struct lender **ret_lender, int *ret_host_fd, struct err *e)
{
	const size_t count = o->inventory->count;

	*ret_host_fd = -1;
	if (lending_lend(o, 0, count, true, ret_lender, e) == 0) {
		*ret_host_fd = lender_fd(*ret_lender, count);
		return 0;
	}
	return e->code == ERR_UNREADABLE ? lending_lend(o, 0, count, false, ret_lender, e) : -1;
}

int
lending_open(
	const struct roots_options *o, struct lender **ret_lender, int *ret_host_fd, struct err *e)
{
	struct inventory *v = o->inventory;
	size_t before = v->count;

	for (int tries = 0; tries < TRIES_MAX;) {
		if (lend_all(o, ret_lender, ret_host_fd, e) == 0)
			return 0;
		if (sort_out(o, e) != 0)
			return -1;
		tries += v->count == before;
		before = v->count;
	}
	return -1;
}
