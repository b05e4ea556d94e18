#include "cli/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "cli/interrupt.h"
#include "cli/watch.h"

enum { TRIES = 10, RATE_MS = 1000, SHOW_MS = 200, STALL_MS = 60 * 1000, PART = 64 * 1024 };

struct fetch {
	int fd;
	const char *label;
	int64_t done, total; /* -1: not known yet */
	const struct http_reply *reply;
	bool whole; /* there are no ranges: a new try begins at the beginning */
	struct meter meter;
	int64_t shown_ns, since_ns, since_bytes, rate;
};

/* fuel_backup_2026-11-23_091233${ending}, by the local time of the backup; the caller's. */
static char *
archive_name(const json_t *backup, const char *ending)
{
	struct tm tm = {0};
	char text[32];
	time_t when;

	(void)strptime(client_text(backup, "created_at"), "%Y-%m-%dT%H:%M:%S", &tm);
	when = timegm(&tm);
	(void)localtime_r(&when, &tm);
	(void)strftime(text, sizeof(text), "%F_%H%M%S", &tm);
	return mem_format("fuel_backup_%s%s", text, ending);
}

static char *
choose_path(const char *dest, const char *name, struct err *e)
{
	struct stat st;
	char *path;

	if (stat(dest, &st) == 0 && S_ISDIR(st.st_mode)) {
		path = mem_format("%s/%s", strcmp(dest, "/") == 0 ? "" : dest, name);
	} else if (dest[0] == '\0' || dest[strlen(dest) - 1] == '/') {
		(void)err_set(e, ERR_INVALID, "there is no folder %s", dest);
		return NULL;
	} else {
		path = mem_string(dest);
	}
	if (lstat(path, &st) == 0) {
		(void)err_set(e, ERR_CONFLICT, "%s is there already; move it away", path);
		free(path);
		return NULL;
	}
	return path;
}

static void
fetch_show(struct fetch *f)
{
	const int64_t passed_ms = clock_since_ms(f->since_ns);

	if (passed_ms >= RATE_MS) {
		f->rate = (f->done - f->since_bytes) * 1000 / passed_ms;
		f->since_bytes = f->done;
		f->since_ns = clock_mono_ns();
	}
	if (clock_since_ms(f->shown_ns) < SHOW_MS)
		return;
	f->shown_ns = clock_mono_ns();
	meter_show(&f->meter, f->label, f->done, f->total < 0 ? 0 : f->total, f->rate);
}

static int
fetch_on_data(void *ctx, const void *data, size_t len, struct err *e)
{
	struct fetch *f = ctx;
	const char *at = data;

	if (f->total < 0)
		f->total = f->reply->content_length;
	while (len > 0) {
		const ssize_t n = write(f->fd, at, len);

		if (n < 0 && errno != EINTR)
			return err_errno(e, "cannot write the archive");
		if (n > 0) {
			at += n;
			len -= (size_t)n;
			f->done += n;
		}
	}
	fetch_show(f);
	return 0;
}

static int
fetch_begin_again(struct fetch *f, struct err *e)
{
	f->done = f->since_bytes = 0;
	if (ftruncate(f->fd, 0) != 0 || lseek(f->fd, 0, SEEK_SET) != 0)
		return err_errno(e, "the file");
	return 0;
}

/* One try, from where the last one ended.  1: complete, 0: broken off, -1. */
static int
fetch_try_once(struct client *c, const char *path, char *etag, size_t etag_size, struct fetch *f,
	struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(free_at) char *range = mem_format("Range: bytes=%lld-", (long long)f->done);
	SCOPED(free_at) char *condition = mem_format("If-Range: %s", etag);
	const char *headers[] = {range, condition, NULL};
	const struct sink sink = {.write = fetch_on_data, .ctx = f};
	const struct http_request request = {.method = "GET",
		.path = path,
		.headers = f->done > 0 ? headers : NULL,
		.sink = &sink,
		.cancelled = interrupt_seen,
		.stall_ms = STALL_MS};
	const int64_t before = f->done;
	int status;

	f->reply = &reply;
	status = http_call(client_http(c), &request, &reply, e);
	f->reply = NULL;
	if (reply.status >= 400)
		return client_refused(&reply, e);
	if (before > 0 && reply.status == 200 && strcmp(etag, reply.etag) != 0)
		return err_set(e, ERR_CHANGED, "it is not the same any more: start again");
	if (before > 0 && reply.status == 200) {
		f->whole = true;
		return fetch_begin_again(f, e);
	}
	if (etag[0] == '\0')
		(void)snprintf(etag, etag_size, "%s", reply.etag);
	if (status != 0)
		return e->code == ERR_IO || e->code == ERR_UNREACHABLE || e->code == ERR_TIMEOUT
			       ? 0
			       : -1;
	if (f->total < 0)
		f->total = f->done; /* nothing came, and nothing was to come */
	return 1;
}

static int
download(struct client *c, const char *address, struct fetch *f, struct err *e)
{
	char etag[256] = "";
	int status = 0;

	f->since_ns = clock_mono_ns();
	for (int i = 0; status == 0 && i < TRIES; i++) {
		if (i > 0)
			(void)sleep(1);
		if (i > 0 && (f->whole || etag[0] == '\0') && fetch_begin_again(f, e) != 0)
			return -1;
		status = fetch_try_once(c, address, etag, sizeof(etag), f, e);
	}
	meter_end(&f->meter);
	if (status <= 0)
		return -1;
	if (f->done != f->total)
		return err_set(e, ERR_CORRUPT, "%lld bytes came instead of %lld",
			(long long)f->done, (long long)f->total);
	return fsync(f->fd) == 0 ? 0 : err_errno(e, "the file");
}

int
fetch_file(struct client *c, const struct fetch_want *want, char **ret_path, struct err *e)
{
	SCOPED(free_at) char *path = choose_path(want->dest, want->name, e);
	SCOPED(free_at) char *part = NULL;
	struct fetch f = {.fd = -1,
		.label = want->label,
		.total = want->total,
		.meter.quiet = client_quiet(c)};
	int status;

	if (path == NULL)
		return -1;
	part = mem_format("%s.part-%d", path, (int)getpid());
	f.fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (f.fd < 0)
		return err_errno(e, "%s", part);
	interrupt_hold();
	status = download(c, want->address, &f, e);
	interrupt_release();
	(void)close(f.fd);
	if (status == 0 && renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE) != 0)
		status = err_errno(e, "%s", path);
	if (status != 0) {
		(void)unlink(part);
		return -1;
	}
	*ret_path = TAKE(path);
	return 0;
}

int
fetch_archive(
	struct client *c, const json_t *backup, const char *dest, char **ret_path, struct err *e)
{
	SCOPED(free_at) char *name = archive_name(backup, ".tar.zst");
	SCOPED(free_at)
	char *address = mem_format("/backups/%s/archive", client_text(backup, "id"));
	const struct fetch_want want = {.address = address,
		.label = "download",
		.dest = dest,
		.name = name,
		.total = json_integer_value(json_object_get(backup, "archive_bytes"))};

	return fetch_file(c, &want, ret_path, e);
}

int
fetch_tar(struct client *c, const json_t *backup, const char *dest, char **ret_path, struct err *e)
{
	SCOPED(free_at) char *name = archive_name(backup, ".tar");
	SCOPED(free_at)
	char *address = mem_format("/backups/%s/archive?format=tar", client_text(backup, "id"));
	const struct fetch_want want = {.address = address,
		.label = "download",
		.dest = dest,
		.name = name,
		.total = json_integer_value(json_object_get(backup, "size_bytes"))};

	return fetch_file(c, &want, ret_path, e);
}

/* Whether ${len} bytes of the download at ${first} are those of the file. */
static int
same_part(struct client *c, const char *id, int fd, int64_t first, size_t len, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(free_at) char *path = mem_format("/backups/%s/archive", id);
	SCOPED(free_at)
	char *range = mem_format(
		"Range: bytes=%lld-%lld", (long long)first, (long long)first + (long long)len - 1);
	const char *headers[] = {range, NULL};
	SCOPED(free_at) char *data = mem_new(len);

	if (http_call(client_http(c),
		    &(struct http_request){.method = "GET", .path = path, .headers = headers},
		    &reply, e) != 0)
		return -1;
	if (reply.status != 206)
		return client_refused(&reply, e);
	return pread(fd, data, len, first) == (ssize_t)len && reply.body.len == len &&
	       memcmp(reply.body.data, data, len) == 0;
}

int
fetch_find(struct client *c, const char *path, char **ret_id, struct err *e)
{
	SCOPED(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	SCOPED(json_decref_at) json_t *page = NULL;
	const json_t *backup;
	struct stat st;
	size_t i;

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_errno(e, "%s", path);
	if (client_pages(c, "/backups", "backups", &page, e) != 0)
		return -1;
	json_array_foreach (page, i, backup) {
		const char *id = client_text(backup, "id");
		const size_t len = st.st_size < PART ? (size_t)st.st_size : PART;
		int same =
			client_readable(backup) && len > 0 &&
			json_integer_value(json_object_get(backup, "archive_bytes")) == st.st_size;

		if (same == 1)
			same = same_part(c, id, fd, 0, len, e);
		if (same == 1)
			same = same_part(c, id, fd, st.st_size - (off_t)len, len, e);
		if (same < 0)
			return -1;
		if (same == 1) {
			*ret_id = mem_string(id);
			return 0;
		}
	}
	return err_set(e, ERR_NOT_FOUND, "%s is none of the archives in the service's store", path);
}
