#ifndef WEB_ASSETS_H
#define WEB_ASSETS_H

#include <stddef.h>

/* Files that are part of the program. */
struct asset {
	const char *path; /* of the URL */
	const char *type;
	const char *data;
	const char *end;
};

extern const struct asset assets[]; /* up to one without a path */

#endif
