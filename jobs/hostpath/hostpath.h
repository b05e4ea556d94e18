#ifndef JOBS_HOSTPATH_HOSTPATH_H
#define JOBS_HOSTPATH_HOSTPATH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "archive/write/segments.h"
#include "base/err.h"

/*
 * Where a path of the host leads, looked at component by component below a descriptor of the host's
 * root (lender_root.host), so that nobody can lead astray who may write to a folder on the way.
 *
 * What is kept of a source in a backup's manifest ("place"):
 *	{"real": "/srv/releases/1",                        the same without links
 *	 "links": [{"path": "/srv/live", "to": "releases/1", "uid": 0, "gid": 0, "itself": true}],
 *	 "above": [{"mode": 493, "uid": 0, "gid": 0}, …],  of "/" and each folder above "real"
 *	 "dev": …, "ino": …, "born_ns": …, "type": "folder"}
 */
enum hostpath_type {
	HOSTPATH_MISSING,
	HOSTPATH_FOLDER,
	HOSTPATH_FILE,
	HOSTPATH_OTHER /* a socket, a pipe or a device */
};

struct hostpath {
	char *real;    /* absolute, without links; of what is missing: as it would be */
	json_t *links; /* as in the manifest; "itself": the path's last component is this link */
	json_t *above; /* likewise */
	enum hostpath_type type;
	bool safe; /* none but root can change where the path leads: all links and all folders on
		    * the way are root's, and nobody else may write to those folders */
	int fd;	   /* O_PATH, of what is there; of what is missing: of the last folder above */
	struct statx stat;     /* of what is there */
	size_t there;	       /* components of ${real} that are there */
	struct tree_id *chain; /* of "/", and of each component that is there */
};

/**
 * hostpath_find(root_fd, path, ret_path, e):
 * Look where the absolute ${path} leads now, links followed and noted.  What is missing is no
 * error.  ERR_CONFLICT if a component in the middle is no folder, or there are more than 40 links.
 * The result is the caller's, to be freed by hostpath_free.
 */
int hostpath_find(int root_fd, const char *path, struct hostpath *ret_path, struct err *e);
void hostpath_free(struct hostpath *p); /* usable as SCOPED(hostpath_free) on a zeroed one */

/* For a manifest: a new object. */
json_t *hostpath_json(const struct hostpath *p);

/* The same inode, by number and birth: ${fd} is what ${p} found; ${place} of a manifest is. */
bool hostpath_same_fd(const struct hostpath *p, int fd);
bool hostpath_same_place(const struct hostpath *p, const json_t *place);

/* The first of ${links} whose path and target are not in ${others}; NULL: all are. */
const json_t *hostpath_other_link(const json_t *links, const json_t *others, bool itself);

/* How many of ${links} are the path itself. */
size_t hostpath_itself(const json_t *links);

/* 1: ${path}, whose folder has no links above it, is a link, its target the caller's; 0: there is
 * nothing, or no such folder; -1: ERR_CONFLICT if it is something else. */
int hostpath_readlink(int root_fd, const char *path, char **ret_to, struct err *e);

/**
 * hostpath_make(root_fd, path, above, e):
 * Make the missing folders of ${path}, which has no links, the last one too, for root alone to
 * write to; those above it look as ${above} of a manifest says (NULL or too short: root's, 0755).
 * Through no link: ERR_CONFLICT names one on the way.
 */
int hostpath_make(int root_fd, const char *path, const json_t *above, struct err *e);

/**
 * hostpath_link(root_fd, path, to, was, looks, e):
 * Have the link ${path}, whose folder has no links above it, lead to ${to}.  ${was}: where it leads
 * now, or NULL if there is none: ERR_CONFLICT if anything else stands there.  ${to} NULL: it goes.
 * ${looks}: has "uid" and "gid" of the new one; or NULL.
 */
int hostpath_link(int root_fd, const char *path, const char *to, const char *was,
	const json_t *looks, struct err *e);

#endif
