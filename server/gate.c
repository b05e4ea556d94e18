#include "server/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/thread.h"
#include "server/guests.h"
#include "server/head.h"
#include "server/refusal.h"

#define SECOND_NS INT64_C(1000000000)

/* Deadlines are looked at so often; descriptors that the room and the threads want at most. */
enum { TICK_MS = 250, EVENTS_MAX = 64, ACCEPT_MAX = 64, DESCRIPTORS = 16 * 1024 };

/* Events of others than guests. */
static const uint32_t LISTENER = UINT32_MAX, WAKER = UINT32_MAX - 1;

struct gate {
	struct gate_options options;
	pthread_mutex_t mutex;
	pthread_cond_t left; /* one that was inside */
	pthread_t thread;
	bool shut, closing;
	int epoll, waker;
	uint32_t gateway;
	struct guests guests;
	char peeked[HEAD_BYTES_MAX]; /* the thread's alone */
};

/* All that follows is called with the lock held, but for gate_*. */

static void
gate_forget(struct gate *g, struct guest *guest)
{
	(void)close(guest->fd); /* epoll forgets it with that */
	guests_move(&g->guests, guest, GUEST_FREE);
}

static void
gate_watch(struct gate *g, struct guest *guest)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET,
		.data.u32 = (uint32_t)(guest - g->guests.all)};

	(void)epoll_ctl(g->epoll, EPOLL_CTL_ADD, guest->fd, &event);
	guest->watched = true;
}

static void
begin_to_leave(struct gate *g, struct guest *guest)
{
	(void)shutdown(guest->fd, SHUT_WR); /* the answer is complete */
	guests_move(&g->guests, guest, GUEST_LEAVING);
	guest->deadline_ns = clock_mono_ns() + GATE_LEAVE_SECONDS * SECOND_NS;
	guest->unread = g->guests.waiting > GATE_CALM ? GATE_LEAVE_FEW_BYTES : GATE_LEAVE_BYTES;
}

static void
turn_away(struct gate *g, struct guest *guest, int status, const char *why)
{
	char text[REFUSAL_SIZE];
	const size_t len = refusal_text(status, why, text);

	(void)send(guest->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	begin_to_leave(g, guest);
}

/* Hand ${guest} over to who serves.  Lets go of the lock meanwhile. */
static void
let_in(struct gate *g, struct guest *guest)
{
	struct sockaddr_storage address = {.ss_family = AF_UNIX};
	socklen_t len = sizeof(address);
	const int fd = guest->fd;
	int status;

	(void)epoll_ctl(g->epoll, EPOLL_CTL_DEL, fd, NULL);
	guests_move(&g->guests, guest, GUEST_INSIDE);
	guest->deadline_ns = clock_mono_ns() + GATE_OPEN_SECONDS * SECOND_NS;
	(void)getpeername(fd, (struct sockaddr *)&address, &len);
	(void)pthread_mutex_unlock(&g->mutex);
	status = g->options.serve(g->options.ctx, fd, (const struct sockaddr *)&address, len);
	(void)pthread_mutex_lock(&g->mutex);
	if (status == 0)
		return;
	/* It could not be served, no thread perhaps, and its descriptor is closed. */
	if (guest->state == GUEST_INSIDE && guest->fd == fd)
		guests_move(&g->guests, guest, GUEST_FREE);
}

static void
let_in_all(struct gate *g)
{
	struct guest *guest;

	while (!g->closing && (guest = guests_next(&g->guests)) != NULL)
		let_in(g, guest);
}

/* By what the head shows; the token is judged again by who serves. */
static enum guest_lane
lane_of(const struct gate *g, const struct head *head)
{
	const bool token = head->bearer[0] != '\0' && token_matches(g->options.token, head->bearer);

	if (head->about == HEAD_HEALTH || (head->about == HEAD_THAW && token))
		return LANE_EXPRESS;
	return token ? LANE_TOKEN : LANE_OPEN;
}

/* Something has come from a guest whose head is not complete, or it has ended. */
static void
look_at_head(struct gate *g, struct guest *guest, bool ended)
{
	const ssize_t len = recv(guest->fd, g->peeked, sizeof(g->peeked), MSG_PEEK | MSG_DONTWAIT);
	struct head head;
	enum head_state state;

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		gate_forget(g, guest);
		return;
	}
	state = head_judge(g->peeked, (size_t)len, &head);
	if (state == HEAD_BAD) {
		turn_away(g, guest, head.status, head.why);
	} else if (state == HEAD_COMPLETE) {
		guest->lane = lane_of(g, &head);
		guest->deadline_ns = clock_mono_ns() + GATE_QUEUE_SECONDS * SECOND_NS;
		guests_move(&g->guests, guest, GUEST_QUEUED);
	} else if (ended) {
		gate_forget(g, guest);
	}
}

/* Read on what a guest still sends that has had its answer. */
static void
see_off(struct gate *g, struct guest *guest)
{
	for (;;) {
		const ssize_t n = recv(guest->fd, g->peeked, sizeof(g->peeked), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		guest->unread -= n;
		if (n <= 0 || guest->unread <= 0) {
			gate_forget(g, guest);
			return;
		}
	}
}

static void
welcome(struct gate *g, int fd, const struct sockaddr *address)
{
	const struct caller caller = endpoint_caller(address, g->gateway);
	const int64_t now = clock_mono_ns();
	struct guest *guest;
	bool full;

	guest = guests_in_the_way(&g->guests, caller, &full);
	if (guest != NULL)
		gate_forget(g, guest);
	guest = full && guest == NULL ? NULL : guests_add(&g->guests, fd, caller, now);
	if (guest == NULL) {
		(void)close(fd);
		return;
	}
	guest->deadline_ns = now + GATE_HEAD_SECONDS * SECOND_NS;
	gate_watch(g, guest);
	look_at_head(g, guest, false);
}

/* Some of those who call; level-triggered, so that the others are not forgotten. */
static void
accept_some(struct gate *g)
{
	for (int i = 0; i < ACCEPT_MAX; i++) {
		struct sockaddr_storage address = {.ss_family = AF_UNIX};
		socklen_t len = sizeof(address);
		const int fd = accept4(g->options.fd, (struct sockaddr *)&address, &len,
			SOCK_CLOEXEC | SOCK_NONBLOCK);
		bool full;

		if (fd >= 0) {
			welcome(g, fd, (const struct sockaddr *)&address);
			continue;
		}
		if (errno != EMFILE && errno != ENFILE)
			return;
		/* No descriptor left: somebody who has shown nothing gives one. */
		struct guest *first = guests_in_the_way(
			&g->guests, (struct caller){.origin = ORIGIN_LOCAL}, &full);
		if (first == NULL)
			return;
		gate_forget(g, first);
	}
}

/* Whose time is over. */
static void
judge_time(struct gate *g, struct guest *guest, int64_t now)
{
	if (guest->deadline_ns == 0 || now < guest->deadline_ns)
		return;
	guest->deadline_ns = 0;
	if (guest->state == GUEST_HEAD)
		turn_away(g, guest, 408, "the head of the request did not come within 10 s");
	else if (guest->state == GUEST_QUEUED)
		turn_away(g, guest, 503, "too many requests are being answered: ask again");
	else if (guest->state == GUEST_INSIDE)
		(void)shutdown(guest->fd, SHUT_RDWR);
	else if (guest->state == GUEST_LEAVING)
		gate_forget(g, guest);
}

static void
judge_all_times(struct gate *g)
{
	const int64_t now = clock_mono_ns();

	for (int i = 0; i < g->guests.used; i++)
		judge_time(g, &g->guests.all[i], now);
}

static void
on_event(struct gate *g, const struct epoll_event *event)
{
	const bool ended = (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	uint64_t count;

	if (event->data.u32 == LISTENER) {
		if (!g->shut)
			accept_some(g);
		return;
	}
	if (event->data.u32 == WAKER) {
		(void)!read(g->waker, &count, sizeof(count));
		return;
	}
	struct guest *guest = &g->guests.all[event->data.u32];
	if (guest->state == GUEST_HEAD)
		look_at_head(g, guest, ended);
	else if (guest->state == GUEST_LEAVING)
		see_off(g, guest);
}

/* Those that left while nobody looked: they are watched from now on. */
static void
take_leavers(struct gate *g)
{
	for (int i = 0; i < g->guests.used; i++) {
		struct guest *guest = &g->guests.all[i];
		if (guest->state != GUEST_LEAVING || guest->watched)
			continue;
		gate_watch(g, guest);
		see_off(g, guest);
	}
}

static bool
anybody(const struct guests *all)
{
	return all->waiting > 0 || all->inside[LANE_EXPRESS] > 0 || all->inside[LANE_TOKEN] > 0 ||
	       all->inside[LANE_OPEN] > 0;
}

static void *
keep_door(void *ctx)
{
	struct gate *g = ctx;
	struct epoll_event events[EVENTS_MAX];
	int64_t judged = 0;
	LOCKED(&g->mutex);

	while (!g->closing) {
		const int wait = anybody(&g->guests) ? TICK_MS : -1;

		(void)pthread_mutex_unlock(&g->mutex);
		const int count = epoll_wait(g->epoll, events, EVENTS_MAX, wait);
		(void)pthread_mutex_lock(&g->mutex);
		for (int i = 0; i < count; i++)
			on_event(g, &events[i]);
		take_leavers(g);
		if (clock_since_ms(judged) >= TICK_MS) {
			judge_all_times(g);
			judged = clock_mono_ns();
		}
		let_in_all(g);
	}
	return NULL;
}

static void
wake(struct gate *g)
{
	const uint64_t one = 1;

	(void)!write(g->waker, &one, sizeof(one));
}

/* The room wants more descriptors than some systems give at first. */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int
add_event(struct gate *g, int fd, uint32_t name)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = name};

	return epoll_ctl(g->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void
gate_free(struct gate *g)
{
	fd_close_at(&g->epoll);
	fd_close_at(&g->waker);
	(void)pthread_cond_destroy(&g->left);
	(void)pthread_mutex_destroy(&g->mutex);
	free(g);
}

int
gate_open(const struct gate_options *o, struct gate **ret_gate, struct err *e)
{
	struct gate *g = mem_new(sizeof(*g));
	pthread_condattr_t attr;

	g->options = *o;
	(void)pthread_mutex_init(&g->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&g->left, &attr);
	(void)pthread_condattr_destroy(&attr);
	g->gateway = endpoint_gateway();
	raise_limit();
	g->epoll = epoll_create1(EPOLL_CLOEXEC);
	g->waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (g->epoll < 0 || g->waker < 0 || add_event(g, o->fd, LISTENER) != 0 ||
		add_event(g, g->waker, WAKER) != 0) {
		(void)err_errno(e, "the HTTP server cannot be started");
		gate_free(g);
		return -1;
	}
	*ret_gate = g; /* the thread may serve at once */
	if (thread_start(&g->thread, keep_door, g) == 0)
		return 0;
	*ret_gate = NULL;
	gate_free(g);
	return err_set(e, ERR_INTERNAL, "no thread could be started");
}

struct guest *
gate_entered(struct gate *g, int fd)
{
	LOCKED(&g->mutex);

	return guests_of_fd(&g->guests, fd);
}

void
gate_left(struct gate *g, struct guest *guest)
{
	LOCKED(&g->mutex);

	/* The descriptor is about to be closed; a copy of it sees the client off. */
	guest->fd = g->closing ? -1 : fcntl(guest->fd, F_DUPFD_CLOEXEC, 0);
	if (guest->fd < 0) {
		guests_move(&g->guests, guest, GUEST_FREE);
	} else {
		begin_to_leave(g, guest);
		guest->watched = false;
	}
	(void)pthread_cond_broadcast(&g->left);
	wake(g);
}

void
gate_trust(struct gate *g, struct guest *guest)
{
	LOCKED(&g->mutex);

	guest->deadline_ns = 0;
	if (guest->lane == LANE_OPEN)
		guests_change_lane(&g->guests, guest, LANE_TOKEN);
	wake(g);
}

void
gate_body_begins(struct gate *g, struct guest *guest)
{
	LOCKED(&g->mutex);

	guest->deadline_ns = clock_mono_ns() + GATE_BODY_SECONDS * SECOND_NS;
}

void
gate_body_came(struct gate *g, struct guest *guest, size_t len)
{
	LOCKED(&g->mutex);
	const int64_t left =
		guest->deadline_ns - clock_mono_ns() + (int64_t)len * (SECOND_NS / GATE_BODY_BYTES);

	guest->deadline_ns = 0;
	guest->left_ns =
		left > GATE_BODY_MAX_SECONDS * SECOND_NS ? GATE_BODY_MAX_SECONDS * SECOND_NS : left;
}

void
gate_body_goes_on(struct gate *g, struct guest *guest)
{
	LOCKED(&g->mutex);

	guest->deadline_ns = clock_mono_ns() + guest->left_ns;
	guest->left_ns = 0;
}

void
gate_body_ended(struct gate *g, struct guest *guest)
{
	LOCKED(&g->mutex);

	guest->deadline_ns = 0;
}

void
gate_shut(struct gate *g)
{
	LOCKED(&g->mutex);

	g->shut = true;
	(void)epoll_ctl(g->epoll, EPOLL_CTL_DEL, g->options.fd, NULL);
}

static int
count_inside(const struct guests *all)
{
	return all->inside[LANE_EXPRESS] + all->inside[LANE_TOKEN] + all->inside[LANE_OPEN];
}

void
gate_empty(struct gate *g, int ms)
{
	const int64_t end = clock_mono_ns() + ms * (SECOND_NS / 1000);
	const struct timespec until = {.tv_sec = end / SECOND_NS, .tv_nsec = end % SECOND_NS};
	LOCKED(&g->mutex);

	while (count_inside(&g->guests) > 0 &&
		pthread_cond_timedwait(&g->left, &g->mutex, &until) == 0)
		;
	g->closing = true; /* nobody is let in any more */
	for (int i = 0; i < g->guests.used; i++)
		if (g->guests.all[i].state == GUEST_INSIDE)
			(void)shutdown(g->guests.all[i].fd, SHUT_RDWR);
	wake(g);
}

void
gate_close(struct gate *g)
{
	if (g == NULL)
		return;
	(void)pthread_join(g->thread, NULL);
	for (int i = 0; i < g->guests.used; i++)
		if (g->guests.all[i].state != GUEST_FREE)
			gate_forget(g, &g->guests.all[i]);
	gate_free(g);
}
