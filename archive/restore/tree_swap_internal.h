#ifndef ARCHIVE_RESTORE_TREE_SWAP_INTERNAL_H
#define ARCHIVE_RESTORE_TREE_SWAP_INTERNAL_H

#include <stdio.h>

#include "archive/restore/tree_swap.h"

/* What tree_swap.c, tree_swap_attributes.c and tree_swap_place.c share; nobody else includes it. */

struct tree_swap {
	int root_fd, beside_fd; /* borrowed */
	int work_fd, new_fd, old_fd, was_fd, will_fd;
	int delta_fd, kept_fd; /* -1 until they are needed */
	char *work;	       /* its name in beside */
	char *new_name;
	FILE *notes;	/* journal.part, while it is written */
	int attributes; /* ATTRIBUTES_… of folders that stay */
	bool dressed;	/* the root is noted: it gets the attributes of new/ */
};

/* The folder ${name} in ${dir}, made if it is not there. */
int tree_swap_make_dir(int dir, const char *name, struct err *e);

/* What tree_swap_trust has noted before. */
int tree_swap_find_attributes(struct tree_swap *p, struct err *e);

/* Give the folder ${path} below ${to_root} the looks of that below ${from_root}. */
int tree_swap_dress(
	const struct tree_swap *p, int from_root, int to_root, const char *path, struct err *e);

/* The folder of ${path} below ${root}; -1 with errno. */
int tree_swap_folder(int root, const char *path, const char **ret_name);

/* Whether delta/PATH, if there is one, still is of the file that is there: ERR_CONFLICT. */
int tree_swap_may_place(struct tree_swap *p, const char *path, struct err *e);

/* Write delta/PATH, if there is one, into the file that is there. */
int tree_swap_place(struct tree_swap *p, const char *path, struct err *e);

/* Write kept/PATH, if there is one, back; durable. */
int tree_swap_replace(struct tree_swap *p, const char *path, struct err *e);

#endif
