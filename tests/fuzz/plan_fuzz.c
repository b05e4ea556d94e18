/* Goal: any JSON is a plan or is refused with the reason; a plan is equal to what it became. */
#include <string.h>

#include "base/scope.h"
#include "jobs/plan/plan.h"
#include "jobs/plan/schedule.h"
#include "tests/fuzz/fuzz.h"

static const char inspect_text[] = "{\"Name\": \"/web\", \"Config\": {\"Labels\": {\"a\": \"b\","
				   " \"com.docker.compose.project\": \"shop\"}}}";

static void
check_schedule(const json_t *document)
{
	struct schedule s;
	struct err e;

	if (schedule_parse(document, &s, &e) != 0) {
		CLAIM(e.code == ERR_INVALID && e.text[0] != '\0');
		return;
	}
	int64_t at = 1700000000;
	for (int i = 0; i < 3; i++) {
		const int64_t next = schedule_next(&s, at);
		CLAIM(next > at || next == -1);
		if (next < 0)
			return;
		at = next;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(json_decref_at) json_t *document = json_loadb((const char *)data, size, 0, NULL);
	SCOPED(json_decref_at) json_t *inspect = json_loads(inspect_text, 0, NULL);
	SCOPED(plan_free_at) struct plan *plan = NULL;
	SCOPED(plan_free_at) struct plan *again = NULL;
	struct err e;

	if (document == NULL)
		return 0;
	check_schedule(json_object_get(document, "schedule"));
	if (plan_parse(document, &plan, &e) != 0) {
		CLAIM(e.code == ERR_INVALID && strlen(e.text) > 5);
		return 0;
	}
	CLAIM(plan_parse(plan->document, &again, &e) == 0);
	CLAIM(json_equal(plan->document, again->document));
	CLAIM(plan_same(plan, again->document));
	(void)plan_takes(plan, inspect);
	(void)plan_takes(plan, document); /* a container may say anything of itself */
	return 0;
}
