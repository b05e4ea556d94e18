#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "cli/client.h"

/**
 * watch_operation(c, operation, ret_document, e):
 * Follow the operation of the document ${operation} to its end: a bar on a terminal, else a line
 * for each phase and every 10 s.  0 if it succeeded; -1 with its error.  ${ret_document}: the last
 * that was seen of it, also on error (NULL: nothing); the caller's.
 */
int watch_operation(
	struct client *c, const json_t *operation, json_t **ret_document, struct err *e);

/* ${bytes} for people: "1.4 GiB".  Returns ${text}. */
enum { SIZE_TEXT = 32 };
const char *watch_size(int64_t bytes, char text[SIZE_TEXT]);

/* One state of work on the terminal or as a line; ${label} changes with the phase. */
struct meter {
	char label[64];
	int64_t told_ns; /* when a line was last written */
	bool open;	 /* a bar stands on the terminal's present line */
};
void meter_show(struct meter *m, const char *label, int64_t done, int64_t total, int64_t rate);
void meter_end(struct meter *m);

#endif
