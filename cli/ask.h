#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/client.h"

/*
 * Whoever destroys is asked first.  The question goes to the terminal that standard error is, or
 * else standard output, and is answered on the one that standard input is: so `… | tee log` asks,
 * too.  Where there is no such terminal only --yes goes on.
 */

/* Whether anybody can be asked. */
bool ask_possible(void);

/* Ask what stands in ${text}, lines of which the last one is the question: whether the answer was
 * yes.  Control characters of ${text} are shown as \xHH. */
bool ask(const char *text);

/* The name of the service's host, as its engine has it; "the service's host" if it is not known.
 * The caller's to free. */
char *ask_host(struct client *c);

/* The names of ${containers} (objects with `name`) in one line, the first few; the caller's. */
char *ask_names(const json_t *containers);

/* The same of a list of texts. */
char *ask_texts(const json_t *texts);

#endif
