#ifndef JOBS_RESTORE_DATA_RESTORE_DATA_INTERNAL_H
#define JOBS_RESTORE_DATA_RESTORE_DATA_INTERNAL_H

#include "jobs/content/contents.h"
#include "jobs/hostpath/protected.h"
#include "jobs/plan/excludes.h"
#include "jobs/restore/data/restore_data.h"
#include "jobs/restore/data/target.h"

/* What restore_data.c, restore_data_lend.c, restore_data_stage.c and restore_data_undo.c share;
 * nobody else includes it. */

enum { RESTORE_DATA_LENDERS = 3 };

struct restore_data {
	struct restore *restore;
	struct excludes *excludes;
	/* Of what is there, of what was made before the stop, after it; and, while an undo has to
	 * do without what is gone, one for each target. */
	struct lender *lenders[RESTORE_DATA_LENDERS], **each;
	size_t each_count;
	struct lender *view; /* lends the host's root, or NULL: not needed yet */
	struct protected *protected;
	struct restore_data_mount *mounts; /* restore_data_uses.c */
	size_t mount_count;
	const char *id; /* borrowed */
	char *run_path;
	int run_fd;
	struct small_file_writer *scribe; /* or NULL */
	struct target *targets;
	size_t count;
	struct target *last;	  /* the one that took the last member */
	struct target *astute_in; /* the one that ASTUTE_PATH of the backup is in, or NULL, */
	int64_t astute_at;	  /* and where its member begins */
};

struct target_options restore_data_options(const struct restore_data *f);

/* Whether ${path}, of the archive and held by ${t}, is ASTUTE_PATH of the host. */
bool restore_data_is_astute(const struct target *t, const char *path);

/* The container of that name, or NULL. */
const struct restore_container *restore_data_item(const struct restore *r, const char *container);

/* Lend those targets that ${wanted} says yes to, by lender ${which}: below RESTORE_DATA_LENDERS, or
 * that and the number of the target in f->each. */
typedef bool restore_data_select(const struct target *t);
int restore_data_lend_targets(
	struct restore_data *f, size_t which, restore_data_select *wanted, struct err *e);

/* Open ${f->view} and ${f->protected}, unless they are. */
int restore_data_view(struct restore_data *f, struct err *e);

/**
 * restore_data_place(f, t, source, e):
 * Of a volume, a bind or a host path: choose where the data of the manifest's ${source} go now,
 * what is there, and which links are to be put back.  ERR_CONFLICT names the component that leads
 * astray, or what it would be written to that is protected.
 */
int restore_data_place(
	struct restore_data *f, struct target *t, const json_t *source, struct err *e);

/**
 * restore_data_decide(host_fd, path, now, place, relink, ret_real, e):
 * Where the data go that the backup found at ${place} of its manifest (anything, if it is hostile;
 * NULL: it does not say), of which ${now} is what is found at its ${path} today.  A link that is to
 * be put back is added to ${relink}: none but ${path} itself.  ${ret_real}: absolute, the caller's.
 */
int restore_data_decide(int host_fd, const char *path, const struct hostpath *now,
	const json_t *place, json_t *relink, char **ret_real, struct err *e);

/* Make the folders that are missing above what ${t} will be, and its own. */
int restore_data_make_missing(struct restore_data *f, struct target *t, struct err *e);

/* What was lent for ${t} is what is meant: ERR_CONFLICT. */
int restore_data_check_lent(struct restore_data *f, struct target *t, struct err *e);

/* Put back the links of all targets; and undo that for one, if it was done. */
int restore_data_relink(struct restore_data *f, struct err *e);
int restore_data_unlink(struct restore_data *f, const struct target *t, struct err *e);

void restore_data_mounts_free(struct restore_data *f);

/* Once all have their places: those that are one tree are restored once, and what lies in another
 * is left alone by that. */
void restore_data_find_twins(struct restore_data *f);

/* After a crash: lend those that are there yet; what is gone is named (restore_left) and dropped.
 */
int restore_data_lend_again(struct restore_data *f, struct err *e);

/* What is there before anything is made. */
bool restore_data_is_there(const struct target *t);

/* What was not there: made before the containers are stopped, and after. */
bool restore_data_is_made_before(const struct target *t);
bool restore_data_is_made_after(const struct target *t);

/* The target that holds ${path} most closely, or NULL. */
struct target *restore_data_target_of(struct restore_data *f, const char *path);

/* Begin the trees that are active: those of containers that were made, or all others. */
int restore_data_begin(struct restore_data *f, bool container, struct err *e);

/* Put what differs beside the old: of trees whose writers may still run, of trees, of all. */
enum beside { BESIDE_LIVE, BESIDE_TREES, BESIDE_ALL };
int restore_data_put_beside(struct restore_data *f, enum beside what, struct err *e);

/* Layers of containers that were made go with them. */
bool restore_data_remains(const struct restore *r, const char *container);

#endif
