#include "base/histogram.h"

void
histogram_add(struct histogram *h, double value)
{
	int i = 0;

	while (i < h->count && value > h->bounds[i])
		i++;
	h->values[i]++;
	h->sum += value;
}
