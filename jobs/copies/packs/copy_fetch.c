#include "jobs/copies/packs/copy_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/format/io.h"

/* A connection that breaks is tried again so often, a little later each time. */
enum { FETCH_TRIES = 5 };

enum { FETCH_BLOCK = 256 << 10 };

struct arriving {
	struct copy_fetch *fetch;
	int fd;
	int64_t at;
	EVP_MD_CTX *digest;
};

static void
arriving_close_at(struct arriving *a)
{
	EVP_MD_CTX_free(a->digest);
	if (a->fd >= 0)
		(void)close(a->fd);
}

static void
digest_add(struct arriving *a, const void *data, size_t len)
{
	if (EVP_DigestUpdate(a->digest, data, len) != 1)
		abort(); /* out of memory */
	a->at += (int64_t)len;
}

static void
digest_start(struct arriving *a)
{
	if (a->digest == NULL)
		a->digest = EVP_MD_CTX_new();
	if (a->digest == NULL || EVP_DigestInit_ex(a->digest, EVP_sha256(), NULL) != 1)
		abort(); /* out of memory */
	a->at = 0;
}

static bool
digest_is(struct arriving *a, const struct copy_index_entry *pack)
{
	unsigned char hash[PACK_HASH];

	if (EVP_DigestFinal_ex(a->digest, hash, NULL) != 1)
		abort(); /* out of memory */
	return a->at == pack->bytes && memcmp(hash, pack->hash, sizeof(hash)) == 0;
}

static int
arriving_write(void *ctx, const void *data, size_t len, struct err *e)
{
	struct arriving *a = ctx;
	struct copy_fetch *f = a->fetch;

	if (io_write_all(&io_system, a->fd, data, len, a->at) != 0)
		return err_errno(e, "cannot write a pack");
	digest_add(a, data, len);
	if (f->progress != NULL)
		f->progress(f->ctx, f->done + a->at, f->total);
	return 0;
}

/* Whether the file is there and right. */
static bool
pack_present(struct copy_fetch *f, const struct copy_index_entry *pack, const char *name)
{
	SCOPED(arriving_close_at)
	struct arriving a = {
		.fetch = f, .fd = openat(f->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
	SCOPED(free_at) void *block = mem_new(FETCH_BLOCK);
	struct stat st;

	if (a.fd < 0 || fstat(a.fd, &st) != 0 || st.st_size != pack->bytes)
		return false;
	digest_start(&a);
	for (;;) {
		const ssize_t n = io_read_all(&io_system, a.fd, block, FETCH_BLOCK, a.at);
		if (n <= 0)
			return n == 0 && digest_is(&a, pack);
		digest_add(&a, block, (size_t)n);
	}
}

static bool
is_passing(const struct err *e)
{
	return e->code == ERR_AWAY || e->code == ERR_TIMEOUT ||
	       (e->code == ERR_IO && e->number == 0);
}

static int
object_fetch(struct arriving *a, const char *path, struct err *e)
{
	const struct sink sink = {arriving_write, a};

	for (int tries = 1;; tries++) {
		const struct timespec moment = {.tv_sec = tries};
		digest_start(a);
		if (ftruncate(a->fd, 0) != 0)
			return err_errno(e, "cannot write a pack");
		if (transfer_get(a->fetch->transfer, path, 0, -1, &sink, e) == 0)
			return 0;
		if (!is_passing(e) || tries == FETCH_TRIES)
			return -1;
		(void)nanosleep(&moment, NULL);
	}
}

static int
folder_sync(int at, const char *name, struct err *e)
{
	SCOPED(fd_close_at) int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) != 0)
		return err_errno(e, "cannot sync the folder %s", name);
	return 0;
}

static int
pack_get(struct copy_fetch *f, const struct copy_index_entry *pack, const char *name, struct err *e)
{
	SCOPED(free_at) char *part = mem_format("%s.part", name);
	SCOPED(free_at) char *path = mem_format("%s/%s", f->store, name);
	SCOPED(free_at) char *folder = mem_copy(name, strlen("packs/00"));

	if (mkdirat(f->folder, folder, 0700) != 0 && errno != EEXIST)
		return err_errno(e, "cannot make the folder %s", folder);
	SCOPED(arriving_close_at)
	struct arriving a = {.fetch = f,
		.fd = openat(f->folder, part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
	if (a.fd < 0)
		return err_errno(e, "cannot make %s", part);
	int result = object_fetch(&a, path, e);
	if (result == 0 && !digest_is(&a, pack))
		result =
			err_set(e, ERR_CORRUPT, "it is not what was put there (%lld bytes of %lld)",
				(long long)a.at, (long long)pack->bytes);
	if (result == 0 && (fsync(a.fd) != 0 || renameat(f->folder, part, f->folder, name) != 0))
		result = err_errno(e, "cannot write it");
	if (result != 0) {
		(void)unlinkat(f->folder, part, 0);
		return err_prefix(e, "%s", path);
	}
	return folder_sync(f->folder, folder, e);
}

int
copy_fetch_pack(struct copy_fetch *f, const struct copy_index_entry *pack, struct err *e)
{
	char name[COPY_NAME_MAX];

	(void)copy_pack_name(pack->uuid, name);
	if (!pack_present(f, pack, name)) {
		if (pack_get(f, pack, name, e) != 0)
			return -1;
		f->packs++;
		f->bytes += pack->bytes;
	}
	f->done += pack->bytes;
	return 0;
}

int
copy_fetch_write(
	struct copy_fetch *f, const char *name, const void *data, size_t len, struct err *e)
{
	SCOPED(free_at) char *part = mem_format("%s.part", name);
	SCOPED(fd_close_at)
	int fd = openat(
		f->folder, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || io_write_all(&io_system, fd, data, len, 0) != 0 || fsync(fd) != 0 ||
		renameat(f->folder, part, f->folder, name) != 0)
		return err_errno(e, "cannot write %s", name);
	return folder_sync(f->folder, ".", e);
}
