#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "cli/client.h"

/**
 * watch_operation(c, operation, ret_document, e):
 * Follow the operation of the document ${operation} to its end: a bar on a terminal, else a line
 * for each phase and every 10 s.  Ctrl-C on a terminal asks whether to cancel the operation or to
 * detach from it, elsewhere it detaches: ERR_CANCELLED.  0 if it succeeded; -1 with its error.
 * ${ret_document}: the last that was seen of it, also on error (NULL: nothing); the caller's.
 */
int watch_operation(
	struct client *c, const json_t *operation, json_t **ret_document, struct err *e);

struct arguments;

/* An operation to start. */
struct work {
	const char *what; /* for people: "Backup" */
	const char *path; /* where to POST */
	const json_t *body;
};

/**
 * watch_work(c, a, w, ret_document, e):
 * Start ${w} and follow it to its end; with --no-wait it is told that it began, and
 * ${ret_document} stays NULL.  With --json also the document of what failed is printed.
 */
int watch_work(struct client *c, const struct arguments *a, const struct work *w,
	json_t **ret_document, struct err *e);

/* Print ${json}, with a line end. */
void watch_json(const json_t *json);

/* Tell ${warnings}, an array of texts, on stderr. */
void watch_warnings(const json_t *warnings);

/* Tell on stderr what ${backup} leaves out, if it is partial. */
void watch_omitted(const json_t *backup);

/* ${bytes} for people: "1.4 GiB".  Returns ${text}. */
enum { SIZE_TEXT = 32 };
const char *watch_size(int64_t bytes, char text[SIZE_TEXT]);

/* One state of work on the terminal or as a line; ${label} changes with the phase. */
struct meter {
	char label[64];
	int64_t told_ns; /* when a line was last written */
	bool quiet;	 /* nothing is shown */
	bool open;	 /* a bar stands on the terminal's present line */
};
void meter_show(struct meter *m, const char *label, int64_t done, int64_t total, int64_t rate);
void meter_end(struct meter *m);

#endif
