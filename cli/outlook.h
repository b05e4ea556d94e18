#ifndef CLI_OUTLOOK_H
#define CLI_OUTLOOK_H

#include <jansson.h>

/* Print what a dry run of a restore found: its operation's result. */
void outlook_print(const json_t *result);

#endif
