#ifndef BASE_SCOPE_H
#define BASE_SCOPE_H

#include <dirent.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Cleanup bound to scope:
 *	SCOPED(fd_close_at) int fd = openat(…);
 *	SCOPED(free_at) char *text = strdup(…);
 *	return TAKE_FD(fd);  or  return TAKE(text);
 * A scoped variable is initialised where it is declared.  The function gets its address
 * and must accept the empty value (NULL, -1).
 */
#define SCOPED(function) __attribute__((cleanup(function)))

/* Hand a scoped pointer on: its value, leaving NULL behind. */
#define TAKE(pointer)                                                                              \
	(__extension__({                                                                           \
		__typeof__(pointer) taken_ = (pointer);                                            \
		(pointer) = NULL;                                                                  \
		taken_;                                                                            \
	}))

/* The same for a descriptor, leaving -1 behind. */
#define TAKE_FD(fd)                                                                                \
	(__extension__({                                                                           \
		const int taken_ = (fd);                                                           \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	}))

static inline void
free_at(void *address)
{
	free(*(void **)address);
}

static inline void
fd_close_at(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void
dir_close_at(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

static inline void
file_close_at(FILE **file)
{
	if (*file != NULL)
		(void)fclose(*file);
}

static inline void
json_decref_at(json_t **json)
{
	json_decref(*json);
}

static inline void
mutex_unlock_at(pthread_mutex_t **mutex)
{
	if (*mutex != NULL)
		(void)pthread_mutex_unlock(*mutex);
}

static inline pthread_mutex_t *
mutex_lock(pthread_mutex_t *mutex)
{
	(void)pthread_mutex_lock(mutex);
	return mutex;
}

/* Hold ${mutex} to the end of the block. */
#define LOCKED(mutex)                                                                              \
	SCOPED(mutex_unlock_at)                                                                    \
	__attribute__((unused)) pthread_mutex_t *locked_ = mutex_lock(mutex)

#endif
