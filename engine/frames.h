#ifndef ENGINE_FRAMES_H
#define ENGINE_FRAMES_H

#include <stddef.h>

/**
 * frames_text(data, len):
 * The text of a log or of a command's output.  Without a terminal it comes in frames: 8 bytes
 * (stream, 0, 0, 0, length), then the text; with one it is bare.  A frame that is cut off gives
 * what there is of it.  The caller's to free.
 */
char *frames_text(const void *data, size_t len);

#endif
