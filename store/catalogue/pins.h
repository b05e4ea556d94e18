#ifndef STORE_CATALOGUE_PINS_H
#define STORE_CATALOGUE_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The chunk numbers that a session holds on to: one bit each, in pages that are made when needed,
 * so 1 MiB for the seven million chunks of a terabyte.  The session sets bits while it holds the
 * store's look-up lock shared; a sweep reads them while it holds that lock exclusively.
 */
struct pins {
	uint64_t **pages;
	size_t count;
};

void pins_add(struct pins *p, uint64_t first, uint64_t count);
void pins_merge(struct pins *p, const struct pins *other); /* all of ${other}, too */
bool pins_has(const struct pins *p, uint64_t number);
void pins_free(struct pins *p);

#endif
