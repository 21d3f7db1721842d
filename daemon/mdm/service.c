/* service.c - each topic's service clock: how long devices could have answered */
#include "mdm/service.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/push.h"
#include "net/reach.h"
#include "pki/cert.h"
#include "store/meta.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_MS 55000			/* clocks are written every minute */
#define REACH_MS (3600 * INT64_C(1000)) /* we ask ourselves at most this often, unless ... */
#define REACH_PART 4			/* ... so many must fit into the time that a proof lasts */
#define WALL_MARGIN 60

struct clock {
	char *topic;
	struct service_clock c;
	int64_t kept, kept_resumed; /* as they are in the store */
	int64_t since;		    /* wall seconds: it stands */
	char *words;
	struct clock *next;
};

struct service {
	struct mdm *m;
	struct clock *clocks;
	bool outage; /* nobody ran for long, or nobody knows */
	int64_t run, run_ms, last_ms, kept_ms, kept_run;
	int64_t proof_ms, proof_wall;
	int64_t reach_ms; /* when we asked ourselves */
	bool reaching, reached;
	char *unreached; /* why that did not work; NULL: it did, or was never asked */
};

/* What all topics have in common at one tick. */
struct look {
	struct service_signs signs;
	char *tls_words;
};

/* ---- what is kept ---- */

static char *
meta_name(const char *what, const char *topic)
{
	return xasprintf("%s/%s", what, topic);
}

static int64_t
kept_number(struct mdm *m, const char *what, const char *topic)
{
	char *name = meta_name(what, topic);
	int64_t n = 0;

	if (meta_get_int(m->store, name, &n) < 0)
		n = 0;
	free(name);
	return n;
}

static int
keep_number(struct mdm *m, const char *what, const char *topic, int64_t n)
{
	char *name = meta_name(what, topic);
	int rc = meta_put_int(m->store, name, n);

	free(name);
	return rc;
}

static int
keep_clock(struct mdm *m, struct clock *k)
{
	int rc = 0;

	if (k->c.resumed != k->kept_resumed)
		rc = keep_number(m, "service-resumed", k->topic, k->c.resumed);
	if (rc == 0 && k->c.seconds != k->kept)
		rc = keep_number(m, "service-clock", k->topic, k->c.seconds);
	if (rc < 0)
		return rc;
	k->kept = k->c.seconds;
	k->kept_resumed = k->c.resumed;
	return 0;
}

static void
keep(struct service *s, int64_t now_ms)
{
	struct clock *k;
	int rc = 0;

	for (k = s->clocks; k && rc == 0; k = k->next)
		rc = keep_clock(s->m, k);
	if (rc == 0 && s->run != s->kept_run)
		rc = meta_put_int(s->m->store, "service-run", s->run);
	if (rc == 0 && s->run != s->kept_run)
		rc = meta_put_int(s->m->store, "service-wall", mdm_now(s->m));
	if (rc < 0) {
		log_debug("the service clocks are not kept: the store takes no changes");
		return;
	}
	s->kept_run = s->run;
	s->kept_ms = now_ms;
}

struct service *
service_new(struct mdm *m)
{
	struct service *s = xcalloc(1, sizeof(*s));
	int64_t wall, now = mdm_now(m);

	s->m = m;
	if (meta_get_int(m->store, "service-run", &s->run) < 0)
		s->run = 0;
	s->kept_run = s->run;
	s->outage = meta_get_int(m->store, "service-wall", &wall) < 0 ||
		    now - wall > INACTIVITY_OUTAGE || wall > now + WALL_MARGIN;
	m->service = s;
	return s;
}

void
service_free(struct service *s)
{
	struct clock *k, *next;

	if (!s)
		return;
	reach_stop();
	keep(s, 0);
	for (k = s->clocks; k; k = next) {
		next = k->next;
		free(k->topic);
		free(k->words);
		free(k);
	}
	s->m->service = NULL;
	free(s->unreached);
	free(s);
}

/* ---- clocks ---- */

static struct clock *
find(const struct mdm *m, const char *topic)
{
	struct clock *k;

	for (k = m->service && topic ? m->service->clocks : NULL; k; k = k->next)
		if (strcmp(k->topic, topic) == 0)
			return k;
	return NULL;
}

static struct clock *
clock_new(struct service *s, const char *topic)
{
	struct clock *k = xcalloc(1, sizeof(*k));

	k->topic = xstrdup(topic);
	k->kept = kept_number(s->m, "service-clock", topic);
	k->kept_resumed = kept_number(s->m, "service-resumed", topic);
	service_clock_init(&k->c, k->kept, k->kept_resumed, s->outage);
	k->next = s->clocks;
	s->clocks = k;
	return k;
}

/* A clock for each topic that has devices or a connection. */
static int
clock_for_line(void *arg, const struct pusher_line *line)
{
	struct service *s = arg;

	if (!find(s->m, line->topic))
		clock_new(s, line->topic);
	return 0;
}

static void
add_clocks(struct service *s)
{
	const char *topic;
	uint16_t i;

	for (i = 1; (topic = roster_topic(s->m->roster, i)) != NULL; i++)
		if (!find(s->m, topic))
			clock_new(s, topic);
	pusher_each(s->m, clock_for_line, s);
}

/* ---- what is looked at ---- */

/* Devices of which an answer is awaited. */
static size_t
enrolled(const struct mdm *m)
{
	struct roster_counts n;

	roster_counts(m->roster, &n);
	return n.state[STATE_ENROLLED];
}

/* Behind proxies alone, their certificate is theirs to look after: devices tell. */
static bool
serves_tls(const struct conf *c)
{
	size_t i;

	for (i = 0; i < c->listen_count; i++)
		if (c->listen[i].tls)
			return true;
	return false;
}

static bool
names_host(X509 *leaf, const struct conf *c)
{
	char *host = conf_server_host(c);
	bool fits = host && (X509_check_host(leaf, host, 0, 0, NULL) == 1 ||
				    X509_check_ip_asc(leaf, host, 0) == 1);

	free(host);
	return fits;
}

static bool
tls_valid(const struct mdm *m, char **words)
{
	const struct certpair *p = &m->certs->tls;
	int64_t now = mdm_now(m);

	if (!serves_tls(m->conf))
		return true;
	if (!p->chain)
		*words = xstrdup("there is no TLS certificate");
	else if (p->not_after <= now || p->not_before > now)
		*words = xasprintf("the TLS certificate (%s) %s", p->cert_file,
			p->not_before > now ? "is not valid yet" : "is expired");
	else if (!names_host(certpair_leaf(p), m->conf))
		*words = xasprintf("the TLS certificate (%s) is not for %s", p->cert_file,
			m->conf->server_name);
	return !*words;
}

struct connection {
	const char *topic;
	bool found, connected;
	int64_t since;
	char words[256];
};

static int
look_at_line(void *arg, const struct pusher_line *line)
{
	struct connection *c = arg;
	size_t len = line->words ? strnlen(line->words, sizeof(c->words) - 1) : 0;

	if (strcmp(line->topic, c->topic) != 0)
		return 0;
	c->found = true;
	c->connected = line->state == APNS_CONNECTED;
	c->since = line->since;
	memcpy(c->words, line->words ? line->words : "", len);
	c->words[len] = '\0';
	return 1;
}

static char *
words_unheard(const struct service *s)
{
	char after[32];

	duration_words(inactivity_heard(s->m->conf->lock_after) / 1000, after, sizeof(after));
	if (s->reached)
		return xasprintf("no device came for %s. https://%s/version answers this server, "
				 "but that %zu devices are silent at once is taken for an outage",
			after, s->m->conf->server_name, enrolled(s->m));
	return xasprintf("no device came for %s, and https://%s/version does not answer this "
			 "server either%s%s",
		after, s->m->conf->server_name, s->unreached ? ": " : "",
		s->unreached ? s->unreached : "");
}

static char *
words_for(const struct service *s, enum standing why, const struct connection *c, char *tls)
{
	switch (why) {
	case STANDING_STORE:
		return xstrdup("the store takes no changes");
	case STANDING_PUSH:
		return xasprintf("there is no connection to Apple's push service%s%s",
			c->words[0] ? ": " : "", c->words);
	case STANDING_TLS:
		return xstrdup(tls ? tls : "");
	case STANDING_UNHEARD:
		return words_unheard(s);
	case STANDING_NO:
	case STANDING_COUNT:
		break;
	}
	return xstrdup("");
}

static void
tick_clock(struct service *s, struct clock *k, const struct look *l)
{
	struct connection c = { .topic = k->topic };
	struct service_signs signs = l->signs;

	pusher_each(s->m, look_at_line, &c);
	signs.push_connected = c.connected;
	signs.connection = c.since;
	if (service_clock_tick(&k->c, &signs)) {
		k->since = k->c.standing == STANDING_NO ? 0 : mdm_now(s->m);
		log_info("the service clock of topic %s %s", k->topic,
			k->since ? "stands: silence of devices does not count" : "runs again");
	}
	free(k->words);
	k->words = words_for(s, k->c.standing, &c, l->tls_words);
}

/* ---- our own request ---- */

static void
reached(void *arg, const char *why)
{
	service_reached(arg, why);
}

/* Only where no device tells that we can be heard. */
static void
ask_ourselves(struct service *s, int64_t now_ms)
{
	int64_t pause = inactivity_heard(s->m->conf->lock_after) / REACH_PART;
	char *url;

	if (pause > REACH_MS)
		pause = REACH_MS;
	if (!s->m->worker || s->reaching || (s->reach_ms && now_ms - s->reach_ms < pause) ||
		(s->proof_ms && now_ms - s->proof_ms < pause))
		return;
	url = xasprintf("https://%s/version", s->m->conf->server_name);
	if (reach_ask(s->m->worker, url, s->m->certs->tls_root, reached, s->m) == 0) {
		s->reaching = true;
		s->reach_ms = now_ms;
	}
	free(url);
}

void
service_reached(struct mdm *m, const char *why)
{
	struct service *s = m->service;

	if (!s)
		return;
	s->reaching = false;
	free(s->unreached);
	s->unreached = why ? xstrdup(why) : NULL;
	s->reached = !why;
	/* A way of our own may lead past what keeps devices away: a fleet is not silent at once. */
	if (!why && enrolled(m) < INACTIVITY_FEW)
		service_served(m);
	if (why)
		log_debug("https://%s/version does not answer us: %s", m->conf->server_name, why);
}

void
service_served(struct mdm *m)
{
	if (!m->service)
		return;
	m->service->proof_ms = mdm_mono_ms(m);
	m->service->proof_wall = mdm_now(m);
}

/* ---- the tick ---- */

static void
count_run(struct service *s, int64_t now_ms)
{
	int64_t step = s->last_ms ? now_ms - s->last_ms : 0;

	if (step > 0 && step <= INACTIVITY_STEP_MS)
		s->run_ms += step;
	s->run += s->run_ms / 1000;
	s->run_ms %= 1000;
	s->last_ms = now_ms;
}

void
service_tick(struct mdm *m)
{
	struct service *s = m->service;
	struct store_numbers n;
	struct look l = { .tls_words = NULL };
	struct clock *k;

	if (!s)
		return;
	store_numbers(m->store, &n);
	l.signs.now_ms = mdm_mono_ms(m);
	l.signs.store_takes = n.fault == 0;
	l.signs.tls_valid = tls_valid(m, &l.tls_words);
	l.signs.proof_ms = s->proof_ms;
	l.signs.heard_ms = inactivity_heard(m->conf->lock_after);
	add_clocks(s);
	count_run(s, l.signs.now_ms);
	for (k = s->clocks; k; k = k->next)
		tick_clock(s, k, &l);
	if (l.signs.store_takes && l.signs.now_ms - s->kept_ms >= KEEP_MS)
		keep(s, l.signs.now_ms);
	ask_ourselves(s, l.signs.now_ms);
	free(l.tls_words);
}

/* ---- asking ---- */

const struct service_clock *
service_clock_of(const struct mdm *m, const char *topic)
{
	const struct clock *k = find(m, topic);

	return k ? &k->c : NULL;
}

int64_t
service_ahead(const struct mdm *m, const char *topic)
{
	const struct clock *k = find(m, topic);

	return k ? service_clock_ahead(&k->c, mdm_mono_ms(m)) : 0;
}

int64_t
service_run(const struct mdm *m)
{
	return m->service ? m->service->run : 0;
}

int64_t
service_heard(const struct mdm *m, const char **unreached)
{
	*unreached = m->service ? m->service->unreached : NULL;
	return m->service ? m->service->proof_wall : 0;
}

int
service_each(
	const struct mdm *m, int (*each)(void *arg, const struct service_line *line), void *arg)
{
	const struct clock *k;
	int rc = 0;

	for (k = m->service ? m->service->clocks : NULL; k && rc == 0; k = k->next) {
		struct service_line line = { k->topic, k->c.seconds, k->c.standing, k->since,
			k->words ? k->words : "" };

		rc = each(arg, &line);
	}
	return rc;
}
