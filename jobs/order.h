#ifndef JOBS_ORDER_H
#define JOBS_ORDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The order in which containers are started: by the recorded start, but a container only after
 * those that it needs (container: modes, links, volumes-from).
 */

/* Whether ${inspect} names the container ${other} (an inspect) in its modes or links: it must then
 * be made again when the other one gets a new id.  ${volumes}: in volumes-from as well. */
bool order_needs(const json_t *inspect, const json_t *other, bool volumes);

/**
 * order_containers(inspects, ret_names):
 * ${inspects}: {name: inspect}.  ${ret_names}: the keys in order, borrowed from it; the array is
 * the caller's to free.  A circle is cut at its first container.
 */
void order_containers(const json_t *inspects, const char ***ret_names);

#endif
