#ifndef ENGINE_LENDER_LENDER_INTERNAL_H
#define ENGINE_LENDER_LENDER_INTERNAL_H

#include <pthread.h>
#include <sys/types.h>

#include "base/trusted.h"
#include "engine/lender/lender.h"
#include "engine/lender/lender_wire.h"
#include "engine/traits.h"

/* The inside of struct lender, for the files that make it up. */

struct lender {
	struct engine *engine;
	const struct lender_options *options; /* only while it is opened */
	char *socket_path;
	int listen_fd;
	int fd;
	char *container; /* its id, or NULL */
	pid_t child;	 /* or -1 */
	int *roots;
	size_t count;
	bool hangs;	       /* it did not answer: it is not waited for */
	pthread_mutex_t mutex; /* one question at a time */
	struct trusted_keeper keeper;
};

#define LENDER_HOST_CGROUPS "/sys/fs/cgroup"

/* What makes its container; NULL with ERR_CONFLICT if the sockets' places on the host are not
 * known. */
json_t *lender_body(const struct lender *l, const struct traits *t, struct err *e);

/* The text at ${key}; "" if there is none.  Borrowed. */
const char *lender_text(const json_t *object, const char *key);

/* The next answer within ${wait_ms}; 'x' and the end of the lender become errors. */
int lender_receive(struct lender *l, int wait_ms, struct wire_message *m, struct err *e);

/* From now on it is the keeper of attributes trusted.*, until trusted_end. */
void lender_keep_trusted(struct lender *l);

#endif
