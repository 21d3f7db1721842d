/* reload.c - configuration and certificates: looked at anew, judged, swapped in whole (DESIGN
 * "Reload") */
#include "graph.h"
#include "guard.h"
#include "storekey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/arguments.h"
#include "admin/notify.h"
#include "admin/problems.h"
#include "admin/warn.h"
#include "admin/webhook.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/declarative.h"
#include "mdm/migrate.h"
#include "mdm/patrol.h"
#include "mdm/push.h"
#include "store/meta.h"

#define JUDGE_MS (3600 * 1000) /* validity is judged anew at least this often */

/* One scan of the certificate directory, owned by the worker while it runs. */
struct scan {
	struct graph *graph;
	struct certdir_options options;
	char *directory, *certificate, *key, *host;
	struct certdir_cache *cache;
	struct certdir *result;
};

/* ---- configuration ---- */

static char *
faults_text(const struct conf_faults *faults)
{
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < faults->count; i++) {
		conf_fault_format(&faults->items[i], &text);
		buf_add_char(&text, '\n');
	}
	return buf_steal_str(&text);
}

/* conf itself finds no fault in a name that only devices do not know. */
static enum event
fault_event(const struct graph *g, const struct conf_fault *f)
{
	return g->admin.refused_name && strcmp(f->key, "server-name") == 0 ? EV_SERVER_NAME_REFUSED
									   : EV_CONF_FAULT;
}

/* The journal gets each set of faults once, not once per rescan. */
static void
say_faults(struct graph *g, const struct conf_faults *faults)
{
	char *text = faults_text(faults);
	struct buf line = BUF_INIT;

	if (g->faults_said && strcmp(g->faults_said, text) == 0) {
		free(text);
		return;
	}
	free(g->faults_said);
	g->faults_said = text;
	for (size_t i = 0; i < faults->count; i++) {
		buf_reset(&line);
		conf_fault_format(&faults->items[i], &line);
		if (faults->items[i].warning)
			log_warn("%s", buf_str(&line));
		else
			log_event(fault_event(g, &faults->items[i]),
				FIELDS(F_FILE(faults->items[i].file)), "%s", buf_str(&line));
	}
	buf_free(&line);
}

static void
keep_faults(struct graph *g, struct conf_faults *faults)
{
	say_faults(g, faults);
	conf_faults_free(&g->admin.faults);
	g->admin.faults = *faults;
	memset(faults, 0, sizeof(*faults));
}

static void
write_last_good(struct graph *g, const struct conf *c)
{
	struct buf text = BUF_INIT;
	int err;

	conf_format(c, &text);
	err = file_write_atomic(g->last_good, buf_bytes(&text), 0600, FILE_KEEP_OWNER, (gid_t)-1);
	if (err < 0)
		log_warn("%s: the last good configuration cannot be kept: %s", g->last_good,
			strerror(-err));
	buf_free(&text);
}

void
reload_keep_good(struct graph *g)
{
	if (!g->admin.mdm.conf->last_good)
		write_last_good(g, g->admin.mdm.conf);
}

static char *
last_good_path(const char *state)
{
	return xasprintf("%s/last-good.conf", state);
}

/* Where the last good configuration is when the files cannot say: a faulty file may still name its
 * state directory. */
static char *
guess_last_good(const char *conf_file)
{
	char *named = conf_peek_state(conf_file), *path;
	const char *given = getenv("STATE_DIRECTORY");

	path = last_good_path(named ? named : given && *given ? given : CORDON_STATEDIR);
	free(named);
	return path;
}

struct conf *
reload_first_conf(struct graph *g)
{
	struct conf_faults faults = { 0 }, old_faults = { 0 };
	struct conf *c = conf_load(g->conf_file, NULL, NULL, &faults);

	keep_faults(g, &faults);
	if (c) {
		g->last_good = last_good_path(c->state);
		return c;
	}
	g->last_good = guess_last_good(g->conf_file);
	c = conf_load(g->last_good, NULL, NULL, &old_faults);
	conf_faults_free(&old_faults);
	if (!c) {
		log_error("%s has faults, and there is no last good configuration in %s: mend it "
			  "and start again",
			g->conf_file, g->last_good);
		return NULL;
	}
	free(c->file);
	c->file = xstrdup(g->conf_file);
	c->last_good = true;
	log_event(EV_CONF_LAST_GOOD, FIELDS(F_FILE(g->conf_file)),
		"%s has faults: running on the last good configuration until they are mended",
		g->conf_file);
	return c;
}

static void
note_restart(struct graph *g)
{
	struct buf names = BUF_INIT;
	char *before = g->admin.needs_restart;

	g->admin.needs_restart = NULL;
	if (conf_needs_restart(g->boot, g->admin.mdm.conf, &names)) {
		g->admin.needs_restart = buf_steal_str(&names);
		if (!before || strcmp(before, g->admin.needs_restart) != 0)
			log_event(EV_CONF_NEEDS_RESTART, FIELDS(F_FILE(g->conf_file)),
				"these settings take effect at the next restart: %s",
				g->admin.needs_restart);
	}
	free(before);
	buf_free(&names);
}

static void
adopt_conf(struct graph *g, struct conf *c)
{
	struct buf names = BUF_INIT;
	struct conf *old = g->admin.mdm.conf;
	bool was_last_good = old->last_good;

	if (conf_changes(old, c, &names) == 0 && !was_last_good) {
		conf_unref(c);
		buf_free(&names);
		return;
	}
	g->admin.mdm.conf = c;
	write_last_good(g, c);
	log_event(EV_CONF_LOADED, FIELDS(F_FILE(g->conf_file)), "configuration loaded; changed: %s",
		names.len ? buf_str(&names) : "nothing");
	note_restart(g);
	pusher_certs_changed(&g->admin.mdm);
	migrate_configure(&g->admin.mdm, old);
	patrol_soon(&g->admin.mdm);
	conf_unref(old);
	buf_free(&names);
}

static void
look_conf(struct graph *g)
{
	struct conf_faults faults = { 0 };
	struct conf *c = conf_load(g->conf_file, NULL, NULL, &faults);

	if (c && !guard_server_name(g, c, &faults)) {
		conf_unref(c);
		c = NULL;
	}
	keep_faults(g, &faults);
	if (c)
		adopt_conf(g, c);
	mdm_server_name_note(&g->admin.mdm, g->admin.mdm.conf->server_name);
	webhook_configure(g->admin.webhook);
	declarative_configure(g->admin.mdm.declarative);
}

/* The last good configuration, if its name is one that devices know; else NULL. */
static struct conf *
earlier_conf(struct graph *g)
{
	struct conf_faults faults = { 0 };
	struct conf *c = conf_load(g->last_good, NULL, NULL, &faults);

	conf_faults_free(&faults);
	if (c && !mdm_server_name_allowed(&g->admin.mdm, c->server_name)) {
		conf_unref(c);
		return NULL;
	}
	return c;
}

void
reload_check_name(struct graph *g)
{
	struct conf_faults faults = { 0 };
	struct conf *asked = g->admin.mdm.conf, *c;
	char *name;

	if (asked->last_good || guard_server_name(g, asked, &faults))
		return;
	keep_faults(g, &faults);
	c = earlier_conf(g);
	if (c) {
		free(c->file);
		c->file = xstrdup(g->conf_file);
		g->admin.mdm.conf = c;
		conf_unref(g->boot);
		g->boot = conf_ref(c);
		conf_unref(asked);
	} else if (meta_get_str(g->admin.mdm.store, "server-name", &name) == 0) {
		/* a state directory that came without it: the name alone is put back */
		c = asked;
		free(c->server_name);
		c->server_name = name;
	} else {
		return;
	}
	c->last_good = true;
	log_event(EV_CONF_LAST_GOOD, FIELDS(F_FILE(g->conf_file)),
		"%s asks for a server-name that devices do not know: running on the last good "
		"configuration until that is settled",
		g->conf_file);
}

/* ---- certificates ---- */

static bool
had_remark(const struct certdir *d, const struct certdir_remark *r)
{
	for (size_t i = 0; d && i < d->remark_count; i++)
		if (strcmp(d->remarks[i].file, r->file) == 0 &&
			strcmp(d->remarks[i].text, r->text) == 0)
			return true;
	return false;
}

static bool
had_pair(const struct certdir *d, const struct certpair *p)
{
	for (size_t i = 0; d && i < d->push_count; i++)
		if (memcmp(d->push[i].sha256, p->sha256, SHA256_LEN) == 0)
			return true;
	return false;
}

/* Its successor came under its name: what is said of that one is enough. */
static bool
was_replaced(const struct certdir *d, const struct certpair *p)
{
	for (size_t i = 0; i < d->push_count; i++)
		if (strcmp(d->push[i].cert_file, p->cert_file) == 0 &&
			strcmp(d->push[i].topic, p->topic) == 0)
			return true;
	return false;
}

static bool
same_leaf(const struct certpair *a, const struct certpair *b)
{
	return a->chain && b->chain && memcmp(a->sha256, b->sha256, SHA256_LEN) == 0;
}

static void
say_pair(const char *what, const struct certpair *p)
{
	char date[16];

	clock_date(p->not_after, date, sizeof(date));
	log_event(EV_CERT_IN_USE, FIELDS(F_FILE(p->cert_file), F_TOPIC(p->topic)),
		"%s: %s%s%s, valid until %s", p->cert_file, what, p->topic ? " for topic " : "",
		p->topic ? p->topic : "", date);
}

static void
say_gone(const char *what, const struct certpair *p)
{
	log_event(EV_CERT_GONE, FIELDS(F_FILE(p->cert_file), F_TOPIC(p->topic)),
		"%s: %s%s%s is not there any more", p->cert_file, what,
		p->topic ? " for topic " : "", p->topic ? p->topic : "");
}

static void
say_single(const char *what, const struct certpair *old, const struct certpair *new)
{
	if (new->chain && !(old && same_leaf(old, new)))
		say_pair(what, new);
	else if (!new->chain && old && old->chain)
		say_gone(what, old);
}

static void
say_push(struct graph *g, const struct certdir *old, const struct certdir *new)
{
	bool again;

	for (size_t i = 0; i < new->push_count; i++)
		if (guard_push(g, &new->push[i], &again) &&
			(again || !had_pair(old, &new->push[i])))
			say_pair("push certificate", &new->push[i]);
	for (size_t i = 0; old && i < old->push_count; i++)
		if (!had_pair(new, &old->push[i]) && !was_replaced(new, &old->push[i]))
			say_gone("push certificate", &old->push[i]);
	guard_push_sweep(g, new);
}

static void
say_changes(struct graph *g, const struct certdir *old, const struct certdir *new)
{
	for (size_t i = 0; i < new->remark_count; i++) {
		const struct certdir_remark *r = &new->remarks[i];

		if (had_remark(old, r))
			continue;
		if (r->weight == CERTDIR_PROBLEM)
			log_event(EV_CERT_SKIPPED, FIELDS(F_FILE(r->file)), "%s: %s", r->file,
				r->text);
		else
			log_info("%s: %s", r->file, r->text);
	}
	say_push(g, old, new);
	say_single("self-signed certificate (SSC)", old ? &old->ssc : NULL, &new->ssc);
	say_single("TLS certificate", old ? &old->tls : NULL, &new->tls);
}

/* Behind a proxy that has the certificate there is none to wait for. */
static bool
listens_by_tls(const struct conf *c)
{
	for (size_t i = 0; i < c->listen_count; i++)
		if (c->listen[i].tls)
			return true;
	return false;
}

static void
adopt_tls(struct graph *g)
{
	const struct certpair *pair = &g->admin.mdm.certs->tls;
	bool client = g->admin.mdm.conf->tls.request_client_certificate;
	struct tls_server *t;
	char *why = NULL;

	if (!pair->chain) { /* an earlier pair is served on: devices here should not lose us */
		if (!listens_by_tls(g->boot))
			graph_listen_devices(g);
		return;
	}
	if (g->tls && client == g->tls_client &&
		memcmp(g->tls_sha256, pair->sha256, SHA256_LEN) == 0)
		return;
	t = tls_server_new(pair->chain, pair->key, client, g->tls, &why);
	if (!t && memcmp(g->tls_failed, pair->sha256, SHA256_LEN) == 0) {
		free(why);
		return;
	}
	if (!t) {
		memcpy(g->tls_failed, pair->sha256, SHA256_LEN);
		log_event(EV_CERT_SKIPPED, FIELDS(F_FILE(pair->cert_file)),
			"%s: cannot be used for TLS: %s", pair->cert_file,
			why ? why : "unknown reason");
		free(why);
		return;
	}
	tls_server_unref(g->tls);
	g->tls = t;
	g->tls_client = client;
	memcpy(g->tls_sha256, pair->sha256, SHA256_LEN);
	http_server_set_tls(g->admin.http, t);
	graph_listen_devices(g);
}

/* At start, and when the key came: a person must know what does not open. */
void
reload_judge_sealed(struct graph *g)
{
	struct sealed_counts *n = &g->admin.sealed;
	struct buf text = BUF_INIT;

	if (sealed_judge(g->admin.mdm.store, n) < 0)
		log_error("%s: what is sealed there cannot be counted", g->boot->state);
	if (problems_sealed(&g->admin, &text))
		log_event(EV_SECRETS_SHUT, NO_FIELDS, "%s", buf_str(&text));
	buf_free(&text);
}

/* store.key comes with the SSC, so a daemon that waited for it gets it now. */
void
reload_store_key(struct graph *g)
{
	char *path;
	int err;

	if (g->seal)
		return;
	err = store_key_read(g->admin.mdm.conf->certificates, &g->seal, &path);
	if (err == 0 && g->admin.mdm.store) {
		store_set_seal(g->admin.mdm.store, g->seal);
		reload_judge_sealed(g);
		webhook_configure(g->admin.webhook);
	}
	if (err < 0 && err != -ENOENT)
		log_warn("%s: the key that seals secrets cannot be used: %s", path,
			store_key_words(err));
	free(path);
}

static void
say_missing(struct graph *g)
{
	struct buf text = BUF_INIT;
	bool missing = mdm_not_configured(&g->admin.mdm, &text);

	if (missing && (!g->missing || strcmp(g->missing, buf_str(&text)) != 0))
		log_event(EV_NOT_CONFIGURED, NO_FIELDS, "%s", buf_str(&text));
	free(g->missing);
	g->missing = missing ? buf_steal_str(&text) : NULL;
	buf_free(&text);
}

static void
adopt_certs(struct graph *g, struct certdir *d)
{
	struct certdir *old = g->admin.mdm.certs;
	int64_t next = JUDGE_MS;

	say_changes(g, old, d);
	g->admin.mdm.certs = d;
	reload_store_key(g);
	adopt_tls(g);
	if (g->admin.mdm.pusher)
		pusher_certs_changed(&g->admin.mdm);
	say_missing(g);
	warn_expiry(&g->admin, clock_wall());
	graph_say_status(g);
	if (d->next_change && (d->next_change - clock_wall() + 1) * 1000 < next)
		next = (d->next_change - clock_wall() + 1) * 1000;
	loop_timer_set(g->judge, next > 1000 ? next : 1000);
	certdir_unref(old);
}

static struct scan *
scan_new(struct graph *g)
{
	const struct conf *c = g->admin.mdm.conf;
	struct scan *s = xcalloc(1, sizeof(*s));

	s->graph = g;
	s->cache = g->cache;
	s->directory = xstrdup(c->certificates);
	s->certificate = xstrdup(c->tls.certificate);
	s->key = xstrdup(c->tls.key);
	s->host = conf_server_host(c);
	s->options = (struct certdir_options){ .directory = s->directory,
		.tls_certificate = s->certificate,
		.tls_key = s->key,
		.server_host = s->host,
		.now = clock_wall(),
		.check_modes = true };
	return s;
}

static void
scan_free(struct scan *s)
{
	free(s->directory);
	free(s->certificate);
	free(s->key);
	free(s->host);
	free(s);
}

static void
scan_work(void *job)
{
	struct scan *s = job;

	s->result = certdir_scan(&s->options, s->cache);
}

static void
scan_done(void *job)
{
	struct scan *s = job;
	struct graph *g = s->graph;

	g->scan = NULL;
	if (g->stopping)
		certdir_unref(s->result);
	else
		adopt_certs(g, s->result);
	scan_free(s);
	notify_ready(); /* ends RELOADING */
	if (g->scan_again && !g->stopping) {
		g->scan_again = false;
		reload_look(g);
	}
}

void
reload_scan_now(struct graph *g)
{
	struct scan *s = scan_new(g);

	scan_work(s);
	adopt_certs(g, s->result);
	scan_free(s);
}

void
reload_look(void *arg)
{
	struct graph *g = arg;
	struct scan *s;

	if (g->stopping)
		return;
	if (g->scan) {
		g->scan_again = true;
		return;
	}
	reload_watch(g); /* before anything is read: what changes meanwhile comes as an event */
	look_conf(g);
	arguments_load_schema(&g->admin);
	s = scan_new(g);
	if (worker_submit(g->admin.mdm.worker, WORKER_SLOW, scan_work, scan_done, s) == 0) {
		g->scan = s;
	} else {
		scan_free(s); /* the rescan comes by itself */
		notify_ready();
	}
}

void
reload_watch(struct graph *g)
{
	const struct conf *c = g->admin.mdm.conf;
	char *drop_ins = xasprintf("%s", g->conf_file), *slash = strrchr(drop_ins, '/'), *directory;
	const char *paths[5];

	if (slash)
		*slash = 0;
	directory = xasprintf("%s/conf.d", slash ? drop_ins : ".");
	paths[0] = g->conf_file;
	paths[1] = directory;
	paths[2] = c->certificates;
	paths[3] = c->tls.certificate;
	paths[4] = c->tls.key;
	watch_set(g->watch, paths, 5);
	free(directory);
	free(drop_ins);
}

void
reload_free(struct graph *g)
{
	conf_faults_free(&g->admin.faults);
	guard_free(g);
	free(g->faults_said);
	free(g->missing);
	free(g->last_good);
	free(g->admin.needs_restart);
}
