/* Goal: owners of a backup made where users are remapped (userns-remap) become those of another
 * map, or of none: also in ACLs and capabilities; what is not a container's stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "jobs/content/id_map.h"

static struct id_map
map_from(const char *manifest, uint32_t uid, uint32_t gid)
{
	SCOPED(json_decref_at) json_t *json = json_loads(manifest, 0, NULL);
	const struct traits here = {.remapped = uid != 0, .uid_base = uid, .gid_base = gid};
	struct id_map map;
	struct err e;

	assert_non_null(json);
	assert_int_equal(id_map_between(json, &here, &map, &e), 0);
	return map;
}

static void
test_bases(void **state)
{
	const struct traits here = {.remapped = true, .uid_base = 100000, .gid_base = 200000};
	SCOPED(json_decref_at) json_t *engine = json_object();
	SCOPED(json_decref_at) json_t *manifest = json_pack("{s:O}", "engine", engine);
	SCOPED(json_decref_at)
	json_t *wrong = json_loads("{\"engine\": {\"id_base\": \"7\"}}", 0, NULL);
	struct id_map map;
	struct err e;

	(void)state;
	assert_true(id_map_differs(&(struct id_map){.uid_to = 1}));
	id_map_record(engine, &here);
	assert_string_equal(json_string_value(json_object_get(engine, "id_base")), "100000.200000");
	assert_int_equal(id_map_between(manifest, &here, &map, &e), 0);
	assert_false(id_map_differs(&map));
	assert_int_equal(id_map_between(wrong, &here, &map, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	map = map_from("{\"engine\": {}}", 0, 0);
	assert_false(id_map_differs(&map));
}

static void
test_owners(void **state)
{
	static const struct {
		uid_t uid, becomes;
	} rows[] = {{100000, 0}, {100033, 33}, {165535, 65535}, {165536, 165536}, {0, 0},
		{99999, 99999}};
	const struct id_map map = map_from("{\"engine\": {\"id_base\": \"100000.100000\"}}", 0, 0);
	struct id_map_space space = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct member m = {
			.path = "volumes/a/b", .uid = rows[i].uid, .gid = rows[i].uid};
		struct member copy;

		id_map_member(&map, &m, &space, &copy);
		assert_int_equal(copy.uid, rows[i].becomes);
		assert_int_equal(copy.gid, rows[i].becomes);
		assert_string_equal(copy.path, m.path);
	}
	id_map_space_free(&space);
}

/* user::rw-, user:100033:r--, group::r--, group:100007:r--, mask::r--, other::--- */
static const unsigned char acl[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0xC1,
	0x86, 1, 0, 4, 0, 4, 0, 255, 255, 255, 255, 8, 0, 4, 0, 0xA7, 0x86, 1, 0, 16, 0, 4, 0, 255,
	255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255};
/* cap_net_raw=ep of the root of map 100000 */
static const unsigned char capability[] = {
	1, 0, 0, 3, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xA0, 0x86, 1, 0};

static void
test_xattrs(void **state)
{
	const struct id_map there =
		map_from("{\"engine\": {\"id_base\": \"100000.100000\"}}", 0, 0);
	const struct id_map back = map_from("{}", 100000, 100000);
	const struct member_xattr xattrs[] = {
		{"security.capability", capability, sizeof(capability)},
		{"system.posix_acl_access", acl, sizeof(acl)}, {"user.x", "100000", 6}};
	const struct member m = {.path = "volumes/a/b",
		.uid = 100000,
		.gid = 100000,
		.xattrs = xattrs,
		.xattr_count = 3};
	struct id_map_space one = {0}, two = {0};
	struct member copy, again;

	(void)state;
	id_map_member(&there, &m, &one, &copy);
	assert_int_equal(copy.xattrs[0].len, 20);
	assert_int_equal(((const unsigned char *)copy.xattrs[0].value)[3], 2);
	assert_int_equal(((const unsigned char *)copy.xattrs[1].value)[16], 33);
	assert_int_equal(((const unsigned char *)copy.xattrs[1].value)[32], 7);
	assert_memory_equal((const char *)copy.xattrs[1].value + 8, "\377\377\377\377", 4);
	assert_ptr_equal(copy.xattrs[2].value, xattrs[2].value);

	id_map_member(&back, &copy, &two, &again);
	assert_int_equal(again.uid, 100000);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(again.xattrs[i].len, xattrs[i].len);
		assert_memory_equal(again.xattrs[i].value, xattrs[i].value, xattrs[i].len);
	}
	id_map_space_free(&one);
	id_map_space_free(&two);
}

static uid_t seen;

static int
see(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	(void)ctx;
	(void)r;
	(void)e;
	seen = m->uid;
	return 0;
}

static uid_t
visited(const struct id_map *map, const char *path, uid_t uid)
{
	SCOPED(json_decref_at)
	json_t *inspects = json_loads("{\"mapped\": {\"HostConfig\": {\"UsernsMode\": \"\"}},"
				      " \"own\": {\"HostConfig\": {\"UsernsMode\": \"host\"}}}",
		0, NULL);
	SCOPED(id_map_visit_free)
	struct id_map_visit v = {.map = *map, .visit = see, .inspects = inspects};
	const struct member m = {.path = path, .uid = uid};
	struct err e;

	assert_int_equal(id_map_visit(&v, &m, NULL, &e), 0);
	return seen;
}

static void
test_whose(void **state)
{
	const struct id_map there =
		map_from("{\"engine\": {\"id_base\": \"100000.100000\"}}", 0, 0);
	const struct id_map back = map_from("{}", 100000, 100000);

	(void)state;
	assert_int_equal(visited(&there, "binds/srv/a", 100001), 1);
	assert_int_equal(visited(&there, "binds/srv/a", 1000), 1000);
	assert_int_equal(visited(&back, "binds/srv/a", 1000), 1000);
	assert_int_equal(visited(&back, "host/etc/fuel", 0), 0);
	assert_int_equal(visited(&back, "volumes/v/a", 1000), 101000);
	assert_int_equal(visited(&back, "containers/mapped/layer/a", 0), 100000);
	assert_int_equal(visited(&back, "containers/own/layer/a", 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bases),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_xattrs),
		cmocka_unit_test(test_whose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
