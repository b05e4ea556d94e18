#include "transfer/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"

const char *
secrets_name(enum transfer_secret which)
{
	static const char *const names[TRANSFER_SECRETS] = {
		[TRANSFER_PASSWORD] = "password",
		[TRANSFER_TOKEN] = "token",
		[TRANSFER_KEY_PASSWORD] = "key_password",
		[TRANSFER_ACCESS_KEY] = "access_key",
		[TRANSFER_SECRET_KEY] = "secret_key",
		[TRANSFER_SESSION_TOKEN] = "session_token",
	};

	return names[which];
}

static int
line_check(const char *what, const char *text, struct err *e)
{
	if (text[0] == '\0')
		return err_set(e, ERR_INVALID, "what `%s` names is empty", what);
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return err_set(
				e, ERR_INVALID, "what `%s` names is not one line of text", what);
	return 0;
}

/* The file's one line. */
static int
read_file(const char *what, const char *path, char text[TRANSFER_SECRET_MAX], struct err *e)
{
	SCOPED(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_set(e, ERR_DENIED,
			"`%s`: %.200s cannot be read by the service (%s): mount it into its "
			"container, "
			"readable by its user",
			what, path, strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "`%s`: %.200s is no file", what, path);
	got = read(fd, text, TRANSFER_SECRET_MAX);
	if (got < 0)
		return err_errno(e, "`%s`: %.200s cannot be read", what, path);
	if (got == TRANSFER_SECRET_MAX)
		return err_set(e, ERR_INVALID, "`%s`: %.200s has %d bytes or more", what, path,
			TRANSFER_SECRET_MAX);
	while (got > 0 && (text[got - 1] == '\n' || text[got - 1] == '\r'))
		got--;
	text[got] = '\0';
	return memchr(text, '\0', (size_t)got) == NULL
		       ? 0
		       : err_set(e, ERR_INVALID, "`%s`: %.200s is not one line of text", what,
				 path);
}

static int
read_one(const struct transfer_options *o, enum transfer_secret which, char **ret_secret,
	struct err *e)
{
	const char *path = o->secret_file[which], *variable = o->secret_env[which];
	char what[64], text[TRANSFER_SECRET_MAX];
	int status;

	if (path == NULL && variable == NULL)
		return 0;
	if (path != NULL && variable != NULL)
		return err_set(e, ERR_INVALID, "`%s_file` or `%s_env`, not both",
			secrets_name(which), secrets_name(which));
	(void)snprintf(
		what, sizeof(what), "%s_%s", secrets_name(which), path != NULL ? "file" : "env");
	if (path == NULL) {
		const char *value = getenv(variable);

		if (value == NULL)
			return err_set(e, ERR_DENIED,
				"`%s`: the service has no variable %.100s in its environment", what,
				variable);
		status = line_check(what, value, e);
		if (status == 0)
			*ret_secret = mem_string(value);
		return status;
	}
	status = read_file(what, path, text, e);
	if (status == 0)
		status = line_check(what, text, e);
	if (status == 0)
		*ret_secret = mem_string(text);
	explicit_bzero(text, sizeof(text));
	return status;
}

int
secrets_read(const struct transfer_options *o, char *secret[TRANSFER_SECRETS], struct err *e)
{
	for (int i = 0; i < TRANSFER_SECRETS; i++)
		secret[i] = NULL;
	for (int i = 0; i < TRANSFER_SECRETS; i++)
		if (read_one(o, (enum transfer_secret)i, &secret[i], e) != 0) {
			secrets_wipe(secret);
			return -1;
		}
	return 0;
}

void
secrets_wipe(char *secret[TRANSFER_SECRETS])
{
	for (int i = 0; i < TRANSFER_SECRETS; i++) {
		if (secret[i] != NULL)
			explicit_bzero(secret[i], strlen(secret[i]));
		free(TAKE(secret[i]));
	}
}
