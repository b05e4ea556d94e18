#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/*
 * What the environment says.  A variable FUEL_BACKUP_* that is not known is refused, for it is
 * most likely misspelt.
 */
struct config {
	char *store;
	char *listen; /* "host:port" or "unix:/path" */
	char *plan;   /* NULL: the embedded default */
	char *token;  /* NULL: from the file */
	char *token_file;
	char *key_file; /* of an encrypted store: at most one of these two */
	char *passphrase_file;
	char *docker_host; /* NULL: the default */
	char *log;	   /* "text" or "json" */
	bool log_json;
	char *freezer; /* "docker" or "cgroup" */
	int64_t max_freeze_ms;
	int64_t reread;				  /* 1/N: N; 0: none */
	int64_t live_mib_s;			  /* 0: no limit */
	int64_t scrub_days;			  /* 0: never */
	char *metrics_token, *metrics_token_file; /* NULL: the token alone */
	char *origins;				  /* see cors.h; NULL: none */
	char *auth;				  /* "token" or "keystone" */
	bool auth_keystone;
	char *keystone_url; /* NULL: none */
	char *keystone_user, *keystone_password, *keystone_password_file, *keystone_project;
	char *nailgun;			    /* its URL; NULL: none */
	char *notify_url, *notify_url_file; /* NULL: nobody is told */
	char *notify_format;		    /* "json" or "text" */
	char *notify_on;		    /* "success,failure,…" */
	int64_t overdue_hours;		    /* 0: by the schedule alone */
};

int config_load(char *const *environment, struct config **ret_config, struct err *e);
void config_free(struct config *c);
void config_free_at(struct config **c);

/* One VARIABLE=value a line, secrets left out. */
void config_print(const struct config *c, FILE *to);

#endif
