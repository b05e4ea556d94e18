#include "base/trusted.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

/* Each operation has one or two lenders. */
enum { KEEPERS_MAX = 64 };

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER; /* guards what follows */
static const struct trusted_keeper *keepers[KEEPERS_MAX];
static size_t count;

void
trusted_lend(const struct trusted_keeper *k)
{
	(void)pthread_rwlock_wrlock(&lock);
	if (count < KEEPERS_MAX)
		keepers[count++] = k;
	(void)pthread_rwlock_unlock(&lock);
}

void
trusted_end(const struct trusted_keeper *k)
{
	size_t left = 0;

	(void)pthread_rwlock_wrlock(&lock);
	for (size_t i = 0; i < count; i++)
		if (keepers[i] != k)
			keepers[left++] = keepers[i];
	count = left;
	(void)pthread_rwlock_unlock(&lock);
}

bool
trusted_kept(void)
{
	(void)pthread_rwlock_rdlock(&lock);
	const bool kept = count > 0;

	(void)pthread_rwlock_unlock(&lock);
	return kept;
}

/* The one that is asked, held until release(); NULL: none. */
static const struct trusted_keeper *
trusted_hold(void)
{
	(void)pthread_rwlock_rdlock(&lock);
	return count == 0 ? NULL : keepers[count - 1];
}

static int
trusted_release(int status)
{
	(void)pthread_rwlock_unlock(&lock);
	return status;
}

int
trusted_any(int dir_fd, struct err *e)
{
	const struct trusted_keeper *k = trusted_hold();

	return trusted_release(k == NULL ? 0 : k->any(k->ctx, dir_fd, e));
}

int
trusted_get(int fd, const char *name, struct buf *records, struct err *e)
{
	const struct trusted_keeper *k = trusted_hold();

	return trusted_release(k == NULL ? 0 : k->get(k->ctx, fd, name, records, e));
}

int
trusted_set(int fd, const char *name, const void *value, size_t len, struct err *e)
{
	const struct trusted_keeper *k = trusted_hold();

	return trusted_release(k == NULL ? 0 : k->set(k->ctx, fd, name, value, len, e));
}

int
trusted_record(struct buf *records, const char *name, const void *value, size_t len)
{
	const uint32_t size = (uint32_t)len;

	if (buf_add(records, name, strlen(name) + 1) != 0 ||
		buf_add(records, &size, sizeof(size)) != 0)
		return -1;
	return len == 0 ? 0 : buf_add(records, value, len);
}

bool
trusted_next(const struct buf *records, size_t *at, const char **ret_name, const void **ret_value,
	size_t *ret_len)
{
	const char *name = records->data + *at, *end;
	size_t left = records->len - *at;
	uint32_t size;

	if (left == 0 || (end = memchr(name, '\0', left)) == NULL)
		return false;
	left -= (size_t)(end + 1 - name);
	if (left < sizeof(size))
		return false;
	memcpy(&size, end + 1, sizeof(size));
	left -= sizeof(size);
	if (size > left)
		return false;
	*ret_name = name;
	*ret_value = end + 1 + sizeof(size);
	*ret_len = size;
	*at = records->len - (left - size);
	return true;
}
