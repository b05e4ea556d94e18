#ifndef STORE_OPEN_CATALOGUE_SWAP_H
#define STORE_OPEN_CATALOGUE_SWAP_H

#include "store/catalogue/state.h"

/*
 * A new catalogue beside the old one, which takes its place once it is whole: rebuild.h, 1.
 * Between the two calls s->catalogue is the new one; behind the second there is none open.
 */
int catalogue_swap_begin(struct store *s, struct err *e);
int catalogue_swap_end(struct store *s, struct err *e);

#endif
