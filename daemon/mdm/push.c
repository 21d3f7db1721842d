/* push.c - who is asked to connect, and what each answer of APNs means for it */
#include "mdm/push.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/table.h"
#include "mdm/party.h"
#include "mdm/reason.h"
#include "mdm/silence.h"
#include "policy/states.h"
#include "store/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESTORED_REST (7 * 86400) /* seconds after a restore in which 410 removes nobody */
#define GONE_MARGIN 300		  /* seconds by which a 410 must be later than the TokenUpdate */
#define REFUSED_MAX 8		  /* push certificates of one topic that Apple refused */
#define REFUSED_REST 3600	  /* seconds until a refused certificate is tried again */
#define ACCEPTED_MS (24 * 3600 * INT64_C(1000)) /* an accepted push speaks for the topic */

/* One topic's connection. */
struct line {
	struct pusher *pusher;
	char *topic;
	struct apns *apns;
	unsigned char cert[SHA256_LEN]; /* what it presents now; zero: nothing */
	unsigned char refused[REFUSED_MAX][SHA256_LEN];
	size_t refused_count;
	int64_t refused_at;
	int64_t accepted_ms; /* monotonic; when APNs last took a push; 0: never */
	bool kept;	     /* while certificates change */
	char *said;	     /* the words that were logged last */
	struct line *next;
};

/* One enrollment's ask.  Lives from the first ask until nothing is left to do for it. */
struct ask {
	struct pusher *pusher;
	char *id;
	char *topic;
	struct loop_timer *timer;
	unsigned char cert[SHA256_LEN]; /* that the push in flight was sent with */
	int64_t token_time;		/* of the token that the push in flight goes to */
	struct silence_ask silence;
	int64_t sent_ms; /* monotonic; of the last push */
	int64_t hold_ms; /* monotonic; APNs wants none before */
	int64_t due_ms;	 /* monotonic; when `again` will be heeded */
	unsigned failures;
	bool bulk, flying, again;
	bool waiting; /* for the topic's connection */
};

struct pusher {
	struct mdm *m;
	struct line *lines;
	struct table *asks; /* id -> struct ask */
	int64_t next_bulk_ms;
	struct log_budget chatter;
	struct pusher_numbers numbers;
	char *host, *trust;
	unsigned port;
	bool stopping;
};

static void fire(void *arg);

static void
ask_free(void *value)
{
	struct ask *a = value;

	loop_timer_free(a->timer);
	free(a->id);
	free(a->topic);
	free(a);
}

static void
ask_done(struct ask *a)
{
	table_delete(a->pusher->asks, bytes_str(a->id));
}

static struct ask *
ask_get(struct pusher *p, const char *id)
{
	struct ask *a = table_get(p->asks, bytes_str(id));

	if (a)
		return a;
	a = xcalloc(1, sizeof(*a));
	a->pusher = p;
	a->id = xstrdup(id);
	a->timer = loop_timer_new(p->m->loop, fire, a);
	a->sent_ms = clock_mono_ms() - PUSH_COALESCE_MS;
	a->bulk = true;
	table_put(p->asks, bytes_str(id), a);
	return a;
}

static struct line *
line_find(const struct pusher *p, const char *topic)
{
	struct line *l;

	for (l = p->lines; l; l = l->next)
		if (strcmp(l->topic, topic) == 0)
			return l;
	return NULL;
}

/* A user channel is there with its device. */
static bool
is_present(struct mdm *m, const struct enrollment *e)
{
	const char *id = channel_is_user(e->channel) ? e->parent : e->id;
	const struct roster_line *line = NULL;

	if (e->state != STATE_ENROLLED && e->state != STATE_INACTIVE)
		return false;
	if (id == e->id)
		return true;
	line = id ? roster_find(m->roster, id) : NULL;
	return line && (line->state == STATE_ENROLLED || line->state == STATE_INACTIVE);
}

static bool
can_push(struct mdm *m, const struct enrollment *e)
{
	return is_present(m, e) && e->topic && e->magic && e->token.len > 0 && !e->token_bad;
}

static bool
certificate_refused(const struct line *l, const unsigned char cert[SHA256_LEN])
{
	size_t i;

	for (i = 0; i < l->refused_count; i++)
		if (memcmp(l->refused[i], cert, SHA256_LEN) == 0)
			return true;
	return false;
}

static int
send_push(struct ask *a, const struct enrollment *e)
{
	struct pusher *p = a->pusher;
	struct line *l = line_find(p, e->topic);
	int64_t lifetime = p->m->conf->push.expiration;
	int rc;

	free(a->topic);
	a->topic = xstrdup(e->topic);
	if (!l || apns_state(l->apns) == APNS_REFUSED) {
		a->waiting = true;
		return 0;
	}
	rc = apns_push(l->apns, buf_bytes(&e->token), e->magic,
		lifetime > 0 ? mdm_now(p->m) + lifetime : 0, a->bulk, a);
	if (rc < 0)
		return rc;
	memcpy(a->cert, l->cert, SHA256_LEN);
	a->token_time = e->token_time;
	silence_sending(p->m, e, &a->silence);
	a->flying = true;
	a->again = false;
	a->sent_ms = clock_mono_ms();
	p->numbers.asked++;
	return 0;
}

static void
send_now(struct ask *a)
{
	struct pusher *p = a->pusher;
	struct enrollment *e = NULL;
	int rc;

	a->waiting = false;
	if (enrollment_load(p->m->store, a->id, &e) < 0 || !can_push(p->m, e)) {
		enrollment_free(e);
		ask_done(a);
		return;
	}
	rc = send_push(a, e);
	enrollment_free(e);
	if (rc == -ENOBUFS) {
		loop_timer_set(a->timer, 60000);
	} else if (rc < 0) {
		log_warn("%s cannot be pushed: its token or magic has an impossible length", a->id);
		ask_done(a);
	}
}

/* The timer's end: a push that was put off, or nothing more to do. */
static void
fire(void *arg)
{
	struct ask *a = arg;

	if (a->flying || a->waiting)
		return;
	if (a->again)
		send_now(a);
	else
		ask_done(a);
}

/* Bulk pushes are spread: each gets the next free slot of push.rate. */
static int64_t
bulk_delay(struct pusher *p, int64_t now)
{
	unsigned rate = p->m->conf->push.rate ? p->m->conf->push.rate : 1;
	int64_t delay;

	if (p->next_bulk_ms < now * 1000)
		p->next_bulk_ms = now * 1000;
	delay = p->next_bulk_ms / 1000 - now;
	p->next_bulk_ms += 1000000 / rate;
	return delay;
}

/* Sets the next push of an idle ask, unless one is due earlier already. */
static void
schedule(struct ask *a, int64_t delay)
{
	int64_t now = clock_mono_ms(), due = now + (delay > 0 ? delay : 0);

	if (due < a->sent_ms + PUSH_COALESCE_MS)
		due = a->sent_ms + PUSH_COALESCE_MS;
	if (due < a->hold_ms)
		due = a->hold_ms;
	if (a->again && a->due_ms <= due) {
		a->pusher->numbers.coalesced++;
		return;
	}
	a->again = true;
	a->due_ms = due;
	loop_timer_set(a->timer, due - now);
}

void
pusher_ask(struct mdm *m, const char *id, bool bulk)
{
	struct pusher *p = m->pusher;
	struct ask *a;

	if (!p || p->stopping)
		return;
	a = ask_get(p, id);
	if (!bulk)
		a->bulk = false;
	/* In flight: the device may have asked before what is new came; so once more after it. */
	if (a->flying || a->waiting) {
		a->again = a->flying;
		p->numbers.coalesced++;
		return;
	}
	schedule(a, bulk && !a->again ? bulk_delay(p, clock_mono_ms()) : 0);
}

void
pusher_ask_later(struct mdm *m, const char *id, int64_t seconds)
{
	struct ask *a;

	if (!m->pusher || m->pusher->stopping)
		return;
	a = ask_get(m->pusher, id);
	if (!a->flying && !a->waiting)
		schedule(a, seconds * 1000);
}

struct after {
	struct mdm *m;
	bool bulk;
	char id[];
};

static void
after_commit(void *arg, int err)
{
	struct after *a = arg;

	if (err == 0)
		pusher_ask(a->m, a->id, a->bulk);
	free(a);
}

void
pusher_ask_after_commit(struct mdm *m, const char *id, bool bulk)
{
	struct after *a;

	if (!m->pusher)
		return;
	a = xmalloc(sizeof(*a) + strlen(id) + 1);
	a->m = m;
	a->bulk = bulk;
	memcpy(a->id, id, strlen(id) + 1);
	store_wait(m->store, after_commit, a);
}

static int
resume_one(void *arg, struct bytes key, struct bytes value)
{
	char *id = xstrndup((const char *)key.data + 1, key.len - 1);

	(void)value;
	pusher_ask(arg, id, true);
	free(id);
	return 0;
}

void
pusher_resume(struct mdm *m)
{
	if (m->pusher)
		store_each(m->store, bytes_str("q"), resume_one, m);
}

static void
say_answer(struct pusher *p, const char *id, const struct apns_answer *answer,
	const struct reason *reason)
{
	unsigned swallowed = 0;

	if (!log_allowed(&p->chatter, clock_mono_ms(), &swallowed))
		return;
	log_event(EV_PUSH_FAILED, FIELDS(F_ENROLLMENT(id), F_REASON(answer->reason)),
		"Push to %s failed (%d %s): %s", id, answer->status, answer->reason,
		reason->sentence);
}

/* Try the push again after `seconds`. */
static void
put_off(struct ask *a, int seconds)
{
	a->again = true;
	a->hold_ms = a->due_ms = clock_mono_ms() + (int64_t)seconds * 1000;
	a->pusher->numbers.retried++;
	loop_timer_set(a->timer, (int64_t)seconds * 1000);
}

/* What APNs knows of this token only counts for the token that the enrollment still has. */
static void
token_refused(struct ask *a, struct enrollment *e)
{
	if (e->token_time != a->token_time)
		return;
	e->token_bad = true;
	silence_asked(a->pusher->m, e, &a->silence);
	if (enrollment_save(a->pusher->m->store, e) < 0)
		log_debug("the bad token of %s is not noted: the store takes no changes", e->id);
}

static void
token_gone(struct ask *a, struct enrollment *e, const struct apns_answer *answer)
{
	struct pusher *p = a->pusher;
	struct state_outcome o;

	if (e->token_time != a->token_time || answer->timestamp <= e->token_time + GONE_MARGIN)
		return;
	p->numbers.gone++;
	/* A token from a backup may be an old one of a device that is well. */
	if (channel_is_user(e->channel) ||
		(e->token_time <= p->m->restored_at &&
			mdm_now(p->m) - p->m->restored_at < RESTORED_REST)) {
		token_refused(a, e);
		return;
	}
	o = state_decide(e->state, e->removal, ON_PUSH_GONE);
	if (o.action == ACT_REMOVE && party_remove(p->m, e, o.removal, NULL) < 0)
		log_debug("the removal of %s is not noted: the store takes no changes", e->id);
}

/*
 * Tokens of the wrong environment or topic look like this one after the other: as long as no token
 * of the topic is accepted, it may be our fault, says nothing of the device, and is tried again.
 */
static void
token_doubted(struct ask *a, const struct line *l, struct enrollment *e)
{
	int64_t now = clock_mono_ms();

	if (l->accepted_ms && now - l->accepted_ms <= ACCEPTED_MS)
		token_refused(a, e);
	else
		silence_not_asked(a->pusher->m, a->id, &a->silence);
}

static void line_use_next(struct line *l);

/*
 * Apple refuses a certificate: the next one of the topic has its turn.  False: known already.  By
 * the time a push's answer is heard, its certificate may have given way to another.
 */
static bool
certificate_refuse(struct line *l, const unsigned char cert[SHA256_LEN])
{
	bool in_use = memcmp(cert, l->cert, SHA256_LEN) == 0;

	if (certificate_refused(l, cert) || l->refused_count == REFUSED_MAX)
		return false;
	memcpy(l->refused[l->refused_count++], cert, SHA256_LEN);
	l->refused_at = mdm_now(l->pusher->m);
	if (in_use)
		line_use_next(l);
	return true;
}

static void
rejected(struct ask *a, struct line *l, struct enrollment *e, const struct apns_answer *answer)
{
	const struct reason *reason = reason_find(answer->status, answer->reason);

	a->pusher->numbers.rejected++;
	if (reason->action != REASON_STOP)
		say_answer(a->pusher, a->id, answer, reason);
	switch (reason->action) {
	case REASON_TOKEN_BAD:
		token_doubted(a, l, e);
		return;
	case REASON_GONE:
		token_gone(a, e, answer);
		break;
	case REASON_SLOW:
	case REASON_LATER:
	case REASON_AGAIN:
		put_off(a, reason_delay(reason->action, ++a->failures));
		break;
	case REASON_STOP:
		a->waiting = true;
		if (certificate_refuse(l, a->cert))
			log_event(EV_PUSH_REFUSED,
				FIELDS(F_TOPIC(l->topic), F_REASON(answer->reason)),
				"Apple refuses pushes for topic %s (%s): %s", l->topic,
				answer->reason, reason->sentence);
		break;
	case REASON_NOTE:
		break;
	}
	silence_not_asked(a->pusher->m, a->id, &a->silence);
}

static void
accepted(struct ask *a, struct line *l, struct enrollment *e, const struct apns_answer *answer)
{
	a->failures = 0;
	l->accepted_ms = clock_mono_ms();
	a->pusher->numbers.accepted++;
	e->last_push = answer->sent_at;
	silence_asked(a->pusher->m, e, &a->silence);
	if (enrollment_save(a->pusher->m->store, e) < 0)
		log_debug("the push to %s is not noted: the store takes no changes", e->id);
}

static void
on_answer(void *arg, struct apns *apns, void *tag, const struct apns_answer *answer)
{
	struct line *l = arg;
	struct ask *a = tag;
	struct enrollment *e = NULL;

	(void)apns;
	a->flying = false;
	if (answer->result == APNS_UNSENT) {
		silence_not_asked(l->pusher->m, a->id, &a->silence);
		a->waiting = true;
		return;
	}
	if (enrollment_load(l->pusher->m->store, a->id, &e) < 0) {
		ask_done(a);
		return;
	}
	/* A timer that is set here lets the ask go, or go on, when its time is over. */
	loop_timer_set(a->timer, PUSH_COALESCE_MS);
	if (answer->result == APNS_ACCEPTED)
		accepted(a, l, e, answer);
	else
		rejected(a, l, e, answer);
	enrollment_free(e);
}

struct flush {
	struct ask **asks;
	size_t count;
	const char *topic;
};

static int
collect_waiting(void *arg, struct bytes key, void *value)
{
	struct flush *f = arg;
	struct ask *a = value;

	(void)key;
	if (!a->waiting || !a->topic || strcmp(a->topic, f->topic) != 0)
		return 0;
	f->asks = xrealloc(f->asks, (f->count + 1) * sizeof(struct ask *));
	f->asks[f->count++] = a;
	return 0;
}

/* Connected again: what could not be pushed, paced as bulk. */
static void
flush(struct line *l)
{
	struct pusher *p = l->pusher;
	struct flush f = { NULL, 0, l->topic };
	size_t i;

	table_each(p->asks, collect_waiting, &f);
	for (i = 0; i < f.count; i++) {
		f.asks[i]->waiting = f.asks[i]->again = false;
		schedule(f.asks[i], bulk_delay(p, clock_mono_ms()));
	}
	free(f.asks);
}

/*
 * Connecting is chatter, and so is the same trouble again; the words decide.  A chain that nobody
 * here knows has an event of its own, by net's words for it.
 */
static void
say_state(struct line *l, enum apns_state s, const char *words)
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
	struct line *l = arg;

	(void)apns;
	if (l->pusher->stopping)
		return;
	say_state(l, s, words ? words : "");
	if (s == APNS_CONNECTED)
		flush(l);
	else if (s == APNS_REFUSED)
		certificate_refuse(l, l->cert);
}

/*
 * The best certificate of the topic that Apple did not refuse; all refused: the best one stays, so
 * that its words are seen, until it is replaced or an hour is over.
 */
static const struct certpair *
pick_pair(const struct line *l)
{
	const struct mdm *m = l->pusher->m;
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
absence(const struct line *l)
{
	const struct certdir *d = l->pusher->m->certs;
	size_t i;

	for (i = 0; i < d->push_count; i++)
		if (strcmp(d->push[i].topic, l->topic) == 0)
			return d->push[i].not_after < mdm_now(l->pusher->m)
				       ? "its push certificate is expired; renew it with "
					 "cordon-csr renew"
				       : "its push certificate is not valid yet; is the clock "
					 "right?";
	return "it has no push certificate: its devices can only be met when they poll, and must "
	       "be enrolled again";
}

static void
present(struct line *l, const struct certpair *pair)
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
line_use_next(struct line *l)
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

static struct line *
line_new(struct pusher *p, const char *topic)
{
	struct apns_options o = {
		.topic = topic, .host = p->host, .port = p->port, .trust = p->trust
	};
	struct line *l = xcalloc(1, sizeof(*l));
	struct apns_callbacks cb = { on_state, on_answer, l };

	l->pusher = p;
	l->topic = xstrdup(topic);
	l->apns = apns_new(p->m->loop, &o, &cb);
	l->next = p->lines;
	p->lines = l;
	return l;
}

/* Unanswered pushes come back as APNS_UNSENT and wait for another line. */
static void
line_free(struct line *l)
{
	apns_free(l->apns);
	free(l->topic);
	free(l->said);
	free(l);
}

static void
lines_sweep(struct pusher *p)
{
	struct line **at = &p->lines, *l;

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
keep_line(struct pusher *p, const char *topic)
{
	struct line *l = line_find(p, topic);

	if (!l)
		l = line_new(p, topic);
	l->kept = true;
}

/* A topic without certificate has a line while devices are enrolled under it: they cannot be met,
 * and status must say so. */
static void
keep_lines(struct pusher *p)
{
	const char *topic;
	struct line *l;
	uint16_t i;

	for (l = p->lines; l; l = l->next)
		l->kept = false;
	for (i = 1; (topic = roster_topic(p->m->roster, i)) != NULL; i++)
		if (roster_topic_devices(p->m->roster, topic) > 0)
			keep_line(p, topic);
}

static void
forget_refusals(struct line *l)
{
	if (l->refused_count == 0 || mdm_now(l->pusher->m) - l->refused_at < REFUSED_REST)
		return;
	l->refused_count = 0;
}

static bool
same_endpoint(const struct pusher *p)
{
	const struct conf *c = p->m->conf;

	return strcmp(p->host, c->push.host) == 0 && strcmp(p->trust, c->push.trust) == 0 &&
	       p->port == c->push.port;
}

static void
set_endpoint(struct pusher *p)
{
	free(p->host);
	free(p->trust);
	p->host = xstrdup(p->m->conf->push.host);
	p->trust = xstrdup(p->m->conf->push.trust ? p->m->conf->push.trust : "system");
	p->port = p->m->conf->push.port;
}

void
pusher_certs_changed(struct mdm *m)
{
	struct pusher *p = m->pusher;
	struct line *l;
	size_t i;

	if (!p || p->stopping)
		return;
	if (!same_endpoint(p)) {
		for (l = p->lines; l; l = l->next)
			l->kept = false;
		lines_sweep(p);
		set_endpoint(p);
	}
	keep_lines(p);
	for (i = 0; i < m->certs->push_count; i++) {
		if (mdm_topic_allowed(m, m->certs->push[i].topic))
			keep_line(p, m->certs->push[i].topic);
	}
	lines_sweep(p);
	for (l = p->lines; l; l = l->next) {
		forget_refusals(l);
		present(l, pick_pair(l));
	}
}

struct pusher *
pusher_new(struct mdm *m)
{
	struct pusher *p = xcalloc(1, sizeof(*p));

	p->m = m;
	p->asks = table_new(ask_free);
	p->chatter = (struct log_budget){ .burst = 20, .every_s = 30 };
	set_endpoint(p);
	m->pusher = p;
	pusher_certs_changed(m);
	return p;
}

void
pusher_free(struct pusher *p)
{
	struct line *l;

	if (!p)
		return;
	p->stopping = true;
	for (l = p->lines; l; l = l->next)
		l->kept = false;
	lines_sweep(p);
	table_free(p->asks);
	if (p->m->pusher == p)
		p->m->pusher = NULL;
	free(p->host);
	free(p->trust);
	free(p);
}

static void
describe(const struct line *l, struct pusher_line *ret)
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
pusher_each(const struct mdm *m, int (*each)(void *arg, const struct pusher_line *line), void *arg)
{
	struct pusher_line line;
	struct line *l;
	int rc = 0;

	for (l = m->pusher ? m->pusher->lines : NULL; l && rc == 0; l = l->next) {
		describe(l, &line);
		rc = each(arg, &line);
	}
	return rc;
}

bool
pusher_main(const struct mdm *m, struct pusher_line *ret)
{
	const struct certpair *pair = m->pusher ? mdm_push_pair(m) : NULL;
	struct line *l = pair ? line_find(m->pusher, pair->topic) : NULL;

	if (!l && m->pusher && m->pusher->lines && !m->pusher->lines->next)
		l = m->pusher->lines;
	if (!l)
		return false;
	describe(l, ret);
	return true;
}

static int
count_waiting(void *arg, struct bytes key, void *value)
{
	(void)key;
	*(size_t *)arg += ((const struct ask *)value)->waiting;
	return 0;
}

void
pusher_numbers(const struct mdm *m, struct pusher_numbers *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!m->pusher)
		return;
	*ret = m->pusher->numbers;
	table_each(m->pusher->asks, count_waiting, &ret->waiting);
}
