#ifndef JOBS_COPIES_DESTINATION_H
#define JOBS_COPIES_DESTINATION_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "transfer/transfer.h"

/*
 * Where copies go: a JSON object of settings, as the API takes and gives them.  Of secrets it has
 * the names of files and variables and nothing else, so that it can be shown to anybody.
 */

enum { DESTINATION_NAME_MAX = 32, DESTINATIONS_MAX = 100 };

/* Whether ${name} is [a-z0-9-], 1 to DESTINATION_NAME_MAX of them, no '-' at its begin. */
bool destination_name_valid(const char *name);

/* ERR_INVALID: a field is unknown, or of the wrong kind.  Nothing is opened. */
int destination_check(const json_t *settings, struct err *e);

/* `form`: what is put there. */
enum destination_form { FORM_ARCHIVES, FORM_PACKS };
enum destination_form destination_form(const json_t *settings);

/* How it is to be reached. */
struct destination_way {
	int64_t connect_s, stall_s; /* 0: as usual */
	bool (*cancelled)(void *ctx);
	void *ctx;
};

/* As transfer_open, of ${settings}; ${way} may be NULL. */
int destination_open(const json_t *settings, const struct destination_way *way,
	struct transfer **ret_transfer, struct err *e);

/* Whether what is copied there may be in clear: `plain`, or a folder of this host and a store that
 * is not encrypted; packs of an encrypted one are not in clear.  -1: ERR_FORBIDDEN says what to
 * set. */
int destination_may_be_plain(const json_t *settings, bool store_encrypted, struct err *e);

#endif
