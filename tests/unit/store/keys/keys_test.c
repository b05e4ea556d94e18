/*
 * Goal: an encrypted store's slots are opened by their secrets and by nothing else, are changed
 * without losing the last one, and a file `keys` that is not as it was written opens nothing.
 */
#include "tests/unit/store/sample.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "store/keys/keyring.h"

/* Cheap, for tests; what the default is has a test of its own. */
enum { QUICK_N = 16 };

static const struct secret key = {
	.kind = SECRET_KEYFILE, .len = 32, .data = "thirty-two bytes are enough here"};
static const struct secret phrase = {
	.kind = SECRET_PASSPHRASE, .len = 16, .data = "a b c d e f g h "};
static const struct secret other = {
	.kind = SECRET_PASSPHRASE, .len = 16, .data = "a b c d e f g h!"};

struct state {
	char *folder;
	char *keys; /* the file */
};

static int
set_up(void **context)
{
	const struct store_options options = {
		.reserve_bytes = -1, .secret = &phrase, .scrypt_n = QUICK_N};
	struct state *t = mem_new(sizeof(*t));
	struct store *s = NULL;
	struct err e;

	t->folder = folder_make();
	t->keys = mem_format("%s/keys", t->folder);
	must(store_open(t->folder, &options, &s, &e));
	store_close(s);
	*context = t;
	return 0;
}

static int
tear_down(void **context)
{
	struct state *t = *context;

	folder_drop(t->folder);
	free(t->keys);
	free(t);
	return 0;
}

static int
add(struct state *t, const struct secret *secret, const struct secret *added, const char *label,
	struct err *e)
{
	const struct keyring_options o = {
		.secret = secret, .added = added, .label = label, .scrypt_n = QUICK_N};

	return keyring_add(t->folder, &o, e);
}

static struct secret
secret_of(const char *text)
{
	struct secret s = {.kind = SECRET_PASSPHRASE, .len = strlen(text)};

	memcpy(s.data, text, s.len);
	return s;
}

static char *
file_get(const char *path, size_t *ret_len)
{
	SCOPED(file_close_at) FILE *file = fopen(path, "re");
	char *text = mem_new(KEYS_FILE_MAX);

	assert_non_null(file);
	*ret_len = fread(text, 1, KEYS_FILE_MAX - 1, file);
	return text;
}

static void
test_slots(void **context)
{
	struct state *t = *context;
	const struct keyring_options change = {
		.secret = &phrase, .added = &other, .label = "", .scrypt_n = QUICK_N};
	SCOPED(json_decref_at) json_t *slots = NULL;
	struct err e;

	must_fail(keyring_check(t->folder, &key, &e), ERR_DENIED);
	must_fail(keyring_check(t->folder, &other, &e), ERR_DENIED);
	must_fail(keyring_check(t->folder, NULL, &e), ERR_DENIED);
	assert_non_null(strstr(e.text, "FUEL_BACKUP_KEY_FILE"));
	assert_int_equal(keyring_check(t->folder, &phrase, &e), 1);
	must_fail(add(t, &other, &key, "", &e), ERR_DENIED);
	assert_int_equal(add(t, &phrase, &key, "the safe", &e), 2);
	assert_int_equal(keyring_check(t->folder, &key, &e), 2);

	assert_int_equal(keyring_change(t->folder, &change, &e), 1);
	must_fail(keyring_check(t->folder, &phrase, &e), ERR_DENIED);
	assert_int_equal(keyring_check(t->folder, &other, &e), 1);

	must(keyring_list(t->folder, &slots, &e));
	assert_int_equal(json_array_size(slots), 2);
	const json_t *second = json_array_get(slots, 1);
	assert_string_equal(json_string_value(json_object_get(second, "kind")), "keyfile");
	assert_string_equal(json_string_value(json_object_get(second, "label")), "the safe");
	assert_null(json_object_get(second, "key"));
	assert_null(json_object_get(second, "salt"));

	must_fail(keyring_remove(t->folder, &key, 0, &e), ERR_NOT_FOUND);
	must_fail(keyring_remove(t->folder, &key, 3, &e), ERR_NOT_FOUND);
	must_fail(keyring_remove(t->folder, &key, 2, &e), ERR_CONFLICT); /* its own */
	must(keyring_remove(t->folder, &key, 1, &e));
	must_fail(keyring_check(t->folder, &other, &e), ERR_DENIED);
	assert_int_equal(keyring_check(t->folder, &key, &e), 1);
	must_fail(keyring_remove(t->folder, &key, 1, &e), ERR_CONFLICT); /* the last */
	assert_int_equal(keyring_check(t->folder, &key, &e), 1);
}

static void
test_limits(void **context)
{
	struct state *t = *context;
	char label[SLOT_LABEL_MAX + 2];
	struct err e;

	memset(label, 'x', sizeof(label));
	label[SLOT_LABEL_MAX + 1] = '\0';
	must_fail(add(t, &phrase, &key, label, &e), ERR_INVALID);
	must_fail(add(t, &phrase, &key, "\xFF", &e), ERR_INVALID);
	label[SLOT_LABEL_MAX] = '\0';
	for (int i = 2; i <= KEYS_SLOTS_MAX; i++)
		assert_int_equal(add(t, &phrase, &key, label, &e), i);
	must_fail(add(t, &phrase, &key, "", &e), ERR_CONFLICT);
	assert_int_equal(keyring_check(t->folder, &key, &e), 2);
}

static void
test_recovery_key(void **context)
{
	struct state *t = *context;
	char text[RECOVERY_TEXT_SIZE], second[RECOVERY_TEXT_SIZE];
	struct err e;

	assert_int_equal(keyring_recovery(t->folder, &phrase, text, &e), 2);
	assert_int_equal(strlen(text), 71);
	assert_int_equal(strspn(text, "0123456789abcdef-"), 71);
	struct secret typed = secret_of(text);
	assert_int_equal(keyring_check(t->folder, &typed, &e), 2);
	for (size_t i = 0; i < typed.len; i++) /* as somebody types it */
		typed.data[i] = (unsigned char)(text[i] == '-'	 ? ' '
						: text[i] >= 'a' ? text[i] - 'a' + 'A'
								 : text[i]);
	assert_int_equal(keyring_check(t->folder, &typed, &e), 2);
	typed.data[5] = typed.data[5] == '0' ? '1' : '0';
	must_fail(keyring_check(t->folder, &typed, &e), ERR_DENIED);
	typed = secret_of(text);
	typed.len--;
	must_fail(keyring_check(t->folder, &typed, &e), ERR_DENIED);

	typed = secret_of(text);
	must_fail(add(t, &phrase, &typed, "", &e), ERR_INVALID); /* as a pass phrase */
	assert_int_equal(keyring_recovery(t->folder, &phrase, second, &e), 3);
	assert_string_not_equal(text, second);
	must(keyring_remove(t->folder, &typed, 1, &e)); /* the pass phrase is forgotten */
	assert_int_equal(add(t, &typed, &key, "", &e), 3);
	assert_int_equal(keyring_check(t->folder, &key, &e), 3);
}

/* What stands in the file is what slot.h says, and the default cost is N = 2^17, r = 8, p = 1. */
static void
test_scrypt_parameters(void **context)
{
	struct state *t = *context;
	const struct keyring_options o = {.secret = &phrase, .added = &other, .label = ""};
	SCOPED(json_decref_at) json_t *slots = NULL;
	struct err e;

	assert_int_equal(keyring_add(t->folder, &o, &e), 2);
	must(keyring_list(t->folder, &slots, &e));
	const json_t *slot = json_array_get(slots, 1);
	assert_string_equal(json_string_value(json_object_get(slot, "kind")), "scrypt");
	assert_int_equal(json_integer_value(json_object_get(slot, "n")), 131072);
	assert_int_equal(json_integer_value(json_object_get(slot, "r")), 8);
	assert_int_equal(json_integer_value(json_object_get(slot, "p")), 1);
	assert_int_equal(keyring_check(t->folder, &other, &e), 2);
}

/* A file that asks for more than 1 GiB is refused before it is tried. */
static void
test_costs_have_limits(void **context)
{
	static const char *const costs[] = {"\"n\": 2097152", "\"n\": 17", "\"n\": 0", "\"n\": -16",
		"\"n\": 16.0", "\"n\": \"16\"", "\"n\": 1"};
	struct state *t = *context;
	size_t len = 0;
	SCOPED(free_at) char *text = file_get(t->keys, &len);
	struct err e;

	for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
		const char *at = strstr(text, "\"n\": 16");
		assert_non_null(at);
		SCOPED(free_at)
		char *changed = mem_format("%.*s%s%s", (int)(at - text), text, costs[i], at + 7);
		file_put(t->keys, changed, strlen(changed));
		must_fail(keyring_check(t->folder, &phrase, &e), ERR_CORRUPT);
	}
}

static void
test_every_byte_of_the_file_counts(void **context)
{
	struct state *t = *context;
	size_t len = 0;
	struct err e;

	assert_int_equal(add(t, &phrase, &key, "second", &e), 2);
	SCOPED(free_at) char *text = file_get(t->keys, &len);
	for (size_t i = 0; i < len; i++) {
		text[i] ^= 1;
		file_put(t->keys, text, len);
		assert_int_equal(keyring_check(t->folder, &key, &e), -1);
		assert_true(
			e.code == ERR_CORRUPT || e.code == ERR_DENIED || e.code == ERR_UNSUPPORTED);
		text[i] ^= 1;
	}
	for (size_t cut = 0; cut + 1 < len; cut += 7) {
		file_put(t->keys, text, cut);
		must_fail(keyring_check(t->folder, &key, &e), ERR_CORRUPT);
	}
	file_put(t->keys, text, len);
	assert_int_equal(keyring_check(t->folder, &key, &e), 2);
}

static json_t *
document_get(struct state *t)
{
	json_t *document = json_load_file(t->keys, 0, NULL);

	assert_non_null(document);
	return document;
}

static void
document_put(struct state *t, const json_t *document)
{
	assert_int_equal(json_dump_file(document, t->keys, 0), 0);
}

/* Slots are taken out, doubled, put in another order, and brought from another store. */
static void
test_slots_of_others(void **context)
{
	struct state *t = *context;
	struct state *another = NULL;
	struct err e;

	assert_int_equal(add(t, &phrase, &key, "", &e), 2);
	SCOPED(json_decref_at) json_t *good = document_get(t);
	{
		SCOPED(json_decref_at) json_t *fewer = json_deep_copy(good);
		(void)json_array_remove(json_object_get(fewer, "slots"), 1);
		document_put(t, fewer);
		must_fail(keyring_check(t->folder, &phrase, &e), ERR_CORRUPT);
	}
	{
		SCOPED(json_decref_at) json_t *doubled = json_deep_copy(good);
		json_t *slots = json_object_get(doubled, "slots");
		(void)json_array_append(slots, json_array_get(slots, 0));
		document_put(t, doubled);
		must_fail(keyring_check(t->folder, &phrase, &e), ERR_CORRUPT);
	}
	assert_int_equal(set_up((void **)&another), 0);
	assert_int_equal(add(another, &phrase, &other, "", &e), 2);
	SCOPED(json_decref_at) json_t *foreign = document_get(another);
	SCOPED(json_decref_at) json_t *mixed = json_deep_copy(good);
	(void)json_array_append(json_object_get(mixed, "slots"),
		json_array_get(json_object_get(foreign, "slots"), 1));
	document_put(t, mixed);
	must_fail(keyring_check(t->folder, &phrase, &e), ERR_CORRUPT);
	must_fail(keyring_check(t->folder, &other, &e), ERR_CORRUPT);
	assert_int_equal(tear_down((void **)&another), 0);
	document_put(t, good); /* with other spaces: it is the content that counts */
	assert_int_equal(keyring_check(t->folder, &phrase, &e), 1);
}

static void
test_places(void **context)
{
	struct state *t = *context;
	char *plain = folder_make();
	SCOPED(fd_close_at) int fd = open(t->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct keys_place at = {&io_system, fd, t->folder};
	SCOPED(json_decref_at) json_t *slots = NULL;
	struct store *s = NULL;
	struct stat st;
	struct err e;

	must_fail(keyring_check("/nonexistent/store", &phrase, &e), ERR_NOT_FOUND);
	must_fail(keyring_check(plain, &phrase, &e), ERR_NOT_FOUND);
	folder_drop(plain);
	must(store_open(t->folder, &(struct store_options){.reserve_bytes = -1, .secret = &phrase},
		&s, &e));
	assert_int_equal(add(t, &phrase, &key, "", &e), 2); /* beside the service */
	store_close(s);
	SCOPED(free_at) char *new = mem_format("%s.new", t->keys); /* of one that was killed */
	file_put(new, "{", 1);
	assert_int_equal(keyring_check(t->folder, &key, &e), 2);
	assert_int_equal(add(t, &phrase, &other, "", &e), 3);
	assert_int_equal(access(new, F_OK), -1);
	must(keys_lock(&at, &e));
	must_fail(add(t, &phrase, &key, "", &e), ERR_BUSY);
	must(keyring_list(t->folder, &slots, &e));
	assert_int_equal(stat(t->keys, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
refuse(const char *path, enum secret_kind kind, const void *data, size_t len, mode_t mode)
{
	struct secret secret;
	struct err e;

	file_put(path, data, len);
	assert_int_equal(chmod(path, mode), 0);
	must_fail(secret_read(path, kind, &secret, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, path));
}

static void
test_files_of_secrets(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = mem_format("%s/secret", t->folder);
	SCOPED(free_at) unsigned char *bytes = bytes_noise(SECRET_KEY_MAX + 1, 5);
	struct secret secret;
	struct err e;

	must_fail(secret_read(path, SECRET_KEYFILE, &secret, &e), ERR_IO);
	refuse(path, SECRET_KEYFILE, bytes, SECRET_KEY_MIN - 1, 0600);
	refuse(path, SECRET_KEYFILE, bytes, SECRET_KEY_MAX + 1, 0600);
	refuse(path, SECRET_KEYFILE, bytes, SECRET_KEY_MIN, 0640);
	refuse(path, SECRET_KEYFILE, bytes, SECRET_KEY_MIN, 0604);
	refuse(path, SECRET_PASSPHRASE, "seven b", 7, 0600);
	refuse(path, SECRET_PASSPHRASE, "two lines\nof text\n", 18, 0600);
	refuse(path, SECRET_PASSPHRASE, "a zero\0byte", 11, 0600);
	memset(bytes, 'x', SECRET_PHRASE_MAX + 1);
	refuse(path, SECRET_PASSPHRASE, bytes, SECRET_PHRASE_MAX + 1, 0600);
	must_fail(secret_read(t->folder, SECRET_KEYFILE, &secret, &e), ERR_INVALID);

	static const char *const lines[] = {
		"a pass phrase", "a pass phrase\n", "a pass phrase\r\n"};
	for (size_t i = 0; i < 3; i++) {
		file_put(path, lines[i], strlen(lines[i]));
		assert_int_equal(chmod(path, 0400), 0);
		must(secret_read(path, SECRET_PASSPHRASE, &secret, &e));
		assert_int_equal(secret.len, 13);
		assert_memory_equal(secret.data, "a pass phrase", 13);
		assert_int_equal(chmod(path, 0600), 0);
	}
}

int
main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_slots),
		CASE(test_limits),
		CASE(test_recovery_key),
		CASE(test_scrypt_parameters),
		CASE(test_costs_have_limits),
		CASE(test_every_byte_of_the_file_counts),
		CASE(test_slots_of_others),
		CASE(test_places),
		CASE(test_files_of_secrets),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
