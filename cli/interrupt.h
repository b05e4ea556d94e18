#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <stdbool.h>

/* Ctrl-C (SIGINT).  It ends the process with EXIT_INTERRUPTED, unless it is held. */
enum { EXIT_INTERRUPTED = 130 /* 128 + SIGINT, as shells say it */ };

void interrupt_install(void);

/* While it is held, the first one is only noted, and a second one ends the process. */
void interrupt_hold(void);
void interrupt_release(void);

/* Whether one was noted; of the type that http_request.cancelled wants. */
bool interrupt_seen(void *ctx);
void interrupt_clear(void);

#endif
