#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "http/http.h"

/* A client of the service's API. */
struct client;

/**
 * client_open(ret_client, e):
 * Address: FUEL_BACKUP_URL, else 127.0.0.1 and FUEL_BACKUP_PORT (8088).  Token: FUEL_BACKUP_TOKEN,
 * else the file FUEL_BACKUP_TOKEN_FILE, else `token` in FUEL_BACKUP_STORE (/var/backup/fuel).
 */
int client_open(struct client **ret_client, struct err *e);
void client_close_at(struct client **c);

struct http *client_http(struct client *c);
const char *client_url(const struct client *c);
const char *client_store(const struct client *c); /* the store's folder on this host */

/**
 * client_call(c, method, path, body, ret, e):
 * One call.  ${ret} (NULL: not wanted): the reply's JSON.  A problem becomes ${e}: its title and
 * detail, number its status (ERR_BUSY: another operation runs).
 */
int client_call(struct client *c, const char *method, const char *path, const json_t *body,
	json_t **ret, struct err *e);

/* Turn a reply of status >= 400 into an error; always -1. */
int client_refused(const struct http_reply *reply, struct err *e);

/* The full id that ${text} means: "latest" (the newest complete one; if there is none, the newest
 * partial one), an id, a backup's name, or the beginning of an id; it
 * is an error if several backups are meant. */
int client_find_backup(struct client *c, const char *text, char **ret_id, struct err *e);

/* Whether ${backup}, a record, can be read: it is complete or partial. */
bool client_readable(const json_t *backup);

/* The record of the backup that ${text} means. */
int client_get_backup(struct client *c, const char *text, json_t **ret_backup, struct err *e);

/**
 * client_pages(c, path, key, ret_list, e):
 * All that the paged list at ${path} has: the arrays ${key} of its pages, as one.
 */
int client_pages(
	struct client *c, const char *path, const char *key, json_t **ret_list, struct err *e);

/* With --json nothing but the result is printed: no progress. */
void client_set_quiet(struct client *c, bool quiet);
bool client_quiet(const struct client *c);

/* A text of ${object}; "" if there is none. */
const char *client_text(const json_t *object, const char *key);

#endif
