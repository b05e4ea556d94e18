#include "cli/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/paint.h"
#include "cli/watch.h"

enum { SHOW_MS = 200, RATE_MS = 1000 };

/* A file on its way to the service. */
struct import_sending {
	int fd;
	int64_t done, total;
	struct meter meter;
	int64_t shown_ns, since_ns, since_bytes, rate;
};

static void
import_show(struct import_sending *s)
{
	const int64_t passed_ms = clock_since_ms(s->since_ns);

	if (passed_ms >= RATE_MS) {
		s->rate = (s->done - s->since_bytes) * 1000 / passed_ms;
		s->since_bytes = s->done;
		s->since_ns = clock_mono_ns();
	}
	if (clock_since_ms(s->shown_ns) < SHOW_MS)
		return;
	s->shown_ns = clock_mono_ns();
	meter_show(&s->meter, "upload", s->done, s->total, s->rate);
}

static ssize_t
on_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct import_sending *s = ctx;
	ssize_t got;

	do
		got = read(s->fd, data, size);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_errno(e, "cannot read the archive");
	s->done += got;
	import_show(s);
	return got;
}

static bool
is_tar(const char *path)
{
	const size_t len = strlen(path);

	return len > 4 && strcmp(path + len - 4, ".tar") == 0;
}

/* Where an archive goes.  ${a}: NULL, or what another tool's archive is to be a backup of. */
static char *
import_path(bool devices, const struct arguments *a)
{
	const char *name = a == NULL ? NULL : a->volume != NULL ? a->volume : a->host_path;
	SCOPED(free_at) char *escaped = name == NULL ? NULL : http_escape(name);

	if (name == NULL)
		return mem_format("/archives%s", devices ? "?devices=true" : "");
	return mem_format("/archives?%s=%s&strip=%s%s", a->volume != NULL ? "volume" : "host_path",
		escaped, a->strip == NULL ? "0" : a->strip, devices ? "&devices=true" : "");
}

static int
send_file(struct client *c, const char *path, const char *to, json_t **ret_backup, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct import_sending s = {
		.fd = fd, .since_ns = clock_mono_ns(), .meter.quiet = client_quiet(c)};
	const struct source source = {.read = on_read, .ctx = &s};
	struct stat st;
	int status;

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_errno(e, "%s", path);
	s.total = st.st_size;
	status = http_call(client_http(c),
		&(struct http_request){.method = "PUT",
			.path = to,
			.type = is_tar(path) ? "application/x-tar" : "application/zstd",
			.source = &source,
			.source_len = st.st_size,
			.expect = true},
		&reply, e);
	meter_end(&s.meter);
	if (reply.status >= 400)
		return client_refused(&reply, e);
	if (status != 0)
		return err_prefix(e, "the upload of %s broke off; repeat it", path);
	*ret_backup = json_loadb(reply.body.data, reply.body.len, 0, NULL);
	return *ret_backup != NULL ? 0 : err_set(e, ERR_ENGINE, "the answer is no JSON");
}

int
import_file(struct client *c, const char *path, bool devices, json_t **ret_backup, struct err *e)
{
	SCOPED(free_at) char *to = import_path(devices, NULL);
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *at = NULL;

	if (fetch_find(c, path, &id, e) != 0)
		return e->code != ERR_NOT_FOUND ? -1 : send_file(c, path, to, ret_backup, e);
	at = mem_format("/backups/%s", id);
	return client_call(c, "GET", at, NULL, ret_backup, e);
}

int
command_import(struct client *c, const struct arguments *a, struct err *e)
{
	const bool foreign = a->volume != NULL || a->host_path != NULL;
	SCOPED(free_at) char *to = import_path(a->devices, a);
	SCOPED(json_decref_at) json_t *backup = NULL;
	const json_t *warning;
	size_t i;

	if (a->volume != NULL && a->host_path != NULL)
		return err_set(e, ERR_INVALID, "give --volume or --host-path, not both");
	if (a->strip != NULL && !foreign)
		return err_set(e, ERR_INVALID,
			"--strip is for an archive of another tool: give --volume or --host-path, "
			"too");
	if (send_file(c, a->words[0], to, &backup, e) != 0)
		return err_prefix(e, "Import failed");
	json_array_foreach (json_object_get(backup, "warnings"), i, warning) {
		paint_line(stderr, "warning: %s", json_string_value(warning));
	}
	if (a->json) {
		watch_json(backup);
		return 0;
	}
	if (json_object_get(backup, "compared") != NULL)
		say("The service has the backup %s already. The file is the same, byte for byte\n",
			client_text(backup, "id"));
	else
		say("Import complete. The backup is %s\n", client_text(backup, "id"));
	return 0;
}
