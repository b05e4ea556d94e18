/* What is there of a target, before anything is compared. */
#include <string.h>
#include <sys/stat.h>

#include "archive/write/changes.h"
#include "base/scope.h"
#include "engine/lender/hidden_attributes.h"
#include "jobs/restore/data/target.h"

static int
wrong_kind(const struct target *t, struct err *e)
{
	return t->way == TARGET_OVERWRITE
		       ? err_set(e, ERR_CONFLICT, "%s was a file and is none now: move it away",
				 t->path)
		       : err_set(e, ERR_CONFLICT, "%s was a folder and is none now: move it away",
				 t->path);
}

/* Whether anything in the tree has attributes trusted.*; where the backup does not know of them
 * they stay as they are. */
static int
look_trusted(const struct target *t, bool *ret_here, struct err *e)
{
	const uint32_t flags = t->container == NULL ? 0 : HIDDEN_LAYER;
	SCOPED(free_at) char *path = NULL;
	int64_t count = 0;

	*ret_here = false;
	if (!t->trusted || t->absent)
		return 0;
	if (lender_hidden(t->lender, t->root_fd < 0 ? t->number : t->itself, flags, &count, &path,
		    e) != 0)
		return -1;
	*ret_here = count > 0;
	return 0;
}

/* What a layer that is there has changed, or hides. */
static int
look_layer(struct target *t, struct tree_diff_options *options, char ***ret_veiled, struct err *e)
{
	if (t->form == LAYER_TREE) {
		const struct changes_options trees = {.root_fd = target_root(t),
			.base_fd = lender_fd(t->lender, t->base_number),
			.born_fd = t->born == NULL ? -1 : lender_fd(t->lender, t->born_number)};

		if (changes_find(&trees, &t->changes, e) != 0)
			return -1;
		options->tree.changes = t->changes;
		return 0;
	}
	if (lender_opaque(t->lender, t->itself, ret_veiled, e) != 0)
		return -1;
	options->veiled = *ret_veiled;
	return 0;
}

static int
look_tree(struct target *t, const struct target_options *o, struct err *e)
{
	const size_t len = t->volume != NULL || t->container != NULL ? 0 : strlen(t->path);
	const bool except = len > 0 && o->except != NULL && strncmp(t->path, o->except, len) == 0 &&
			    o->except[len] == '/';
	char **veiled = NULL;
	bool trusted_here;

	if (look_trusted(t, &trusted_here, e) != 0)
		return -1;
	struct tree_diff_options options = {
		.tree = {.root_fd = t->absent ? -1 : target_root(t),
			.prefix = t->prefix,
			.layer = t->container != NULL,
			.trusted = t->trusted,
			.named_marks = t->form == LAYER_NAMED,
			.excludes = (const char *const *)o->excludes->patterns,
			.left = t->left,
			.left_count = t->left_count},
		.except = except ? o->except + len + 1 : NULL,
		.parts = t->parts,
		.trusted_here = trusted_here,
		.absent = t->absent};
	int status;

	if (t->container != NULL && !t->absent && look_layer(t, &options, &veiled, e) != 0)
		return -1;
	status = tree_diff_open(&options, &t->differ, e);
	lender_paths_free(&veiled);
	t->told = o->told;
	t->in_place_from = o->in_place_from;
	if (status == 0)
		tree_diff_on(t->differ, o->tell, t);
	return status;
}

int
target_look(struct target *t, const struct target_options *options, struct err *e)
{
	struct stat st;

	if (!t->absent && fstat(target_root(t), &st) != 0)
		return err_errno(e, "%s", t->prefix);
	if (!t->absent && !(t->way == TARGET_OVERWRITE ? S_ISREG(st.st_mode) : S_ISDIR(st.st_mode)))
		return wrong_kind(t, e);
	return t->way == TARGET_TREE ? look_tree(t, options, e) : 0;
}
