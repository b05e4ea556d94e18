/* fuel-backupd: composes the service. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/engine.h"
#include "engine/lender/lender.h"
#include "engine/pause_container.h"
#include "engine/self.h"
#include "fuel/keystone.h"
#include "fuel/nailgun.h"
#include "handlers/app.h"
#include "handlers/tickets.h"
#include "http/http.h"
#include "jobs/jobs.h"
#include "jobs/socket_watch.h"
#include "server/config.h"
#include "server/listen.h"
#include "server/main_keys.h"
#include "server/main_rebuild.h"
#include "server/token.h"
#include "store/open/store.h"

extern char **environ;

static const char usage[] =
	"usage: fuel-backupd [serve]      serve the API (the default)\n"
	"       fuel-backupd healthcheck  ask the running service; exit code 0 if it answers, be "
	"it\n"
	"                                 that something is missing for a backup\n"
	"       fuel-backupd rebuild      make the store's catalogue from its packs alone; the\n"
	"                                 service must not run.  The old one is kept.  Or a store\n"
	"                                 from a copy: `rebuild help` says more\n"
	"       fuel-backupd keys         who may open an encrypted store; `keys help` says more\n"
	"       fuel-backupd config       show the configuration\n"
	"       fuel-backupd version\n"
	"       fuel-backupd help\n"
	"\n"
	"It is configured by the environment; `config` shows every variable.\n";

struct service {
	struct config *config;
	struct token token, metrics_token;
	struct keystone *keystone;
	struct nailgun *nailgun;
	struct cors *cors;
	struct visits *visits;
	struct store *store;
	struct engine *engine;
	struct jobs *jobs;
	struct tickets *tickets;
	struct browse *browse;
	struct listen *listen;
	struct socket_watch *socket_watch;
	volatile sig_atomic_t socket_dead;
	struct app app;
	atomic_bool ending; /* nothing is frozen any more: handlers need not wait for the engine */
};

/* What it ends with when the engine's socket is dead: not 0, so that "on-failure" restarts it, too.
 */
enum { EXIT_SOCKET_DEAD = 75 };

static int
load_token(struct service *s, struct err *e)
{
	if (s->config->metrics_token != NULL &&
		token_set(&s->metrics_token, s->config->metrics_token, e) != 0)
		return err_prefix(e, "FUEL_BACKUP_METRICS_TOKEN");
	return s->config->token != NULL ? token_set(&s->token, s->config->token, e)
					: token_load(&s->token, s->config->token_file, e);
}

/* The neighbours on a Fuel master. */
static int
open_fuel(struct service *s, struct err *e)
{
	const struct config *c = s->config;

	if (c->keystone_url != NULL &&
		keystone_open(&(struct keystone_options){.url = c->keystone_url,
				      .user = c->keystone_user,
				      .password = c->keystone_password,
				      .project = c->keystone_project},
			&s->keystone, e) != 0)
		return -1;
	return c->nailgun == NULL
		       ? 0
		       : nailgun_open(c->nailgun, c->keystone_user == NULL ? NULL : s->keystone,
				 &s->nailgun, e);
}

static int
login(void *ctx, const char *token, struct err *e)
{
	return keystone_check(ctx, token, e);
}

static int
main_preflight(void *ctx, struct err *e)
{
	return nailgun_idle(ctx, e);
}

static bool
is_ending(void *ctx)
{
	struct service *s = ctx;

	return atomic_load(&s->ending);
}

/* A handler that waits for an engine that hangs does not hold up the end of the service. */
static void
main_enter(void *ctx)
{
	engine_give_up(is_ending, ctx);
}

static int
open_jobs(struct service *s, struct err *e)
{
	const struct config *c = s->config;

	return jobs_open(&(struct jobs_options){.store = s->store,
				 .engine = s->engine,
				 .plan_path = c->plan,
				 .settings = {.freezer = c->freezer,
					 .max_freeze_ms = c->max_freeze_ms,
					 .reread = c->reread,
					 .scrub_days = c->scrub_days,
					 .live_bytes_s = c->live_mib_s << 20},
				 .notifier = {.url = c->notify_url,
					 .text = strcmp(c->notify_format, "text") == 0,
					 .on = c->notify_on,
					 .overdue_hours = c->overdue_hours},
				 .preflight = s->nailgun == NULL ? NULL : main_preflight,
				 .preflight_ctx = s->nailgun},
		&s->jobs, e);
}

/* With TLS an engine is another host's. */
static int
check_engine(const struct config *c, struct err *e)
{
	const char *verify = getenv("DOCKER_TLS_VERIFY"),
		   *certificates = getenv("DOCKER_CERT_PATH");

	if (c->docker_host == NULL || strncmp(c->docker_host, "tcp://", 6) != 0 ||
		((verify == NULL || verify[0] == '\0') &&
			(certificates == NULL || certificates[0] == '\0')))
		return 0;
	return err_set(e, ERR_INVALID,
		"DOCKER_HOST \"%.200s\" with TLS is another host's engine: this service works on "
		"the "
		"files of the host that it runs on; run it there, with "
		"DOCKER_HOST=unix:///var/run/docker.sock",
		c->docker_host);
}

static int
open_store(struct service *s, struct err *e)
{
	SCOPED(secret_wipe) struct secret secret = {0};
	const struct store_options options = {.secret = &secret};
	const int given = main_secret(s->config, &secret, e);

	if (given < 0)
		return -1;
	if (given == 1) /* no core dumps, wherever the kernel would send them */
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return store_open(s->config->store, given == 1 ? &options : NULL, &s->store, e);
}

static int
service_open(struct service *s, struct err *e)
{
	const struct config *c = s->config;

	if (check_engine(c, e) != 0 || engine_open(c->docker_host, &s->engine, e) != 0 ||
		self_admit(s->engine, e) != 0 || open_store(s, e) != 0 || load_token(s, e) != 0 ||
		cors_parse(c->origins, &s->cors, e) != 0 || open_fuel(s, e) != 0 ||
		open_jobs(s, e) != 0)
		return -1;
	s->tickets = tickets_new();
	s->visits = visits_new();
	s->browse = browse_new(s->store);
	s->app = (struct app){s->store, s->jobs, s->tickets, s->visits, s->browse};
	return listen_open(
		&(struct listen_options){.address = c->listen,
			.token = &s->token,
			.token_hint =
				c->token != NULL ? "the service's environment" : c->token_file,
			.metrics_token = c->metrics_token == NULL ? NULL : &s->metrics_token,
			.routes = routes,
			.visits = s->visits,
			.cors = s->cors,
			.app = &s->app,
			.ticket = app_ticket,
			.login = c->auth_keystone ? login : NULL,
			.login_ctx = s->keystone,
			.enter = main_enter,
			.enter_ctx = s},
		&s->listen, e);
}

/* First what runs is ended, and all is thawed; then those who watch have their last answer. */
static void
service_close(struct service *s)
{
	if (s->listen != NULL)
		listen_quiesce(s->listen);
	if (s->jobs != NULL)
		jobs_stop(s->jobs);
	atomic_store(&s->ending, true);
	listen_close(s->listen);
	jobs_close(s->jobs);
	tickets_free(s->tickets);
	visits_free(s->visits);
	cors_free(s->cors);
	nailgun_close(s->nailgun);
	keystone_close(s->keystone);
	browse_free(s->browse);
	engine_close(s->engine);
	store_close(s->store);
	config_free(s->config);
}

/* Only a new start binds the engine's new socket: end as on a signal. */
static void
on_dead_socket(void *ctx)
{
	struct service *s = ctx;

	s->socket_dead = 1;
	(void)kill(getpid(), SIGTERM);
}

static int
main_serve(struct config *config)
{
	struct service s = {.config = config};
	sigset_t signals;
	struct err e;
	int status = 0, got;

	/* Before any thread: they all inherit the mask, and sigwait below is the only one to see
	 * them. */
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)umask(0077);
	if (service_open(&s, &e) != 0 ||
		socket_watch_open(s.engine, on_dead_socket, &s, &s.socket_watch, &e) != 0) {
		log_error("cannot start: %s", e.text);
		status = 1;
	} else {
		log_info("fuel-backup %s serves %s, its store is %s%s", FB_VERSION,
			s.config->listen, s.config->store,
			store_encrypted(s.store) ? ", encrypted" : "");
		(void)sigwait(&signals, &got);
		log_info("stopping");
	}
	socket_watch_close(s.socket_watch);
	if (s.socket_dead)
		status = EXIT_SOCKET_DEAD;
	service_close(&s);
	return status;
}

/* The address that a client on this machine uses for ${listen}. */
static char *
local_url(const char *address)
{
	if (strncmp(address, "0.0.0.0:", 8) == 0)
		return mem_format("http://127.0.0.1:%s", address + 8);
	if (strncmp(address, "[::]:", 5) == 0)
		return mem_format("http://[::1]:%s", address + 5);
	return strncmp(address, "unix:", 5) == 0 ? mem_string("http://localhost")
						 : mem_format("http://%s", address);
}

static int
healthcheck(const struct config *config)
{
	SCOPED(free_at) char *url = local_url(config->listen);
	SCOPED(http_close_at) struct http *h = NULL;
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	const struct http_options options = {.url = url,
		.unix_path = strncmp(config->listen, "unix:", 5) == 0 ? config->listen + 5 : NULL,
		.stall_ms = 10000};
	struct err e;

	if (http_open(&options, &h, &e) != 0 ||
		http_call(h, &(struct http_request){.method = "GET", .path = "/health"}, &reply,
			&e) != 0) {
		(void)fprintf(stderr, "fuel-backupd: %s\n", e.text);
		return 1;
	}
	(void)printf("%s\n", reply.body.data == NULL ? "" : reply.body.data);
	/* 503: it lives, and says what is missing for a backup.  To restart it would not help. */
	return reply.status == 200 || reply.status == 503 ? 0 : 1;
}

static int
configured(int argc, char **argv)
{
	const char *verb = argc < 2 ? "serve" : argv[1];
	struct config *config = NULL;
	struct err e;
	int status;

	if (config_load(environ, &config, &e) != 0) {
		(void)fprintf(stderr, "fuel-backupd: %s\n", e.text);
		return 2;
	}
	log_json(config->log_json);
	if (strcmp(verb, "serve") == 0)
		return main_serve(config);
	status = strcmp(verb, "healthcheck") == 0 ? healthcheck(config)
		 : strcmp(verb, "rebuild") == 0	  ? main_rebuild(config, argc - 2, argv + 2)
		 : strcmp(verb, "keys") == 0	  ? main_keys(config, argc - 2, argv + 2)
						  : 0;
	if (strcmp(verb, "config") == 0)
		config_print(config, stdout);
	config_free(config);
	return status;
}

int
main(int argc, char **argv)
{
	const char *verb = argc < 2 ? "serve" : argv[1];

	mem_few_arenas();
	if (strcmp(verb, "lend") == 0)
		return lender_main(argc - 1, argv + 1);
	if (argc == 2 && strcmp(verb, "hold") == 0)
		return pause_container_main();
	if (argc <= 2 && strcmp(verb, "version") == 0) {
		(void)printf("fuel-backup %s\n", FB_VERSION);
		return 0;
	}
	if (argc <= 2 && (strcmp(verb, "help") == 0 || strcmp(verb, "--help") == 0)) {
		(void)fputs(usage, stdout);
		return 0;
	}
	if (argc <= 2 && (strcmp(verb, "serve") == 0 || strcmp(verb, "healthcheck") == 0 ||
				 strcmp(verb, "config") == 0))
		return configured(argc, argv);
	if (strcmp(verb, "keys") == 0 || strcmp(verb, "rebuild") == 0)
		return configured(argc, argv);
	(void)fprintf(stderr, "fuel-backupd: unknown command \"%s\"\n%s", verb, usage);
	return 2;
}
