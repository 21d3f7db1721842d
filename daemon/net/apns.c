/* apns.c - one topic's line to APNs: its state, what waits, when to dial again */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/apns.h"
#include "net/apns_conn.h"
#include "net/apns_words.h"
#include "net/loop.h"
#include "net/tls.h"

#define PING_IDLE_MS 3600000
#define DRAINING_MAX 4	/* connections that still wait for answers, beside the one in use */
#define PROVEN_MS 60000 /* a connection that held so long was a good one */
#define HOLD_MS 250	/* after REFUSED_STREAM on a connection that goes on */

struct apns {
	struct loop *loop;
	char *topic, *host, *trust;
	unsigned port;
	int64_t ping_idle;
	struct apns_times times;
	struct apns_callbacks cb;

	SSL_CTX *ctx; /* NULL: no identity */
	int refused;  /* Apple refused this identity: no dialling until there is another */
	int closing;

	enum apns_state state;
	char *words;
	char *failure; /* why the last attempt failed, while the next one is on; NULL */
	int64_t since;
	int announce; /* the state's callback is due */

	struct apns_queue waiting;
	struct apns_items answers; /* to be told to the pusher */
	struct apns_conn *conn;	   /* the one that takes pushes, or will */
	struct apns_conn *draining[DRAINING_MAX];
	size_t draining_count;

	char id[UUID_LEN + 1]; /* the beginning of every apns-id */
	uint64_t named;

	unsigned failures; /* in a row */
	struct loop_timer *redial, *hold;
	int held;
	struct event *work;
	int telling, freed; /* callbacks run; apns_free was called by one of them */
};

static const struct apns_times times_default = {
	.connect = 10000,
	.answer = 30000,
	.ping_wait = 15000,
	.backoff = 1000,
	.backoff_max = 15 * 60000,
};

const char *
apns_state_name(enum apns_state s)
{
	static const char *const names[] = {
		[APNS_DISCONNECTED] = "Disconnected",
		[APNS_CONNECTING] = "Connecting",
		[APNS_CONNECTED] = "Connected",
		[APNS_REFUSED] = "Refused",
	};

	return s <= APNS_REFUSED ? names[s] : "";
}

/*
 * All that follows from an event happens in one place, `settle`, run by the loop: so nothing is
 * freed under the feet of nghttp2 or libevent, and callbacks may do as they like.
 */
static void
settle_soon(void *arg)
{
	struct apns *a = arg;

	event_active(a->work, EV_TIMEOUT, 0);
}

/* Takes the words. */
static void
set_state(struct apns *a, enum apns_state s, char *words)
{
	if (a->state != s)
		a->since = clock_wall();
	a->state = s;
	free(a->words);
	a->words = words;
	a->announce = 1;
	settle_soon(a);
}

static void
dial(struct apns *a)
{
	const struct apns_conn_options o = {
		.host = a->host,
		.topic = a->topic,
		.port = a->port,
		.ctx = a->ctx,
		.ping_idle_ms = a->ping_idle,
		.times = a->times,
		.changed = settle_soon,
		.arg = a,
	};

	set_state(a, APNS_CONNECTING,
		xasprintf("connecting to %s:%u%s%s", a->host, a->port,
			a->failure ? "; the last time: " : "", a->failure ? a->failure : ""));
	a->conn = apns_conn_new(a->loop, &o);
}

static void
on_redial(void *arg)
{
	struct apns *a = arg;

	if (a->ctx && !a->refused && !a->conn)
		dial(a);
}

static void
on_hold_over(void *arg)
{
	struct apns *a = arg;

	a->held = 0;
	settle_soon(a);
}

/* Doubles from `backoff` to `backoff_max`; a first loss is made good at once, or nearly. */
static int64_t
pause_ms(const struct apns *a)
{
	int64_t most = a->times.backoff / 2, pause = a->times.backoff;
	uint32_t dice;

	if (a->failures > 0) {
		for (unsigned i = 1; i < a->failures && pause < a->times.backoff_max; i++)
			pause *= 2;
		most = pause < a->times.backoff_max ? pause : a->times.backoff_max;
	}
	/* Jitter, so that a fleet of servers does not come back as one. */
	random_bytes(&dice, sizeof(dice));
	if (a->failures == 0)
		return (int64_t)(dice % (uint64_t)(most + 1));
	return most / 2 + (int64_t)(dice % (uint64_t)(most / 2 + 1));
}

static void
redial_later(struct apns *a)
{
	loop_timer_set(a->redial, pause_ms(a));
	if (a->failures < 64)
		a->failures++;
}

static void collect(struct apns *a, struct apns_conn *c);

/* The connection takes no more pushes and ends when its streams are answered. */
static void
drain(struct apns *a)
{
	struct apns_conn *first;

	if (!a->conn)
		return;
	if (a->draining_count == DRAINING_MAX) {
		first = a->draining[0];
		apns_conn_cut(first, "too many connections wait for their last answers");
		collect(a, first);
		apns_conn_free(first);
		memmove(a->draining, a->draining + 1, sizeof(a->draining[0]) * --a->draining_count);
	}
	a->draining[a->draining_count++] = a->conn;
	a->conn = NULL;
}

static void
refuse(struct apns *a, const char *reason)
{
	a->refused = 1;
	loop_timer_stop(a->redial);
	drain(a);
	set_state(a, APNS_REFUSED, apns_words_refused(reason, a->host));
}

/* The connection in use was lost or told us to leave.  Takes the words. */
static void
lost(struct apns *a, char *words)
{
	int64_t opened = a->conn ? apns_conn_opened(a->conn) : 0;

	if (opened && clock_mono_ms() - opened >= PROVEN_MS)
		a->failures = 0;
	free(a->failure);
	a->failure = xstrdup(words);
	set_state(a, APNS_DISCONNECTED, words);
	redial_later(a);
}

static void
give_up(struct apns *a, struct apns_item *it, const char *why)
{
	it->outcome = APNS_UNKNOWN;
	it->status = 0;
	it->timestamp = 0;
	strncpy(it->reason, why, sizeof(it->reason) - 1);
	TAILQ_INSERT_TAIL(&a->answers, it, link);
}

/* True when the push is to be sent once more; otherwise it stands in `answers`. */
static int
again(struct apns *a, struct apns_item *it, int idle)
{
	if (it->outcome == APNS_REFUSED_UNSEEN) {
		it->sends--;
		if (++it->refusals < APNS_REFUSALS_MAX)
			return 1;
		give_up(a, it, "APNs refused the stream again and again");
		return 0;
	}
	if (it->outcome == APNS_ANSWERED && !idle) {
		TAILQ_INSERT_TAIL(&a->answers, it, link);
		return 0;
	}
	if (it->sends < APNS_SENDS_MAX)
		return 1;
	if (it->outcome == APNS_ANSWERED)
		TAILQ_INSERT_TAIL(&a->answers, it, link);
	else
		give_up(a, it, "APNs gave no answer");
	return 0;
}

struct omen {
	int idle, leave, refused, unseen;
	char reason[64];
};

/* What an answer says about the connection rather than about its push. */
static void
read_omen(struct apns *a, const struct apns_item *it, struct omen *o)
{
	o->idle = 0;
	if (it->outcome == APNS_REFUSED_UNSEEN)
		o->unseen = 1;
	if (it->outcome != APNS_ANSWERED)
		return;
	if (it->status == 200)
		a->failures = 0;
	if (it->status == 403 && !o->refused) {
		o->refused = 1;
		memcpy(o->reason, it->reason, sizeof(o->reason));
	}
	o->idle = it->status == 400 && strcmp(it->reason, "IdleTimeout") == 0;
	if (o->idle || (it->status == 503 && strcmp(it->reason, "Shutdown") == 0)) {
		o->leave = 1;
		memcpy(o->reason, it->reason, sizeof(o->reason));
	}
}

/* Takes the items whose streams ended. */
static void
collect(struct apns *a, struct apns_conn *c)
{
	struct apns_items back = TAILQ_HEAD_INITIALIZER(back), *done;
	struct apns_h2 *h = apns_conn_h2(c);
	struct omen omen = { 0 };
	struct apns_item *it;

	if (!h)
		return;
	done = apns_h2_done(h);
	while ((it = TAILQ_FIRST(done))) {
		TAILQ_REMOVE(done, it, link);
		if (it->outcome == APNS_ANSWERED)
			apns_item_decode(it);
		read_omen(a, it, &omen);
		if (again(a, it, omen.idle))
			TAILQ_INSERT_HEAD(&back, it, link);
	}
	/* Last one first, each to the front: they keep their order. */
	while ((it = TAILQ_FIRST(&back))) {
		TAILQ_REMOVE(&back, it, link);
		apns_queue_return(&a->waiting, it);
	}
	if (c != a->conn)
		return;
	if (omen.refused) {
		refuse(a, omen.reason);
	} else if (omen.leave) {
		lost(a, xasprintf("%s asks for a new connection (%s)", a->host, omen.reason));
		drain(a);
	} else if (omen.unseen && !apns_h2_going(h)) {
		a->held = 1;
		loop_timer_set(a->hold, HOLD_MS);
	}
}

static void
look_at_draining(struct apns *a)
{
	struct apns_conn *c;
	size_t kept = 0;

	for (size_t i = 0; i < a->draining_count; i++) {
		c = a->draining[i];
		collect(a, c);
		if (apns_conn_phase(c) == APNS_OPEN && apns_conn_in_flight(c) > 0)
			a->draining[kept++] = c;
		else
			apns_conn_free(c);
	}
	a->draining_count = kept;
}

static void
look_at_conn(struct apns *a)
{
	const char *reason;

	if (a->conn)
		collect(a, a->conn);
	if (!a->conn || apns_conn_phase(a->conn) == APNS_DIALLING)
		return;
	reason = apns_conn_h2(a->conn) ? apns_h2_reason(apns_conn_h2(a->conn)) : "";
	if (apns_words_is_refusal(reason)) {
		refuse(a, reason);
	} else if (apns_conn_phase(a->conn) == APNS_ENDED) {
		lost(a, reason[0] ? xasprintf("%s closed the connection (%s)", a->host, reason)
				  : xstrdup(apns_conn_words(a->conn)));
		apns_conn_free(a->conn);
		a->conn = NULL;
	} else if (apns_h2_going(apns_conn_h2(a->conn))) {
		lost(a, xasprintf("%s asks for a new connection%s%s%s", a->host,
				reason[0] ? " (" : "", reason, reason[0] ? ")" : ""));
		drain(a);
	} else if (a->state != APNS_CONNECTED) {
		free(a->failure);
		a->failure = NULL;
		set_state(a, APNS_CONNECTED, xasprintf("connected to %s:%u", a->host, a->port));
	}
}

/*
 * A random UUID whose last group counts: as unique as one drawn anew, which would cost more than
 * the rest of the push.
 */
static void
name_item(struct apns *a, struct apns_item *it)
{
	if (it->id[0])
		return;
	memcpy(it->id, a->id, sizeof(it->id));
	snprintf(it->id + UUID_LEN - 12, 13, "%012" PRIx64, ++a->named & UINT64_C(0xffffffffffff));
}

static void
pump(struct apns *a)
{
	struct apns_item *it;
	int sent = 0;

	if (!a->ctx || a->refused) {
		while ((it = apns_queue_take(&a->waiting)))
			give_up(a, it, "");
		return;
	}
	while (a->conn && !a->held && apns_conn_room(a->conn) > 0 &&
		(it = apns_queue_take(&a->waiting))) {
		name_item(a, it);
		if (apns_conn_send(a->conn, it) < 0) {
			apns_queue_return(&a->waiting, it);
			settle_soon(a);
			break;
		}
		sent = 1;
	}
	if (sent)
		apns_conn_flush(a->conn);
}

static void
tell(struct apns *a, struct apns_item *it)
{
	struct apns_answer answer = {
		.result = APNS_UNSENT,
		.status = it->status,
		.reason = it->reason,
		.timestamp = it->timestamp,
		.sent_at = it->sent_at,
	};

	if (it->outcome == APNS_ANSWERED)
		answer.result = it->status == 200 ? APNS_ACCEPTED : APNS_REJECTED;
	else if (!it->reason[0])
		answer.reason = a->words;
	a->cb.answer(a->cb.arg, a, it->tag, &answer);
	apns_item_free(it);
}

static void
settle(evutil_socket_t fd, short what, void *arg)
{
	struct apns *a = arg;
	struct apns_item *it;

	(void)fd;
	(void)what;
	look_at_draining(a);
	look_at_conn(a);
	pump(a);

	a->telling = 1;
	if (a->announce) {
		a->announce = 0;
		if (a->cb.state)
			a->cb.state(a->cb.arg, a, a->state, a->words);
	}
	while (!a->freed && (it = TAILQ_FIRST(&a->answers))) {
		TAILQ_REMOVE(&a->answers, it, link);
		tell(a, it);
	}
	a->telling = 0;
	if (a->freed)
		free(a);
}

struct apns *
apns_new(struct loop *l, const struct apns_options *o, const struct apns_callbacks *cb)
{
	struct apns *a = xcalloc(1, sizeof(*a));

	a->work = event_new(loop_base(l), -1, 0, settle, a);
	if (!a->work) {
		free(a);
		return NULL;
	}
	a->loop = l;
	uuid_new(a->id);
	a->topic = xstrdup(o->topic);
	a->host = xstrdup(o->host);
	a->trust = xstrdup(o->trust);
	a->port = o->port;
	a->ping_idle = o->ping_idle_ms > 0 ? o->ping_idle_ms : PING_IDLE_MS;
	a->times = times_default;
	a->cb = *cb;
	a->words = xstrdup("no push certificate yet");
	a->since = clock_wall();
	a->redial = loop_timer_new(l, on_redial, a);
	a->hold = loop_timer_new(l, on_hold_over, a);
	apns_queue_init(&a->waiting);
	TAILQ_INIT(&a->answers);
	return a;
}

void
apns_set_times(struct apns *a, const struct apns_times *t)
{
	a->times.connect = t->connect ? t->connect : a->times.connect;
	a->times.answer = t->answer ? t->answer : a->times.answer;
	a->times.ping_wait = t->ping_wait ? t->ping_wait : a->times.ping_wait;
	a->times.backoff = t->backoff ? t->backoff : a->times.backoff;
	a->times.backoff_max = t->backoff_max ? t->backoff_max : a->times.backoff_max;
}

void
apns_set_identity(struct apns *a, STACK_OF(X509) * chain, EVP_PKEY *key, const char *why)
{
	char *fault = NULL;

	loop_timer_stop(a->redial);
	drain(a);
	SSL_CTX_free(a->ctx);
	a->ctx = NULL;
	a->refused = 0;
	a->failures = 0;
	free(a->failure);
	a->failure = NULL;
	if (!chain) {
		set_state(a, APNS_DISCONNECTED, xstrdup(why ? why : "no push certificate"));
		return;
	}
	a->ctx = tls_client_ctx(chain, key, a->trust, &fault);
	if (a->ctx)
		dial(a);
	else
		set_state(a, APNS_DISCONNECTED,
			xasprintf("the push certificate cannot be used: %s",
				fault ? fault : "OpenSSL gives no reason"));
	free(fault);
}

int
apns_push(struct apns *a, struct bytes token, const char *magic, int64_t expiration, int bulk,
	void *tag)
{
	struct apns_item *it;

	if (a->closing || a->waiting.count >= APNS_WAITING_MAX)
		return -ENOBUFS;
	it = apns_item_new(token, magic, expiration, bulk, tag);
	if (!it)
		return -EINVAL;
	apns_queue_add(&a->waiting, it);
	settle_soon(a);
	return 0;
}

enum apns_state
apns_state(const struct apns *a)
{
	return a->state;
}

const char *
apns_words(const struct apns *a)
{
	return a->words;
}

const char *
apns_topic(const struct apns *a)
{
	return a->topic;
}

int64_t
apns_since(const struct apns *a)
{
	return a->since;
}

size_t
apns_waiting(const struct apns *a)
{
	return a->waiting.count;
}

size_t
apns_in_flight(const struct apns *a)
{
	size_t count = a->conn ? apns_conn_in_flight(a->conn) : 0;

	for (size_t i = 0; i < a->draining_count; i++)
		count += apns_conn_in_flight(a->draining[i]);
	return count;
}

/* Ends all connections; what they had in flight is given up or already answered. */
static void
close_all(struct apns *a)
{
	drain(a);
	for (size_t i = 0; i < a->draining_count; i++) {
		apns_conn_cut(a->draining[i], "stopped");
		collect(a, a->draining[i]);
		apns_conn_free(a->draining[i]);
	}
	a->draining_count = 0;
}

void
apns_free(struct apns *a)
{
	struct apns_item *it;

	if (!a)
		return;
	a->closing = 1;
	close_all(a);
	set_state(a, APNS_DISCONNECTED, xstrdup("stopped"));
	while ((it = apns_queue_take(&a->waiting)))
		give_up(a, it, "");
	while ((it = TAILQ_FIRST(&a->answers))) {
		TAILQ_REMOVE(&a->answers, it, link);
		tell(a, it);
	}
	loop_timer_free(a->redial);
	loop_timer_free(a->hold);
	event_free(a->work);
	SSL_CTX_free(a->ctx);
	free(a->failure);
	free(a->words);
	free(a->topic);
	free(a->host);
	free(a->trust);
	a->freed = 1;
	if (!a->telling)
		free(a);
}
