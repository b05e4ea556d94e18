#include "store/open/unlock.h"

#include <errno.h>
#include <fcntl.h>

#include "base/scope.h"
#include "store/keys/keys.h"
#include "store/keys/seal.h"
#include "store/packs/packdir.h"

/* The first pack that there is. */
struct first {
	struct store *store;
	bool there;
	bool check; /* whether it fits */
};

static int
pack_check(struct store *s, const unsigned char uuid[RECORD_UUID_SIZE], struct err *e)
{
	unsigned char header[RECORD_SIZE];
	char name[PACK_NAME_SIZE];
	struct record r;
	struct err ignored;
	int fd = -1;

	if (packs_open(s, uuid, O_RDONLY, &fd, e) != 0)
		return -1;
	const ssize_t n = io_read_all(&s->io, fd, header, sizeof(header), 0);
	(void)s->io.close(s->io.ctx, fd);
	if (n < 0)
		return err_errno(e, "cannot read the pack %s", packs_name(uuid, name));
	if (n != RECORD_SIZE || record_decode(header, &r, &ignored) != 0)
		return 0; /* damaged: nothing is known of it */
	struct seal *seal = seal_new(s->cipher, uuid);
	const int result = seal_pack_check(seal, &r, e);
	seal_free(seal);
	return result == 0 ? 0 : err_prefix(e, "%s", packs_name(uuid, name));
}

static int
pack_note(void *ctx, const unsigned char uuid[RECORD_UUID_SIZE], struct err *e)
{
	struct first *f = ctx;

	if (f->there)
		return 0;
	f->there = true;
	return f->check ? pack_check(f->store, uuid, e) : 0;
}

/* 1, 0, -1 */
static int
catalogue_there(struct store *s, struct err *e)
{
	const int fd = s->io.openat(s->io.ctx, s->fd, "catalogue.db", O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, "cannot open the catalogue");
	(void)s->io.close(s->io.ctx, fd);
	return 1;
}

static int
keys_begin(
	const struct keys_place *at, const struct store_options *o, struct keys *k, struct err *e)
{
	const struct slot_options slot = {
		.kind = o->secret->kind == SECRET_KEYFILE ? SLOT_KEYFILE : SLOT_SCRYPT,
		.secret = o->secret,
		.label = "first",
		.scrypt_n = o->scrypt_n,
	};

	keys_make(k);
	return keys_add(k, &slot, e) != 0 || keys_save(at, k, e) != 0 ? -1 : 0;
}

/* Whether the first pack fits the keys, or fits none. */
static int
first_check(struct store *s, struct err *e)
{
	struct first first = {.store = s, .check = true};

	return packdir_each(s, pack_note, &first, e);
}

/* 1: the keys are open; 0: the store is plain; -1. */
static int
keys_settle(
	struct store *s, const struct store_options *o, bool empty, struct keys *k, struct err *e)
{
	const struct keys_place at = {&s->io, s->fd, s->path};
	const int found = keys_load(&at, k, e);

	if (found < 0)
		return -1;
	if (found == 0 && o->secret == NULL)
		return 0;
	if (found == 0 && !empty && first_check(s, e) != 0)
		return -1; /* it was encrypted: its keys are lost, for now */
	if (found == 0 && !empty)
		return err_set(e, ERR_DENIED,
			"the store %s is not encrypted, and cannot be any more: take "
			"FUEL_BACKUP_KEY_FILE or FUEL_BACKUP_PASSPHRASE_FILE out of the "
			"configuration, or begin a store in another folder",
			s->path);
	if (found == 0)
		return keys_begin(&at, o, k, e) != 0 ? -1 : 1;
	if (o->secret == NULL)
		return err_set(e, ERR_DENIED,
			"the store %s is encrypted: say by FUEL_BACKUP_KEY_FILE or "
			"FUEL_BACKUP_PASSPHRASE_FILE where its key is",
			s->path);
	return keys_open(k, o->secret, e) != 0 ? -1 : 1;
}

int
unlock_store(struct store *s, const struct store_options *options, struct err *e)
{
	const struct store_options o = options != NULL ? *options : (struct store_options){0};
	SCOPED(keys_wipe) struct keys k = {0};
	struct first first = {.store = s};
	const int there = catalogue_there(s, e);

	if (there < 0)
		return -1;
	if (there == 0 && packdir_each(s, pack_note, &first, e) != 0)
		return -1;
	const int opened = keys_settle(s, &o, there == 0 && !first.there, &k, e);
	if (opened < 0)
		return -1;
	if (opened == 1)
		s->cipher = cipher_new(k.master);
	if (there == 1 || !first.there)
		return 0;
	return first_check(s, e);
}
