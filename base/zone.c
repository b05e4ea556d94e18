#include "base/zone.h"

#include <endian.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/zone_rule.h"

/* FILE_MAX_BYTES: the largest of 2025 has 3.6 KB.  SEARCH_S: no clock is further from UTC. */
enum { FILE_MAX_BYTES = 256 * 1024, HEAD_BYTES = 44, SEARCH_S = 86400 };

static const char folder[] = "/usr/share/zoneinfo/";

struct zone {
	struct zone *next; /* of those that were asked for */
	char *name;
	size_t count;	  /* of changes, in the order of their times */
	int64_t *changes; /* when, UTC */
	int32_t *offsets; /* ahead of UTC since then */
	int64_t first_s;  /* ahead of UTC before the first */
	bool has_rule;	  /* behind the last one */
	struct zone_rule rule;
};

struct zone_reader {
	const unsigned char *data;
	size_t len, at;
};

static const unsigned char *
bytes_take(struct zone_reader *r, size_t len)
{
	const unsigned char *bytes = r->data + r->at;

	if (len > r->len - r->at)
		return NULL;
	r->at += len;
	return bytes;
}

static uint32_t
number32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static int64_t
number64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return (int64_t)be64toh(value);
}

/* What a TZif header counts, in its order. */
enum { IS_UT, IS_STANDARD, LEAPS, TIMES, TYPES, LETTERS, COUNTS };

/* Returns the version ('\0', '2', …), -1 if it is no header. */
static int
head_take(struct zone_reader *r, size_t counts[COUNTS])
{
	const unsigned char *head = bytes_take(r, HEAD_BYTES);

	if (head == NULL || memcmp(head, "TZif", 4) != 0)
		return -1;
	for (size_t i = 0; i < COUNTS; i++) {
		counts[i] = number32(head + 20 + 4 * i);
		if (counts[i] > FILE_MAX_BYTES)
			return -1;
	}
	return head[4];
}

/* ${size}: bytes of a time. */
static size_t
block_bytes(const size_t counts[COUNTS], size_t size)
{
	return counts[TIMES] * (size + 1) + counts[TYPES] * 6 + counts[LETTERS] +
	       counts[LEAPS] * (size + 4) + counts[IS_STANDARD] + counts[IS_UT];
}

static int
table_take(struct zone_reader *r, const size_t counts[COUNTS], struct zone *z)
{
	const unsigned char *times = bytes_take(r, counts[TIMES] * 8);
	const unsigned char *which = times == NULL ? NULL : bytes_take(r, counts[TIMES]);
	const unsigned char *types = which == NULL ? NULL : bytes_take(r, counts[TYPES] * 6);

	if (types == NULL || counts[TYPES] == 0 || counts[LEAPS] != 0)
		return -1;
	z->count = counts[TIMES];
	z->changes = mem_array(NULL, z->count + 1, sizeof(*z->changes));
	z->offsets = mem_array(NULL, z->count + 1, sizeof(*z->offsets));
	z->first_s = (int32_t)number32(types);
	for (size_t i = 0; i < z->count; i++) {
		z->changes[i] = number64(times + 8 * i);
		if (which[i] >= counts[TYPES] || (i > 0 && z->changes[i] <= z->changes[i - 1]))
			return -1;
		z->offsets[i] = (int32_t)number32(types + 6 * (size_t)which[i]);
		if (z->offsets[i] < -SEARCH_S || z->offsets[i] > SEARCH_S)
			return -1;
	}
	return bytes_take(r, block_bytes(counts, 8) - counts[TIMES] * 9 - counts[TYPES] * 6) == NULL
		       ? -1
		       : 0;
}

/* The line behind the table: a rule, or nothing. */
static int
rule_take(struct zone_reader *r, struct zone *z)
{
	const char *line = (const char *)r->data + r->at;
	const char *end;

	if (r->at + 2 > r->len || line[0] != '\n')
		return -1;
	end = memchr(line + 1, '\n', r->len - r->at - 1);
	if (end == NULL)
		return -1;
	SCOPED(free_at) char *text = mem_copy(line + 1, (size_t)(end - line - 1));
	z->has_rule = text[0] != '\0';
	return z->has_rule ? zone_rule_parse(text, &z->rule) : 0;
}

static int
file_take(struct zone_reader *r, struct zone *z)
{
	size_t counts[COUNTS];
	const int version = head_take(r, counts);

	/* The first table has times of 32 bits; since 2005 a second one follows. */
	if (version < '2' || bytes_take(r, block_bytes(counts, 4)) == NULL)
		return -1;
	if (head_take(r, counts) < 0 || table_take(r, counts, z) != 0)
		return -1;
	return rule_take(r, z);
}

void
zone_free(struct zone *z)
{
	if (z == NULL)
		return;
	free(z->name);
	free(z->changes);
	free(z->offsets);
	free(z);
}

static void
zone_free_at(struct zone **z)
{
	zone_free(*z);
}

struct zone *
zone_decode(const char *name, const void *data, size_t len, struct err *e)
{
	SCOPED(zone_free_at) struct zone *z = mem_new(sizeof(*z));
	struct zone_reader r = {data, len, 0};

	z->name = mem_string(name);
	if (file_take(&r, z) == 0)
		return TAKE(z);
	(void)err_set(e, ERR_INVALID, "the file of the time zone \"%s\" is not understood", name);
	return NULL;
}

static bool
zone_is_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_+-/";
	const size_t len = strlen(name);

	return len > 0 && len <= ZONE_NAME_MAX && strspn(name, letters) == len && name[0] != '/' &&
	       name[len - 1] != '/' && strstr(name, "//") == NULL;
}

/* NULL without an error: there is no such file. */
static struct zone *
zone_file_read(const char *name, struct err *e)
{
	SCOPED(free_at) char *path = mem_format("%s%s", folder, name);
	SCOPED(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	*e = (struct err){0};
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES)
		return NULL;
	const size_t len = (size_t)st.st_size;
	SCOPED(free_at) char *data = mem_new(len + 1);
	if (read(fd, data, len) != (ssize_t)len)
		return NULL;
	return zone_decode(name, data, len, e);
}

static struct zone *
zone_make(const char *name, struct err *e)
{
	SCOPED(zone_free_at) struct zone *z = zone_is_name(name) ? zone_file_read(name, e) : NULL;
	/* also where no files are installed */
	const char *text = strcmp(name, "UTC") == 0 ? "UTC0" : name;
	struct zone_rule rule;

	if (z != NULL || (zone_is_name(name) && e->code != ERR_NONE))
		return TAKE(z);
	if (strlen(name) <= ZONE_NAME_MAX && zone_rule_parse(text, &rule) == 0) {
		z = mem_new(sizeof(*z));
		z->name = mem_string(name);
		z->has_rule = true;
		z->rule = rule;
		return TAKE(z);
	}
	(void)err_set(e, ERR_INVALID,
		"there is no time zone \"%.64s\": a name as \"Europe/Berlin\" or \"UTC\" is "
		"wanted, of "
		"those in %s",
		name, folder);
	return NULL;
}

const struct zone *
zone_named(const char *name, struct err *e)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static struct zone *known;
	LOCKED(&mutex);

	for (struct zone *z = known; z != NULL; z = z->next)
		if (strcmp(z->name, name) == 0)
			return z;
	struct zone *z = zone_make(name, e);
	if (z == NULL)
		return NULL;
	z->next = known;
	known = z;
	return z;
}

const char *
zone_name(const struct zone *z)
{
	return z->name;
}

int64_t
zone_offset(const struct zone *z, int64_t utc_s)
{
	size_t from = 0, to = z->count; /* the first change behind ${utc_s} is in there */

	while (from < to) {
		const size_t middle = from + (to - from) / 2;

		if (z->changes[middle] <= utc_s)
			from = middle + 1;
		else
			to = middle;
	}
	if (from == z->count && z->has_rule)
		return zone_rule_offset(&z->rule, utc_s);
	return from == 0 ? z->first_s : z->offsets[from - 1];
}

/* The first instant behind ${from_s}, up to ${to_s}, at which the clocks are put forward past
 * ${local_s}. */
static int64_t
jump_find(const struct zone *z, int64_t local_s, int64_t from_s, int64_t to_s)
{
	while (to_s - from_s > 1) {
		const int64_t middle = from_s + (to_s - from_s) / 2;

		if (middle + zone_offset(z, middle) > local_s)
			to_s = middle;
		else
			from_s = middle;
	}
	return to_s;
}

int
zone_instants(const struct zone *z, int64_t local_s, int64_t instants[2])
{
	/* What the clocks were ahead of UTC well before, and well after. */
	const int64_t before_s = zone_offset(z, local_s - SEARCH_S);
	const int64_t after_s = zone_offset(z, local_s + SEARCH_S);
	const int64_t first = local_s - before_s, second = local_s - after_s;
	int count = 0;

	if (zone_offset(z, first) == before_s)
		instants[count++] = first;
	if (after_s != before_s && zone_offset(z, second) == after_s)
		instants[count++] = second;
	if (count == 0)
		instants[0] = jump_find(z, local_s, local_s - SEARCH_S, local_s + SEARCH_S);
	return count;
}
