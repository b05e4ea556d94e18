#include "jobs/maintenance/latest_backup.h"

#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "jobs/operations/inspect.h"
#include "store/catalogue/backups.h"

enum { PAGE = 100 };

static bool
latest_backup_fits(const json_t *record, const struct plan *plan)
{
	return backups_readable(json_text(record, "state", NULL)) &&
	       json_object_get(record, "imported") == NULL &&
	       !json_is_true(json_object_get(record, "damaged")) &&
	       plan_same(plan, json_object_get(record, "plan"));
}

int
latest_backup(struct store *s, const struct plan *plan, char id[ID_SIZE], struct err *e)
{
	char after[ID_SIZE] = "", partial[ID_SIZE] = "";
	bool more = true;

	while (more) {
		SCOPED(json_decref_at) json_t *page = NULL;
		const json_t *record;
		size_t i;

		if (backups_list(s, PAGE, after[0] == '\0' ? NULL : after, &page, &more, e) != 0)
			return -1;
		json_array_foreach (page, i, record) {
			(void)snprintf(after, sizeof(after), "%s", json_text(record, "id", NULL));
			if (!latest_backup_fits(record, plan))
				continue;
			if (strcmp(json_text(record, "state", NULL), "complete") == 0) {
				memcpy(id, after, ID_SIZE);
				return 0;
			}
			if (partial[0] == '\0')
				memcpy(partial, after, ID_SIZE);
		}
	}
	if (partial[0] == '\0')
		return err_set(e, ERR_NOT_FOUND, "there is no complete backup of the plan yet");
	memcpy(id, partial, ID_SIZE);
	return 0;
}
