#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

/* How many values fell into which range.  Copied as a value; not thread-safe by itself. */
enum { HISTOGRAM_BOUNDS = 16 };

struct histogram {
	const double *bounds;		      /* upper bounds, inclusive and ascending; borrowed */
	int count;			      /* of them: 1 to HISTOGRAM_BOUNDS */
	int64_t values[HISTOGRAM_BOUNDS + 1]; /* of each range; values[count]: above all bounds */
	double sum;			      /* of the values */
};

void histogram_add(struct histogram *h, double value);

#endif
