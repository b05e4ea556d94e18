#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

/* All commands by what people want, in 24 lines of 80 columns.  A new command goes into one of its
 * rows (tests/cli/table_test.py). */
void help_print(FILE *to);

#endif
