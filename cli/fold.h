#ifndef CLI_FOLD_H
#define CLI_FOLD_H

#include <stdio.h>

/**
 * fold(to, indent, format, ...):
 * Print a line of our own text, as printf.  On a terminal it is folded at blanks to the terminal's
 * width, what follows being indented by ${indent}; elsewhere it stays one line, for other programs.
 */
void fold(FILE *to, int indent, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
