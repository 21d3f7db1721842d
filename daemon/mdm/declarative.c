/* declarative.c - what devices ask of their declarations, taken to an external server and back */
#include "mdm/declarative.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/hook.h"
#include "net/post.h"
#include "store/store.h"

#define TYPE_JSON "application/json"
#define LATE_MS 200    /* less than that is no time for a request */
#define SAY_AFTER_S 60 /* seconds of failures before a person is told in status */

struct declarative_ask {
	TAILQ_ENTRY(declarative_ask) link;
	struct declarative *d;
	struct http_request *r;
	char *id, *parent; /* parent: of a user channel, else NULL */
	enum channel channel;
	enum endpoint kind;
	struct buf path, data;
	size_t size; /* of the message in memory */
	int64_t deadline_ms;
};

TAILQ_HEAD(asks, declarative_ask);

struct declarative {
	struct mdm *m;
	struct poster *poster;
	struct loop_timer *timer; /* at the deadline of the first that waits */
	struct asks waiting, sent;
	size_t waits, bytes;
	struct buf key;
	char *key_fault; /* why the key cannot be read: nothing is sent unsigned; NULL */
	char *last_fault;
	int64_t failing_since;
	uint64_t answered, not_found, failed, refused;
	struct log_budget faults, limits;
};

/* ---- the question ---- */

/* HTTP trims a field's value: "AA " would be told as "AA", which is another device. */
static bool
trimmed(const char *id)
{
	return *id == ' ' || id[strlen(id) - 1] == ' ';
}

struct declarative_ask *
declarative_ask_new(const struct message *msg, const char **why)
{
	struct declarative_ask *ask = xcalloc(1, sizeof(*ask));

	*why = NULL;
	if (endpoint_read(msg->endpoint, &ask->kind, &ask->path) < 0)
		*why = "There is no such endpoint for declarations.";
	else if (ask->kind == ENDPOINT_STATUS && msg->data.len == 0)
		*why = "A status report has no Data.";
	else if (trimmed(msg->id) || trimmed(msg->device))
		*why = "An id that begins or ends with a blank has no declarations.";
	if (*why) {
		declarative_ask_free(ask);
		return NULL;
	}
	ask->id = xstrdup(msg->id);
	ask->parent = channel_is_user(msg->channel) ? xstrdup(msg->device) : NULL;
	ask->channel = msg->channel;
	ask->size = msg->body.len;
	if (ask->kind == ENDPOINT_STATUS)
		buf_add_bytes(&ask->data, msg->data);
	return ask;
}

void
declarative_ask_free(struct declarative_ask *ask)
{
	if (!ask)
		return;
	free(ask->id);
	free(ask->parent);
	buf_free(&ask->path);
	buf_wipe(&ask->data);
	free(ask);
}

/* ---- the answer ---- */

static void
end(struct declarative_ask *ask, int status, const char *type, struct bytes body)
{
	http_reply(ask->r, status, type, body);
	declarative_ask_free(ask);
}

static void
end_text(struct declarative_ask *ask, int status, const char *text)
{
	if (status == 503)
		http_reply_header(ask->r, "Retry-After", DECLARATIVE_RETRY_AFTER);
	http_reply_text(ask->r, status, text);
	declarative_ask_free(ask);
}

/* Beyond the bounds: the device comes again. */
static void
end_busy(struct declarative_ask *ask)
{
	struct declarative *d = ask->d;

	d->refused++;
	if (mdm_may_say(&d->limits, NULL))
		log_event(EV_LIMIT_HIT, FIELDS(F_ENROLLMENT(ask->id)),
			"the server for declarations does not keep up: %zu requests wait for it, "
			"further devices are told to come again",
			d->waits);
	end_text(ask, 503, "The server for declarations is busy; try again later.");
}

static void
end_fault(struct declarative_ask *ask, const char *why)
{
	struct declarative *d = ask->d;

	d->failed++;
	free(d->last_fault);
	d->last_fault = xstrdup(why);
	if (!d->failing_since)
		d->failing_since = mdm_now(d->m);
	if (mdm_may_say(&d->faults, NULL))
		log_event(EV_DECLARATIVE_FAILING, FIELDS(F_ENROLLMENT(ask->id), F_REASON(why)),
			"The server for declarations failed a device: %s (%llu times since the "
			"start); the device comes again",
			why, (unsigned long long)d->failed);
	end_text(ask, 502, "The server for declarations failed; try again later.");
}

static void
note_answer(struct declarative *d)
{
	if (d->failing_since)
		log_info("the server for declarations answers again");
	d->failing_since = 0;
}

/* A login page with status 200 must not reach a device as its declarations. */
static bool
is_object(struct bytes text)
{
	size_t i = 0;

	while (i < text.len && memchr(" \t\r\n", text.data[i], 4))
		i++;
	return i < text.len && text.data[i] == '{';
}

/* Why this is no answer for a device; NULL: it is one. */
static char *
fault_of(const struct declarative_ask *ask, const struct post_answer *a)
{
	bool report = ask->kind == ENDPOINT_STATUS;

	if (!a->status)
		return xstrdup(a->why);
	if (a->status == 404)
		return NULL;
	if (a->status != 200 && !(report && a->status / 100 == 2))
		return xasprintf("it answered %ld", a->status);
	if (a->cut)
		return xasprintf("its answer is longer than %u KiB", DECLARATIVE_ANSWER_MAX >> 10);
	if (!is_object(a->body) && !(report && a->body.len == 0))
		return xstrdup("its answer is no JSON object");
	return NULL;
}

static void pump(struct declarative *d);

static void
answered(void *arg, const struct post_answer *a)
{
	struct declarative_ask *ask = arg;
	struct declarative *d = ask->d;
	char *why = fault_of(ask, a);

	TAILQ_REMOVE(&d->sent, ask, link);
	d->bytes -= ask->size;
	if (why) {
		end_fault(ask, why);
	} else {
		note_answer(d);
		if (a->status == 404) {
			d->not_found++;
			end_text(ask, 404, "There is no such declaration.");
		} else {
			d->answered++;
			end(ask, 200, a->body.len ? TYPE_JSON : NULL, a->body);
		}
	}
	free(why);
	pump(d);
}

/* ---- the way there ---- */

static const char *
address(const struct declarative *d)
{
	return d->m->conf->declarative.url;
}

/* Header lines for the request; each is the caller's. */
static void
make_headers(const struct declarative_ask *ask, char *lines[6])
{
	struct buf signature = BUF_INIT;
	size_t n = 0;

	lines[n++] = xasprintf("X-Enrollment-ID: %s", ask->id);
	lines[n++] = xasprintf("X-Enrollment-Type: %s", message_channel_type(ask->channel));
	if (ask->parent)
		lines[n++] = xasprintf("X-Enrollment-ParentID: %s", ask->parent);
	if (ask->kind == ENDPOINT_STATUS)
		lines[n++] = xstrdup("Content-Type: " TYPE_JSON);
	if (ask->d->key.len) {
		hook_sign(buf_bytes(&ask->d->key), buf_bytes(&ask->data), &signature);
		lines[n++] = xstrdup(buf_str(&signature));
		buf_free(&signature);
	}
	lines[n] = NULL;
}

/* -EBUSY: none was free after all. */
static int
post(struct declarative_ask *ask, int64_t timeout_ms)
{
	const char *base = address(ask->d);
	size_t len = strlen(base);
	char *headers[6], *url = xasprintf("%s%s%s", base, base[len - 1] == '/' ? "" : "/",
				  buf_str(&ask->path));
	struct post p = { .method = ask->kind == ENDPOINT_STATUS ? "PUT" : "GET",
		.url = url,
		.headers = (const char *const *)headers,
		.body = buf_bytes(&ask->data),
		.timeout_ms = timeout_ms,
		.answer_max = DECLARATIVE_ANSWER_MAX };
	int rc;

	make_headers(ask, headers);
	rc = poster_send(ask->d->poster, &p, answered, ask);
	for (size_t i = 0; headers[i]; i++)
		free(headers[i]);
	free(url);
	return rc;
}

/* Out of the queue; the caller sends or answers it. */
static struct declarative_ask *
take_first(struct declarative *d)
{
	struct declarative_ask *ask = TAILQ_FIRST(&d->waiting);

	TAILQ_REMOVE(&d->waiting, ask, link);
	d->waits--;
	return ask;
}

static void
send_or_end(struct declarative_ask *ask)
{
	struct declarative *d = ask->d;
	int64_t left = ask->deadline_ms - mdm_mono_ms(d->m);

	TAILQ_INSERT_TAIL(&d->sent, ask, link);
	if (address(d) && !d->key_fault && left > LATE_MS && post(ask, left) == 0)
		return;
	TAILQ_REMOVE(&d->sent, ask, link);
	d->bytes -= ask->size;
	if (!address(d))
		end_text(ask, 404, "There are no declarations for this device.");
	else if (d->key_fault)
		end_fault(ask, d->key_fault);
	else
		end_busy(ask);
}

/* Sends what can be sent, and tells those whose time is over. */
static void
pump(struct declarative *d)
{
	int64_t now = mdm_mono_ms(d->m);
	struct declarative_ask *ask;

	while ((ask = TAILQ_FIRST(&d->waiting)) &&
		(poster_busy(d->poster) < POST_PARALLEL || !address(d) || http_gone(ask->r) ||
			ask->deadline_ms - now <= LATE_MS)) {
		take_first(d);
		if (!http_gone(ask->r)) {
			send_or_end(ask);
			continue;
		}
		d->bytes -= ask->size;
		end(ask, 503, NULL, bytes_of(NULL, 0));
	}
	if (ask)
		loop_timer_set(d->timer, ask->deadline_ms - LATE_MS - now);
}

static void
on_timer(void *arg)
{
	pump(arg);
}

static unsigned
count_of(const struct asks *list, const char *id)
{
	const struct declarative_ask *ask;
	unsigned n = 0;

	TAILQ_FOREACH(ask, list, link)
	n += strcmp(ask->id, id) == 0;
	return n;
}

static void
enter(void *arg, int err)
{
	struct declarative_ask *ask = arg;
	struct declarative *d = ask->d;

	if (err < 0) {
		end_text(ask, 503, "The server cannot take changes now; try again later.");
		return;
	}
	if (d->waits >= DECLARATIVE_WAITING_MAX || d->bytes + ask->size > DECLARATIVE_BYTES_MAX ||
		count_of(&d->waiting, ask->id) + count_of(&d->sent, ask->id) >=
			DECLARATIVE_DEVICE_MAX) {
		end_busy(ask);
		return;
	}
	ask->deadline_ms = mdm_mono_ms(d->m) + d->m->conf->declarative.timeout * 1000;
	TAILQ_INSERT_TAIL(&d->waiting, ask, link);
	d->waits++;
	d->bytes += ask->size;
	pump(d);
}

void
declarative_send(struct mdm *m, struct http_request *r, struct declarative_ask *ask)
{
	ask->d = m->declarative;
	ask->r = r;
	store_wait(m->store, enter, ask);
}

/* ---- life ---- */

void
declarative_configure(struct declarative *d)
{
	if (!d)
		return;
	hook_key_read(
		address(d) ? d->m->conf->declarative.hmac_key_file : NULL, &d->key, &d->key_fault);
	if (!address(d))
		d->failing_since = 0;
	pump(d);
}

struct declarative *
declarative_new(struct mdm *m)
{
	struct declarative *d = xcalloc(1, sizeof(*d));

	d->m = m;
	d->poster = poster_new(m->loop, "declarative");
	if (!d->poster) {
		free(d);
		return NULL;
	}
	TAILQ_INIT(&d->waiting);
	TAILQ_INIT(&d->sent);
	d->faults = d->limits = (struct log_budget){ .burst = 1, .every_s = 60 };
	d->timer = loop_timer_new(m->loop, on_timer, d);
	declarative_configure(d);
	return d;
}

static void
drop_all(struct asks *list)
{
	struct declarative_ask *ask;

	while ((ask = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, ask, link);
		end(ask, 503, NULL, bytes_of(NULL, 0));
	}
}

void
declarative_free(struct declarative *d)
{
	if (!d)
		return;
	poster_free(d->poster);
	loop_timer_free(d->timer);
	drop_all(&d->waiting);
	drop_all(&d->sent);
	buf_wipe(&d->key);
	free(d->key_fault);
	free(d->last_fault);
	free(d);
}

/* ---- what it tells ---- */

void
declarative_state(const struct declarative *d, struct declarative_state *ret)
{
	*ret = (struct declarative_state){ .answered = d->answered,
		.not_found = d->not_found,
		.failed = d->failed,
		.refused = d->refused,
		.waiting = d->waits,
		.under_way = poster_busy(d->poster),
		.failing_since = d->failing_since,
		.fault = d->key_fault	    ? d->key_fault
			 : d->failing_since ? d->last_fault
					    : NULL };
}

bool
declarative_problem(const struct declarative *d, int64_t now, struct buf *out)
{
	char *shown;

	if (!d || !address(d))
		return false;
	if (d->key_fault) {
		buf_printf(out,
			"The key for the server for declarations cannot be read, so nothing is "
			"asked there: %s; mend declarative.hmac-key-file.",
			d->key_fault);
		return true;
	}
	if (!d->failing_since || now - d->failing_since < SAY_AFTER_S)
		return false;
	shown = hook_shown(address(d));
	buf_printf(out,
		"The server for declarations %s fails devices: %s; they keep the declarations that "
		"they have, and ask again.",
		shown, d->last_fault);
	free(shown);
	return true;
}
