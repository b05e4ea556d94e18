#ifndef CLI_PAINT_H
#define CLI_PAINT_H

#include <jansson.h>
#include <stdio.h>

enum paint { PAINT_NONE, PAINT_GOOD, PAINT_WARNING, PAINT_BAD, PAINT_FOLDER };

/**
 * paint(to, colour, width, text):
 * Print ${text}, filled up with blanks to ${width} (-1: it may have several lines).  It is coloured
 * if ${to} is a terminal, TERM is not "dumb" and NO_COLOR (no-color.org) is not set.  Control
 * characters, which names in a backup may have, are shown as \xHH: they would be orders for the
 * terminal.
 */
void paint(FILE *to, enum paint colour, int width, const char *text);

/* As printf, to standard output; control characters but the newline are shown as \xHH.  What a
 * service told is printed by this or by paint, never by printf. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* JSON, indented, and the end of the line: control characters are \uHHHH in it. */
void paint_json(FILE *to, const json_t *json);

/* As printf, and the end of the line; control characters, newlines too, are shown as \xHH. */
void paint_line(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The colour of a backup's or an operation's state. */
enum paint paint_state(const char *state);

#endif
