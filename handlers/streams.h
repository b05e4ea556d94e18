#ifndef HANDLERS_STREAMS_H
#define HANDLERS_STREAMS_H

#include "server/reply.h"

/*
 * Downloads share the memory that there is for them, some 72 MiB, however many clients read however
 * slowly.  One that copies stored bytes takes a block and a frame, up to 384 KiB; one that
 * decompresses (a tar, a folder, a file) reads ahead, 5.5 MiB as measured.  Each kind has a share
 * of its own.
 */
enum stream_kind { STREAM_STORED, STREAM_PLAIN, STREAM_KINDS };

enum {
	STREAMS_STORED_MAX = 64,
	STREAMS_PLAIN_MAX = 9,
	STREAMS_WAIT_MS = 3000 /* for another one to end */
};

/* Take the place of one, waiting for it; -1: there is none, and ${reply} says so (503). */
int streams_enter(enum stream_kind kind, struct reply *reply);
void streams_leave(enum stream_kind kind);

#endif
