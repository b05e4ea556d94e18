/* A Fuel master's settings: the backup's beside the host's. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "jobs/restore/data/restore_data_internal.h"
#include "jobs/restore/state/astute.h"

static int
restore_data_astute_take(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	if (m->type != MEMBER_FILE)
		return err_set(e, ERR_UNSUPPORTED, ASTUTE_PATH " of the backup is no plain file");
	return astute_member(r, ctx, e) < 0 ? -1 : 0;
}

/* 1, 0 (the host has none), -1. */
static int
read_host(const struct target *t, struct buf *to, struct err *e)
{
	const char *below = &ASTUTE_PATH[strlen(t->path)];

	return t->absent ? 0 : astute_file(target_root(t), below + (*below == '/'), to, e);
}

/* The first settings that differ, in words; the caller's. */
static char *
in_words(const json_t *settings)
{
	enum { WORDS_MAX = 600 };
	SCOPED(buf_free) struct buf text = BUF_INIT(WORDS_MAX);
	const json_t *item;
	size_t i;

	json_array_foreach (settings, i, item) {
		const char *backup = json_string_value(json_object_get(item, "backup"));
		const char *host = json_string_value(json_object_get(item, "host"));

		if (buf_format(&text, "%s%.100s: %.100s in the backup, %.100s here",
			    i == 0 ? "" : "; ", json_string_value(json_object_get(item, "key")),
			    backup == NULL ? "nothing" : backup,
			    host == NULL ? "nothing" : host) != 0)
			break;
	}
	return buf_take(&text);
}

static void
restore_data_astute_warn(struct restore *r, const json_t *settings, bool there)
{
	SCOPED(free_at) char *words = in_words(settings);

	if (json_array_size(settings) > 0)
		restore_warn(r,
			r->request->astute ? ASTUTE_PATH
				" is that of the backup, with other settings of the "
				"network: %s"
					   : ASTUTE_PATH
				" of this host stays as it is (\"astute\": true brings "
				"back the backup's), though its settings of the network "
				"differ: %s",
			there ? words : "this host has none");
}

int
restore_data_astute(struct restore_data *f, json_t **ret_json, struct err *e)
{
	const struct restore_request *request = f->restore->request;
	const struct contents_pick pick = {&f->astute_at, 1};
	SCOPED(buf_free) struct buf backup = BUF_INIT(ASTUTE_MAX);
	SCOPED(buf_free) struct buf host = BUF_INIT(ASTUTE_MAX);
	SCOPED(json_decref_at) json_t *was = NULL;
	SCOPED(json_decref_at) json_t *is = NULL;
	json_t *settings;
	int there;

	*ret_json = json_null();
	if (f->astute_in == NULL)
		return 0;
	if (contents_pick(request->store, request->backup, f->restore->operation, &pick,
		    restore_data_astute_take, &backup, e) != 0 ||
		(there = read_host(f->astute_in, &host, e)) < 0)
		return -1;
	was = astute_settings(backup.data == NULL ? "" : backup.data, backup.len);
	is = astute_settings(host.data == NULL ? "" : host.data, host.len);
	settings = astute_differences(was, is);
	restore_data_astute_warn(f->restore, settings, there == 1);
	*ret_json = json_pack("{s:b, s:b, s:o}", "restored", (int)request->astute, "same",
		(int)(there == 1 && backup.len == host.len &&
			(host.len == 0 || memcmp(backup.data, host.data, host.len) == 0)),
		"settings", settings);
	return 0;
}
