/* Obstacles: addresses and ports. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/networks.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/replaced_networks.h"
#include "jobs/restore/obstacles_internal.h"
#include "jobs/restore/state/selection.h"

/* A subnet: an address, and how many of its bits count. */
struct subnet {
	int family;
	unsigned char address[16];
	unsigned bits;
};

static bool
subnet_parse(const char *text, struct subnet *s)
{
	const char *slash = strchr(text, '/');
	SCOPED(free_at) char *address = NULL;

	if (slash == NULL)
		return false;
	address = mem_copy(text, (size_t)(slash - text));
	*s = (struct subnet){.family = strchr(address, ':') == NULL ? AF_INET : AF_INET6,
		.bits = (unsigned)strtoul(slash + 1, NULL, 10)};
	return inet_pton(s->family, address, s->address) == 1 &&
	       s->bits <= (s->family == AF_INET ? 32u : 128u);
}

/* True if one holds the other. */
static bool
subnets_overlap(const struct subnet *a, const struct subnet *b)
{
	const unsigned bits = a->bits < b->bits ? a->bits : b->bits;

	if (a->family != b->family || memcmp(a->address, b->address, bits / 8) != 0)
		return false;
	return bits % 8 == 0 ||
	       ((a->address[bits / 8] ^ b->address[bits / 8]) >> (8 - bits % 8)) == 0;
}

/* The name of a network of the engine that has addresses of ${wanted}; NULL: none. */
static const char *
overlapping(const struct obstacles *o, const struct subnet *wanted)
{
	const json_t *network, *config;
	size_t i, k;

	json_array_foreach (o->networks, i, network) {
		if (replaced_networks_has(o->restore, json_text(network, "Name", NULL)))
			continue; /* it goes before that is made */
		json_array_foreach (
			json_object_get(json_object_get(network, "IPAM"), "Config"), k, config) {
			struct subnet there;

			if (subnet_parse(json_text(config, "Subnet", NULL), &there) &&
				subnets_overlap(wanted, &there))
				return json_text(network, "Name", NULL);
		}
	}
	return NULL;
}

int
obstacles_network_stays(
	const struct obstacles *o, const char *name, json_t **ret_present, struct err *e)
{
	if (replaced_networks_has(o->restore, name))
		return 0;
	if (networks_find(o->restore->request->engine, name, ret_present, e) == 0)
		return 1;
	return e->code == ERR_NOT_FOUND ? 0 : -1;
}

/* One that is replaced may be used by nobody else. */
int
obstacles_networks(struct obstacles *o, struct err *e)
{
	const struct restore *r = o->restore;
	const char *network;
	json_t *pair;

	(void)e;
	json_object_foreach (r->replaced, network, pair) {
		const json_t *c;
		size_t i;

		json_array_foreach (o->containers, i, c) {
			const char *name =
				json_string_value(json_array_get(json_object_get(c, "Names"), 0));
			const json_t *in = json_object_get(
				json_object_get(json_object_get(c, "NetworkSettings"), "Networks"),
				network);

			if (in != NULL && name != NULL &&
				!obstacles_is_remade(o, json_text(c, "Id", NULL)))
				obstacles_add(o, network,
					"container %s is in it, and is none that is restored",
					name + (name[0] == '/'));
		}
	}
	return 0;
}

/* Only bridges of one engine may not overlap; macvlan and the like are of the host's networks. */
int
obstacles_subnets(struct obstacles *o, struct err *e)
{
	const struct restore *r = o->restore;
	const char *name;
	json_t *recorded;

	json_object_foreach (r->contents->networks, name, recorded) {
		SCOPED(json_decref_at) json_t *present = NULL;
		const json_t *config;
		size_t i;

		if (!selection_network(r->selection, name) || networks_predefined(name) ||
			strcmp(json_text(recorded, "Driver", NULL), "bridge") != 0)
			continue;
		const int stays = obstacles_network_stays(o, name, &present, e);

		if (stays < 0)
			return -1;
		if (stays > 0)
			continue;
		json_array_foreach (
			json_object_get(json_object_get(recorded, "IPAM"), "Config"), i, config) {
			struct subnet wanted;
			const char *text = json_text(config, "Subnet", NULL);
			const char *other =
				subnet_parse(text, &wanted) ? overlapping(o, &wanted) : NULL;

			if (other != NULL)
				obstacles_add(o, name,
					"its addresses %s are taken by the network %s now", text,
					other);
		}
	}
	return 0;
}

static bool
is_any(const char *address)
{
	return address[0] == '\0' || strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

/* Whether a container of the engine publishes the port: then no process of the host is in the way,
 * but that container is, or it is stopped. */
static bool
is_published(const struct obstacles *o, int64_t number, const char *protocol)
{
	const json_t *c, *port;
	size_t i, k;

	json_array_foreach (o->containers, i, c) {
		json_array_foreach (json_object_get(c, "Ports"), k, port) {
			if (json_integer_value(json_object_get(port, "PublicPort")) == number &&
				strcmp(json_text(port, "Type", NULL), protocol) == 0)
				return true;
		}
	}
	return false;
}

/* What listens in the host's own network may be one of ours, which is stopped. */
static bool
may_be_ours(const struct obstacles *o)
{
	const struct restore *r = o->restore;

	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].present != NULL &&
			strcmp(json_text(r->items[i].present, "HostConfig", "NetworkMode"),
				"host") == 0)
			return true;
	return false;
}

static bool
host_has_port(const struct obstacles *o, const char *address, int64_t number, const char *protocol)
{
	const bool udp = strcmp(protocol, "udp") == 0;

	return (udp || strcmp(protocol, "tcp") == 0) && !is_published(o, number, protocol) &&
	       !may_be_ours(o) && host_sockets_taken(&o->host, udp, address, (uint16_t)number);
}

/* The name of a container outside of the restore that has the port; NULL: none. */
static const char *
port_holder(const struct obstacles *o, const char *address, int64_t number, const char *protocol)
{
	const json_t *c, *port;
	size_t i, k;

	json_array_foreach (o->containers, i, c) {
		const char *name =
			json_string_value(json_array_get(json_object_get(c, "Names"), 0));

		if (name == NULL || obstacles_is_ours(o, json_text(c, "Id", NULL)))
			continue;
		json_array_foreach (json_object_get(c, "Ports"), k, port) {
			const char *there = json_text(port, "IP", NULL);
			const json_t *published = json_object_get(port, "PublicPort");

			if (json_is_integer(published) && json_integer_value(published) == number &&
				strcmp(json_text(port, "Type", NULL), protocol) == 0 &&
				(is_any(address) || is_any(there) || strcmp(address, there) == 0))
				return name + (name[0] == '/');
		}
	}
	return NULL;
}

static void
check_port(struct obstacles *o, const struct restore_container *item, const json_t *place,
	const char *protocol)
{
	const char *text = json_text(place, "HostPort", NULL);
	const char *address = json_text(place, "HostIp", NULL);
	char *end = NULL;
	const int64_t number = strtol(text, &end, 10);
	const char *holder;

	/* A range leaves the engine a choice. */
	if (number <= 0 || number > UINT16_MAX || *end != '\0')
		return;
	holder = port_holder(o, address, number, protocol);
	if (holder != NULL)
		obstacles_add(
			o, item->name, "its port %s/%s is taken by %s now", text, protocol, holder);
	else if (host_has_port(o, address, number, protocol))
		obstacles_add(o, item->name, "its port %s/%s is taken by a process of the host now",
			text, protocol);
}

static void
check_ports_of(struct obstacles *o, const struct restore_container *item)
{
	json_t *bindings =
		json_object_get(json_object_get(item->inspect, "HostConfig"), "PortBindings");
	const char *inside;
	json_t *places;

	json_object_foreach (bindings, inside, places) {
		const char *slash = strchr(inside, '/');
		const json_t *place;
		size_t i;

		json_array_foreach (places, i, place)
			check_port(o, item, place, slash == NULL ? "tcp" : slash + 1);
	}
}

int
obstacles_ports(struct obstacles *o, struct err *e)
{
	const struct restore *r = o->restore;

	(void)e;
	for (size_t i = 0; i < r->count; i++)
		if (obstacles_is_started(&r->items[i]))
			check_ports_of(o, &r->items[i]);
	return 0;
}

/* The name of a container outside of the restore that has ${address} on ${network}; NULL: none. */
static const char *
address_holder(const struct obstacles *o, const json_t *network, const char *address)
{
	const size_t len = strlen(address);
	const char *id;
	json_t *holder;

	json_object_foreach (json_object_get(network, "Containers"), id, holder) {
		const char *v4 = json_text(holder, "IPv4Address", NULL);
		const char *v6 = json_text(holder, "IPv6Address", NULL);

		if (!obstacles_is_ours(o, id) &&
			((strncmp(v4, address, len) == 0 && v4[len] == '/') ||
				(strncmp(v6, address, len) == 0 && v6[len] == '/')))
			return json_text(holder, "Name", NULL);
	}
	return NULL;
}

/* Whether the network that is there can give the address at all. */
static bool
is_in_subnets(const json_t *network, const char *address)
{
	SCOPED(free_at)
	char *whole = mem_format("%s/%d", address, strchr(address, ':') == NULL ? 32 : 128);
	const json_t *config;
	struct subnet wanted, there;
	size_t i;

	if (!subnet_parse(whole, &wanted))
		return true;
	json_array_foreach (
		json_object_get(json_object_get(network, "IPAM"), "Config"), i, config) {
		if (subnet_parse(json_text(config, "Subnet", NULL), &there) &&
			subnets_overlap(&there, &wanted))
			return true;
	}
	return false;
}

static void
check_address(struct obstacles *o, const struct restore_container *item, const char *name,
	const json_t *endpoint, const json_t *network)
{
	static const char *const kinds[] = {"IPv4Address", "IPv6Address"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *address = json_text(endpoint, "IPAMConfig", kinds[i]);
		const char *holder =
			address[0] == '\0' ? NULL : address_holder(o, network, address);

		if (holder != NULL)
			obstacles_add(o, item->name, "its address %s on %s is taken by %s now",
				address, name, holder);
		else if (address[0] != '\0' && !is_in_subnets(network, address))
			obstacles_add(o, item->name,
				"its address %s is none of the network %s, which is here with "
				"other addresses",
				address, name);
	}
}

int
obstacles_addresses(struct obstacles *o, struct err *e)
{
	const struct restore *r = o->restore;

	for (size_t i = 0; i < r->count; i++) {
		const struct restore_container *item = &r->items[i];
		json_t *networks = json_object_get(
			json_object_get(item->inspect, "NetworkSettings"), "Networks");
		const char *name;
		json_t *endpoint;

		if (!obstacles_is_started(item))
			continue;
		json_object_foreach (networks, name, endpoint) {
			SCOPED(json_decref_at) json_t *present = NULL;

			const int stays = obstacles_network_stays(o, name, &present, e);

			if (stays < 0)
				return -1;
			if (stays > 0)
				check_address(o, item, name, endpoint, present);
		}
	}
	return 0;
}
