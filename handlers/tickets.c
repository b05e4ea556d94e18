#include "handlers/tickets.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "handlers/app.h"
#include "handlers/start.h"
#include "store/catalogue/backups.h"

struct ticket {
	char text[TICKET_SIZE];
	char backup[ID_SIZE];
	int64_t issued_ns;
};

struct tickets {
	pthread_mutex_t mutex;
	struct ticket list[TICKETS_MAX];
	size_t next;
};

struct tickets *
tickets_new(void)
{
	struct tickets *t = mem_new(sizeof(*t));

	(void)pthread_mutex_init(&t->mutex, NULL);
	return t;
}

void
tickets_free(struct tickets *t)
{
	if (t == NULL)
		return;
	(void)pthread_mutex_destroy(&t->mutex);
	free(t);
}

void
tickets_issue(struct tickets *t, const char *backup, char text[TICKET_SIZE])
{
	unsigned char random[(TICKET_SIZE - 1) / 2];
	struct ticket *ticket;
	LOCKED(&t->mutex);

	random_bytes(random, sizeof(random));
	ticket = &t->list[t->next++ % TICKETS_MAX];
	(void)hex_text(random, sizeof(random), ticket->text);
	(void)snprintf(ticket->backup, sizeof(ticket->backup), "%s", backup);
	ticket->issued_ns = clock_mono_ns();
	memcpy(text, ticket->text, TICKET_SIZE);
}

bool
tickets_valid(struct tickets *t, const char *backup, const char *text)
{
	bool valid = false;
	LOCKED(&t->mutex);

	if (strlen(text) != TICKET_SIZE - 1)
		return false;
	for (size_t i = 0; i < TICKETS_MAX; i++)
		valid |= equal_constant_time(t->list[i].text, text, TICKET_SIZE - 1) &&
			 strcmp(t->list[i].backup, backup) == 0 &&
			 clock_since_ms(t->list[i].issued_ns) < TICKET_SECONDS * 1000;
	return valid;
}

bool
app_ticket(void *ctx, const struct request *r, const char *text)
{
	const struct app *app = ctx;

	return tickets_valid(app->tickets, r->id, text);
}

int
tickets_post(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	SCOPED(json_decref_at) json_t *record = NULL;
	SCOPED(free_at) char *url = NULL;
	char text[TICKET_SIZE], expires[CLOCK_TEXT_SIZE];
	const char *state;

	if (start_no_body(r, e) != 0 || backups_get(app->store, r->id, &record, e) != 0)
		return -1;
	state = json_string_value(json_object_get(record, "state"));
	if (!backups_readable(state))
		return err_set(e, ERR_CONFLICT, "backup %s is %s: there is nothing to download",
			r->id, state == NULL ? "unknown" : state);
	tickets_issue(app->tickets, r->id, text);
	url = mem_format("/backups/%s/archive?ticket=%s", r->id, text);
	(void)clock_text(clock_real_ns() + TICKET_SECONDS * INT64_C(1000000000), expires);
	reply_json(reply, 201, json_pack("{s:s, s:s}", "url", url, "expires_at", expires));
	reply_header(reply, "Location", "%s", url);
	return 0;
}
