#ifndef ENGINE_EVENTS_H
#define ENGINE_EVENTS_H

#include <jansson.h>

#include "base/err.h"
#include "engine/engine.h"

/*
 * The engine's events of containers, followed by a thread of its own from events_open on and kept
 * in memory (at most 10,000; more sets `lost`) until they are asked for.
 */
struct events;

int events_open(struct engine *g, struct events **ret_events, struct err *e);
void events_close(struct events *v);
void events_close_at(struct events **v);

/**
 * events_take(v, ret_array, e):
 * What came since the last call, as a JSON array (the caller's) of {"action", "id", "name",
 * "time_ns"}.  Returns -1 if the stream broke or events were lost, for then nobody knows.
 */
int events_take(struct events *v, json_t **ret_array, struct err *e);

#endif
