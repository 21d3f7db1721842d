/* webhook.c - the spool in memory: whose event is next, when it is tried, what became of it */
#include "admin/webhook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/answer.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/table.h"
#include "net/hook.h"
#include "net/post.h"
#include "store/spool.h"

#define FIRST_RETRY_MS 250
#define LAST_RETRY_MS 900000 /* of one enrollment's event that the receiver refuses */
#define LAST_PROBE_MS 60000  /* of a receiver that does not answer at all */
#define SWEEP_MS 60000
#define SAY_AFTER_S 60 /* seconds of failures before a person is told */

struct item {
	struct item *next;
	uint64_t number;
	int64_t created, size;
};

/* The events of one enrollment, oldest first. */
struct lane {
	struct webhook *w;
	struct lane *next; /* in `ready` or `waiting` */
	struct item *first, **last;
	int64_t due_ms;
	unsigned failures; /* of its first event */
	char id[];
};

struct lanes {
	struct lane *first, **last;
};

struct webhook {
	struct admin *a;
	struct poster *poster;
	struct loop_timer *pump, *sweep;
	struct table *lanes; /* id -> struct lane; those that have events */
	struct lanes ready, waiting;
	uint64_t next_number;
	size_t count;
	int64_t bytes;
	struct buf key;
	char *key_fault; /* why the key cannot be read: nothing is posted unsigned; NULL */
	unsigned down;	 /* failures in a row to reach it at all */
	int64_t down_until_ms;
	bool said;	       /* the journal has it */
	int64_t failing_since; /* wall; 0: the last attempt was taken */
	char *last_fault;
	uint64_t delivered, failed, dropped;
	struct log_budget drops;
	bool sealed;	    /* there was a store.key when it was configured last */
	bool posting_event; /* our own log lines make no events of themselves */
};

static void
lanes_put(struct lanes *q, struct lane *l)
{
	l->next = NULL;
	*q->last = l;
	q->last = &l->next;
}

static struct lane *
lanes_take(struct lanes *q)
{
	struct lane *l = q->first;

	if (l) {
		q->first = l->next;
		if (!q->first)
			q->last = &q->first;
	}
	return l;
}

static void
lane_drop(void *arg)
{
	struct lane *l = arg;

	while (l->first) {
		struct item *e = l->first;

		l->first = e->next;
		free(e);
	}
	free(l);
}

static const char *
address(const struct webhook *w)
{
	return w->a->mdm.conf->webhook.url;
}

static void
dropped(struct webhook *w, const char *id, const char *why)
{
	unsigned more = 0;

	w->dropped++;
	if (!log_allowed(&w->drops, clock_mono_ms(), &more))
		return;
	w->posting_event = true;
	log_event(EV_WEBHOOK_DROPPED, FIELDS(F_ENROLLMENT(*id ? id : NULL), F_REASON(why)),
		"An event for the webhook was dropped: %s (%llu dropped since the start)", why,
		(unsigned long long)w->dropped);
	w->posting_event = false;
}

/* ---- the spool ---- */

static void
append(struct webhook *w, const struct spool_event *s)
{
	struct lane *l = table_get(w->lanes, bytes_str(s->lane));
	struct item *e = xcalloc(1, sizeof(*e));

	e->number = s->number;
	e->created = s->created;
	e->size = s->size;
	if (!l) {
		l = xcalloc(1, sizeof(*l) + strlen(s->lane) + 1);
		strcpy(l->id, s->lane);
		l->w = w;
		l->last = &l->first;
		table_put(w->lanes, bytes_str(l->id), l);
		lanes_put(&w->ready, l);
	}
	*l->last = e;
	l->last = &e->next;
	w->count++;
	w->bytes += s->size;
	if (s->number >= w->next_number)
		w->next_number = s->number + 1;
}

/* Takes the lane's first event out: it was taken, or is given up.  The lane is in no queue. */
static void
advance(struct webhook *w, struct lane *l)
{
	struct item *e = l->first;

	l->first = e->next;
	if (!l->first)
		l->last = &l->first;
	w->count--;
	w->bytes -= e->size;
	l->failures = 0;
	free(e);
	if (l->first)
		lanes_put(&w->ready, l);
	else
		table_delete(w->lanes, bytes_str(l->id));
}

static void
add(struct webhook *w, const char *lane, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);
	struct spool_event e = { .number = w->next_number,
		.lane = (char *)(uintptr_t)(lane ? lane : ""),
		.created = mdm_now(&w->a->mdm),
		.size = text ? (int64_t)strlen(text) : 0 };
	int rc = text ? 0 : -ENOMEM;

	json_decref(j);
	if (w->count >= w->a->mdm.conf->webhook.limit || w->bytes + e.size > WEBHOOK_BYTES_MAX) {
		dropped(w, e.lane, "too many wait for the receiver");
	} else {
		if (rc == 0)
			rc = spool_put(w->a->mdm.store, &e, bytes_str(text));
		if (rc < 0)
			dropped(w, e.lane, "the store does not take it");
		else
			w->next_number++;
	}
	mem_wipe_str(text);
}

void
webhook_follow(struct webhook *w, struct bytes key, struct bytes value)
{
	struct spool_event e;

	if (!w || !value.data || spool_decode(key, value, &e) < 0)
		return;
	append(w, &e);
	free(e.lane);
	loop_timer_set(w->pump, 0);
}

/* ---- what becomes an event ---- */

static unsigned
tally(struct mdm *m, const char *id)
{
	struct enrollment *e = NULL;
	unsigned n;

	if (enrollment_load(m->store, id, &e) < 0)
		return 0;
	n = e->token_updates;
	enrollment_free(e);
	return n;
}

void
webhook_heard(void *arg, const struct message *msg, const struct credentials *c)
{
	struct webhook *w = arg;
	struct mdm *m = &w->a->mdm;

	if (address(w))
		add(w, msg->id,
			webhook_message_json(msg, c->query,
				msg->kind == MESSAGE_TOKEN_UPDATE ? tally(m, msg->id) : 0,
				m->conf->webhook.raw_full));
}

/* Beside what the surveillance log has: what expires, what stops pushes, what changed on devices.
 */
static bool
is_told(enum event ev)
{
	static const enum event more[] = { EV_CERT_EXPIRY, EV_LOCK_LIMIT, EV_PUSH_STATE,
		EV_PUSH_REFUSED, EV_PUSH_INTERCEPTED, EV_TOPIC_REFUSED, EV_OS_CHANGED,
		EV_APPS_CHANGED };

	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		if (more[i] == ev)
			return true;
	return event_surveillance(ev);
}

void
webhook_observe(void *arg, const struct log_record *record)
{
	struct webhook *w = arg;
	const char *id = NULL;

	if (!address(w) || w->posting_event || !is_told(record->event))
		return;
	for (const struct log_field *f = record->fields; f && f->name; f++)
		if (strcmp(f->name, "CORDON_ENROLLMENT") == 0)
			id = f->value;
	add(w, id, webhook_own_json(record));
}

/* ---- delivery ---- */

static int64_t
back_off(unsigned failures, int64_t most)
{
	int64_t ms = FIRST_RETRY_MS;

	for (unsigned i = 1; i < failures && ms < most; i++)
		ms *= 2;
	return ms < most ? ms : most;
}

static void
give_up(struct webhook *w, struct lane *l, const char *why)
{
	if (spool_delete(w->a->mdm.store, l->first->number) < 0) {
		l->due_ms = clock_mono_ms() + LAST_PROBE_MS; /* the store takes no changes */
		lanes_put(&w->waiting, l);
		return;
	}
	dropped(w, l->id, why);
	advance(w, l);
}

static void
note_failure(struct webhook *w, const struct post_answer *a)
{
	w->failed++;
	free(w->last_fault);
	w->last_fault = a->status ? xasprintf("it answered %ld", a->status) : xstrdup(a->why);
	if (!w->failing_since)
		w->failing_since = mdm_now(&w->a->mdm);
	if (w->said || mdm_now(&w->a->mdm) - w->failing_since < SAY_AFTER_S)
		return;
	w->said = true;
	w->posting_event = true;
	log_event(EV_WEBHOOK_FAILING, FIELDS(F_REASON(w->last_fault)),
		"The webhook's receiver does not take events: %s", w->last_fault);
	w->posting_event = false;
}

static void
note_success(struct webhook *w)
{
	w->delivered++;
	w->down = 0;
	w->failing_since = 0;
	w->said = false;
}

static void
posted(void *arg, const struct post_answer *a)
{
	struct lane *l = arg; /* in no queue while its event is under way */
	struct webhook *w = l->w;

	if (a->status >= 200 && a->status < 300) {
		note_success(w);
		if (spool_delete(w->a->mdm.store, l->first->number) == 0) {
			advance(w, l);
		} else {
			l->due_ms = clock_mono_ms() + LAST_PROBE_MS;
			lanes_put(&w->waiting, l);
		}
	} else {
		note_failure(w, a);
		l->failures++;
		w->down = a->status ? 0 : w->down + 1;
		if (!a->status)
			w->down_until_ms = clock_mono_ms() + back_off(w->down, LAST_PROBE_MS);
		l->due_ms =
			clock_mono_ms() + (a->status ? back_off(l->failures, LAST_RETRY_MS) : 0);
		lanes_put(&w->waiting, l);
	}
	loop_timer_set(w->pump, 0);
}

static int
post_event(struct webhook *w, struct lane *l, struct bytes text)
{
	struct buf signature = BUF_INIT;
	const char *headers[] = { "Content-Type: application/json; charset=utf-8", NULL, NULL };
	struct post p = { .method = "POST",
		.url = address(w),
		.headers = headers,
		.body = text,
		.timeout_ms = w->a->mdm.conf->webhook.timeout * 1000 };
	int rc;

	if (w->key.len) {
		hook_sign(buf_bytes(&w->key), text, &signature);
		headers[1] = buf_str(&signature);
	}
	rc = poster_send(w->poster, &p, posted, l);
	buf_free(&signature);
	return rc;
}

/* Without the right store.key an event cannot be read yet: the key may come back. */
static bool
key_lacks(const struct webhook *w, int rc)
{
	const struct sealed_counts *n = &w->a->sealed;

	return rc == -ENOKEY || (rc == -EBADMSG && n->secrets_shut + n->push_tokens_shut > 0);
}

/* The lane was taken out of `ready`.  False: no more can be sent now. */
static bool
send_first(struct webhook *w, struct lane *l)
{
	struct buf text = BUF_INIT;
	int rc = 0;

	if (l->first->created < mdm_now(&w->a->mdm) - WEBHOOK_AGE_MAX) {
		give_up(w, l, "nobody took it within a day");
		return true;
	}
	rc = spool_get(w->a->mdm.store, l->first->number, &text);
	if (rc == 0 && post_event(w, l, buf_bytes(&text)) < 0) {
		lanes_put(&w->ready, l);
		buf_wipe(&text);
		return false;
	}
	if (rc == -EIO || key_lacks(w, rc)) {
		l->due_ms = clock_mono_ms() + LAST_PROBE_MS;
		lanes_put(&w->waiting, l);
	} else if (rc < 0) {
		give_up(w, l, "it cannot be read from the store");
	}
	buf_wipe(&text);
	return true;
}

/* Moves what is due to `ready`; milliseconds until the next is, -1: none waits. */
static int64_t
wake_lanes(struct webhook *w, int64_t now)
{
	struct lane *l = w->waiting.first, *next;
	int64_t soonest = -1;

	w->waiting.first = NULL;
	w->waiting.last = &w->waiting.first;
	for (; l; l = next) {
		next = l->next;
		if (l->due_ms <= now) {
			lanes_put(&w->ready, l);
			continue;
		}
		lanes_put(&w->waiting, l);
		if (soonest < 0 || l->due_ms - now < soonest)
			soonest = l->due_ms - now;
	}
	return soonest;
}

static void
on_pump(void *arg)
{
	struct webhook *w = arg;
	int64_t now = clock_mono_ms(), soonest = wake_lanes(w, now);
	unsigned most = w->down ? 1 : POST_PARALLEL; /* one tries whether it is there again */
	struct lane *l;

	if (!address(w) || w->key_fault)
		return;
	if (w->down && w->down_until_ms > now) {
		loop_timer_set(w->pump, w->down_until_ms - now);
		return;
	}
	while (poster_busy(w->poster) < most && (l = lanes_take(&w->ready)))
		if (!send_first(w, l))
			break;
	if (soonest >= 0)
		loop_timer_set(w->pump, soonest > 50 ? soonest : 50);
}

/* What is too old goes also while nothing is posted. */
static void
on_sweep(void *arg)
{
	struct webhook *w = arg;
	int64_t oldest = mdm_now(&w->a->mdm) - WEBHOOK_AGE_MAX;
	struct lanes kept = { NULL, NULL };
	struct lane *l;

	webhook_configure(w);
	kept.last = &kept.first;
	wake_lanes(w, INT64_MAX);
	while ((l = lanes_take(&w->ready))) {
		if (l->first->created < oldest)
			give_up(w, l, "nobody took it within a day");
		else
			lanes_put(&kept, l);
	}
	while ((l = lanes_take(&kept)))
		lanes_put(l->due_ms > clock_mono_ms() ? &w->waiting : &w->ready, l);
	loop_timer_set(w->sweep, SWEEP_MS);
}

/* ---- life ---- */

void
webhook_configure(struct webhook *w)
{
	if (!w)
		return;
	hook_key_read(
		address(w) ? w->a->mdm.conf->webhook.hmac_key_file : NULL, &w->key, &w->key_fault);
	if (!w->sealed && store_sealed(w->a->mdm.store))
		wake_lanes(w, INT64_MAX); /* what could not be read can be now */
	w->sealed = store_sealed(w->a->mdm.store);
	loop_timer_set(w->pump, 0);
}

static void
load(struct webhook *w)
{
	struct spool_event *list = NULL;
	size_t count = 0;

	if (spool_list(w->a->mdm.store, &list, &count) < 0)
		log_error("the events that wait for the webhook cannot be read");
	for (size_t i = 0; i < count; i++) {
		append(w, &list[i]);
		free(list[i].lane);
	}
	free(list);
}

struct webhook *
webhook_new(struct admin *a)
{
	struct webhook *w = xcalloc(1, sizeof(*w));

	w->a = a;
	w->poster = poster_new(a->mdm.loop, "webhook");
	if (!w->poster) {
		free(w);
		return NULL;
	}
	w->lanes = table_new(lane_drop);
	w->ready.last = &w->ready.first;
	w->waiting.last = &w->waiting.first;
	w->next_number = 1;
	w->drops = (struct log_budget){ .burst = 5, .every_s = 60 };
	w->pump = loop_timer_new(a->mdm.loop, on_pump, w);
	w->sweep = loop_timer_new(a->mdm.loop, on_sweep, w);
	load(w);
	loop_timer_set(w->sweep, SWEEP_MS);
	webhook_configure(w);
	return w;
}

void
webhook_free(struct webhook *w)
{
	if (!w)
		return;
	poster_free(w->poster);
	loop_timer_free(w->pump);
	loop_timer_free(w->sweep);
	table_free(w->lanes);
	buf_wipe(&w->key);
	free(w->key_fault);
	free(w->last_fault);
	free(w);
}

json_t *
webhook_json(const struct webhook *w)
{
	char *shown;
	json_t *j;

	if (!w || !address(w))
		return json_null();
	j = json_object();
	shown = hook_shown(address(w));
	json_object_set_new(j, "url", json_text(shown));
	free(shown);
	json_object_set_new(j, "waiting", json_integer((json_int_t)w->count));
	json_object_set_new(j, "delivered", json_integer((json_int_t)w->delivered));
	json_object_set_new(j, "failed", json_integer((json_int_t)w->failed));
	json_object_set_new(j, "dropped", json_integer((json_int_t)w->dropped));
	json_object_set_new(j, "failing_since", json_time(w->failing_since));
	json_object_set_new(j, "fault",
		w->key_fault	   ? json_text(w->key_fault)
		: w->failing_since ? json_text(w->last_fault)
				   : json_null());
	return j;
}

bool
webhook_problem(const struct webhook *w, int64_t now, struct buf *out)
{
	char *shown;

	if (!w || !address(w))
		return false;
	if (w->key_fault) {
		buf_printf(out,
			"The webhook's key cannot be read, so nothing is posted: %s; mend "
			"webhook.hmac-key-file.",
			w->key_fault);
		return true;
	}
	if (!w->failing_since || now - w->failing_since < SAY_AFTER_S)
		return false;
	shown = hook_shown(address(w));
	buf_printf(out,
		"The webhook's receiver %s does not take events: %s; %zu wait, and each is given "
		"up after a day.",
		shown, w->last_fault, w->count);
	free(shown);
	return true;
}
