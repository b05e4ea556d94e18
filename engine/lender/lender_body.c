/* The lender's container: what makes it. */
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender_internal.h"
#include "engine/lender/tmpfs.h"

/* RESTARTS_MAX: of a guard that is killed. */
enum { RESTARTS_MAX = 5 };

static const char in_socket[] = "/run/fuel-backup"; /* inside of the lender's container */
static const char in_docker[] = "/run/docker.sock";
static const char in_cgroups[] = "/run/cgroups";

const char *
lender_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

/* A bind of ${source}; the engine refuses one that is not there. */
static json_t *
mount_json(const char *type, const char *source, const char *target, bool writable)
{
	json_t *mount = json_pack("{s:s, s:s, s:s, s:b}", "Type", type, "Source", source, "Target",
		target, "ReadOnly", !writable);

	if (strcmp(type, "volume") == 0)
		(void)json_object_set_new(mount, "VolumeOptions",
			json_pack("{s:b, s:{s:s}}", "NoCopy", 1, "Labels", LENDER_LABEL, "made"));
	return mount;
}

/* A container in the process namespace of the host reaches the host's root by its first process,
 * without a mount of it, which would keep what is mounted there.  Where the engine may not look at
 * that process, it is a mount all the same, as long as the lender lives. */
static const char in_host[] = "/proc/1/root";
static const char host_mount[] = "/host";

static void
add_root(json_t *mounts, json_t *command, const struct lender_root *r, size_t i)
{
	SCOPED(free_at)
	char *target = r->holder != NULL ? tmpfs_word(r->pid, r->holder, r->path)
					 : mem_format("/source/%zu", i);
	const char *type = r->volume == NULL ? "bind" : "volume";

	(void)json_array_append_new(command, json_string(target));
	if (r->holder == NULL)
		(void)json_array_append_new(
			mounts, mount_json(type, r->volume == NULL ? r->path : r->volume, target,
					r->writable));
}

static void
add_host(json_t *mounts, json_t *command, const struct traits *t)
{
	(void)json_array_append_new(
		command, json_string(t->hides_host_root ? host_mount : in_host));
	if (t->hides_host_root)
		(void)json_array_append_new(mounts, mount_json("bind", "/", host_mount, true));
}

/* What reaching the roots of others' processes takes: no more than the engine's socket gives
 * anyway. */
static void
allow_processes(json_t *body)
{
	json_t *host = json_object_get(body, "HostConfig");

	(void)json_object_set_new(host, "PidMode", json_string("host"));
	(void)json_array_append_new(
		json_object_get(host, "SecurityOpt"), json_string("apparmor=unconfined"));
	(void)json_array_append_new(json_object_get(host, "CapAdd"), json_string("SYS_PTRACE"));
}

/* What the engine puts between its containers and the host, a lender is without: files with labels
 * of others, and ids that are mapped, unless the service itself runs with that map. */
static void
allow_reading(json_t *body, const struct lender_options *o, const struct traits *t)
{
	json_t *host = json_object_get(body, "HostConfig");
	const char *userns =
		lender_text(json_object_get(o->self->inspect, "HostConfig"), "UsernsMode");

	(void)json_object_set_new(host, "SecurityOpt", json_array());
	if (t->labels)
		(void)json_array_append_new(
			json_object_get(host, "SecurityOpt"), json_string("label=disable"));
	if (strcmp(userns, "host") == 0)
		(void)json_object_set_new(host, "UsernsMode", json_string(userns));
}

json_t *
lender_body(const struct lender *l, const struct traits *t, struct err *e)
{
	const struct lender_options *o = l->options;
	SCOPED(free_at) char *run = self_host_path(o->self, o->run_path);
	SCOPED(free_at)
	char *docker = engine_socket(o->engine) == NULL
			       ? NULL
			       : self_host_path(o->self, engine_socket(o->engine));
	SCOPED(free_at)
	char *socket = mem_format("%s%s", in_socket, strrchr(l->socket_path, '/'));
	SCOPED(free_at) char *host = mem_format("unix://%s", in_docker);
	const bool guards = o->cgroups == LENDER_CGROUPS;
	json_t *mounts, *command, *body;
	bool looks = false; /* at processes that are not its own */

	if (run == NULL || docker == NULL) {
		(void)err_set(e, ERR_CONFLICT,
			"the store and the engine's socket must be mounted from the host: start "
			"the service with `-v /var/run/docker.sock:/var/run/docker.sock -v "
			"/var/backup/fuel:/var/backup/fuel`");
		return NULL;
	}
	mounts = json_pack("[o, o]", mount_json("bind", run, in_socket, true),
		mount_json("bind", docker, in_docker, true));
	command = json_pack("[s, s, s, s]", "lend", socket, host, guards ? in_cgroups : "-");
	if (guards)
		(void)json_array_append_new(
			mounts, mount_json("bind", LENDER_HOST_CGROUPS, in_cgroups, true));
	for (size_t i = 0; i < o->count; i++) {
		if (o->roots[i].host)
			add_host(mounts, command, t);
		else
			add_root(mounts, command, &o->roots[i], i);
		looks = looks || o->roots[i].holder != NULL ||
			(o->roots[i].host && !t->hides_host_root);
	}
	body = json_pack("{s:s, s:[s], s:o, s:s, s:{s:s, s:s}, s:{s:[s]}, s:{s:s, s:{s:s}, s:[s], "
			 "s:[s, s, s], s:o}}",
		"Image", o->self->image, "Entrypoint", lender_text(o->self->inspect, "Path"), "Cmd",
		command, "User", "0:0", "Labels", LENDER_LABEL,
		lender_text(o->self->inspect, "Name"), "fuel-backup.exclude", "true", "Healthcheck",
		"Test", "NONE", "HostConfig", "NetworkMode", "none", "LogConfig", "Type", "none",
		"CapDrop", "ALL", "CapAdd", "DAC_READ_SEARCH", "DAC_OVERRIDE", "SYS_ADMIN",
		"Mounts", mounts);
	allow_reading(body, o, t);
	if (looks)
		allow_processes(body);
	if (guards) /* a guard that is killed comes back, and thaws what the journal names */
		(void)json_object_set_new(json_object_get(body, "HostConfig"), "RestartPolicy",
			json_pack("{s:s, s:i}", "Name", "on-failure", "MaximumRetryCount",
				RESTARTS_MAX));
	return body;
}
