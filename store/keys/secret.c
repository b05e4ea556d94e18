#include "store/keys/secret.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "store/format/io.h"

void
secret_wipe(struct secret *s)
{
	OPENSSL_cleanse(s, sizeof(*s));
}

static int
file_check(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (io_system.fstat(io_system.ctx, fd, &st) != 0)
		return err_errno(e, "cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s is no ordinary file", path);
	if ((st.st_mode & 077) != 0)
		return err_set(e, ERR_INVALID, "%s can be read by others: chmod 600 it", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(e, ERR_INVALID,
			"%s belongs to another user: it must be this user's or root's", path);
	return 0;
}

static int
phrase_settle(struct secret *s, const char *path, struct err *e)
{
	const unsigned char *end = memchr(s->data, '\n', s->len);

	if (end != NULL && end + 1 != s->data + s->len)
		return err_set(e, ERR_INVALID, "%s: a pass phrase is one line", path);
	if (end != NULL)
		s->len--;
	if (s->len > 0 && s->data[s->len - 1] == '\r')
		s->len--;
	if (s->len < SECRET_PHRASE_MIN || s->len > SECRET_PHRASE_MAX ||
		memchr(s->data, '\0', s->len) != NULL)
		return err_set(e, ERR_INVALID,
			"%s: a pass phrase has %d to %d bytes, none of them zero", path,
			SECRET_PHRASE_MIN, SECRET_PHRASE_MAX);
	return 0;
}

static int
content_read(int fd, const char *path, struct secret *s, struct err *e)
{
	const ssize_t n = io_read_all(&io_system, fd, s->data, sizeof(s->data), 0);

	if (n < 0)
		return err_errno(e, "cannot read %s", path);
	s->len = (size_t)n;
	if (s->kind == SECRET_PASSPHRASE)
		return phrase_settle(s, path, e);
	if (n < SECRET_KEY_MIN || n > SECRET_KEY_MAX)
		return err_set(e, ERR_INVALID, "%s: a key file has %d to %d bytes", path,
			SECRET_KEY_MIN, SECRET_KEY_MAX);
	return 0;
}

int
secret_read(const char *path, enum secret_kind kind, struct secret *ret_secret, struct err *e)
{
	const int fd = io_system.openat(
		io_system.ctx, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);

	if (fd < 0)
		return err_errno(e, "cannot open %s", path);
	*ret_secret = (struct secret){.kind = kind};
	int result = file_check(fd, path, e);
	if (result == 0)
		result = content_read(fd, path, ret_secret, e);
	(void)io_system.close(io_system.ctx, fd);
	if (result != 0)
		secret_wipe(ret_secret);
	return result;
}

const char *
secret_recovery_text(const unsigned char key[RECOVERY_KEY], char text[RECOVERY_TEXT_SIZE])
{
	char *to = text;

	for (size_t at = 0; at < RECOVERY_KEY; at += 4) {
		(void)hex_text(key + at, 4, to);
		to += 8;
		*to++ = '-';
	}
	to[-1] = '\0';
	return text;
}

static int
digit_of(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
secret_recovery(const struct secret *s, unsigned char key[RECOVERY_KEY])
{
	size_t digits = 0;

	if (s->kind != SECRET_PASSPHRASE)
		return false;
	memset(key, 0, RECOVERY_KEY);
	for (size_t i = 0; i < s->len; i++) {
		const int digit = digit_of(s->data[i]);
		if (s->data[i] == '-' || s->data[i] == ' ')
			continue;
		if (digit < 0 || digits == 2 * (size_t)RECOVERY_KEY)
			return false;
		key[digits / 2] = (unsigned char)(key[digits / 2] << 4 | digit);
		digits++;
	}
	return digits == 2 * (size_t)RECOVERY_KEY;
}
