#include "engine/layers/containerd.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/layers/protobuf.h"
#include "http/http.h"

/*
 * CALL_MS: all that is asked for is answered out of containerd's own database.
 * FRAME: before each message stand a byte that says whether it is compressed (never: nothing else
 * was offered) and its length.
 */
enum { CALL_MS = 30 * 1000, FRAME = 5, ASK_MAX = 4096 };

/* gRPC's own status codes. */
static const char status_ok[] = "0", status_not_found[] = "5";

struct containerd {
	struct http *http;
	char *namespace_header;
};

int
containerd_open(const char *socket_path, const char *names, struct containerd **ret_containerd,
	struct err *e)
{
	SCOPED(containerd_close_at) struct containerd *c = mem_new(sizeof(*c));
	const struct http_options options = {.url = "http://containerd",
		.unix_path = socket_path,
		.http2 = true,
		.stall_ms = CALL_MS};

	c->namespace_header = mem_format("containerd-namespace: %s", names);
	if (http_open(&options, &c->http, e) != 0)
		return -1;
	*ret_containerd = TAKE(c);
	return 0;
}

void
containerd_close(struct containerd *c)
{
	if (c == NULL)
		return;
	http_close(c->http);
	free(c->namespace_header);
	free(c);
}

void
containerd_close_at(struct containerd **c)
{
	containerd_close(*c);
}

static void
put_length(unsigned char *to, size_t len)
{
	for (int i = 3; i >= 0; i--) {
		to[i] = (unsigned char)len;
		len >>= 8;
	}
}

static size_t
get_length(const unsigned char *from)
{
	size_t len = 0;

	for (int i = 0; i < 4; i++)
		len = len << 8 | from[i];
	return len;
}

/* The status that a call ended with, as an error. */
static int
containerd_judge(const char *method, const struct http_reply *reply, struct err *e)
{
	if (reply->status == 200 && strcmp(reply->grpc_status, status_ok) == 0)
		return 0;
	return err_set(e,
		strcmp(reply->grpc_status, status_not_found) == 0 ? ERR_NOT_FOUND : ERR_ENGINE,
		"containerd refused %s with %d, status %s: %.300s", method, reply->status,
		reply->grpc_status[0] == '\0' ? "unknown" : reply->grpc_status,
		reply->grpc_message);
}

/* Call ${method} with ${message}, of which the first FRAME bytes are room for what goes before. */
static int
containerd_call(struct containerd *c, const char *method, struct buf *message,
	struct http_reply *reply, struct err *e)
{
	const char *const headers[] = {"te: trailers", c->namespace_header, NULL};
	SCOPED(free_at) char *path = mem_format("/containerd.services.%s", method);
	const struct http_request request = {.method = "POST",
		.path = path,
		.headers = headers,
		.type = "application/grpc",
		.body = message->data,
		.body_len = message->len};

	put_length((unsigned char *)message->data + 1, message->len - FRAME);
	if (http_call(c->http, &request, reply, e) != 0)
		return -1;
	return containerd_judge(method, reply, e);
}

/* The next message of ${body}, from ${at} on: 1, 0 at its end, -1 if it is cut off. */
static int
next_message(const struct buf *body, size_t *at, struct protobuf *ret_message)
{
	const unsigned char *data = (const unsigned char *)body->data + *at;
	const size_t left = body->len - *at;

	if (left == 0)
		return 0;
	if (left < FRAME || data[0] != 0 || get_length(data + 1) > left - FRAME)
		return -1;
	*ret_message = (struct protobuf){data + FRAME, get_length(data + 1)};
	*at += FRAME + ret_message->len;
	return 1;
}

static void
containerd_take_option(struct containerd_mount *m, const struct protobuf *option)
{
	static const char upper[] = "upperdir=";
	const size_t len = sizeof(upper) - 1;

	if (m->upper == NULL && option->len > len && memcmp(option->data, upper, len) == 0)
		m->upper = mem_copy((const char *)option->data + len, option->len - len);
}

/* Mount{1 type, 2 source, 4 options…} */
static int
read_mount(struct protobuf message, struct containerd_mount *m)
{
	struct protobuf_field field;
	int more;

	while ((more = protobuf_next(&message, &field)) > 0) {
		if (!field.is_bytes)
			continue;
		if (field.number == 1 && m->type == NULL)
			m->type = protobuf_string(&field.bytes);
		else if (field.number == 2 && m->source == NULL)
			m->source = protobuf_string(&field.bytes);
		else if (field.number == 4)
			containerd_take_option(m, &field.bytes);
	}
	return more;
}

/* MountsResponse{1 mounts…} */
static int
read_mounts(const struct buf *body, struct containerd_mount *m)
{
	struct protobuf message;
	struct protobuf_field field;
	size_t at = 0;

	if (next_message(body, &at, &message) != 1)
		return -1;
	while (protobuf_next(&message, &field) > 0)
		if (field.number == 1 && field.is_bytes)
			return read_mount(field.bytes, m);
	return -1;
}

/* Call ${method} of the snapshots with up to three texts, NULL ending them. */
static int
ask_snapshots(struct containerd *c, const char *method, const char *const *texts,
	struct http_reply *reply, struct err *e)
{
	SCOPED(buf_free) struct buf ask = BUF_INIT(ASK_MAX);
	SCOPED(free_at) char *whole = mem_format("snapshots.v1.Snapshots/%s", method);

	(void)buf_add(&ask, "\0\0\0\0", FRAME);
	for (unsigned i = 0; texts[i] != NULL; i++)
		if (protobuf_text(&ask, i + 1, texts[i]) != 0)
			return err_set(e, ERR_TOO_LARGE, "the name of a snapshot is too long");
	return containerd_call(c, whole, &ask, reply, e);
}

static int
take_mount(const struct http_reply *reply, const char *key, struct containerd_mount *ret_mount,
	struct err *e)
{
	SCOPED(containerd_mount_clear) struct containerd_mount m = {0};

	if (read_mounts(&reply->body, &m) != 0)
		return err_set(e, ERR_ENGINE, "containerd tells no mount of snapshot %.64s", key);
	*ret_mount = m;
	m = (struct containerd_mount){0};
	return 0;
}

int
containerd_mount(struct containerd *c, const char *snapshotter, const char *key,
	struct containerd_mount *ret_mount, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	const char *const texts[] = {snapshotter, key, NULL};

	if (ask_snapshots(c, "Mounts", texts, &reply, e) != 0)
		return -1;
	return take_mount(&reply, key, ret_mount, e);
}

int
containerd_view(struct containerd *c, const char *snapshotter, const char *parent,
	struct containerd_mount *ret_mount, struct err *e)
{
	SCOPED(free_at) char *key = mem_format("fuel-backup-view-%s", parent);
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(http_reply_free) struct http_reply gone = HTTP_REPLY_INIT;
	/* ViewSnapshotRequest and RemoveSnapshotRequest begin alike. */
	const char *const texts[] = {snapshotter, key, parent, NULL};
	const char *const removed[] = {snapshotter, key, NULL};
	struct err ignored;
	int status;

	/* One that an earlier look left behind, which ended before it was removed. */
	(void)ask_snapshots(c, "Remove", removed, &gone, &ignored);
	status = ask_snapshots(c, "View", texts, &reply, e);
	if (status == 0)
		status = take_mount(&reply, key, ret_mount, e);
	http_reply_free(&gone);
	gone = (struct http_reply)HTTP_REPLY_INIT;
	(void)ask_snapshots(c, "Remove", removed, &gone, &ignored);
	return status;
}

void
containerd_mount_clear(struct containerd_mount *m)
{
	free(m->type);
	free(m->source);
	free(m->upper);
	*m = (struct containerd_mount){0};
}

/* ReadContentResponse{2 data} */
static int
containerd_read_piece(struct protobuf message, struct buf *to, struct err *e)
{
	struct protobuf_field field;

	while (protobuf_next(&message, &field) > 0)
		if (field.number == 2 && field.is_bytes &&
			buf_add(to, field.bytes.data, field.bytes.len) != 0)
			return err_set(e, ERR_TOO_LARGE, "a blob is over %zu bytes", to->max);
	return 0;
}

int
containerd_blob(struct containerd *c, const char *digest, struct buf *to, struct err *e)
{
	SCOPED(buf_free) struct buf ask = BUF_INIT(ASK_MAX);
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	struct protobuf message;
	size_t at = 0;
	int more;

	if (buf_add(&ask, "\0\0\0\0", FRAME) != 0 || protobuf_text(&ask, 1, digest) != 0)
		return err_set(e, ERR_TOO_LARGE, "a digest is too long");
	if (containerd_call(c, "content.v1.Content/Read", &ask, &reply, e) != 0)
		return -1;
	while ((more = next_message(&reply.body, &at, &message)) > 0)
		if (containerd_read_piece(message, to, e) != 0)
			return -1;
	return more == 0 ? 0 : err_set(e, ERR_ENGINE, "containerd's answer was cut off");
}
