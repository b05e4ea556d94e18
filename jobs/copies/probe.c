#include "jobs/copies/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "jobs/copies/destination.h"

/* CLOCK_SLACK_S: of a clock that is further off, S3 soon refuses signatures (15 minutes). */
enum { OBJECT = 4096, RANGE_AT = 1000, RANGE = 100, CLOCK_SLACK_S = 60 };

struct probe {
	struct transfer *transfer;
	json_t *steps;
	json_t *summary;
	char name[64]; /* of the object */
	char data[OBJECT];
	bool listed;
	json_t *deletes;
};

/* What a step found: ${e} NULL, it went well. */
static void
note(struct probe *p, const char *step, const struct err *e, const char *detail)
{
	(void)json_array_append_new(
		p->steps, json_pack("{s:s, s:b, s:o}", "step", step, "ok", e == NULL, "detail",
				  text_json(e == NULL ? detail : e->text)));
}

static void
say(struct probe *p, const char *sentence)
{
	(void)json_array_append_new(p->summary, text_json(sentence));
}

static ssize_t
body_read(void *ctx, int64_t at, void *data, size_t size, struct err *e)
{
	const char *all = ctx;
	const size_t left = OBJECT - (size_t)at;

	(void)e;
	if (size > left)
		size = left;
	memcpy(data, all + at, size);
	return (ssize_t)size;
}

static int
put(struct probe *p, struct err *e)
{
	const struct transfer_body body = {body_read, p->data, OBJECT};

	return transfer_put(p->transfer, p->name, &body, TRANSFER_NEW, e);
}

static bool
try_put(struct probe *p)
{
	struct err e;

	if (put(p, &e) != 0) {
		note(p, "put", &e, "");
		say(p, e.text);
		return false;
	}
	note(p, "put", NULL, "an object was put");
	return true;
}

static void
try_create_only(struct probe *p)
{
	struct err e;

	if (put(p, &e) == 0) {
		(void)err_set(&e, ERR_REMOTE, "the object was put a second time over the first");
		note(p, "create only", &e, "");
		say(p, "What is there can be replaced.");
	} else if (e.code != ERR_CONFLICT) {
		note(p, "create only", &e, "");
	} else {
		note(p, "create only", NULL,
			transfer_exclusive(p->transfer)
				? "what is there is not put again, and the server itself refuses it"
				: "what is there is not put again; two that put at once are not "
				  "told "
				  "apart by this protocol, so names are never used twice");
	}
}

/* What came, compared with the object. */
struct came {
	const char *expected;
	size_t len;
	bool differs;
};

static int
came_write(void *ctx, const void *data, size_t len, struct err *e)
{
	struct came *c = ctx;

	(void)e;
	if (c->len + len > RANGE || memcmp(c->expected + c->len, data, len) != 0)
		c->differs = true;
	c->len += len;
	return 0;
}

static void
try_range(struct probe *p)
{
	struct came came = {.expected = p->data + RANGE_AT};
	const struct sink sink = {came_write, &came};
	struct err e;

	if (transfer_get(p->transfer, p->name, RANGE_AT, RANGE, &sink, &e) == 0) {
		if (!came.differs) {
			note(p, "range", NULL, "a part of an object is read back by itself");
			return;
		}
		(void)err_set(&e, ERR_CORRUPT, "other bytes came back than were put");
	}
	note(p, "range", &e, "");
	say(p, e.code == ERR_BARRED ? "It can be written to and not read: copies can be put there, "
				      "and restored with "
				      "other credentials."
				    : "A part of an object cannot be read by itself: a restore "
				      "reads whole objects.");
}

static int
find(void *ctx, const struct transfer_object *object, struct err *e)
{
	struct probe *p = ctx;

	(void)e;
	if (strcmp(object->name, p->name + strlen("probe/")) == 0)
		p->listed = true;
	return 0;
}

static void
try_list(struct probe *p)
{
	struct err e;

	if (transfer_list(p->transfer, "probe", find, p, &e) != 0) {
		note(p, "list", &e, "");
		return;
	}
	(void)err_set(&e, ERR_REMOTE, "the listing does not show what was just put");
	note(p, "list", p->listed ? NULL : &e, "the object is in the listing");
}

static void
try_delete(struct probe *p)
{
	int64_t size;
	struct err e;

	if (transfer_delete(p->transfer, p->name, &e) != 0) {
		note(p, "delete", &e, "");
		p->deletes = json_false();
		say(p, "Deletions are refused: what is copied there cannot be deleted from this "
		       "host.");
		return;
	}
	if (transfer_stat(p->transfer, p->name, &size, &e) > 0) {
		(void)err_set(&e, ERR_REMOTE,
			"a deletion is answered with success, and the object stays");
		note(p, "delete", &e, "");
		p->deletes = json_false();
		return;
	}
	note(p, "delete", NULL, "the object is gone");
	p->deletes = json_true();
}

static void
say_facts(struct probe *p, const struct transfer_facts *f)
{
	const int64_t ahead_s = f->clock_ahead_ms / 1000;

	if (!f->encrypted)
		say(p, "Nothing protects what is sent: passwords and backups can be read on the "
		       "way.");
	if (f->clock_known && llabs(ahead_s) > CLOCK_SLACK_S) {
		SCOPED(free_at)
		char *sentence =
			mem_format("Its clock is %lld s %s of this host's: set the wrong one.",
				(long long)llabs(ahead_s), ahead_s > 0 ? "ahead" : "behind");

		say(p, sentence);
	}
}

static json_t *
text_or_null(const char *text)
{
	return text[0] == '\0' ? json_null() : text_json(text);
}

static json_t *
result(struct probe *p, bool ok)
{
	struct transfer_facts f = {0};
	char at[CLOCK_TEXT_SIZE];

	if (p->transfer != NULL) {
		transfer_facts(p->transfer, &f);
		say_facts(p, &f);
	}
	if (ok)
		say(p, "Copies can be put there.");
	return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "at",
		clock_text(clock_real_ns(), at), "ok", ok, "protocol",
		p->transfer == NULL ? json_null() : json_string(transfer_protocol(p->transfer)),
		"steps", json_incref(p->steps), "summary", json_incref(p->summary), "host_key",
		text_or_null(f.host_key), "certificate", text_or_null(f.certificate), "encrypted",
		p->transfer == NULL ? json_null() : json_boolean(f.encrypted), "exclusive",
		p->transfer == NULL ? json_null() : json_boolean(transfer_exclusive(p->transfer)),
		"clock_ahead_ms", f.clock_known ? json_integer(f.clock_ahead_ms) : json_null(),
		"deletes", p->deletes);
}

json_t *
probe_run(const json_t *settings)
{
	const struct destination_way way = {.connect_s = PROBE_S, .stall_s = PROBE_S};
	SCOPED(json_decref_at) json_t *steps = json_array();
	SCOPED(json_decref_at) json_t *summary = json_array();
	SCOPED(transfer_close_at) struct transfer *t = NULL;
	struct probe p = {.steps = steps, .summary = summary, .deletes = json_null()};
	char id[ID_SIZE];
	struct err e;

	if (destination_open(settings, &way, &t, &e) != 0) {
		note(&p, "open", &e, "");
		say(&p, e.text);
		return result(&p, false);
	}
	p.transfer = t;
	id_new(id);
	(void)snprintf(p.name, sizeof(p.name), "probe/%s", id);
	random_bytes(p.data, sizeof(p.data));
	if (!try_put(&p))
		return result(&p, false);
	try_create_only(&p);
	try_range(&p);
	try_list(&p);
	try_delete(&p);
	return result(&p, true);
}
