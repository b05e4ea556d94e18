#include "base/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/scope.h"

struct task {
	void (*step)(void *ctx, size_t i);
	void *ctx;
	size_t count;
	atomic_size_t next;
	size_t helpers; /* at work on it; under the crew's mutex */
};

struct crew {
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t offered;
	pthread_cond_t left; /* a helper has left a task */
	struct task *task;   /* the one that is shared, or NULL */
	size_t idle;
	bool dismissed;
};

struct crew *
crew_new(void)
{
	struct crew *c = mem_new(sizeof(*c));

	(void)pthread_mutex_init(&c->mutex, NULL);
	(void)pthread_cond_init(&c->offered, NULL);
	(void)pthread_cond_init(&c->left, NULL);
	return c;
}

void
crew_free(struct crew *c)
{
	if (c == NULL)
		return;
	(void)pthread_cond_destroy(&c->left);
	(void)pthread_cond_destroy(&c->offered);
	(void)pthread_mutex_destroy(&c->mutex);
	free(c);
}

static void
crew_work(struct task *t)
{
	size_t i;

	while ((i = atomic_fetch_add(&t->next, 1)) < t->count)
		t->step(t->ctx, i);
}

void
crew_serve(struct crew *c)
{
	LOCKED(&c->mutex);

	c->idle++;
	while (!c->dismissed) {
		struct task *t = c->task;

		if (t == NULL || atomic_load(&t->next) >= t->count) {
			(void)pthread_cond_wait(&c->offered, &c->mutex);
			continue;
		}
		t->helpers++;
		c->idle--;
		(void)pthread_mutex_unlock(&c->mutex);
		crew_work(t);
		(void)pthread_mutex_lock(&c->mutex);
		c->idle++;
		if (--t->helpers == 0)
			(void)pthread_cond_signal(&c->left);
	}
	c->idle--;
}

void
crew_dismiss(struct crew *c)
{
	LOCKED(&c->mutex);

	c->dismissed = true;
	(void)pthread_cond_broadcast(&c->offered);
}

static bool
crew_offer(struct crew *c, struct task *t)
{
	LOCKED(&c->mutex);

	if (c->idle == 0 || c->task != NULL)
		return false;
	c->task = t;
	(void)pthread_cond_broadcast(&c->offered);
	return true;
}

void
crew_share(struct crew *c, void (*step)(void *ctx, size_t i), void *ctx, size_t count)
{
	struct task t = {.step = step, .ctx = ctx, .count = count};
	const bool offered = c != NULL && crew_offer(c, &t);

	crew_work(&t);
	if (!offered)
		return;
	LOCKED(&c->mutex);
	c->task = NULL;
	while (t.helpers > 0)
		(void)pthread_cond_wait(&c->left, &c->mutex);
}
