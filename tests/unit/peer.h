#ifndef UNIT_PEER_H
#define UNIT_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* An HTTP server on loopback for the tests of clients: a connection and a thread for each request.
 */
enum { PEER_TEXT = 64 * 1024, PEER_REQUESTS = 512 };

struct peer {
	int fd;
	char url[64]; /* "http://127.0.0.1:PORT" */
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	char *requests[PEER_REQUESTS]; /* head and body of each */
	int count;
	int serving;	      /* connections */
	atomic_bool held;     /* nothing is answered while it is set */
	atomic_bool stopping; /* an answer is not waited for any more */
	/* Writes status line, headers and body to ${reply}; "": breaks the connection off.  With
	 * the lock held. */
	void (*answer)(struct peer *p, const char *request, char reply[PEER_TEXT]);
	void *ctx;
};

static inline size_t
peer_body_len(const char *head)
{
	const char *at = strcasestr(head, "\r\nContent-Length:");

	return at == NULL ? 0 : strtoul(at + strlen("\r\nContent-Length:"), NULL, 10);
}

/* The whole request; false if the client left before its end. */
static inline int
peer_read(int fd, char text[PEER_TEXT])
{
	size_t len = 0;

	for (;;) {
		const char *end;
		const ssize_t n = read(fd, text + len, PEER_TEXT - 1 - len);

		if (n <= 0)
			return 0;
		len += (size_t)n;
		text[len] = '\0';
		end = strstr(text, "\r\n\r\n");
		if (end != NULL && len >= (size_t)(end + 4 - text) + peer_body_len(text))
			return 1;
	}
}

static inline void
peer_serve(struct peer *p, int fd)
{
	char *request = calloc(1, PEER_TEXT), *reply = calloc(1, PEER_TEXT);

	if (request != NULL && reply != NULL && peer_read(fd, request)) {
		(void)pthread_mutex_lock(&p->mutex);
		if (p->count < PEER_REQUESTS)
			p->requests[p->count++] = strdup(request);
		(void)pthread_cond_broadcast(&p->changed);
		(void)pthread_mutex_unlock(&p->mutex);
		while (p->held && !p->stopping)
			(void)usleep(1000);
		(void)pthread_mutex_lock(&p->mutex);
		p->answer(p, request, reply);
		(void)pthread_mutex_unlock(&p->mutex);
		(void)send(fd, reply, strlen(reply), MSG_NOSIGNAL);
	}
	free(request);
	free(reply);
}

struct peer_connection {
	struct peer *peer;
	int fd;
};

static inline void *
peer_serve_one(void *ctx)
{
	struct peer_connection *connection = ctx;
	struct peer *p = connection->peer;

	peer_serve(p, connection->fd);
	(void)close(connection->fd);
	free(connection);
	(void)pthread_mutex_lock(&p->mutex);
	p->serving--;
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->mutex);
	return NULL;
}

static inline void *
peer_run(void *ctx)
{
	struct peer *p = ctx;

	for (;;) {
		struct peer_connection *connection = calloc(1, sizeof(*connection));
		const int fd = accept(p->fd, NULL, NULL);
		pthread_t thread;

		if (fd < 0 || connection == NULL) {
			free(connection);
			return NULL;
		}
		*connection = (struct peer_connection){p, fd};
		(void)pthread_mutex_lock(&p->mutex);
		p->serving++;
		(void)pthread_mutex_unlock(&p->mutex);
		if (pthread_create(&thread, NULL, peer_serve_one, connection) != 0)
			abort();
		(void)pthread_detach(thread);
	}
}

/* ${p}->answer is set; nothing listens at the port that a closed peer had. */
static inline void
peer_open(struct peer *p)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	(void)pthread_mutex_init(&p->mutex, NULL);
	(void)pthread_cond_init(&p->changed, NULL);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || bind(p->fd, (struct sockaddr *)&address, len) != 0 ||
		listen(p->fd, 64) != 0 ||
		getsockname(p->fd, (struct sockaddr *)&address, &len) != 0 ||
		pthread_create(&p->thread, NULL, peer_run, p) != 0)
		abort();
	(void)snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%d", ntohs(address.sin_port));
}

static inline void
peer_close(struct peer *p)
{
	p->stopping = true;
	(void)shutdown(p->fd, SHUT_RDWR);
	(void)pthread_join(p->thread, NULL);
	(void)close(p->fd);
	(void)pthread_mutex_lock(&p->mutex);
	while (p->serving > 0)
		(void)pthread_cond_wait(&p->changed, &p->mutex);
	(void)pthread_mutex_unlock(&p->mutex);
	for (int i = 0; i < p->count; i++)
		free(p->requests[i]);
	(void)pthread_cond_destroy(&p->changed);
	(void)pthread_mutex_destroy(&p->mutex);
}

static inline int
peer_count(struct peer *p)
{
	int count;

	(void)pthread_mutex_lock(&p->mutex);
	count = p->count;
	(void)pthread_mutex_unlock(&p->mutex);
	return count;
}

/* Wait until ${count} requests have come. */
static inline void
peer_wait(struct peer *p, int count)
{
	(void)pthread_mutex_lock(&p->mutex);
	while (p->count < count)
		(void)pthread_cond_wait(&p->changed, &p->mutex);
	(void)pthread_mutex_unlock(&p->mutex);
}

static inline void
peer_reply(char reply[PEER_TEXT], int status, const char *headers, const char *body)
{
	(void)snprintf(reply, PEER_TEXT,
		"HTTP/1.1 %d X\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n%s", status,
		headers, strlen(body), body);
}

#endif
