#include "server/visits.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

struct visits {
	pthread_mutex_t mutex;
	int count;
	struct visit list[VISITS_MAX];
};

struct visits *
visits_new(void)
{
	struct visits *v = mem_new(sizeof(*v));

	(void)pthread_mutex_init(&v->mutex, NULL);
	return v;
}

void
visits_free(struct visits *v)
{
	if (v == NULL)
		return;
	(void)pthread_mutex_destroy(&v->mutex);
	free(v);
}

/* With the lock held: its place, which may be a new one. */
static struct visit *
visits_place(struct visits *v, const char *method, const char *pattern, int status)
{
	for (int i = 0; i < v->count; i++) {
		struct visit *seen = &v->list[i];
		if (seen->status == status && strcmp(seen->pattern, pattern) == 0 &&
			strcmp(seen->method, method) == 0)
			return seen;
	}
	if (v->count == VISITS_MAX)
		return &v->list[VISITS_MAX - 1];
	if (v->count == VISITS_MAX - 1) {
		method = pattern = "other";
		status = 0;
	}
	v->list[v->count] = (struct visit){method, pattern, status, 0};
	return &v->list[v->count++];
}

void
visits_count(struct visits *v, const char *method, const char *pattern, int status)
{
	LOCKED(&v->mutex);

	if (pattern == NULL)
		method = pattern = "none"; /* the method is a stranger's text, too */
	visits_place(v, method, pattern, status)->count++;
}

struct visit *
visits_list(struct visits *v, int *ret_count)
{
	struct visit *copy;
	LOCKED(&v->mutex);

	copy = mem_array(NULL, (size_t)v->count + 1, sizeof(*copy));
	memcpy(copy, v->list, (size_t)v->count * sizeof(*copy));
	*ret_count = v->count;
	return copy;
}
