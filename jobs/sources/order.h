#ifndef JOBS_SOURCES_ORDER_H
#define JOBS_SOURCES_ORDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The order in which containers are started: those with a fixed address first, so that none whose
 * address is dynamic gets it, then by the recorded start; but a container only after those that it
 * needs (container: modes, links, volumes-from, Compose's depends_on).
 */

/* Whether ${inspect} names the container ${other} (an inspect) in its modes or links: it must then
 * be made again when the other one gets a new id.  ${more}: also if it needs it in another way, by
 * volumes-from or depends_on. */
bool order_needs(const json_t *inspect, const json_t *other, bool more);

/* Whether ${inspect} is to be started only when ${other} is healthy (Compose's service_healthy). */
bool order_awaits_health(const json_t *inspect, const json_t *other);

/* Whether it has an address of its own choice on any network. */
bool order_is_fixed(const json_t *inspect);

/**
 * order_containers(inspects, ret_names):
 * ${inspects}: {name: inspect}.  ${ret_names}: the keys in order, borrowed from it; the array is
 * the caller's to free.  A circle is cut at its first container.
 */
void order_containers(const json_t *inspects, const char ***ret_names);

#endif
