#include "store/keyring.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/id.h"
#include "base/scope.h"

static int
held_load(const char *path, struct store **ret_store, struct keys *k, struct err *e)
{
	SCOPED(store_close_at) struct store *s = NULL;

	if (store_hold(path, NULL, &s, e) != 0)
		return -1;
	const int found = keys_load(s, k, e);
	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(e, ERR_NOT_FOUND, "the store %s is not encrypted", path);
	*ret_store = TAKE(s);
	return 0;
}

static int
held_open(const char *path, const struct secret *secret, struct store **ret_store, struct keys *k,
	struct err *e)
{
	if (secret == NULL)
		return err_set(e, ERR_DENIED,
			"say by FUEL_BACKUP_KEY_FILE or FUEL_BACKUP_PASSPHRASE_FILE where a key of "
			"the store is");
	return held_load(path, ret_store, k, e) != 0 || keys_open(k, secret, e) != 0 ? -1 : 0;
}

int
keyring_list(const char *path, json_t **ret_slots, struct err *e)
{
	SCOPED(store_close_at) struct store *s = NULL;
	SCOPED(keys_wipe) struct keys k = {0};

	if (held_load(path, &s, &k, e) != 0)
		return -1;
	*ret_slots = json_array();
	for (size_t i = 0; i < k.count; i++)
		(void)json_array_append_new(*ret_slots, slot_json(&k.slots[i], true));
	return 0;
}

static struct slot_options
slot_of(const struct keyring_options *o)
{
	return (struct slot_options){
		.kind = o->added->kind == SECRET_KEYFILE ? SLOT_KEYFILE : SLOT_SCRYPT,
		.secret = o->added,
		.label = o->label,
		.scrypt_n = o->scrypt_n,
	};
}

int
keyring_add(const char *path, const struct keyring_options *o, struct err *e)
{
	SCOPED(store_close_at) struct store *s = NULL;
	SCOPED(keys_wipe) struct keys k = {0};
	const struct slot_options slot = slot_of(o);

	if (held_open(path, o->secret, &s, &k, e) != 0 || keys_add(&k, &slot, e) != 0)
		return -1;
	return keys_save(s, &k, e);
}

int
keyring_change(const char *path, const struct keyring_options *o, struct err *e)
{
	SCOPED(store_close_at) struct store *s = NULL;
	SCOPED(keys_wipe) struct keys k = {0};
	const struct slot_options slot = slot_of(o);

	if (held_open(path, o->secret, &s, &k, e) != 0 ||
		slot_make(&slot, k.master, &k.slots[k.opened], e) != 0)
		return -1;
	return keys_save(s, &k, e);
}

int
keyring_remove(const char *path, const struct secret *secret, size_t number, struct err *e)
{
	SCOPED(store_close_at) struct store *s = NULL;
	SCOPED(keys_wipe) struct keys k = {0};

	if (held_open(path, secret, &s, &k, e) != 0)
		return -1;
	if (number < 1 || number > k.count)
		return err_set(e, ERR_NOT_FOUND, "there is no key slot %zu: there are %zu", number,
			k.count);
	if (k.count == 1)
		return err_set(e, ERR_CONFLICT,
			"the last key slot stays: nobody could open the store any more");
	k.count--;
	memmove(&k.slots[number - 1], &k.slots[number], (k.count + 1 - number) * sizeof(*k.slots));
	return keys_save(s, &k, e);
}

int
keyring_recovery(const char *path, const struct secret *secret, char ret_text[RECOVERY_TEXT_SIZE],
	struct err *e)
{
	SCOPED(store_close_at) struct store *s = NULL;
	SCOPED(keys_wipe) struct keys k = {0};
	SCOPED(secret_wipe) struct secret recovery = {.kind = SECRET_PASSPHRASE};
	unsigned char key[RECOVERY_KEY];

	if (held_open(path, secret, &s, &k, e) != 0)
		return -1;
	random_bytes(key, sizeof(key));
	(void)secret_recovery_text(key, ret_text);
	OPENSSL_cleanse(key, sizeof(key));
	recovery.len = strlen(ret_text);
	memcpy(recovery.data, ret_text, recovery.len);
	if (keys_add(&k,
		    &(struct slot_options){
			    .kind = SLOT_RECOVERY, .secret = &recovery, .label = "recovery"},
		    e) != 0 ||
		keys_save(s, &k, e) != 0) {
		OPENSSL_cleanse(ret_text, RECOVERY_TEXT_SIZE);
		return -1;
	}
	return 0;
}
