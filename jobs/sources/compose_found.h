#ifndef JOBS_SOURCES_COMPOSE_FOUND_H
#define JOBS_SOURCES_COMPOSE_FOUND_H

#include "base/err.h"
#include "jobs/sources/compose.h"

/* So many files of one project are taken, each of at most so many bytes. */
enum { COMPOSE_FOUND_MAX = 64, COMPOSE_FOUND_BYTES = 1024 * 1024 };

/**
 * compose_found(root_fd, folder, take, ctx, e):
 * The files of a project that no label names, in its ${folder} on the host: by their names (".env",
 * "*.env", ".env.*", "compose*.yaml", "docker-compose*.yaml", ".yml" likewise); then what such a
 * YAML file mentions, by a path below ${folder}, that is relative to the file or to ${folder} and
 * ends with .env, .yaml or .yml (so includes and env files; nothing of YAML is understood, and what
 * is mentioned for another reason is taken as well); and so on.  Only regular files, reached
 * without a link from ${folder} on.  What cannot be looked at is not there.
 */
int compose_found(int root_fd, const char *folder, compose_take *take, void *ctx, struct err *e);

/* Add those of all projects of ${v}.  ${ret_added}: how many sources were not there. */
int compose_add_found(struct inventory *v, int root_fd, size_t *ret_added, struct err *e);

#endif
