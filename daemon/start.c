/* start.c - parts in the order in which they come up, and in the reverse one down */
#include "graph.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"

#include "admin/arguments.h"
#include "admin/backup.h"
#include "admin/bulk.h"
#include "admin/events.h"
#include "admin/journal.h"
#include "admin/login.h"
#include "admin/notify.h"
#include "admin/status.h"
#include "admin/webhook.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/command_end.h"
#include "mdm/crl.h"
#include "mdm/declarative.h"
#include "mdm/migrate.h"
#include "mdm/patrol.h"
#include "mdm/push.h"
#include "mdm/service.h"
#include "net/listen.h"
#include "store/brief.h"
#include "store/meta.h"

#define TICK_MS 1000
#define MINUTE_MS 60000
#define FLUSH_MS 50   /* between slices of last-seen times */
#define DRAIN_MS 5000 /* replies that are due may still leave when we stop */
#define FDS_MAX 16
#define FDS_RESERVE 64u /* connections of control and gate, and as many files of our own */
#define CONNECTIONS_MAX 100000u

/* ---- the store ---- */

static void
on_pending(void *arg)
{
	loop_commit_soon(((struct graph *)arg)->loop);
}

static void
commit(void *arg)
{
	struct graph *g = arg;
	bool some = store_pending(g->admin.mdm.store);
	int64_t start = clock_mono_us();
	int err = store_commit(g->admin.mdm.store);

	if (some)
		metrics_commit(&g->admin.metrics, clock_mono_us() - start);
	if (g->admin.http)
		http_server_release(g->admin.http, err);
}

static bool
hold(void *arg)
{
	return store_pending(((struct graph *)arg)->admin.mdm.store);
}

static int
submit(void *arg, void (*work)(void *job), void (*done)(void *job), void *job)
{
	struct worker *w = ((struct graph *)arg)->admin.mdm.worker;

	return w ? worker_submit(w, WORKER_SLOW, work, done, job) : -EBUSY;
}

static void
on_health(void *arg, int err, const char *words)
{
	struct graph *g = arg;

	if (err < 0)
		log_event(EV_STORE_REFUSING, FIELDS(F_FILE(g->boot->state)), "%s", words);
	else
		log_event(EV_STORE_RECOVERED, FIELDS(F_FILE(g->boot->state)), "%s", words);
}

static void
on_change(void *arg, struct bytes key, struct bytes value)
{
	struct mdm *m = &((struct graph *)arg)->admin.mdm;

	roster_follow(m->roster, key, value);
	patrol_follow(m, key, value);
	webhook_follow(((struct graph *)arg)->admin.webhook, key, value);
	crl_follow(m, key, value);
}

static void
on_event(void *arg, const struct log_record *record)
{
	struct graph *g = arg;

	events_add(g->admin.events, record);
	webhook_observe(g->admin.webhook, record);
}

static int
open_store(struct graph *g)
{
	struct store_options o = { .directory = g->boot->state,
		.seal = g->seal,
		.on_pending = on_pending,
		.submit = submit,
		.on_health = on_health,
		.on_change = on_change,
		.walks = brief_walks(),
		.arg = g };
	char *why = NULL;
	int err = file_mkdirs(g->boot->state, 0700);

	if (err == 0)
		err = store_open(&o, &g->admin.mdm.store, &why);
	if (err == 0)
		err = roster_load(g->admin.mdm.roster, g->admin.mdm.store);
	if (err < 0)
		log_error("%s: the store cannot be opened: %s", g->boot->state,
			why ? why : strerror(-err));
	free(why);
	return err < 0 ? EX_IOERR : 0;
}

/* ---- listeners ---- */

static gid_t
group_or_own(const char *name)
{
	struct group *group = getgrnam(name);

	return group ? group->gr_gid : (gid_t)-1;
}

static int
listen_socket(struct graph *g, const char *name, const char *group, enum http_side side)
{
	const char *directory = getenv("RUNTIME_DIRECTORY");
	char *path = xasprintf("%s/%s", directory && *directory ? directory : CORDON_RUNDIR, name),
	     *why = NULL;
	int fd = listen_unix(path, 0660, group_or_own(group), &why);
	int err = fd;

	if (fd >= 0)
		err = http_server_listen(
			g->admin.http, fd, &(struct http_listener_options){ .side = side });
	if (err < 0)
		log_error("%s: %s", path, why ? why : strerror(-err));
	free(why);
	free(path);
	return err < 0 ? EX_OSERR : 0;
}

static int
listen_one(struct graph *g, const struct conf_listen *l)
{
	struct http_listener_options o = {
		.side = HTTP_DEVICE, .tls = l->tls, .behind_proxy = l->behind_proxy
	};
	char *why = NULL;
	int fds[FDS_MAX], count = listen_tcp(l->address, l->port, fds, FDS_MAX, &why);

	for (int i = 0; i < count; i++)
		http_server_listen(g->admin.http, fds[i], &o);
	if (count < 0)
		log_error("%s port %u: %s", l->address, l->port, why ? why : strerror(-count));
	else
		log_info("listening for devices on %s port %u", l->address, l->port);
	free(why);
	return count < 0 ? count : 0;
}

void
graph_listen_devices(struct graph *g)
{
	bool all = true;

	if (g->admin.listening || g->systemd_device) {
		g->admin.listening = true;
		return;
	}
	for (size_t i = 0; i < g->boot->listen_count; i++)
		all = listen_one(g, &g->boot->listen[i]) == 0 && all;
	g->admin.listening = all;
	if (!all)
		http_server_unlisten(g->admin.http, HTTP_DEVICE);
}

/* Sockets that systemd passes take the place of those of the same kind that we would make. */
static unsigned
take_systemd(struct graph *g)
{
	static const struct {
		const char *name;
		enum http_side side;
	} kinds[] = { { "device", HTTP_DEVICE }, { "control", HTTP_CONTROL }, { "gate", HTTP_GATE },
		{ "metrics", HTTP_METRICS }, { "api", HTTP_API } };
	char names[FDS_MAX][32];
	int fds[FDS_MAX], count = listen_systemd(fds, names, FDS_MAX);
	unsigned sides = 0;

	for (int i = 0; i < count; i++) {
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			struct http_listener_options o = { .side = kinds[k].side,
				.tls = kinds[k].side == HTTP_DEVICE };

			if (strcmp(names[i], kinds[k].name) != 0)
				continue;
			if (http_server_listen(g->admin.http, fds[i], &o) == 0)
				sides |= kinds[k].side;
		}
	}
	g->systemd_device = sides & HTTP_DEVICE;
	return sides;
}

/* TCP without TLS, for programs of one kind; a socket that systemd passes takes its place. */
static int
listen_endpoint(
	struct graph *g, const char *key, const struct conf_endpoint *at, enum http_side side)
{
	struct http_listener_options o = { .side = side };
	char *why = NULL;
	int fds[FDS_MAX], count;

	if (!at->address)
		return 0;
	count = listen_tcp(at->address, at->port, fds, FDS_MAX, &why);
	for (int i = 0; i < count; i++)
		http_server_listen(g->admin.http, fds[i], &o);
	if (count < 0)
		log_error("%s: %s", key, why ? why : strerror(-count));
	free(why);
	return count < 0 ? EX_OSERR : 0;
}

static int
open_listeners(struct graph *g)
{
	unsigned have = take_systemd(g);
	const char *directory = getenv("RUNTIME_DIRECTORY");
	int status = 0,
	    err = file_mkdirs(directory && *directory ? directory : CORDON_RUNDIR, 0755);

	if (err < 0)
		log_warn("%s: %s", directory ? directory : CORDON_RUNDIR, strerror(-err));
	if (!(have & HTTP_CONTROL))
		status = listen_socket(g, "control.sock", "cordon-admin", HTTP_CONTROL);
	if (status == 0 && !(have & HTTP_GATE))
		status = listen_socket(g, "gate.sock", "cordon-gate", HTTP_GATE);
	/* The numbers name no device; who may read them is for a firewall. */
	if (status == 0 && !(have & HTTP_METRICS))
		status = listen_endpoint(
			g, "metrics.listen", &g->boot->metrics_listen, HTTP_METRICS);
	if (status == 0 && !(have & HTTP_API))
		status = listen_endpoint(g, "api.listen", &g->boot->api_listen, HTTP_API);
	return status;
}

/*
 * Connections of devices from LimitNOFILE: what files, pushes and the reserve for control, gate and
 * enrollment need is kept back.
 */
static void
set_limits(struct graph *g)
{
	struct rlimit files;
	rlim_t free_fds;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	free_fds = files.rlim_cur > 4 * FDS_RESERVE ? files.rlim_cur - 2 * FDS_RESERVE
						    : files.rlim_cur / 2;
	if (free_fds > CONNECTIONS_MAX)
		free_fds = CONNECTIONS_MAX;
	http_server_set_limits(g->admin.http, (unsigned)free_fds, FDS_RESERVE);
}

/* ---- time ---- */

void
graph_say_status(struct graph *g)
{
	struct buf line = BUF_INIT;

	if (!g->admin.mdm.pusher || g->stopping)
		return;
	status_line(&g->admin, &line);
	notify_status(buf_str(&line));
	buf_free(&line);
}

static void
on_tick(void *arg)
{
	struct graph *g = arg;

	store_tick(g->admin.mdm.store, clock_mono_ms());
	command_sweep(&g->admin.mdm);
	graph_say_status(g);
	loop_timer_set(g->tick, TICK_MS);
}

static void
on_minute(void *arg)
{
	struct graph *g = arg;

	bool more = roster_flush(g->admin.mdm.roster, g->admin.mdm.store) == 1;

	loop_timer_set(g->minute, more ? FLUSH_MS : MINUTE_MS);
}

static void
on_beat(void *arg)
{
	struct graph *g = arg;

	notify_watchdog();
	loop_timer_set(g->beat, g->beat_ms);
}

static void
start_timers(struct graph *g)
{
	g->tick = loop_timer_new(g->loop, on_tick, g);
	g->minute = loop_timer_new(g->loop, on_minute, g);
	g->judge = loop_timer_new(g->loop, reload_look, g);
	loop_timer_set(g->tick, TICK_MS);
	loop_timer_set(g->minute, MINUTE_MS);
	g->beat_ms = notify_watchdog_ms();
	if (g->beat_ms) {
		g->beat = loop_timer_new(g->loop, on_beat, g);
		loop_timer_set(g->beat, g->beat_ms);
	}
}

/* ---- signals ---- */

static void
drained(void *arg)
{
	loop_stop(((struct graph *)arg)->loop);
}

static void
on_stop(void *arg, int signo)
{
	struct graph *g = arg;

	if (g->stopping) { /* the second one does not wait */
		loop_stop(g->loop);
		return;
	}
	log_info("stopping: %s", strsignal(signo));
	g->stopping = true;
	notify_stopping();
	events_release(g->admin.events);
	http_server_stop(g->admin.http, DRAIN_MS, drained, g);
}

static void
on_hup(void *arg, int signo)
{
	(void)signo;
	notify_reloading();
	reload_look(arg);
}

static void
watch_signals(struct graph *g)
{
	signal(SIGPIPE, SIG_IGN);
	loop_signal(g->loop, SIGTERM, on_stop, g);
	loop_signal(g->loop, SIGINT, on_stop, g);
	loop_signal(g->loop, SIGHUP, on_hup, g);
}

/* ---- the order ---- */

static int
start_core(struct graph *g)
{
	struct mdm *m = &g->admin.mdm;
	int status;

	m->started_at = clock_wall();
	m->conf = reload_first_conf(g);
	if (!m->conf)
		return EX_CONFIG;
	g->boot = conf_ref(m->conf);
	g->loop = m->loop = loop_new();
	m->worker = g->loop ? worker_new(g->loop) : NULL;
	if (!m->worker)
		return EX_OSERR;
	m->roster = roster_new();
	g->cache = certdir_cache_new();
	arguments_load_schema(&g->admin);
	reload_store_key(g);
	status = open_store(g);
	if (status == 0)
		reload_check_name(g);
	if (status == 0)
		reload_judge_sealed(g);
	return status;
}

int
graph_start(struct graph *g)
{
	struct mdm *m = &g->admin.mdm;
	int status = start_core(g);

	if (status)
		return status;
	g->admin.backup = backup_new(&g->admin);
	g->admin.webhook = webhook_new(&g->admin);
	m->declarative = declarative_new(m);
	if (!g->admin.webhook || !m->declarative)
		return EX_OSERR;
	if (meta_get_int(m->store, "restored-at", &m->restored_at) < 0)
		m->restored_at = 0;
	m->heard = webhook_heard;
	m->heard_arg = g->admin.webhook;
	g->admin.events = events_new(&g->admin);
	log_set_observer(on_event, g);
	g->admin.http = http_server_new(g->loop, graph_routes, graph_route_count, g, hold, g);
	g->admin.login = login_new();
	http_server_set_admit(g->admin.http, login_admit);
	loop_set_commit(g->loop, commit, g);
	set_limits(g);
	g->admin.reload = reload_look;
	g->admin.reload_arg = g;
	start_timers(g);
	watch_signals(g);
	g->watch = watch_new(g->loop, reload_look, g);
	reload_watch(g);
	status = open_listeners(g);
	if (status)
		return status;
	reload_scan_now(g);
	m->pusher = pusher_new(m);
	pusher_resume(m);
	service_new(m);
	migrate_configure(m, NULL);
	patrol_new(m);
	reload_keep_good(g);
	log_event(EV_STARTED, NO_FIELDS, "cordond %s started: %zu enrollments", PACKAGE_VERSION,
		roster_count(m->roster));
	graph_say_status(g);
	notify_ready();
	return 0;
}

void
graph_stop(struct graph *g)
{
	struct mdm *m = &g->admin.mdm;

	g->stopping = true;
	pusher_free(m->pusher);
	m->pusher = NULL;
	watch_free(g->watch);
	while (m->store && roster_flush(m->roster, m->store) == 1)
		commit(g);
	if (m->store)
		commit(g);
	bulk_free(&g->admin);
	patrol_free(m->patrol);
	service_free(m->service);
	http_server_free(g->admin.http);
	g->admin.http = NULL;
	log_set_observer(NULL, NULL);
	events_free(g->admin.events);
	g->admin.events = NULL;
	if (m->store)
		commit(g);
	m->heard = NULL;
	declarative_free(m->declarative);
	m->declarative = NULL;
	webhook_free(g->admin.webhook);
	g->admin.webhook = NULL;
	login_free(g->admin.login);
	mdm_fini(m);
	worker_free(m->worker);
	m->worker = NULL;
	if (m->store)
		store_close(m->store);
	backup_free(g->admin.backup);
	roster_free(m->roster);
	tls_server_unref(g->tls);
	certdir_unref(m->certs);
	certdir_cache_free(g->cache);
	loop_timer_free(g->tick);
	loop_timer_free(g->minute);
	loop_timer_free(g->judge);
	loop_timer_free(g->beat);
	loop_free(g->loop);
	seal_free(g->seal);
	conf_unref(m->conf);
	conf_unref(g->boot);
	arguments_free_schema(&g->admin);
	reload_free(g);
}
