#include "jobs/content/id_map.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"

/* Source: linux/posix_acl_xattr.h and linux/capability.h: values of xattrs, little endian. */
enum { ACL_HEADER = 4, ACL_ENTRY = 8, ACL_ID_AT = 4, ACL_USER = 0x02, ACL_GROUP = 0x08 };
enum { CAPABILITY_2 = 20, CAPABILITY_3 = 24, ROOT_AT = 20 };
static const uint32_t revision_mask = 0xFF000000, revision_2 = 0x02000000, revision_3 = 0x03000000;

void
id_map_record(json_t *engine, const struct traits *t)
{
	if (t->remapped)
		(void)json_object_set_new(engine, "id_base",
			json_sprintf(
				"%lu.%lu", (unsigned long)t->uid_base, (unsigned long)t->gid_base));
}

int
id_map_between(const json_t *manifest, const struct traits *t, struct id_map *map, struct err *e)
{
	const char *base = json_text(manifest, "engine", "id_base");
	char rest;

	*map = (struct id_map){.uid_to = t->uid_base, .gid_to = t->gid_base};
	if (base[0] != '\0' && sscanf(base, "%10" SCNu32 ".%10" SCNu32 "%c", &map->uid_from,
				       &map->gid_from, &rest) != 2)
		return err_set(
			e, ERR_CORRUPT, "the backup's id_base \"%.40s\" is no UID.GID", base);
	return 0;
}

bool
id_map_differs(const struct id_map *map)
{
	return map->uid_from != map->uid_to || map->gid_from != map->gid_to;
}

static uint32_t
moved(uint32_t id, uint32_t from, uint32_t to)
{
	return id >= from && id - from < ID_MAP_IDS ? id - from + to : id;
}

static uint32_t
number_at(const char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static void
set_number(char *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

/* The entries of an ACL that name a user or a group. */
static void
move_acl(const struct id_map *map, char *value, size_t len)
{
	for (size_t at = ACL_HEADER; at + ACL_ENTRY <= len; at += ACL_ENTRY) {
		const uint32_t tag = number_at(value + at) & 0xFFFF;
		char *id = value + at + ACL_ID_AT;

		if (tag == ACL_USER)
			set_number(id, moved(number_at(id), map->uid_from, map->uid_to));
		else if (tag == ACL_GROUP)
			set_number(id, moved(number_at(id), map->gid_from, map->gid_to));
	}
}

/* A capability is of the root of one map: version 2 of the host's, version 3 names another's.
 * ${value} has room for that.  The new length. */
static size_t
move_capability(const struct id_map *map, char *value, size_t len)
{
	const uint32_t magic = number_at(value);
	uint32_t root = 0;

	if (len == CAPABILITY_3 && (magic & revision_mask) == revision_3)
		root = number_at(value + ROOT_AT);
	else if (len != CAPABILITY_2 || (magic & revision_mask) != revision_2)
		return len;
	if (root != map->uid_from)
		return len;
	root = map->uid_to;
	set_number(value, (magic & ~revision_mask) | (root == 0 ? revision_2 : revision_3));
	if (root == 0)
		return CAPABILITY_2;
	set_number(value + ROOT_AT, root);
	return CAPABILITY_3;
}

static bool
is_acl(const char *name)
{
	return strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

static bool
is_capability(const struct member_xattr *x)
{
	return strcmp(x->name, "security.capability") == 0 && x->len >= CAPABILITY_2;
}

static void
move_xattrs(const struct id_map *map, struct member *m, struct id_map_space *s)
{
	size_t room = 0;
	char *at;

	for (size_t i = 0; i < m->xattr_count; i++)
		if (is_acl(m->xattrs[i].name) || is_capability(&m->xattrs[i]))
			room += m->xattrs[i].len + CAPABILITY_3;
	if (room == 0)
		return;
	s->values = at = mem_new(room);
	s->xattrs = mem_new(m->xattr_count * sizeof(*s->xattrs));
	for (size_t i = 0; i < m->xattr_count; i++) {
		struct member_xattr *x = &s->xattrs[i];

		*x = m->xattrs[i];
		if (!is_acl(x->name) && !is_capability(x))
			continue;
		memcpy(at, x->value, x->len);
		x->value = at;
		if (is_acl(x->name))
			move_acl(map, at, x->len);
		else
			x->len = move_capability(map, at, x->len);
		at += m->xattrs[i].len + CAPABILITY_3;
	}
	m->xattrs = s->xattrs;
}

void
id_map_member(const struct id_map *map, const struct member *m, struct id_map_space *space,
	struct member *copy)
{
	id_map_space_free(space);
	*copy = *m;
	copy->uid = moved(m->uid, map->uid_from, map->uid_to);
	copy->gid = moved(m->gid, map->gid_from, map->gid_to);
	move_xattrs(map, copy, space);
}

void
id_map_space_free(struct id_map_space *space)
{
	free(space->xattrs);
	free(space->values);
	*space = (struct id_map_space){0};
}

int
id_map_visit_by(struct id_map_visit *v, struct engine *g, const struct contents *contents,
	contents_visit *visit, void *ctx, struct err *e)
{
	struct traits traits;

	if (traits_find(g, &traits, e) != 0 ||
		id_map_between(contents->manifest, &traits, &v->map, e) != 0)
		return -1;
	v->visit = visit;
	v->ctx = ctx;
	v->inspects = contents->inspects;
	return 0;
}

static bool
begins(const char *path, const char *with)
{
	return strncmp(path, with, strlen(with)) == 0;
}

/* The layer of a container whose ids were those of the host all along. */
static bool
is_unmapped(const struct id_map_visit *v, const char *path)
{
	const char *name = path + strlen("containers/");
	SCOPED(free_at) char *only = mem_copy(name, strcspn(name, "/"));
	const json_t *inspect = json_object_get(v->inspects, only);

	return strcmp(json_text(inspect, "HostConfig", "UsernsMode"), "host") == 0;
}

/* Whether the owners of ${path} are a container's. */
static bool
is_mapped(const struct id_map_visit *v, const char *path)
{
	/* The host's own users may have files in them; those from a base on are containers'. */
	if (begins(path, "binds/") || begins(path, "host/"))
		return v->map.uid_from != 0 && v->map.gid_from != 0;
	return !begins(path, "containers/") || !is_unmapped(v, path);
}

int
id_map_visit(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	struct id_map_visit *v = ctx;
	struct member copy;

	if (!id_map_differs(&v->map) || !is_mapped(v, m->path))
		return v->visit(v->ctx, m, r, e);
	id_map_member(&v->map, m, &v->space, &copy);
	return v->visit(v->ctx, &copy, r, e);
}

void
id_map_visit_free(struct id_map_visit *v)
{
	id_map_space_free(&v->space);
}
