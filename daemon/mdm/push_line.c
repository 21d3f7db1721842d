/* push_line.c - a topic's line to Apple */
#include "mdm/push_line.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define REFUSED_MAX 8	  /* push certificates of one topic that Apple refused */
#define REFUSED_REST 3600 /* seconds until a refused certificate is tried again */
#define ACCEPTED_MS (24 * 3600 * INT64_C(1000)) /* an accepted push speaks for the topic */

struct push_line {
	struct push_lines *all;
	char *topic;
	struct apns *apns;
	unsigned char cert[SHA256_LEN]; /* what it presents now; zero: nothing */
	unsigned char refused[REFUSED_MAX][SHA256_LEN];
	size_t refused_count;
	int64_t refused_at;
	int64_t accepted_ms; /* monotonic; when APNs last took a push; 0: never */
	bool kept;	     /* while certificates change */
	char *said;	     /* the words that were logged last */
	struct push_line *next;
};

struct push_lines {
	struct mdm *m;
	struct push_line_callbacks cb;
	struct push_line *first;
	char *host, *trust;
	unsigned port;
	bool stopping;
};

struct push_line *
push_lines_find(const struct push_lines *all, const char *topic)
{
	struct push_line *l;

	for (l = all->first; l; l = l->next)
		if (strcmp(l->topic, topic) == 0)
			return l;
	return NULL;
}

struct push_line *
push_lines_only(const struct push_lines *all)
{
	return all->first && !all->first->next ? all->first : NULL;
}

static bool
certificate_refused(const struct push_line *l, const unsigned char cert[SHA256_LEN])
{
	size_t i;

	for (i = 0; i < l->refused_count; i++)
		if (memcmp(l->refused[i], cert, SHA256_LEN) == 0)
			return true;
	return false;
}

/*
 * The best certificate of the topic that Apple did not refuse; all refused: the best one stays, so
 * that its words are seen, until it is replaced or an hour is over.
 */
static const struct certpair *
pick_pair(const struct push_line *l)
{
	const struct mdm *m = l->all->m;
	int64_t now = mdm_now(m);
	const struct certpair *p;
	size_t i;

	for (i = 0; i < m->certs->push_count; i++) {
		p = &m->certs->push[i];
		if (strcmp(p->topic, l->topic) == 0 && p->not_before <= now && p->not_after > now &&
			!certificate_refused(l, p->sha256))
			return p;
	}
	return certdir_push_for(m->certs, l->topic, now);
}

/* Why there is nothing to present. */
static const char *
absence(const struct push_line *l)
{
	const struct certdir *d = l->all->m->certs;
	size_t i;

	for (i = 0; i < d->push_count; i++)
		if (strcmp(d->push[i].topic, l->topic) == 0)
			return d->push[i].not_after < mdm_now(l->all->m)
				       ? "its push certificate is expired; renew it with "
					 "cordon-csr renew"
				       : "its push certificate is not valid yet; is the clock "
					 "right?";
	return "it has no push certificate: its devices can only be met when they poll, and must "
	       "be enrolled again";
}

static void
present(struct push_line *l, const struct certpair *pair)
{
	static const unsigned char nothing[SHA256_LEN];

	if (!pair) {
		memcpy(l->cert, nothing, SHA256_LEN);
		apns_set_identity(l->apns, NULL, NULL, absence(l));
		return;
	}
	if (memcmp(l->cert, pair->sha256, SHA256_LEN) == 0)
		return;
	memcpy(l->cert, pair->sha256, SHA256_LEN);
	apns_set_identity(l->apns, pair->chain, pair->key, "");
}

static void
use_next(struct push_line *l)
{
	const struct certpair *next = pick_pair(l);

	if (next && memcmp(next->sha256, l->cert, SHA256_LEN) != 0 &&
		!certificate_refused(l, next->sha256))
		log_event(EV_CERT_IN_USE, FIELDS(F_FILE(next->cert_file), F_TOPIC(l->topic)),
			"%s: this push certificate for topic %s has its turn, because Apple "
			"refuses the one before",
			next->cert_file, l->topic);
	present(l, next);
}

bool
push_line_refuse(struct push_line *l, const unsigned char cert[SHA256_LEN])
{
	bool in_use = memcmp(cert, l->cert, SHA256_LEN) == 0;

	if (certificate_refused(l, cert) || l->refused_count == REFUSED_MAX)
		return false;
	memcpy(l->refused[l->refused_count++], cert, SHA256_LEN);
	l->refused_at = mdm_now(l->all->m);
	if (in_use)
		use_next(l);
	return true;
}

/*
 * Connecting is chatter, and so is the same trouble again; the words decide.  A chain that nobody
 * here knows has an event of its own, by net's words for it.
 */
static void
say_state(struct push_line *l, enum apns_state s, const char *words)
{
	enum event ev = s == APNS_REFUSED ? EV_PUSH_REFUSED : EV_PUSH_STATE;
	char *said = xasprintf("%s: %s", apns_state_name(s), words);

	if (s == APNS_DISCONNECTED && strstr(words, "intercepts TLS"))
		ev = EV_PUSH_INTERCEPTED;
	if (s == APNS_CONNECTING || (l->said && strcmp(l->said, said) == 0)) {
		log_debug("push for topic %s: %s", l->topic, said);
		free(said);
		return;
	}
	log_event(ev, FIELDS(F_TOPIC(l->topic), F_STATE(apns_state_name(s)), F_REASON(words)),
		"Apple MDM push notification status for topic %s: %s%s%s", l->topic,
		apns_state_name(s), *words ? ": " : "", words);
	free(l->said);
	l->said = said;
}

static void
on_state(void *arg, struct apns *apns, enum apns_state s, const char *words)
{
	struct push_line *l = arg;

	(void)apns;
	if (l->all->stopping)
		return;
	say_state(l, s, words ? words : "");
	if (s == APNS_CONNECTED)
		l->all->cb.connected(l->all->cb.arg, l->topic);
	else if (s == APNS_REFUSED)
		push_line_refuse(l, l->cert);
}

static void
on_answer(void *arg, struct apns *apns, void *tag, const struct apns_answer *answer)
{
	struct push_line *l = arg;

	(void)apns;
	l->all->cb.answer(l->all->cb.arg, l, tag, answer);
}

static struct push_line *
line_new(struct push_lines *all, const char *topic)
{
	struct apns_options o = {
		.topic = topic, .host = all->host, .port = all->port, .trust = all->trust
	};
	struct push_line *l = xcalloc(1, sizeof(*l));
	struct apns_callbacks cb = { on_state, on_answer, l };

	l->all = all;
	l->topic = xstrdup(topic);
	l->apns = apns_new(all->m->loop, &o, &cb);
	l->next = all->first;
	all->first = l;
	return l;
}

/* Unanswered pushes come back as APNS_UNSENT and wait for another line. */
static void
line_free(struct push_line *l)
{
	apns_free(l->apns);
	free(l->topic);
	free(l->said);
	free(l);
}

static void
sweep(struct push_lines *all)
{
	struct push_line **at = &all->first, *l;

	while ((l = *at) != NULL) {
		if (l->kept) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		line_free(l);
	}
}

static void
keep_line(struct push_lines *all, const char *topic)
{
	struct push_line *l = push_lines_find(all, topic);

	if (!l)
		l = line_new(all, topic);
	l->kept = true;
}

/* A topic without certificate has a line while devices are enrolled under it: they cannot be met,
 * and status must say so. */
static void
keep_lines(struct push_lines *all)
{
	const char *topic;
	struct push_line *l;
	uint16_t i;

	for (l = all->first; l; l = l->next)
		l->kept = false;
	for (i = 1; (topic = roster_topic(all->m->roster, i)) != NULL; i++)
		if (roster_topic_devices(all->m->roster, topic) > 0)
			keep_line(all, topic);
}

static void
forget_refusals(struct push_line *l)
{
	if (l->refused_count == 0 || mdm_now(l->all->m) - l->refused_at < REFUSED_REST)
		return;
	l->refused_count = 0;
}

static bool
same_endpoint(const struct push_lines *all)
{
	const struct conf *c = all->m->conf;

	return strcmp(all->host, c->push.host) == 0 && strcmp(all->trust, c->push.trust) == 0 &&
	       all->port == c->push.port;
}

static void
set_endpoint(struct push_lines *all)
{
	free(all->host);
	free(all->trust);
	all->host = xstrdup(all->m->conf->push.host);
	all->trust = xstrdup(all->m->conf->push.trust ? all->m->conf->push.trust : "system");
	all->port = all->m->conf->push.port;
}

void
push_lines_update(struct push_lines *all)
{
	struct mdm *m = all->m;
	struct push_line *l;
	size_t i;

	if (!same_endpoint(all)) {
		for (l = all->first; l; l = l->next)
			l->kept = false;
		sweep(all);
		set_endpoint(all);
	}
	keep_lines(all);
	for (i = 0; i < m->certs->push_count; i++) {
		if (mdm_topic_allowed(m, m->certs->push[i].topic))
			keep_line(all, m->certs->push[i].topic);
	}
	sweep(all);
	for (l = all->first; l; l = l->next) {
		forget_refusals(l);
		present(l, pick_pair(l));
	}
}

struct push_lines *
push_lines_new(struct mdm *m, const struct push_line_callbacks *cb)
{
	struct push_lines *all = xcalloc(1, sizeof(*all));

	all->m = m;
	all->cb = *cb;
	set_endpoint(all);
	return all;
}

void
push_lines_free(struct push_lines *all)
{
	struct push_line *l;

	all->stopping = true;
	for (l = all->first; l; l = l->next)
		l->kept = false;
	sweep(all);
	free(all->host);
	free(all->trust);
	free(all);
}

const char *
push_line_topic(const struct push_line *l)
{
	return l->topic;
}

void
push_line_describe(const struct push_line *l, struct pusher_line *ret)
{
	*ret = (struct pusher_line){ .topic = l->topic,
		.state = apns_state(l->apns),
		.words = apns_words(l->apns),
		.cert = l->cert,
		.since = apns_since(l->apns),
		.waiting = apns_waiting(l->apns),
		.in_flight = apns_in_flight(l->apns) };
}

int
push_lines_each(const struct push_lines *all,
	int (*each)(void *arg, const struct pusher_line *line), void *arg)
{
	struct pusher_line line;
	struct push_line *l;
	int rc = 0;

	for (l = all->first; l && rc == 0; l = l->next) {
		push_line_describe(l, &line);
		rc = each(arg, &line);
	}
	return rc;
}

bool
push_line_usable(const struct push_line *l)
{
	return apns_state(l->apns) != APNS_REFUSED;
}

int
push_line_send(struct push_line *l, struct bytes token, const char *magic, int64_t expiration,
	bool bulk, void *tag, unsigned char ret_cert[SHA256_LEN])
{
	int rc = apns_push(l->apns, token, magic, expiration, bulk, tag);

	if (rc == 0)
		memcpy(ret_cert, l->cert, SHA256_LEN);
	return rc;
}

void
push_line_accepted(struct push_line *l)
{
	l->accepted_ms = clock_mono_ms();
}

bool
push_line_proven(const struct push_line *l)
{
	return l->accepted_ms && clock_mono_ms() - l->accepted_ms <= ACCEPTED_MS;
}
