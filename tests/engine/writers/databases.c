/* Files of pages, as databases write them, and a database. */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "writer.h"

enum { DATABASE_PAGE = 16 * 1024, PAGES_SIZE = 2 << 20, ACCOUNTS = 5000 };

static sqlite3 *databases[2];

void
pages_prepare(struct writer *w)
{
	static const char *const names[] = {"written.db", "mapped.ibd", "growing.mdb"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		make_file(w, names[i], 0);
		const int fd = open_file(names[i], 0);

		for (off_t at = 0; at < PAGES_SIZE; at += DATABASE_PAGE)
			fill(w, fd, at, DATABASE_PAGE);
		(void)close(fd);
	}
	w->maps[0] = map_file("mapped.ibd", PAGES_SIZE);
	w->count = PAGES_SIZE / DATABASE_PAGE;
}

void
pages_step(struct writer *w)
{
	int fd = open_file("written.db", 0);

	for (unsigned n = 1 + below(w, 3); n > 0; n--)
		fill(w, fd, (off_t)below(w, PAGES_SIZE / DATABASE_PAGE) * DATABASE_PAGE,
			DATABASE_PAGE);
	(void)close(fd);
	store(w, w->maps[0], PAGES_SIZE);
	fd = open_file("growing.mdb", 0);
	if (++w->count > 2 * PAGES_SIZE / DATABASE_PAGE) {
		w->count = PAGES_SIZE / DATABASE_PAGE;
		must(ftruncate(fd, PAGES_SIZE) == 0, "ftruncate");
	}
	fill(w, fd, (off_t)(w->count - 1) * DATABASE_PAGE, DATABASE_PAGE);
	(void)close(fd);
}

static void
run_sql(sqlite3 *database, const char *text)
{
	char *message = NULL;

	if (sqlite3_exec(database, text, NULL, NULL, &message) == SQLITE_OK)
		return;
	(void)fprintf(stderr, "%s: %s\n", text, message);
	_exit(1);
}

/* No transaction changes the sum of the accounts, which is 0. */
void
sqlite_prepare(struct writer *w)
{
	static const char *const names[] = {"wal.db", "rollback.db"};
	static const char *const modes[] = {"PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=40",
		"PRAGMA journal_mode=DELETE"};
	char text[200];

	(void)w;
	(void)snprintf(text, sizeof(text),
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
		" INSERT INTO account SELECT i, 0, hex(randomblob(40)) FROM n",
		ACCOUNTS);
	for (size_t i = 0; i < 2; i++) {
		must(sqlite3_open(names[i], &databases[i]) == SQLITE_OK, names[i]);
		run_sql(databases[i], "PRAGMA synchronous=OFF");
		run_sql(databases[i], modes[i]);
		run_sql(databases[i],
			"CREATE TABLE account(id INTEGER PRIMARY KEY, sum INTEGER, note TEXT)");
		run_sql(databases[i], text);
		run_sql(databases[i], "CREATE INDEX by_note ON account(note)");
	}
}

void
sqlite_step(struct writer *w)
{
	char text[300];
	const unsigned amount = 1 + below(w, 1000);

	(void)snprintf(text, sizeof(text),
		"BEGIN;"
		"UPDATE account SET sum = sum - %u, note = hex(randomblob(40)) WHERE id = %u;"
		"UPDATE account SET sum = sum + %u, note = hex(randomblob(%u)) WHERE id = %u;"
		"COMMIT",
		amount, 1 + below(w, ACCOUNTS), amount, below(w, 400), 1 + below(w, ACCOUNTS));
	run_sql(databases[below(w, 2)], text);
}
