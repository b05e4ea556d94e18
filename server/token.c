#include "server/token.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"

static void
digest(const char *text, unsigned char to[32])
{
	(void)EVP_Digest(text, strlen(text), to, NULL, EVP_sha256(), NULL);
}

int
token_set(struct token *t, const char *text, struct err *e)
{
	const size_t len = strlen(text);

	if (len < TOKEN_LEN_MIN || len > TOKEN_LEN_MAX || strpbrk(text, " \t\r\n") != NULL)
		return err_set(e, ERR_INVALID,
			"the token must have %d to %d characters without white space",
			TOKEN_LEN_MIN, TOKEN_LEN_MAX);
	digest(text, t->digest);
	return 0;
}

/* Complete or not there at all: written under another name first. */
static int
token_make_file(const char *path, struct err *e)
{
	unsigned char random[TOKEN_RANDOM];
	char text[2 * TOKEN_RANDOM + 2];
	SCOPED(free_at) char *new_path = mem_format("%s.new", path);
	SCOPED(fd_close_at) int fd = -1;

	random_bytes(random, sizeof(random));
	(void)hex_text(random, sizeof(random), text);
	(void)strcat(text, "\n");
	(void)unlink(new_path);
	fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd) != 0 ||
		rename(new_path, path) != 0)
		return err_errno(e, "the token cannot be written to %s", path);
	return 0;
}

int
token_load(struct token *t, const char *path, struct err *e)
{
	SCOPED(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[TOKEN_LEN_MAX + 2] = "";
	ssize_t len;

	if (fd < 0 && errno == ENOENT) {
		if (token_make_file(path, e) != 0)
			return -1;
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0 || (len = read(fd, text, sizeof(text) - 1)) < 0)
		return err_errno(e, "the token cannot be read from %s", path);
	text[len] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	return token_set(t, text, e) == 0 ? 0 : err_prefix(e, "%s", path);
}

bool
token_matches(const struct token *t, const char *text)
{
	unsigned char other[32];

	digest(text, other);
	return equal_constant_time(t->digest, other, sizeof(other));
}
