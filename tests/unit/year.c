/*
 * year.c - a fleet over a year of fake time, driven through the daemon's own code, as a log of
 * events
 *
 * Patrol, service clock, pusher, check-in and command channel are the ones that ship; the clocks,
 * the timers and Apple's push service are stand-ins in this file.  Everything that happened is
 * written to stdout, a line each, and so is each change of state that the daemon made of it.
 * tests/system/year.py judges that log by DESIGN alone.
 *
 *   year DEVICES DAYS LOCK-AFTER SEED
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/connect.h"
#include "mdm/patrol.h"
#include "mdm/push.h"
#include "mdm/service.h"
#include "mdm_kit.h"

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define ROUND (300 * SECOND) /* the longest step that the service clock counts */
#define EPOCH INT64_C(1790000000)
#define UNLOCK_AFTER (3 * DAY) /* from the return of a locked device */
#define NEVER_AWAKE INT64_MAX

enum habit {
	ALWAYS,
	NIGHTLY,
	WEEKLY,
	HOLIDAY,
	DYING,
	WIPED,
	CHECKED_OUT,
	REMOVED,
	FLAPPING,
	BAD_TOKEN,
	EARLY, /* answers before APNs says that it took the push */
	NOT_NOW,
	USER_ONLY,
	HABITS
};

struct dev {
	struct kit_device d;
	struct speaker who;
	char id[16], serial[16], user[24];
	enum habit habit;
	int64_t from;		    /* when it dies, goes, is wiped ... */
	int64_t phase;		    /* of what it does again and again */
	unsigned generation, known; /* of its token; the one that the daemon has */
	int64_t changed;	    /* the token */
	bool coming, unlocking;
	unsigned state, locked; /* as they were told last */
};

static struct kit *kit;
static struct dev *devs;
static unsigned dev_count;
static int64_t now_ms; /* since the beginning */
static struct apns *push_line;
static unsigned push_number;

/* ---- clocks ---- */

int64_t __wrap_clock_mono_ms(void);
int64_t __wrap_clock_wall(void);
int __wrap_fdatasync(int fd);

int64_t
__wrap_clock_mono_ms(void)
{
	return now_ms + 1000 * SECOND;
}

int64_t
__wrap_clock_wall(void)
{
	return EPOCH + now_ms / 1000;
}

int
__wrap_fdatasync(int fd)
{
	(void)fd;
	return 0;
}

static uint64_t seed;

static int64_t
chance(int64_t of)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)((seed >> 20) % (uint64_t)of);
}

/* ---- what is to come: a heap by time, then by order ---- */

struct coming {
	int64_t at;
	uint64_t order;
	void (*fn)(void *arg, uint64_t word);
	void *arg;
	uint64_t word;
};

static struct coming *heap;
static size_t heap_count, heap_room;
static uint64_t heap_order;

static bool
sooner(const struct coming *a, const struct coming *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
later(int64_t ms, void (*fn)(void *arg, uint64_t word), void *arg, uint64_t word)
{
	struct coming c = { now_ms + (ms > 0 ? ms : 0), heap_order++, fn, arg, word };
	size_t i;

	if (heap_count == heap_room) {
		heap_room = heap_room ? heap_room * 2 : 1024;
		heap = xrealloc(heap, heap_room * sizeof(*heap));
	}
	for (i = heap_count++; i > 0 && sooner(&c, &heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = c;
}

static struct coming
next_coming(void)
{
	struct coming first = heap[0], last = heap[--heap_count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < heap_count) {
		if (child + 1 < heap_count && sooner(&heap[child + 1], &heap[child]))
			child++;
		if (!sooner(&heap[child], &last))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	return first;
}

/* ---- the loop's timers, in fake time ---- */

struct loop_timer {
	void (*fn)(void *arg);
	void *arg;
	uint64_t setting; /* of which only the last one counts */
	unsigned comings; /* that point here */
	bool gone;
};

struct loop_timer *__wrap_loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void __wrap_loop_timer_set(struct loop_timer *t, int64_t ms);
void __wrap_loop_timer_stop(struct loop_timer *t);
void __wrap_loop_timer_free(struct loop_timer *t);

struct loop_timer *
__wrap_loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));

	(void)l;
	t->fn = fn;
	t->arg = arg;
	return t;
}

static void
on_timer(void *arg, uint64_t setting)
{
	struct loop_timer *t = arg;

	t->comings--;
	if (t->gone && t->comings == 0)
		free(t);
	else if (!t->gone && t->setting == setting)
		t->fn(t->arg);
}

void
__wrap_loop_timer_set(struct loop_timer *t, int64_t ms)
{
	t->comings++;
	later(ms, on_timer, t, ++t->setting);
}

void
__wrap_loop_timer_stop(struct loop_timer *t)
{
	t->setting++;
}

void
__wrap_loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	t->gone = true;
	if (t->comings == 0)
		free(t);
}

/* ---- the log ---- */

static void
note(const char *what, const struct dev *v)
{
	printf("%" PRId64 " %s %s\n", now_ms, what, v ? v->id : "-");
}

static void
note_push(const char *what, const struct dev *v, uint64_t number)
{
	printf("%" PRId64 " %s %s %" PRIu64 "\n", now_ms, what, v->id, number);
}

static void
unlock(void *arg, uint64_t word)
{
	struct dev *v = arg;
	struct enrollment *e = kit_load(kit, v->id);

	(void)word;
	v->unlocking = false;
	if (e->locked && e->state == STATE_ENROLLED) {
		note("unlock", v);
		e->locked = false;
		e->lock_cause = LOCK_NONE;
		assert_int_equal(enrollment_save(kit->m.store, e), 0);
	}
	enrollment_free(e);
}

/* What the daemon made of it. */
static void
tell(struct dev *v)
{
	const struct roster_line *line = roster_find(kit->m.roster, v->id);

	if (!line || (line->state == v->state && line->locked == v->locked))
		return;
	v->state = line->state;
	v->locked = line->locked;
	printf("%" PRId64 " state %s %s %s\n", now_ms, v->id, state_name((enum state)v->state),
		v->locked ? "locked" : "open");
	if (v->locked && v->state == STATE_ENROLLED && !v->unlocking) {
		v->unlocking = true;
		later(UNLOCK_AFTER, unlock, v, 0);
	}
}

/* ---- devices ---- */

/* When it can next talk, from now on. */
static int64_t
awake_at(const struct dev *v)
{
	int64_t day = (now_ms + v->phase) % DAY, week = (now_ms + v->phase) % (7 * DAY);

	switch (v->habit) {
	case NIGHTLY:
		return day < 4 * HOUR ? now_ms : now_ms + DAY - day;
	case WEEKLY:
		return week < 2 * HOUR ? now_ms : now_ms + 7 * DAY - week;
	case HOLIDAY:
		return now_ms >= v->from && now_ms < v->from + 28 * DAY ? v->from + 28 * DAY
									: now_ms;
	case DYING:
	case WIPED:
	case CHECKED_OUT:
	case REMOVED:
	case BAD_TOKEN:
		return now_ms < v->from ? now_ms : NEVER_AWAKE;
	default:
		return now_ms;
	}
}

static void
report(struct dev *v, const char *status, const char *uuid, struct reply *out)
{
	const char *user = v->habit == USER_ONLY ? "<key>UserID</key><string>USER</string>" : "";
	struct message *msg;
	const char *why = NULL;
	char *xml = xasprintf("<plist version=\"1.0\"><dict><key>UDID</key><string>%s</string>%s"
			      "<key>Status</key><string>%s</string>%s%s%s</dict></plist>",
		v->id, user, status, uuid ? "<key>CommandUUID</key><string>" : "", uuid ? uuid : "",
		uuid ? "</string>" : "");

	*out = (struct reply)REPLY_INIT;
	assert_int_equal(message_parse_report(bytes_str(xml), &msg, &why), 0);
	note("heard", v);
	connect_answer(&kit->m, msg, &v->who, out);
	if (out->status != 200)
		fail_msg("%s: status %d", v->id, out->status);
	assert_int_equal(store_commit(kit->m.store), 0);
	tell(v);
	message_free(msg);
	free(xml);
}

static void
session(struct dev *v)
{
	const char *status = v->habit == NOT_NOW ? "NotNow" : "Acknowledged";
	unsigned steps = 0;
	struct reply out;
	char *uuid;

	report(v, "Idle", NULL, &out);
	while ((uuid = kit_offered(&out)) != NULL) {
		assert_true(steps++ < 50);
		reply_free(&out);
		report(v, status, uuid, &out);
		free(uuid);
	}
	reply_free(&out);
}

static void
come(void *arg, uint64_t word)
{
	struct dev *v = arg;
	int64_t at = awake_at(v);

	(void)word;
	if (at == now_ms) {
		v->coming = false;
		session(v);
	} else if (at != NEVER_AWAKE) {
		later(at - now_ms + chance(HOUR), come, v, 0);
	}
}

/* A push reached it, or waits at Apple until it wakes. */
static void
called(struct dev *v)
{
	int64_t at = awake_at(v);

	if (v->coming || at == NEVER_AWAKE)
		return;
	v->coming = true;
	later(at - now_ms + (at == now_ms ? SECOND + chance(15 * SECOND) : chance(HOUR)), come, v,
		0);
}

static void
send_token(struct dev *v, const struct kit_device *as)
{
	unsigned i = (unsigned)(v - devs);
	unsigned char token[4] = { (unsigned char)(i >> 8), (unsigned char)i,
		(unsigned char)(v->generation >> 8), (unsigned char)v->generation };
	struct buf text = BUF_INIT;
	char *more;

	encode_base64(&text, bytes_of(token, sizeof(token)), 0);
	more = xasprintf(
		"<key>PushMagic</key><string>magic</string><key>Token</key><data>%s</data>",
		buf_str(&text));
	note("token", v);
	assert_int_equal(kit_checkin(as, "TokenUpdate", more, NULL), 200);
	v->known = v->generation;
	buf_free(&text);
	free(more);
	tell(v);
}

static void
tell_token(void *arg, uint64_t word)
{
	struct dev *v = arg;

	(void)word;
	send_token(v, &v->d);
}

/* Apple gives it another token; it says so two hours later. */
static void
flap(void *arg, uint64_t word)
{
	struct dev *v = arg;

	(void)word;
	v->generation++;
	v->changed = now_ms;
	later(2 * HOUR, tell_token, v, 0);
	later(4 * DAY + chance(3 * DAY), flap, v, 0);
}

static void
check_out(void *arg, uint64_t word)
{
	struct dev *v = arg;

	(void)word;
	note("checkout", v);
	assert_int_equal(kit_checkin(&v->d, "CheckOut", NULL, NULL), 200);
	tell(v);
}

static void
enroll(void *arg, uint64_t word)
{
	static const struct kit_issue issue = { .lifetime = 3 * 365 * INT64_C(86400) };
	struct dev *v = arg;
	struct kit_device user;
	const char *why = NULL;

	(void)word;
	kit_device_init(&v->d, kit, v->id, v->serial, &issue);
	note("enroll", v);
	assert_int_equal(kit_authenticate(&v->d), 200);
	send_token(v, &v->d);
	assert_int_equal(auth_certificate(&kit->m, v->d.cert, &v->who, &why), 0);
	if (v->habit == USER_ONLY) {
		user = v->d;
		user.id = v->user;
		send_token(v, &user);
	}
	if (v->habit == FLAPPING)
		later(chance(4 * DAY), flap, v, 0);
	if (v->habit == CHECKED_OUT)
		later(v->from - now_ms, check_out, v, 0);
}

/* ---- Apple ---- */

struct apns {
	struct apns_callbacks cb;
	enum apns_state state;
};

struct flight {
	struct dev *v;
	void *tag;
	unsigned number, generation;
	int64_t sent;
};

struct apns *
apns_new(struct loop *l, const struct apns_options *o, const struct apns_callbacks *cb)
{
	struct apns *a = xcalloc(1, sizeof(*a));

	(void)l;
	(void)o;
	assert_null(push_line);
	a->cb = *cb;
	push_line = a;
	return a;
}

void
apns_set_identity(struct apns *a, STACK_OF(X509) * chain, EVP_PKEY *key, const char *why)
{
	(void)a;
	(void)key;
	(void)why;
	assert_non_null(chain);
}

static void
answer(const struct flight *f, int status, const char *reason, int64_t gone_ms, const char *said)
{
	struct apns_answer a = { status == 200 ? APNS_ACCEPTED : APNS_REJECTED, status, reason,
		gone_ms ? EPOCH + gone_ms / 1000 : 0, EPOCH + f->sent / 1000 };

	if (gone_ms)
		printf("%" PRId64 " gone %s %u %" PRId64 "\n", now_ms, f->v->id, f->number,
			gone_ms);
	else
		note_push(said, f->v, f->number);
	push_line->cb.answer(push_line->cb.arg, push_line, f->tag, &a);
}

static void
judge_push(const struct flight *f)
{
	struct dev *v = f->v;
	int64_t dead = v->habit == WIPED ? v->from + 8 * DAY : v->from;

	if ((v->habit == WIPED || v->habit == REMOVED) && now_ms >= dead) {
		answer(f, 410, "Unregistered", dead, "");
	} else if (v->habit == BAD_TOKEN && now_ms >= v->from) {
		answer(f, 400, "BadDeviceToken", 0, "bad");
	} else if (v->habit == FLAPPING && f->generation != v->generation) {
		answer(f, 410, "ExpiredToken", v->changed, "");
	} else if (chance(300) == 0) {
		answer(f, chance(2) ? 503 : 429, "", 0, "refused");
	} else {
		if (v->habit == EARLY)
			session(v);
		answer(f, 200, "", 0, "taken");
		if (v->habit != EARLY)
			called(v);
	}
}

static void
on_flight(void *arg, uint64_t word)
{
	struct flight *f = arg;

	(void)word;
	if (push_line->state != APNS_CONNECTED) {
		later(60 * SECOND + chance(SECOND), on_flight, f, 0);
		return;
	}
	judge_push(f);
	assert_int_equal(store_commit(kit->m.store), 0);
	tell(f->v);
	free(f);
}

int
apns_push(struct apns *a, struct bytes token, const char *magic, int64_t expiration, int bulk,
	void *tag)
{
	struct flight *f = xcalloc(1, sizeof(*f));

	(void)a;
	(void)magic;
	(void)expiration;
	(void)bulk;
	assert_int_equal(token.len, 4);
	f->v = &devs[token.data[0] << 8 | token.data[1]];
	f->generation = (unsigned)(token.data[2] << 8 | token.data[3]);
	f->tag = tag;
	f->number = ++push_number;
	f->sent = now_ms;
	note_push("sent", f->v, f->number);
	later(50 + chance(800), on_flight, f, 0);
	return 0;
}

const char *
apns_state_name(enum apns_state s)
{
	return s == APNS_CONNECTED ? "Connected" : "Disconnected";
}

enum apns_state
apns_state(const struct apns *a)
{
	return a->state;
}

const char *
apns_words(const struct apns *a)
{
	(void)a;
	return "";
}

static int64_t connected_since;

int64_t
apns_since(const struct apns *a)
{
	(void)a;
	return connected_since;
}

size_t
apns_waiting(const struct apns *a)
{
	(void)a;
	return 0;
}

size_t
apns_in_flight(const struct apns *a)
{
	(void)a;
	return 0;
}

void
apns_free(struct apns *a)
{
	free(a);
	push_line = NULL;
}

static void
connect_push(void *arg, uint64_t up)
{
	(void)arg;
	note(up ? "up" : "down", NULL);
	connected_since = EPOCH + now_ms / 1000;
	push_line->state = up ? APNS_CONNECTED : APNS_DISCONNECTED;
	push_line->cb.state(push_line->cb.arg, push_line, push_line->state, "");
}

/* Every three weeks the network is away: mostly for minutes, each fourth time for days. */
static void
plan_outages(int64_t end)
{
	int64_t at;
	unsigned n = 0;

	for (at = 17 * DAY; at < end; at += 21 * DAY, n++) {
		later(at, connect_push, NULL, 0);
		later(at + (n % 4 == 1 ? DAY + chance(3 * DAY) : HOUR / 6 + chance(HOUR / 2)),
			connect_push, NULL, 1);
	}
}

/* ---- the year ---- */

static int64_t proven;

static void
on_round(void *arg, uint64_t word)
{
	unsigned i;

	(void)arg;
	(void)word;
	/* The daemon's own request to its own name, once an hour. */
	if (now_ms - proven >= HOUR) {
		service_reached(&kit->m, NULL);
		proven = now_ms;
	}
	patrol_round(&kit->m);
	assert_int_equal(store_commit(kit->m.store), 0);
	store_tick(kit->m.store, __wrap_clock_mono_ms());
	for (i = 0; i < dev_count; i++)
		tell(&devs[i]);
	later(ROUND, on_round, NULL, 0);
}

static void
sink(const struct log_record *r)
{
	(void)r;
}

static void
prepare(int64_t end, int64_t lock_after)
{
	unsigned i;

	kit = kit_new();
	log_set_sink(sink);
	kit->push.not_after += 365 * DAY / 1000;
	kit->conf.lock_after = lock_after;
	kit->conf.lock_limit = 100;
	kit->conf.queue.limit = 50;
	kit->conf.push.rate = 1000;
	kit->conf.refresh.device_information = 7 * DAY / 1000;
	service_new(&kit->m);
	patrol_new(&kit->m); /* without a loop: rounds are made here */
	kit->m.loop = (struct loop *)&now_ms;
	pusher_new(&kit->m);
	devs = xcalloc(dev_count, sizeof(*devs));
	for (i = 0; i < dev_count; i++) {
		struct dev *v = &devs[i];

		snprintf(v->id, sizeof(v->id), "D%u", i);
		snprintf(v->serial, sizeof(v->serial), "S%u", i);
		snprintf(v->user, sizeof(v->user), "D%u:USER", i);
		v->habit = (enum habit)(i % HABITS);
		v->from = 2 * DAY + chance(end - 2 * DAY);
		v->phase = chance(7 * DAY);
		later(chance(DAY), enroll, v, 0);
	}
}

static void
finish(void)
{
	struct coming c;
	unsigned i;

	pusher_free(kit->m.pusher);
	kit->m.pusher = NULL;
	while (heap_count) {
		c = next_coming();
		if (c.fn == on_timer)
			on_timer(c.arg, 0);
		else if (c.fn == on_flight)
			free(c.arg);
	}
	kit->m.loop = NULL;
	patrol_free(kit->m.patrol);
	service_free(kit->m.service);
	store_commit(kit->m.store);
	for (i = 0; i < dev_count; i++) {
		auth_speaker_free(&devs[i].who);
		kit_device_free(&devs[i].d);
	}
	log_set_sink(NULL);
	kit_free(kit);
	free(devs);
	free(heap);
}

int
main(int argc, char **argv)
{
	int64_t end, lock_after;
	struct coming c;

	lock_after = DURATION_NEVER;
	if (argc != 5 ||
		(strcmp(argv[3], "never") != 0 && duration_parse(argv[3], &lock_after) < 0)) {
		fprintf(stderr, "usage: year DEVICES DAYS LOCK-AFTER SEED\n");
		return 64;
	}
	dev_count = (unsigned)strtoul(argv[1], NULL, 10);
	end = strtoll(argv[2], NULL, 10) * DAY;
	seed = strtoull(argv[4], NULL, 10);
	prepare(end, lock_after);
	connect_push(NULL, 1);
	plan_outages(end);
	later(SECOND, on_round, NULL, 0);
	while (heap_count && heap[0].at < end) {
		c = next_coming();
		now_ms = c.at;
		c.fn(c.arg, c.word);
		if (store_pending(kit->m.store))
			assert_int_equal(store_commit(kit->m.store), 0);
	}
	now_ms = end;
	note("end", NULL);
	finish();
	return 0;
}
