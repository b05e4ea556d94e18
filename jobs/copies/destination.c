#include "jobs/copies/destination.h"

#include <stddef.h>
#include <string.h>

#include "base/scope.h"

enum { TEXT_MAX = 1024, RATE_MAX = 1 << 20 };

/* A field that is a text, and where in struct transfer_options it goes. */
struct field {
	const char *name;
	size_t at;
};

#define FIELD(name)                                                                                \
	{                                                                                          \
#name, offsetof(struct transfer_options, name)                                     \
	}
#define SECRET(name, which)                                                                        \
	{#name "_file", offsetof(struct transfer_options, secret_file[which])},                    \
	{                                                                                          \
#name "_env", offsetof(struct transfer_options, secret_env[which])                 \
	}

static const struct field fields[] = {
	FIELD(url),
	FIELD(user),
	FIELD(key_file),
	FIELD(host_key),
	FIELD(ca_file),
	FIELD(endpoint),
	FIELD(region),
	FIELD(style),
	SECRET(password, TRANSFER_PASSWORD),
	SECRET(token, TRANSFER_TOKEN),
	SECRET(key_password, TRANSFER_KEY_PASSWORD),
	SECRET(access_key, TRANSFER_ACCESS_KEY),
	SECRET(secret_key, TRANSFER_SECRET_KEY),
	SECRET(session_token, TRANSFER_SESSION_TOKEN),
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

bool
destination_name_valid(const char *name)
{
	const size_t len = strlen(name);

	return len > 0 && len <= DESTINATION_NAME_MAX && name[0] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static const struct field *
field_of(const char *key)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (strcmp(fields[i].name, key) == 0)
			return &fields[i];
	return NULL;
}

static int
check_text(const char *key, const json_t *value, struct err *e)
{
	const char *text = json_string_value(value);
	const size_t len = json_string_length(value);

	if (text == NULL || len == 0 || len > TEXT_MAX || strlen(text) != len)
		return err_set(
			e, ERR_INVALID, "\"%s\" is a text of 1 to %d bytes", key, (int)TEXT_MAX);
	if (strstr(key, "_file") != NULL && text[0] != '/')
		return err_set(e, ERR_INVALID,
			"\"%s\" is the absolute path of a file in the service's container", key);
	return 0;
}

static int
check_field(const char *key, const json_t *value, struct err *e)
{
	const json_int_t number = json_integer_value(value);

	if (field_of(key) != NULL)
		return check_text(key, value, e);
	if (strcmp(key, "form") == 0) {
		const char *form = json_string_value(value);

		if (form != NULL && (strcmp(form, "archives") == 0 || strcmp(form, "packs") == 0))
			return 0;
		return err_set(e, ERR_INVALID, "\"form\" is \"archives\" or \"packs\"");
	}
	if (strcmp(key, "plain") == 0)
		return json_is_boolean(value)
			       ? 0
			       : err_set(e, ERR_INVALID, "\"plain\" is true or false");
	if (strcmp(key, "rate_mib_s") == 0)
		return json_is_integer(value) && number >= 1 && number <= RATE_MAX
			       ? 0
			       : err_set(e, ERR_INVALID,
					 "\"rate_mib_s\" is a whole number from 1 to %d",
					 (int)RATE_MAX);
	if (strcmp(key, "password") == 0 || strcmp(key, "secret_key") == 0 ||
		strcmp(key, "token") == 0)
		return err_set(e, ERR_INVALID,
			"a secret is not given here: put it into a file that the service can read, "
			"and "
			"name that as \"%s_file\"",
			key);
	return err_set(e, ERR_INVALID,
		"unknown field \"%.64s\"; known are: url, user, password_file, key_file, host_key, "
		"ca_file, endpoint, region, style, access_key_file, secret_key_file, "
		"session_token_file, token_file, key_password_file, each secret with _env in place "
		"of "
		"_file, form, rate_mib_s, plain",
		key);
}

int
destination_check(const json_t *settings, struct err *e)
{
	json_t *object = (json_t *)(uintptr_t)settings; /* jansson's iterator takes no const */
	const char *key;
	json_t *value;

	if (!json_is_object(settings) || json_object_get(settings, "url") == NULL)
		return err_set(e, ERR_INVALID,
			"a destination is an object with at least a url: {\"url\": \"sftp://…\"}");
	json_object_foreach (object, key, value) {
		if (check_field(key, value, e) != 0)
			return -1;
	}
	return 0;
}

int
destination_open(const json_t *settings, const struct destination_way *way,
	struct transfer **ret_transfer, struct err *e)
{
	struct transfer_options o = {
		.rate_bytes_s = json_integer_value(json_object_get(settings, "rate_mib_s")) << 20};

	for (size_t i = 0; i < FIELDS; i++) {
		const char *text = json_string_value(json_object_get(settings, fields[i].name));

		memcpy((char *)&o + fields[i].at, &text, sizeof(text));
	}
	if (way != NULL) {
		o.connect_s = way->connect_s;
		o.stall_s = way->stall_s;
		o.cancelled = way->cancelled;
		o.ctx = way->ctx;
	}
	return transfer_open(&o, ret_transfer, e);
}

enum destination_form
destination_form(const json_t *settings)
{
	const char *form = json_string_value(json_object_get(settings, "form"));

	return form != NULL && strcmp(form, "archives") == 0 ? FORM_ARCHIVES : FORM_PACKS;
}

int
destination_may_be_plain(const json_t *settings, bool store_encrypted, struct err *e)
{
	const char *url = json_string_value(json_object_get(settings, "url"));

	if (json_is_true(json_object_get(settings, "plain")))
		return 0;
	if (!store_encrypted && strncasecmp(url, "file:", 5) == 0)
		return 0;
	if (destination_form(settings) == FORM_PACKS)
		return store_encrypted ? 0
				       : err_set(e, ERR_FORBIDDEN,
						 "the store is not encrypted, and so are its packs "
						 "not: whoever can read "
						 "the destination can read all that is in the "
						 "backup. If that is meant, "
						 "set \"plain\": true for the destination");
	return err_set(e, ERR_FORBIDDEN,
		"an archive is not encrypted%s: whoever can read the destination can read all that "
		"is in the backup. If that is meant, set \"plain\": true for the destination",
		store_encrypted ? ", though the store is" : "");
}
