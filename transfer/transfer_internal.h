#ifndef TRANSFER_TRANSFER_INTERNAL_H
#define TRANSFER_TRANSFER_INTERNAL_H

#include "transfer/transfer.h"
#include "transfer/url.h"
#include "transfer/wire.h"

/* What the protocols share: a file each, and a row in transfer.c. */
struct protocol {
	const char *name;
	const char *schemes; /* with a space behind each */
	bool exclusive;	     /* see transfer_exclusive */
	/* Checks the options and makes t->state; nothing is sent. */
	int (*open)(struct transfer *t, const struct transfer_options *o, struct err *e);
	void (*close)(struct transfer *t);
	int (*put)(struct transfer *t, const char *name, const struct transfer_body *body,
		enum transfer_how how, struct err *e);
	int (*get)(struct transfer *t, const char *name, int64_t from, int64_t length,
		const struct sink *sink, struct err *e);
	int (*stat)(struct transfer *t, const char *name, int64_t *ret_size, struct err *e);
	int (*list)(struct transfer *t, const char *folder, transfer_each *each, void *ctx,
		struct err *e);
	int (*remove)(struct transfer *t, const char *name, struct err *e);
};

extern const struct protocol protocol_file, protocol_http, protocol_dav, protocol_sftp,
	protocol_ftp, protocol_s3;

struct transfer {
	const struct protocol *protocol;
	struct url url;
	char *secret[TRANSFER_SECRETS]; /* NULL: none */
	struct wire *wire;		/* of the protocols that go by libcurl */
	void *state;			/* the protocol's own */
	struct transfer_facts facts;
};

/* Whether ${name} may be an object's. */
bool transfer_name_valid(const char *name);

/* What the name of an object that is on its way ends with. */
#define TRANSFER_PART_SUFFIX ".part"
bool transfer_name_part(const char *name);

/* Of what a put left half done, the last bytes are compared with ours before it goes on. */
enum { TRANSFER_TAIL = 64 * 1024 };

/**
 * A sink that compares what comes with the body, from ${at} on.
 */
struct same {
	const struct transfer_body *body;
	int64_t at;
	bool differs;
};
struct sink same_sink(struct same *s);

/* Have ${each} told of ${name}, unless it is none of ours (transfer_name_valid, .part). */
int transfer_tell(transfer_each *each, void *ctx, const char *name, size_t len, int64_t size,
	bool folder, struct err *e);

#endif
