#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

/**
 * thread_start(ret_thread, work, ctx):
 * pthread_create of a joinable thread that no signal comes to: they are the main thread's.
 * Returns 0 or an errno value.
 */
int thread_start(pthread_t *ret_thread, void *(*work)(void *ctx), void *ctx);

#endif
