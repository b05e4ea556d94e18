#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

/**
 * nearest_distance(a, b):
 * How many letters have to be put in, left out, replaced or exchanged with their neighbour to make
 * ${b} of ${a} (optimal string alignment); of texts longer than NEAREST_MAX it is INT_MAX.
 */
int nearest_distance(const char *a, const char *b);
enum { NEAREST_MAX = 32 };

/* Of several words the one that ${text} was most probably meant to be. */
struct nearest {
	const char *text;
	const char *best; /* NULL: none is near, two letters off at most */
	int distance;
};
void nearest_offer(struct nearest *n, const char *word);

#endif
