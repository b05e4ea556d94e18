#include "store/keys/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"

static const char NAME[] = "keys";
static const char NEW[] = "keys.new";
static const char FORMAT[] = "fuel-backup keys";

int
keys_lock(const struct keys_place *at, struct err *e)
{
	if (flock(at->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(e, ERR_BUSY, "another process changes the keys of %s now", at->path);
	return err_errno(e, "cannot lock %s", at->path);
}

void
keys_wipe(struct keys *k)
{
	OPENSSL_cleanse(k, sizeof(*k));
}

void
keys_make(struct keys *k)
{
	*k = (struct keys){0};
	random_bytes(k->master, sizeof(k->master));
}

/* All but the MAC. */
static json_t *
keys_document_of(const struct keys *k)
{
	json_t *slots = json_array();

	for (size_t i = 0; i < k->count; i++)
		(void)json_array_append_new(slots, slot_json(&k->slots[i], false));
	return json_pack(
		"{s:s, s:i, s:o}", "format", FORMAT, "version", KEYS_VERSION, "slots", slots);
}

static void
mac_of(const struct keys *k, unsigned char mac[CIPHER_KEY])
{
	SCOPED(json_decref_at) json_t *document = keys_document_of(k);
	SCOPED(free_at) char *text = json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS);
	struct cipher *c = cipher_new(k->master);

	if (text == NULL)
		abort(); /* out of memory */
	cipher_mac(c->keyfile, text, strlen(text), mac);
	cipher_free(c);
}

static int
slots_parse(struct keys *k, const json_t *slots, struct err *e)
{
	const size_t count = json_array_size(slots);

	if (count == 0 || count > KEYS_SLOTS_MAX)
		return err_set(e, ERR_CORRUPT, "it has %zu slots", count);
	for (; k->count < count; k->count++) {
		if (slot_parse(json_array_get(slots, k->count), &k->slots[k->count], e) != 0)
			return -1;
	}
	return 0;
}

static int
document_parse(struct keys *k, const json_t *document, struct err *e)
{
	const char *format = json_string_value(json_object_get(document, "format"));
	const json_int_t version = json_integer_value(json_object_get(document, "version"));

	if (format == NULL || strcmp(format, FORMAT) != 0)
		return err_set(e, ERR_CORRUPT, "it is damaged");
	if (version != KEYS_VERSION)
		return err_set(e, ERR_UNSUPPORTED,
			"it has version %lld and this program knows %d: use the newer program that "
			"made it",
			(long long)version, KEYS_VERSION);
	if (!slot_hex(document, "mac", k->mac, sizeof(k->mac)))
		return err_set(e, ERR_CORRUPT, "it is damaged");
	return slots_parse(k, json_object_get(document, "slots"), e);
}

/* All of the file, the caller's; NULL if there is none or it cannot be read. */
static char *
keys_file_read(const struct keys_place *at, size_t *ret_len, bool *ret_there, struct err *e)
{
	const struct io *io = at->io;
	const int fd = io->openat(io->ctx, at->fd, NAME, O_RDONLY | O_CLOEXEC, 0);

	*ret_there = fd >= 0 || errno != ENOENT;
	if (fd < 0) {
		if (*ret_there)
			(void)err_errno(e, "cannot open %s/%s", at->path, NAME);
		return NULL;
	}
	SCOPED(free_at) char *text = mem_new(KEYS_FILE_MAX + 1);
	const ssize_t n = io_read_all(io, fd, text, KEYS_FILE_MAX + 1, 0);
	if (n < 0)
		(void)err_errno(e, "cannot read %s/%s", at->path, NAME);
	(void)io->close(io->ctx, fd);
	*ret_len = (size_t)n;
	return n < 0 ? NULL : TAKE(text);
}

int
keys_parse(const char *text, size_t len, struct keys *k, struct err *e)
{
	*k = (struct keys){0};
	SCOPED(json_decref_at)
	json_t *document =
		len > KEYS_FILE_MAX ? NULL : json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	return document == NULL ? err_set(e, ERR_CORRUPT, "it is damaged")
				: document_parse(k, document, e);
}

int
keys_load(const struct keys_place *at, struct keys *k, struct err *e)
{
	size_t len = 0;
	bool there;
	SCOPED(free_at) char *text = keys_file_read(at, &len, &there, e);

	*k = (struct keys){0};
	if (text == NULL)
		return there ? -1 : 0;
	if (keys_parse(text, len, k, e) == 0)
		return 1;
	(void)err_prefix(e, "%s/%s", at->path, NAME);
	return -1;
}

int
keys_open(struct keys *k, const struct secret *secret, struct err *e)
{
	unsigned char mac[CIPHER_KEY];
	int opened = 0;

	for (size_t i = 0; i < k->count && opened == 0; i++) {
		opened = slot_open(&k->slots[i], secret, k->master, e);
		k->opened = i;
	}
	if (opened < 0)
		return -1;
	if (opened == 0)
		return err_set(e, ERR_DENIED,
			"the %s opens none of the store's %zu key slots: give the right one, or a "
			"recovery key in a pass phrase file; or the file `keys` is damaged or "
			"another store's: put a copy of it back",
			secret->kind == SECRET_KEYFILE ? "key file" : "pass phrase", k->count);
	mac_of(k, mac);
	if (equal_constant_time(mac, k->mac, sizeof(mac)))
		return 0;
	keys_wipe(k);
	return err_set(e, ERR_CORRUPT,
		"the store's file `keys` is not as it was written: put a copy of it back");
}

int
keys_add(struct keys *k, const struct slot_options *o, struct err *e)
{
	if (k->count == KEYS_SLOTS_MAX)
		return err_set(e, ERR_CONFLICT,
			"there are %d key slots already: remove one that is not needed",
			KEYS_SLOTS_MAX);
	if (slot_make(o, k->master, &k->slots[k->count], e) != 0)
		return -1;
	k->count++;
	return 0;
}

static int
file_write(const struct keys_place *at, const char *text, struct err *e)
{
	const struct io *io = at->io;

	/* what somebody left who was cut off; the new one has its own mode */
	(void)io->unlinkat(io->ctx, at->fd, NEW, 0);
	const int fd =
		io->openat(io->ctx, at->fd, NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, "cannot make %s/%s", at->path, NEW);
	int result = 0;
	if (io_write_all(io, fd, text, strlen(text), 0) != 0 || io->fsync(io->ctx, fd) != 0)
		result = err_errno(e, "cannot write %s/%s", at->path, NEW);
	(void)io->close(io->ctx, fd);
	return result;
}

int
keys_save(const struct keys_place *at, struct keys *k, struct err *e)
{
	char mac[2 * CIPHER_KEY + 1];

	mac_of(k, k->mac);
	SCOPED(json_decref_at) json_t *document = keys_document_of(k);
	(void)json_object_set_new(
		document, "mac", json_string(hex_text(k->mac, sizeof(k->mac), mac)));
	SCOPED(free_at) char *text = json_dumps(document, JSON_INDENT(1));
	if (text == NULL)
		abort(); /* out of memory */
	if (file_write(at, text, e) != 0)
		return -1;
	if (at->io->renameat(at->io->ctx, at->fd, NEW, at->fd, NAME) != 0 ||
		at->io->fsync(at->io->ctx, at->fd) != 0)
		return err_errno(e, "cannot put %s/%s in its place", at->path, NAME);
	return 0;
}
