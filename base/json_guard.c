/*
 * In builds with AddressSanitizer alone: who lets go of a JSON value once too often is found.
 *
 * jansson is not built with the sanitizer, so that what it does to freed memory goes unseen: there
 * a json_decref too many only counts down in memory that somebody else may have by then.  Here
 * jansson frees through free_late, which fills a block and keeps it for a while.  Our own code that
 * reads it is stopped by the sanitizer; what jansson itself wrote is seen when the block is let go
 * of, and at the end of the program.
 */
#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* KEPT_MAX: blocks of some 50 bytes; a value is let go of too often soon after its end, or never.
 */
enum { KEPT_MAX = 16384, FILL = 0xA5 };

static struct {
	pthread_mutex_t mutex;
	unsigned char *blocks[KEPT_MAX];
	size_t next; /* where the oldest one is */
} kept = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* The end of the program, if somebody wrote into ${block}. */
static void
json_guard_judge(const unsigned char *block, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (block[i] == FILL)
			continue;
		(void)fprintf(stderr,
			"json_guard: a JSON value was let go of once too often: byte %zu of %zu of "
			"a freed block was changed.  valgrind names who; it was made here:\n",
			i, size);
		__asan_describe_address((void *)(uintptr_t)block);
		abort();
	}
}

static void
json_guard_let_go(unsigned char *block)
{
	const size_t size = malloc_usable_size(block);

	ASAN_UNPOISON_MEMORY_REGION(block, size);
	json_guard_judge(block, size);
	free(block);
}

static void
free_late(void *block)
{
	unsigned char *oldest;
	size_t size;

	if (block == NULL)
		return;
	size = malloc_usable_size(block);
	memset(block, FILL, size);
	ASAN_POISON_MEMORY_REGION(block, size);
	(void)pthread_mutex_lock(&kept.mutex);
	oldest = kept.blocks[kept.next];
	kept.blocks[kept.next] = block;
	kept.next = (kept.next + 1) % KEPT_MAX;
	(void)pthread_mutex_unlock(&kept.mutex);
	if (oldest != NULL)
		json_guard_let_go(oldest);
}

__attribute__((constructor)) static void
guard(void)
{
	json_set_alloc_funcs(malloc, free_late);
}

/* Threads may free on: the list is theirs as before. */
__attribute__((destructor)) static void
judge_all(void)
{
	for (size_t i = 0; i < KEPT_MAX; i++) {
		unsigned char *block;

		(void)pthread_mutex_lock(&kept.mutex);
		block = kept.blocks[i];
		kept.blocks[i] = NULL;
		(void)pthread_mutex_unlock(&kept.mutex);
		if (block != NULL)
			json_guard_let_go(block);
	}
}
