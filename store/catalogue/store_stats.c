#include "store/catalogue/store_stats.h"

#include "base/scope.h"
#include "store/catalogue/catalogue.h"
#include "store/catalogue/state.h"

int
store_stats(struct store *s, struct store_stats *ret_stats, struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *counts = statement_bind(c, SQL_COUNTS, e, "");
	SCOPED(statement_done_at) sqlite3_stmt *packs = statement_bind(c, SQL_PACKS_BYTES, e, "");

	if (counts == NULL || packs == NULL || statement_step(c, counts, e) < 0 ||
		statement_step(c, packs, e) < 0)
		return -1;
	*ret_stats = (struct store_stats){
		.packs_bytes = sqlite3_column_int64(packs, 0),
		.chunks = sqlite3_column_int64(counts, 2),
		.plain_bytes = sqlite3_column_int64(counts, 3),
		.stored_bytes = sqlite3_column_int64(counts, 4),
	};
	return 0;
}
