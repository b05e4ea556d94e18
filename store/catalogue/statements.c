#include "store/catalogue/statements.h"

/*
 * packs.state: see enum pack_state.  packs.bytes and .records: what is durable; no row of `chunks`
 * points behind it.  chunks.bad: 0 good, 1 its pack is lost, 2 its bytes are wrong.  ids.prefix:
 * the first 8 bytes of the id (half the size of a second copy of the id; a look-up compares the
 * whole id).  segments and streams: rows whose generation is the present one need no check that
 * their chunks still exist; a change of content replaces nothing, so these rows grow with the
 * stored bytes, a thousandth of them, and go when a sweep takes their chunks.  What column_cipher.h
 * hides in an encrypted store: backups.record, .name and .rehearsal, operations.document, both
 * texts of requests, and the keys of segments and streams.
 */
static const char FIRST[] =
	"CREATE TABLE counts(one INTEGER PRIMARY KEY CHECK(one = 1), next_number INTEGER NOT NULL,"
	" generation INTEGER NOT NULL, chunks INTEGER NOT NULL, plain INTEGER NOT NULL,"
	" stored INTEGER NOT NULL) STRICT;"
	"INSERT INTO counts VALUES(1, 1, 1, 0, 0, 0);"
	"CREATE TABLE packs(id INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE,"
	" state INTEGER NOT NULL, bytes INTEGER NOT NULL, records INTEGER NOT NULL) STRICT;"
	"CREATE TABLE chunks(number INTEGER PRIMARY KEY, pack INTEGER NOT NULL,"
	" offset INTEGER NOT NULL, ordinal INTEGER NOT NULL, plain INTEGER NOT NULL,"
	" stored INTEGER NOT NULL, bad INTEGER NOT NULL, id BLOB NOT NULL) STRICT;"
	"CREATE TABLE ids(prefix INTEGER NOT NULL, number INTEGER NOT NULL,"
	" PRIMARY KEY(prefix, number)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE segments(key BLOB PRIMARY KEY, generation INTEGER NOT NULL,"
	" recipe BLOB NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE streams(name TEXT PRIMARY KEY, generation INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL, recipe BLOB NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE backups(id TEXT PRIMARY KEY, created_ns INTEGER NOT NULL,"
	" state TEXT NOT NULL, damaged INTEGER NOT NULL, record TEXT NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"CREATE INDEX backups_by_time ON backups(created_ns, id);"
	"CREATE TABLE recipes(backup TEXT PRIMARY KEY, pack INTEGER NOT NULL,"
	" offset INTEGER NOT NULL, plain INTEGER NOT NULL, stored INTEGER NOT NULL,"
	" digest TEXT NOT NULL, marks BLOB NOT NULL, recipe BLOB NOT NULL) STRICT;"
	"CREATE TABLE operations(id TEXT PRIMARY KEY, created_ns INTEGER NOT NULL,"
	" state TEXT NOT NULL, ended_at TEXT, document TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX operations_by_time ON operations(created_ns, id);"
	"CREATE TABLE requests(key TEXT PRIMARY KEY, digest TEXT NOT NULL,"
	" created_ns INTEGER NOT NULL, operation TEXT) STRICT, WITHOUT ROWID;";

/*
 * deletions: deleted backups (ID.CREATED_NS; once only ID) whose recipe still stands in the pack
 * `recipe_pack`, and the pack in which their tombstone stands, or 0 (see tombstones.h).  adopted:
 * packs that came without a row and may hold recipes of backups that are not listed; while there is
 * one, nothing is swept. counts.rounds: see store_round.
 */
static const char SECOND[] =
	"CREATE TABLE deletions(backup TEXT PRIMARY KEY, recipe_pack INTEGER NOT NULL,"
	" pack INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE adopted(pack INTEGER PRIMARY KEY) STRICT;"
	"ALTER TABLE counts ADD COLUMN rounds INTEGER NOT NULL DEFAULT 0;";

/*
 * backups.locked: it is not deleted.  counts.scrubbed: the number from which a scrub goes on.
 * runs: when the schedule (as text, to know when it is another) last ran (0: never) and runs next.
 */
static const char THIRD[] =
	"ALTER TABLE backups ADD COLUMN locked INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE backups ADD COLUMN name TEXT;"
	"ALTER TABLE counts ADD COLUMN scrubbed INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE runs(one INTEGER PRIMARY KEY CHECK(one = 1), schedule TEXT NOT NULL,"
	" last_ns INTEGER NOT NULL, next_ns INTEGER NOT NULL) STRICT;";

/* backups.rehearsal: the verdict of the last rehearsal. */
static const char FOURTH[] = "ALTER TABLE backups ADD COLUMN rehearsal TEXT;";

/* backups.verified_ns: when the last verification found it whole. */
static const char FIFTH[] = "ALTER TABLE backups ADD COLUMN verified_ns INTEGER;";

/* backups.state gets `partial`: once such backups were `complete` ones with `incomplete`. */
static const char SIXTH[] = "UPDATE backups SET state = 'partial' WHERE state = 'complete'"
			    " AND json_extract(unveil('backup' || id, record), '$.incomplete');";

/*
 * seq: the order in which rows were made, whatever the clock said then; lists are newest first by
 * (seq, created_ns, id).  0: before there was this column, by their times alone; of these, -1 has
 * what bears a time that was still to come.  An imported backup shares the number of the first
 * one that is younger (SQL_BACKUP_ADD_OLD).
 */
static const char SEVENTH[] =
	"ALTER TABLE backups ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE operations ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;"
	"UPDATE backups SET seq = -1 WHERE created_ns > unixepoch() * 1000000000;"
	"UPDATE operations SET seq = -1 WHERE created_ns > unixepoch() * 1000000000;"
	"DROP INDEX backups_by_time; DROP INDEX operations_by_time;"
	"CREATE INDEX backups_by_seq ON backups(seq, created_ns, id);"
	"CREATE INDEX operations_by_seq ON operations(seq, created_ns, id);";

const char *const catalogue_steps[CATALOGUE_VERSION] = {
	FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH, SEVENTH};

const char *const statement_texts[STATEMENT_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_COUNTS] = "SELECT next_number, generation, chunks, plain, stored FROM counts",
	[SQL_COUNTS_ADD] =
		"UPDATE counts SET next_number = max(next_number, ?1), chunks = chunks + ?2,"
		" plain = plain + ?3, stored = stored + ?4",
	[SQL_ROUND_NEXT] = "UPDATE counts SET rounds = rounds + 1 RETURNING rounds",
	[SQL_SCRUBBED] = "SELECT scrubbed FROM counts",
	[SQL_SCRUBBED_SET] = "UPDATE counts SET scrubbed = ?1",
	[SQL_GENERATION_NEXT] = "UPDATE counts SET generation = generation + 1",
	[SQL_PACK_ADD] = "INSERT INTO packs(uuid, state, bytes, records) VALUES(?1, ?2, ?3, ?4)",
	[SQL_PACK_SETTLE] = "UPDATE packs SET bytes = ?2, records = ?3, state = ?4 WHERE id = ?1",
	[SQL_PACK_STATE] = "UPDATE packs SET state = ?2 WHERE id = ?1",
	[SQL_PACK_DROP] = "DELETE FROM packs WHERE id = ?1",
	[SQL_PACK_UUID] = "SELECT uuid FROM packs WHERE id = ?1",
	[SQL_PACK_GET] = "SELECT uuid, state, bytes FROM packs WHERE id = ?1",
	[SQL_PACK_LIST] = "SELECT id, uuid, state, bytes, records FROM packs ORDER BY uuid",
	[SQL_PACK_BY_ROW] = "SELECT id, uuid, state, bytes, records FROM packs ORDER BY id",
	[SQL_PACK_ADOPTED] = "INSERT INTO adopted(pack) VALUES(?1)",
	[SQL_PACKS_ADOPTED] = "SELECT count(*) FROM adopted",
	[SQL_PACKS_BYTES] = "SELECT total(bytes) FROM packs",
	[SQL_CHUNK_ADD] =
		"INSERT INTO chunks(number, pack, offset, ordinal, plain, stored, bad, id)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)",
	[SQL_CHUNK_INDEX] = "INSERT OR IGNORE INTO ids(prefix, number) VALUES(?1, ?2)",
	[SQL_CHUNK_BY_ID] = "SELECT chunks.number FROM ids CROSS JOIN chunks USING(number)"
			    " WHERE prefix = ?1 AND id = ?2 AND plain = ?3 AND bad = 0 LIMIT 1",
	[SQL_CHUNK_BAD_BY_ID] = "SELECT number, pack, offset, ordinal, plain, stored, bad, id"
				" FROM ids CROSS JOIN chunks USING(number)"
				" WHERE prefix = ?1 AND id = ?2 AND plain = ?3 AND bad <> 0 ORDER "
				"BY number LIMIT 1",
	[SQL_CHUNK_FROM] = "SELECT number, pack, offset, ordinal, plain, stored, bad, id"
			   " FROM chunks WHERE number >= ?1 ORDER BY number LIMIT ?2",
	[SQL_CHUNK_HEAL] = "UPDATE chunks SET pack = ?2, offset = ?3, ordinal = ?4, bad = 0"
			   " WHERE number = ?1 AND bad <> 0 AND id = ?5 AND plain = ?6"
			   " AND stored = ?7",
	[SQL_CHUNK_RANGE] = "SELECT number, pack, offset, ordinal, plain, stored, bad, id"
			    " FROM chunks WHERE number >= ?1 AND number < ?2 ORDER BY number",
	[SQL_CHUNK_GOOD] =
		"SELECT count(*) FROM chunks WHERE number >= ?1 AND number < ?2 AND bad = 0",
	[SQL_CHUNK_SCAN] = "SELECT number, pack, stored, bad FROM chunks WHERE number >= ?1"
			   " ORDER BY number LIMIT ?2",
	[SQL_CHUNK_OF_PACK] = "SELECT number, pack, offset, ordinal, plain, stored, bad, id"
			      " FROM chunks WHERE number >= ?1 AND number < ?2 AND pack = ?3"
			      " ORDER BY number LIMIT ?4",
	[SQL_CHUNK_MOVE] = "UPDATE chunks SET pack = ?3, offset = ?4, ordinal = ?5"
			   " WHERE number = ?1 AND pack = ?2",
	[SQL_CHUNK_DROP] = "DELETE FROM chunks WHERE number = ?1 AND pack = ?2",
	[SQL_INDEX_SCAN] = "SELECT prefix, number FROM ids WHERE (prefix, number) > (?1, ?2)"
			   " ORDER BY prefix, number LIMIT ?3",
	[SQL_INDEX_DROP] = "DELETE FROM ids WHERE prefix = ?1 AND number = ?2"
			   " AND NOT EXISTS(SELECT 1 FROM chunks WHERE number = ?2)",
	[SQL_CHUNK_MENDED] = "UPDATE chunks SET bad = 0 WHERE number = ?1 AND pack = ?2",
	[SQL_CHUNK_BAD] = "UPDATE chunks SET bad = 2 WHERE number = ?1 AND pack = ?2",
	[SQL_CHUNKS_LOST] = "UPDATE chunks SET bad = 1 WHERE pack = ?1 AND bad = 0",
	[SQL_CHUNKS_FOUND] = "UPDATE chunks SET bad = 0 WHERE pack = ?1 AND bad = 1",
	[SQL_SEGMENT_GET] = "SELECT generation, recipe FROM segments WHERE key = ?1",
	[SQL_SEGMENT_PUT] = "REPLACE INTO segments(key, generation, recipe) VALUES(?1, ?2, ?3)",
	[SQL_SEGMENT_SCAN] = "SELECT key, recipe FROM segments WHERE key > ?1"
			     " ORDER BY key LIMIT ?2",
	[SQL_SEGMENT_DROP] = "DELETE FROM segments WHERE key = ?1",
	[SQL_STREAM_GET] = "SELECT generation, recipe, bytes FROM streams WHERE name = ?1",
	[SQL_STREAM_PUT] =
		"REPLACE INTO streams(name, generation, recipe, bytes) VALUES(?1, ?2, ?3, ?4)",
	[SQL_STREAM_SCAN] = "SELECT name, recipe FROM streams WHERE name > ?1"
			    " ORDER BY name LIMIT ?2",
	[SQL_STREAM_DROP] = "DELETE FROM streams WHERE name = ?1",
	[SQL_BACKUP_ADD] =
		"INSERT OR IGNORE INTO backups(id, created_ns, state, damaged, record, seq)"
		" SELECT ?1, ?2, 'running', 0, veil('backup' || ?1, ?3),"
		" max(coalesce(max(seq), 0), 0) + 1 FROM backups",
	/* right below the first that is younger; times that are still to come (behind ?4) set aside
	 */
	[SQL_BACKUP_ADD_OLD] =
		"INSERT OR IGNORE INTO backups(id, created_ns, state, damaged, record, seq)"
		" SELECT ?1, ?2, 'running', 0, veil('backup' || ?1, ?3), iif(?2 > ?4, -1, coalesce("
		"(SELECT min(seq) FROM backups WHERE created_ns > ?2 AND created_ns <= ?4),"
		" (SELECT max(seq) FROM backups), 0))",
	[SQL_BACKUP_ADD_AT] =
		"INSERT OR IGNORE INTO backups(id, created_ns, state, damaged, record, seq)"
		" VALUES(?1, ?2, 'running', 0, veil('backup' || ?1, ?3), ?4)",
	[SQL_BACKUPS_AHEAD] = "UPDATE backups SET seq = -1 WHERE seq = 0 AND created_ns > ?1",
	[SQL_BACKUP_GET] = "SELECT id, state, created_ns, unveil('backup' || id, record), damaged,"
			   " locked, unveil('name' || id, name),"
			   " unveil('rehearsal' || id, rehearsal), verified_ns, seq FROM backups"
			   " WHERE id = ?1",
	[SQL_BACKUP_LIST] =
		"SELECT id, state, created_ns, unveil('backup' || id, record), damaged,"
		" locked, unveil('name' || id, name), unveil('rehearsal' || id, rehearsal),"
		" verified_ns, seq"
		" FROM backups WHERE (seq, created_ns, id) < (?1, ?2, ?3)"
		" ORDER BY seq DESC, created_ns DESC, id DESC LIMIT ?4",
	[SQL_BACKUP_FINISH] = "UPDATE backups SET state = ?2, record = veil('backup' || ?1, ?3)"
			      " WHERE id = ?1 AND state = 'running'",
	[SQL_BACKUP_DROP] = "DELETE FROM backups WHERE id = ?1 AND (state = 'running') = ?2"
			    " AND (?2 OR NOT locked)",
	[SQL_BACKUP_PRUNE] =
		"DELETE FROM backups WHERE id = ?1 AND state IN ('complete', 'partial')"
		" AND NOT locked",
	[SQL_BACKUP_CHANGE] = "UPDATE backups SET locked = iif(?2 < 0, locked, ?2),"
			      " name = iif(?3, veil('name' || ?1, ?4), name) WHERE id = ?1",
	[SQL_BACKUP_REHEARSED] =
		"UPDATE backups SET rehearsal = veil('rehearsal' || ?1, ?2) WHERE id = ?1",
	[SQL_BACKUP_VERIFIED] = "UPDATE backups SET verified_ns = nullif(?2, 0) WHERE id = ?1",
	[SQL_BACKUPS_RUNNING_DROP] = "DELETE FROM backups WHERE state = 'running'",
	[SQL_BACKUP_DAMAGED] = "UPDATE backups SET damaged = ?2 WHERE id = ?1",
	[SQL_BACKUPS_DAMAGED] = "SELECT EXISTS(SELECT 1 FROM backups WHERE damaged <> 0)",
	[SQL_BACKUPS_COUNT] = "SELECT state, damaged <> 0, count(*) FROM backups GROUP BY 1, 2",
	[SQL_RECIPES_PLAIN] = "SELECT total(plain) FROM recipes",
	[SQL_CHUNKS_BAD] = "SELECT count(*) FROM chunks WHERE bad <> 0",
	[SQL_RECIPE_ADD] =
		"INSERT INTO recipes(backup, pack, offset, plain, stored, digest, marks, recipe)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[SQL_RECIPE_GET] =
		"SELECT plain, stored, digest, marks, recipe FROM recipes WHERE backup = ?1",
	[SQL_RECIPE_PLACE] = "SELECT pack, offset, created_ns, unveil('backup' || id, record)"
			     " FROM recipes JOIN backups ON id = backup WHERE backup = ?1",
	[SQL_RECIPE_LIST] = "SELECT backup, recipe, digest FROM recipes",
	[SQL_RECIPE_NEWEST] = "SELECT backup, recipe FROM recipes JOIN backups ON id = backup"
			      " ORDER BY seq DESC, created_ns DESC, id DESC",
	[SQL_RECIPE_DAMAGED] = "SELECT backup, recipe FROM recipes JOIN backups ON id = backup"
			       " WHERE damaged <> 0",
	[SQL_RECIPE_SIZES] = "SELECT pack, length(recipe) + length(record) + length(id)"
			     " FROM recipes JOIN backups ON id = backup",
	[SQL_RECIPE_OF_PACK] = "SELECT backup, digest, recipe, created_ns,"
			       " unveil('backup' || id, record), seq"
			       " FROM recipes JOIN backups ON id = backup"
			       " WHERE pack = ?1 AND backup > ?2 ORDER BY backup LIMIT 1",
	[SQL_RECIPE_MOVE] = "UPDATE recipes SET pack = ?3, offset = ?4"
			    " WHERE backup = ?1 AND pack = ?2",
	[SQL_DELETION_ADD] = "REPLACE INTO deletions(backup, recipe_pack, pack)"
			     " SELECT id || '.' || created_ns, pack, 0"
			     " FROM recipes JOIN backups ON id = backup WHERE backup = ?1",
	[SQL_DELETION_NOTE] = "REPLACE INTO deletions(backup, recipe_pack, pack) VALUES(?1, ?2, 0)",
	[SQL_DELETION_MOVE] = "UPDATE deletions SET recipe_pack = ?3"
			      " WHERE (backup = ?1 OR backup GLOB ?1 || '.*')"
			      " AND recipe_pack = ?2",
	[SQL_DELETION_OF_PACK] = "SELECT backup FROM deletions WHERE pack = ?1 AND backup > ?2"
				 " ORDER BY backup LIMIT 1",
	[SQL_DELETION_SIZES] = "SELECT pack FROM deletions WHERE pack > 0",
	[SQL_DELETION_STANDS] = "UPDATE deletions SET pack = ?2 WHERE backup = ?1",
	[SQL_DELETIONS_OVER] = "DELETE FROM deletions WHERE recipe_pack = ?1",
	[SQL_RECIPE_DROP] = "DELETE FROM recipes WHERE backup = ?1",
	[SQL_OPERATION_PUT] =
		"REPLACE INTO operations(id, created_ns, state, ended_at, document, seq)"
		" VALUES(?1, ?2, ?3, ?4, veil('operation' || ?1, ?5),"
		" coalesce((SELECT seq FROM operations WHERE id = ?1),"
		" (SELECT max(max(seq), 0) + 1 FROM operations), 1))",
	[SQL_OPERATION_GET] = "SELECT unveil('operation' || id, document), created_ns, seq"
			      " FROM operations WHERE id = ?1",
	[SQL_OPERATION_LIST] = "SELECT unveil('operation' || id, document) FROM operations WHERE "
			       "(seq, created_ns, id) < (?1, ?2, ?3)"
			       " ORDER BY seq DESC, created_ns DESC, id DESC LIMIT ?4",
	[SQL_OPERATION_ALIVE] = "SELECT id, created_ns, unveil('operation' || id, document)"
				" FROM operations"
				" WHERE state IN ('queued', 'running') LIMIT 1",
	[SQL_OPERATION_FORGET] = "DELETE FROM operations WHERE ended_at < ?1",
	[SQL_RUNS_GET] = "SELECT last_ns, next_ns FROM runs WHERE schedule = ?1",
	[SQL_RUNS_SET] = "REPLACE INTO runs(one, schedule, last_ns, next_ns) VALUES(1, ?1, ?2, ?3)",
	[SQL_REQUEST_ADD] = "INSERT INTO requests(key, digest, created_ns, operation)"
			    " VALUES(column_cipher_name(?1), veil('request' || ?1, ?2), ?3, NULL)",
	[SQL_REQUEST_GET] = "SELECT unveil('request' || ?1, digest), operation FROM requests"
			    " WHERE key = column_cipher_name(?1)",
	[SQL_REQUEST_DONE] =
		"UPDATE requests SET operation = ?2 WHERE key = column_cipher_name(?1)",
	[SQL_REQUEST_DROP] = "DELETE FROM requests WHERE key = column_cipher_name(?1)",
	[SQL_REQUEST_FORGET] = "DELETE FROM requests WHERE created_ns < ?1",
	[SQL_REQUEST_UNSTARTED_DROP] = "DELETE FROM requests WHERE operation IS NULL",
};
