#include "store/keys/slot.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"

static const char *const kinds[SLOT_KINDS] = {"scrypt", "keyfile", "recovery"};

/* What the box is bound to. */
static char *
bound_text(const struct slot *s)
{
	char salt[2 * SLOT_SALT + 1];

	return mem_format("fuel-backup slot 1 %s %s %lld %lld %lld %s %s", kinds[s->kind],
		hex_text(s->salt, SLOT_SALT, salt), (long long)s->n, (long long)s->r,
		(long long)s->p, s->created, s->label);
}

static int
stretch(const struct slot *s, const struct secret *secret, unsigned char key[CIPHER_KEY],
	struct err *e)
{
	/* the blocks, and what libcrypto's own check adds to them */
	const uint64_t memory = (uint64_t)128 * (uint64_t)s->r * (uint64_t)(s->n + s->p + 2);

	if (EVP_PBE_scrypt((const char *)secret->data, secret->len, s->salt, SLOT_SALT,
		    (uint64_t)s->n, (uint64_t)s->r, (uint64_t)s->p, memory, key, CIPHER_KEY) == 1)
		return 0;
	return err_set(e, ERR_INTERNAL, "scrypt needs %llu MiB of memory and did not get them",
		(unsigned long long)(memory >> 20) + 1);
}

/* The key of the box: 1, 0 if the secret is of another kind, -1. */
static int
box_key(const struct slot *s, const struct secret *secret, unsigned char key[CIPHER_KEY],
	struct err *e)
{
	unsigned char recovery[RECOVERY_KEY];
	const bool is_recovery = secret_recovery(secret, recovery);
	int result = 0;

	if (s->kind == SLOT_SCRYPT && secret->kind == SECRET_PASSPHRASE && !is_recovery) {
		result = stretch(s, secret, key, e) == 0 ? 1 : -1;
	} else if (s->kind == SLOT_KEYFILE && secret->kind == SECRET_KEYFILE) {
		cipher_derive(
			secret->data, secret->len, s->salt, "fuel-backup 1 keyfile slot", key);
		result = 1;
	} else if (s->kind == SLOT_RECOVERY && is_recovery) {
		cipher_derive(
			recovery, sizeof(recovery), s->salt, "fuel-backup 1 recovery slot", key);
		result = 1;
	}
	OPENSSL_cleanse(recovery, sizeof(recovery));
	return result;
}

static int
label_set(struct slot *s, const char *label, struct err *e)
{
	SCOPED(json_decref_at) json_t *text = json_string(label);

	if (text == NULL || strlen(label) > SLOT_LABEL_MAX)
		return err_set(e, ERR_INVALID, "a label is UTF-8 text of at most %d bytes",
			SLOT_LABEL_MAX);
	(void)snprintf(s->label, sizeof(s->label), "%s", label);
	return 0;
}

int
slot_make(const struct slot_options *o, const unsigned char master[CIPHER_KEY],
	struct slot *ret_slot, struct err *e)
{
	struct slot s = {.kind = o->kind};
	unsigned char key[CIPHER_KEY];

	if (o->kind == SLOT_SCRYPT) {
		s.n = o->scrypt_n == 0 ? SLOT_SCRYPT_N : o->scrypt_n;
		s.r = SLOT_SCRYPT_R;
		s.p = SLOT_SCRYPT_P;
	}
	random_bytes(s.salt, sizeof(s.salt));
	(void)clock_text(clock_real_ns(), s.created);
	if (label_set(&s, o->label, e) != 0)
		return -1;
	const int made = box_key(&s, o->secret, key, e);
	if (made < 0)
		return -1;
	if (made == 0)
		return err_set(e, ERR_INVALID,
			"a pass phrase that looks like a recovery key cannot be used");
	SCOPED(free_at) char *bound = bound_text(&s);
	cipher_box(key, bound, master, CIPHER_KEY, s.box);
	OPENSSL_cleanse(key, sizeof(key));
	*ret_slot = s;
	return 0;
}

int
slot_open(const struct slot *s, const struct secret *secret, unsigned char ret_master[CIPHER_KEY],
	struct err *e)
{
	unsigned char key[CIPHER_KEY];
	const int made = box_key(s, secret, key, e);

	if (made <= 0)
		return made;
	SCOPED(free_at) char *bound = bound_text(s);
	const bool opened = cipher_unbox(key, bound, s->box, sizeof(s->box), ret_master);
	OPENSSL_cleanse(key, sizeof(key));
	return opened ? 1 : 0;
}

json_t *
slot_json(const struct slot *s, bool brief)
{
	char salt[2 * sizeof(s->salt) + 1];
	char box[2 * sizeof(s->box) + 1];
	json_t *to = json_pack("{s:s, s:s, s:s}", "kind", kinds[s->kind], "label", s->label,
		"created_at", s->created);

	if (s->kind == SLOT_SCRYPT) {
		(void)json_object_set_new(to, "n", json_integer(s->n));
		(void)json_object_set_new(to, "r", json_integer(s->r));
		(void)json_object_set_new(to, "p", json_integer(s->p));
	}
	if (brief)
		return to;
	(void)json_object_set_new(
		to, "salt", json_string(hex_text(s->salt, sizeof(s->salt), salt)));
	(void)json_object_set_new(to, "key", json_string(hex_text(s->box, sizeof(s->box), box)));
	return to;
}

bool
slot_hex(const json_t *from, const char *name, unsigned char *to, size_t len)
{
	const char *text = json_string_value(json_object_get(from, name));

	if (text == NULL || strlen(text) != 2 * len || strspn(text, "0123456789abcdef") != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char digits[] = {text[2 * i], text[2 * i + 1], '\0'};
		to[i] = (unsigned char)strtoul(digits, NULL, 16);
	}
	return true;
}

static bool
cost_take(const json_t *from, struct slot *s)
{
	s->n = json_integer_value(json_object_get(from, "n"));
	s->r = json_integer_value(json_object_get(from, "r"));
	s->p = json_integer_value(json_object_get(from, "p"));
	return s->n >= 2 && s->n <= SLOT_N_MAX && (s->n & (s->n - 1)) == 0 && s->r >= 1 &&
	       s->r <= SLOT_R_MAX && s->p >= 1 && s->p <= SLOT_P_MAX;
}

int
slot_parse(const json_t *from, struct slot *ret_slot, struct err *e)
{
	struct slot s = {.kind = SLOT_SCRYPT};
	const char *kind = json_string_value(json_object_get(from, "kind"));
	const char *label = json_string_value(json_object_get(from, "label"));
	const char *created = json_string_value(json_object_get(from, "created_at"));

	while (kind != NULL && s.kind < SLOT_KINDS && strcmp(kind, kinds[s.kind]) != 0)
		s.kind++;
	if (kind == NULL || s.kind == SLOT_KINDS || label == NULL || created == NULL ||
		strlen(created) >= sizeof(s.created) || label_set(&s, label, e) != 0 ||
		!slot_hex(from, "salt", s.salt, sizeof(s.salt)) ||
		!slot_hex(from, "key", s.box, sizeof(s.box)) ||
		(s.kind == SLOT_SCRYPT && !cost_take(from, &s)))
		return err_set(e, ERR_CORRUPT, "a slot has a wrong form");
	(void)snprintf(s.created, sizeof(s.created), "%s", created);
	*ret_slot = s;
	return 0;
}
