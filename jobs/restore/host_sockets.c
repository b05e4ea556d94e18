#include "jobs/restore/host_sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"

/* The states in which a port is held; a UDP socket that is bound is
 * TCP_CLOSE. */
enum { STATE_LISTEN = 0x0A, STATE_CLOSE = 0x07 };

enum { TEXT_MAX = 16 * 1024 * 1024, PIECE = 64 * 1024 };

/* The text of a file; "" if it cannot be read.  The caller's. */
static char *
read_text(int root_fd, const char *path)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(TEXT_MAX);
	SCOPED(fd_close_at) int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got = 1;
	char *to;

	while (fd >= 0 && got > 0 && (to = buf_reserve(&text, PIECE)) != NULL)
		if ((got = read(fd, to, PIECE)) > 0)
			text.len += (size_t)got;
	return buf_take(&text);
}

/* Addresses stand there as words of this machine. */
static bool
parse_address(const char *text, int family, unsigned char *address)
{
	const size_t words = family == AF_INET ? 1 : 4;

	for (size_t i = 0; i < words; i++) {
		unsigned word;

		if (sscanf(text + 8 * i, "%8x", &word) != 1)
			return false;
		memcpy(address + 4 * i, &word, sizeof(word));
	}
	return true;
}

static void
parse_line(struct host_sockets *s, const char *line, bool udp, int family)
{
	static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};
	struct host_socket found = {.udp = udp, .family = family};
	char address[40];
	unsigned port, state;

	if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%4X %*32[0-9A-Fa-f]:%*4X %2X", address, &port,
		    &state) != 3 ||
		strlen(address) != (family == AF_INET ? 8u : 32u) ||
		state != (udp ? STATE_CLOSE : STATE_LISTEN) ||
		!parse_address(address, family, found.address) || s->count == HOST_SOCKETS_MAX)
		return;
	if (family == AF_INET6 && memcmp(found.address, mapped, sizeof(mapped)) == 0) {
		found.family = AF_INET;
		memcpy(found.address, found.address + sizeof(mapped), 4);
		memset(found.address + 4, 0, sizeof(found.address) - 4);
	}
	found.port = (uint16_t)port;
	s->list = mem_array(s->list, s->count + 1, sizeof(*s->list));
	s->list[s->count++] = found;
}

void
host_sockets_parse(struct host_sockets *s, const char *text, bool udp, int family)
{
	for (; text != NULL && *text != '\0'; text = strchr(text, '\n')) {
		text += *text == '\n';
		parse_line(s, text, udp, family);
	}
}

/* "  eth0: 1 2 3 …" of each interface, below two lines of headings. */
static char *
parse_interfaces(const char *text)
{
	SCOPED(buf_free) struct buf names = BUF_INIT(TEXT_MAX);

	for (; text != NULL && *text != '\0'; text = strchr(text, '\n')) {
		const char *colon;

		text += strspn(text, "\n ");
		colon = text + strcspn(text, ":\n |");
		if (*colon == ':' && buf_format(&names, "%.*s ", (int)(colon - text), text) != 0)
			break;
	}
	return names.len == 0 ? NULL : buf_take(&names);
}

void
host_sockets_read(int root_fd, struct host_sockets *s)
{
	static const struct {
		const char *path;
		bool udp;
		int family;
	} files[] = {
		{"proc/1/net/tcp", false, AF_INET},
		{"proc/1/net/tcp6", false, AF_INET6},
		{"proc/1/net/udp", true, AF_INET},
		{"proc/1/net/udp6", true, AF_INET6},
	};

	*s = (struct host_sockets){0};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		SCOPED(free_at) char *text = read_text(root_fd, files[i].path);

		host_sockets_parse(s, text, files[i].udp, files[i].family);
	}
	SCOPED(free_at) char *devices = read_text(root_fd, "proc/1/net/dev");

	s->interfaces = parse_interfaces(devices);
}

void
host_sockets_free(struct host_sockets *s)
{
	free(s->list);
	free(s->interfaces);
	*s = (struct host_sockets){0};
}

static bool
is_any(const unsigned char *address)
{
	static const unsigned char zeros[16];

	return memcmp(address, zeros, sizeof(zeros)) == 0;
}

bool
host_sockets_taken(const struct host_sockets *s, bool udp, const char *address, uint16_t port)
{
	struct host_socket wanted = {.family = strchr(address, ':') == NULL ? AF_INET : AF_INET6};
	const bool both = address[0] == '\0';

	if (!both && inet_pton(wanted.family, address, wanted.address) != 1)
		return false;
	for (size_t i = 0; i < s->count; i++) {
		const struct host_socket *x = &s->list[i];

		if (x->udp != udp || x->port != port)
			continue;
		/* Whether one on :: takes IPv4 as well cannot be seen. */
		if (both || (x->family == wanted.family &&
				    (is_any(x->address) || is_any(wanted.address) ||
					    memcmp(x->address, wanted.address, 16) == 0)))
			return true;
	}
	return false;
}

bool
host_sockets_lack_interface(const struct host_sockets *s, const char *name)
{
	const size_t len = strlen(name);

	for (const char *at = s->interfaces; at != NULL; at = strchr(at, ' ')) {
		at += *at == ' ';
		if (strncmp(at, name, len) == 0 && at[len] == ' ')
			return false;
	}
	return s->interfaces != NULL;
}
