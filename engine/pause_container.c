#include "engine/pause_container.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"

/* The kernel's answer: 0, or a negative errno. */
static int
pause_container_answer(int fd)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[512];
	} reply;
	const ssize_t got = recv(fd, &reply, sizeof(reply), 0);

	if (got < (ssize_t)(sizeof(reply.header) + sizeof(reply.error)) ||
		reply.header.nlmsg_type != NLMSG_ERROR)
		return -1;
	return reply.error.error;
}

/* As `ip route add local default dev lo`.  Source: rtnetlink(7). */
static int
own_all_addresses(void)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		struct rtattr attribute;
		unsigned device;
	} request = {.header = {.nlmsg_len = sizeof(request),
			     .nlmsg_type = RTM_NEWROUTE,
			     .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE},
		.route = {.rtm_family = AF_INET,
			.rtm_table = RT_TABLE_LOCAL,
			.rtm_protocol = RTPROT_STATIC,
			.rtm_scope = RT_SCOPE_HOST,
			.rtm_type = RTN_LOCAL},
		.attribute = {.rta_len = RTA_LENGTH(sizeof(unsigned)), .rta_type = RTA_OIF},
		.device = if_nametoindex("lo")};
	SCOPED(fd_close_at) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || send(fd, &request, sizeof(request), 0) != (ssize_t)sizeof(request))
		return -1;
	return pause_container_answer(fd);
}

int
pause_container_main(void)
{
	sigset_t ending;
	int number;

	(void)sigemptyset(&ending);
	(void)sigaddset(&ending, SIGTERM);
	(void)sigaddset(&ending, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &ending, NULL);
	if (own_all_addresses() != 0)
		(void)fprintf(stderr, "fuel-backupd hold: addresses other than 127.0.0.1 are "
				      "nobody's\n");
	return sigwait(&ending, &number) == 0 ? 0 : 1;
}
