#include "store/keys/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/id.h"
#include "base/scope.h"

struct keyring {
	struct keys_place at;
	struct keys keys;
};

static const struct keyring CLOSED = {.at = {.io = &io_system, .fd = -1}};

static void
keyring_close(struct keyring *r)
{
	keys_wipe(&r->keys);
	if (r->at.fd >= 0)
		(void)r->at.io->close(r->at.io->ctx, r->at.fd);
}

static int
place_open(struct keyring *r, const char *path, struct err *e)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	r->at.path = path;
	r->at.fd = r->at.io->openat(r->at.io->ctx, AT_FDCWD, path, flags, 0);
	if (r->at.fd >= 0)
		return 0;
	if (errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "there is no store at %s", path);
	return err_errno(e, "cannot open the store %s", path);
}

static int
keyring_load(struct keyring *r, struct err *e)
{
	const int found = keys_load(&r->at, &r->keys, e);

	if (found == 0)
		return err_set(e, ERR_NOT_FOUND, "the store %s is not encrypted", r->at.path);
	return found < 0 ? -1 : 0;
}

static int
unlock(struct keyring *r, const struct secret *secret, struct err *e)
{
	if (secret == NULL)
		return err_set(e, ERR_DENIED,
			"say by FUEL_BACKUP_KEY_FILE or FUEL_BACKUP_PASSPHRASE_FILE where a key of "
			"the store is");
	return keyring_load(r, e) != 0 || keys_open(&r->keys, secret, e) != 0 ? -1 : 0;
}

/* Open for a change: nobody else changes it until keyring_close. */
static int
keyring_begin(struct keyring *r, const char *path, const struct secret *secret, struct err *e)
{
	if (place_open(r, path, e) != 0 || keys_lock(&r->at, e) != 0)
		return -1;
	return unlock(r, secret, e);
}

int
keyring_list(const char *path, json_t **ret_slots, struct err *e)
{
	SCOPED(keyring_close) struct keyring r = CLOSED;

	if (place_open(&r, path, e) != 0 || keyring_load(&r, e) != 0)
		return -1;
	*ret_slots = json_array();
	for (size_t i = 0; i < r.keys.count; i++)
		(void)json_array_append_new(*ret_slots, slot_json(&r.keys.slots[i], true));
	return 0;
}

int
keyring_check(const char *path, const struct secret *secret, struct err *e)
{
	SCOPED(keyring_close) struct keyring r = CLOSED;

	if (place_open(&r, path, e) != 0 || unlock(&r, secret, e) != 0)
		return -1;
	return (int)r.keys.opened + 1;
}

static struct slot_options
keyring_slot_of(const struct keyring_options *o)
{
	return (struct slot_options){
		.kind = o->added->kind == SECRET_KEYFILE ? SLOT_KEYFILE : SLOT_SCRYPT,
		.secret = o->added,
		.label = o->label,
		.scrypt_n = o->scrypt_n,
	};
}

static int
add(struct keyring *r, const struct slot_options *slot, struct err *e)
{
	if (keys_add(&r->keys, slot, e) != 0 || keys_save(&r->at, &r->keys, e) != 0)
		return -1;
	return (int)r->keys.count;
}

int
keyring_add(const char *path, const struct keyring_options *o, struct err *e)
{
	SCOPED(keyring_close) struct keyring r = CLOSED;
	const struct slot_options slot = keyring_slot_of(o);

	return keyring_begin(&r, path, o->secret, e) != 0 ? -1 : add(&r, &slot, e);
}

int
keyring_change(const char *path, const struct keyring_options *o, struct err *e)
{
	SCOPED(keyring_close) struct keyring r = CLOSED;
	const struct slot_options slot = keyring_slot_of(o);

	if (keyring_begin(&r, path, o->secret, e) != 0 ||
		slot_make(&slot, r.keys.master, &r.keys.slots[r.keys.opened], e) != 0 ||
		keys_save(&r.at, &r.keys, e) != 0)
		return -1;
	return (int)r.keys.opened + 1;
}

int
keyring_remove(const char *path, const struct secret *secret, size_t number, struct err *e)
{
	SCOPED(keyring_close) struct keyring r = CLOSED;

	if (keyring_begin(&r, path, secret, e) != 0)
		return -1;
	struct keys *k = &r.keys;
	if (number < 1 || number > k->count)
		return err_set(e, ERR_NOT_FOUND, "there is no key slot %zu: there are %zu", number,
			k->count);
	if (k->count == 1)
		return err_set(e, ERR_CONFLICT,
			"the last key slot stays: nobody could open the store any more");
	if (number == k->opened + 1)
		return err_set(e, ERR_CONFLICT,
			"key slot %zu is the one that the given secret opens: give that of another "
			"one, which stays",
			number);
	k->count--;
	memmove(&k->slots[number - 1], &k->slots[number],
		(k->count + 1 - number) * sizeof(*k->slots));
	return keys_save(&r.at, k, e);
}

int
keyring_recovery(const char *path, const struct secret *secret, char ret_text[RECOVERY_TEXT_SIZE],
	struct err *e)
{
	SCOPED(keyring_close) struct keyring r = CLOSED;
	SCOPED(secret_wipe) struct secret recovery = {.kind = SECRET_PASSPHRASE};
	const struct slot_options slot = {
		.kind = SLOT_RECOVERY, .secret = &recovery, .label = "recovery"};
	unsigned char key[RECOVERY_KEY];

	if (keyring_begin(&r, path, secret, e) != 0)
		return -1;
	random_bytes(key, sizeof(key));
	(void)secret_recovery_text(key, ret_text);
	OPENSSL_cleanse(key, sizeof(key));
	recovery.len = strlen(ret_text);
	memcpy(recovery.data, ret_text, recovery.len);
	const int number = add(&r, &slot, e);
	if (number < 0)
		OPENSSL_cleanse(ret_text, RECOVERY_TEXT_SIZE);
	return number;
}
