#include "archive/tar/pages.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *const suffixes[] = {
	".sqlite", ".sqlite3", ".db", ".db3", ".sl3", ".s3db", /* SQLite */
	".ibd", ".ibu",					       /* InnoDB: tablespace, undo */
	".mdb",						       /* LMDB */
	".qcow2", ".qcow", ".img", ".raw", ".vmdk", ".vdi",    /* disk images */
};

static bool
has_suffix(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (dot == NULL)
		return false;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if (strcasecmp(dot, suffixes[i]) == 0)
			return true;
	return false;
}

static size_t
pages_digits(const char *text)
{
	return strspn(text, "0123456789");
}

/* ibdata1, undo_001, undo001 */
static bool
innodb_name(const char *name)
{
	const char *rest = NULL;

	if (strncmp(name, "ibdata", 6) == 0)
		rest = name + 6;
	else if (strncmp(name, "undo", 4) == 0)
		rest = name + (name[4] == '_' ? 5 : 4);
	return rest != NULL && pages_digits(rest) > 0 && rest[pages_digits(rest)] == '\0';
}

/* 16384, 16384.1, 16384_fsm, 16384_vm, 16384_init */
static bool
relation_name(const char *name)
{
	const char *rest = name + pages_digits(name);

	if (rest == name)
		return false;
	if (*rest == '_') {
		size_t len = strcspn(rest, ".");

		if (strncmp(rest, "_fsm", len) != 0 && strncmp(rest, "_vm", len) != 0 &&
			strncmp(rest, "_init", len) != 0)
			return false;
		rest += len;
	}
	if (*rest == '.')
		rest += 1 + pages_digits(rest + 1);
	return *rest == '\0';
}

/* …/base/OID/NAME, …/global/NAME, …/PG_15_202209061/OID/NAME */
static bool
relation_folder(const char *path, const char *name)
{
	const char *end = name - 1, *start;

	if (name == path)
		return false;
	for (start = end; start > path && start[-1] != '/'; start--)
		;
	if (end - start == 6 && strncmp(start, "global", 6) == 0)
		return true;
	if ((ptrdiff_t)pages_digits(start) != end - start || start == path)
		return false;
	end = start - 1;
	for (start = end; start > path && start[-1] != '/'; start--)
		;
	return (end - start == 4 && strncmp(start, "base", 4) == 0) ||
	       strncmp(start, "PG_", 3) == 0;
}

bool
pages_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;

	if (has_suffix(name) || innodb_name(name))
		return true;
	return relation_name(name) && relation_folder(path, name);
}
