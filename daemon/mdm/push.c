/* push.c - who is asked to connect, and what each answer of APNs means for it */
#include "mdm/push.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/table.h"
#include "mdm/party.h"
#include "mdm/push_line.h"
#include "mdm/reason.h"
#include "mdm/silence.h"
#include "policy/states.h"
#include "store/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESTORED_REST (7 * 86400) /* seconds after a restore in which 410 removes nobody */
#define DOUBT_SAID_S 86400	  /* the clock's trouble is said once a day */
#define GONE_MARGIN 300		  /* seconds by which a 410 must be later than the TokenUpdate */

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
	struct push_lines *lines;
	struct table *asks; /* id -> struct ask */
	int64_t next_bulk_ms;
	struct log_budget chatter, doubts;
	struct pusher_numbers numbers;
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

static int
send_push(struct ask *a, const struct enrollment *e)
{
	struct pusher *p = a->pusher;
	struct push_line *l = push_lines_find(p->lines, e->topic);
	int64_t lifetime = p->m->conf->push.expiration;
	int rc;

	free(a->topic);
	a->topic = xstrdup(e->topic);
	if (!l || !push_line_usable(l)) {
		a->waiting = true;
		return 0;
	}
	rc = push_line_send(l, buf_bytes(&e->token), e->magic,
		lifetime > 0 ? mdm_now(p->m) + lifetime : 0, a->bulk, a, a->cert);
	if (rc < 0)
		return rc;
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

static void
save(const struct ask *a, const struct enrollment *e)
{
	if (enrollment_save(a->pusher->m->store, e) < 0)
		log_debug("what APNs says of %s is not noted: the store takes no changes", e->id);
}

/* What APNs knows of this token only counts for the token that the enrollment still has. */
static void
token_refused(struct ask *a, struct enrollment *e)
{
	if (e->token_time != a->token_time)
		return;
	e->token_bad = true;
	silence_asked(a->pusher->m, e, &a->silence);
	save(a, e);
}

/*
 * Apple's time and ours cannot be compared.  It was an ask all the same: silence, which is not
 * measured by the wall clock, goes on, and the next ask is judged if the clock is right by then.
 */
static void
gone_doubted(struct ask *a, struct enrollment *e)
{
	struct pusher *p = a->pusher;
	unsigned swallowed;

	silence_asked(p->m, e, &a->silence);
	save(a, e);
	if (log_allowed(&p->doubts, mdm_mono_ms(p->m), &swallowed))
		log_event(EV_CLOCK_DOUBTED, FIELDS(F_ENROLLMENT(e->id)),
			"Apple says that %s does not take pushes any more, and the clock of this "
			"machine is not synchronised: nobody is removed for such an answer until "
			"it is (timedatectl set-ntp true)",
			e->id);
}

/*
 * The token is from a backup and was dead before the restore: the device's newer one may be among
 * what was lost, so that this is said of our record and not of the device.
 */
static bool
token_outdated(const struct pusher *p, const struct enrollment *e, const struct apns_answer *answer)
{
	return e->token_time <= p->m->restored_at &&
	       answer->timestamp <= p->m->restored_at + GONE_MARGIN;
}

/* A token from a backup may be an old one of a device that is well. */
static bool
token_restored(const struct pusher *p, const struct enrollment *e)
{
	return e->token_time <= p->m->restored_at &&
	       mdm_now(p->m) - p->m->restored_at < RESTORED_REST;
}

/* True when the push was an ask. */
static bool
token_gone(struct ask *a, struct enrollment *e, const struct apns_answer *answer)
{
	struct pusher *p = a->pusher;
	struct state_outcome o;

	if (e->token_time != a->token_time)
		return false;
	if (token_outdated(p, e, answer)) {
		e->token_bad = true;
		silence_reset(e);
		save(a, e);
		return false;
	}
	if (!mdm_synchronised(p->m)) {
		gone_doubted(a, e);
		return true;
	}
	/* No removal: the token may have been given anew, or our clock was wrong then. */
	if (answer->timestamp <= e->token_time + GONE_MARGIN) {
		silence_asked(p->m, e, &a->silence);
		save(a, e);
		return true;
	}
	p->numbers.gone++;
	if (channel_is_user(e->channel) || token_restored(p, e)) {
		token_refused(a, e);
		return true;
	}
	o = state_decide(e->state, e->removal, ON_PUSH_GONE);
	if (o.action == ACT_REMOVE && party_remove(p->m, e, o.removal, NULL) < 0)
		log_debug("the removal of %s is not noted: the store takes no changes", e->id);
	return false;
}

/*
 * Tokens of the wrong environment or topic look like this one after the other: as long as no token
 * of the topic is accepted, it may be our fault, says nothing of the device, and is tried again.
 */
static void
token_doubted(struct ask *a, const struct push_line *l, struct enrollment *e)
{
	if (push_line_proven(l))
		token_refused(a, e);
	else
		silence_not_asked(a->pusher->m, a->id, &a->silence);
}

static void
rejected(struct ask *a, struct push_line *l, struct enrollment *e, const struct apns_answer *answer)
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
		if (token_gone(a, e, answer))
			return;
		break;
	case REASON_SLOW:
	case REASON_LATER:
	case REASON_AGAIN:
		put_off(a, reason_delay(reason->action, ++a->failures));
		break;
	case REASON_STOP:
		a->waiting = true;
		if (push_line_refuse(l, a->cert))
			log_event(EV_PUSH_REFUSED,
				FIELDS(F_TOPIC(push_line_topic(l)), F_REASON(answer->reason)),
				"Apple refuses pushes for topic %s (%s): %s", push_line_topic(l),
				answer->reason, reason->sentence);
		break;
	case REASON_NOTE:
		break;
	}
	silence_not_asked(a->pusher->m, a->id, &a->silence);
}

static void
accepted(struct ask *a, struct push_line *l, struct enrollment *e, const struct apns_answer *answer)
{
	a->failures = 0;
	push_line_accepted(l);
	a->pusher->numbers.accepted++;
	e->last_push = answer->sent_at;
	silence_asked(a->pusher->m, e, &a->silence);
	save(a, e);
}

static void
on_answer(void *arg, struct push_line *l, void *tag, const struct apns_answer *answer)
{
	struct pusher *p = arg;
	struct ask *a = tag;
	struct enrollment *e = NULL;

	a->flying = false;
	if (answer->result == APNS_UNSENT) {
		silence_not_asked(p->m, a->id, &a->silence);
		a->waiting = true;
		return;
	}
	if (enrollment_load(p->m->store, a->id, &e) < 0) {
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
on_connected(void *arg, const char *topic)
{
	struct pusher *p = arg;
	struct flush f = { NULL, 0, topic };
	size_t i;

	table_each(p->asks, collect_waiting, &f);
	for (i = 0; i < f.count; i++) {
		f.asks[i]->waiting = f.asks[i]->again = false;
		schedule(f.asks[i], bulk_delay(p, clock_mono_ms()));
	}
	free(f.asks);
}

void
pusher_certs_changed(struct mdm *m)
{
	if (m->pusher && !m->pusher->stopping)
		push_lines_update(m->pusher->lines);
}

struct pusher *
pusher_new(struct mdm *m)
{
	struct pusher *p = xcalloc(1, sizeof(*p));
	const struct push_line_callbacks cb = { on_connected, on_answer, p };

	p->m = m;
	p->asks = table_new(ask_free);
	p->chatter = (struct log_budget){ .burst = 20, .every_s = 30 };
	p->doubts = (struct log_budget){ .burst = 1, .every_s = DOUBT_SAID_S };
	p->lines = push_lines_new(m, &cb);
	m->pusher = p;
	push_lines_update(p->lines);
	return p;
}

void
pusher_free(struct pusher *p)
{
	if (!p)
		return;
	p->stopping = true;
	push_lines_free(p->lines);
	table_free(p->asks);
	if (p->m->pusher == p)
		p->m->pusher = NULL;
	free(p);
}

int
pusher_each(const struct mdm *m, int (*each)(void *arg, const struct pusher_line *line), void *arg)
{
	return m->pusher ? push_lines_each(m->pusher->lines, each, arg) : 0;
}

bool
pusher_main(const struct mdm *m, struct pusher_line *ret)
{
	const struct certpair *pair = m->pusher ? mdm_push_pair(m) : NULL;
	struct push_line *l = pair ? push_lines_find(m->pusher->lines, pair->topic) : NULL;

	if (!l && m->pusher)
		l = push_lines_only(m->pusher->lines);
	if (!l)
		return false;
	push_line_describe(l, ret);
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
