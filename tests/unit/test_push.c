/*
 * Tests of daemon/mdm/push: what is asked, what each answer means
 *
 * The connection is a stand-in in this file, so that every answer of Apple's can be given at will,
 * and so are the clock and the timers (linked with --wrap): hours of back-off pass at once, and to
 * the millisecond.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mdm/enqueue.h"
#include "mdm/push.h"
#include "mdm_kit.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/key.h"

#define LINES_MAX 4
#define FOR_EVER (INT64_MAX / 2)

/* ---- clock and timers ---- */

struct loop_timer {
	void (*fn)(void *arg);
	void *arg;
	int64_t due;
	struct loop_timer *next;
};

static int64_t now_ms;
static struct loop_timer *timers;

int64_t __wrap_clock_mono_ms(void);
struct loop_timer *__wrap_loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void __wrap_loop_timer_set(struct loop_timer *t, int64_t ms);
void __wrap_loop_timer_stop(struct loop_timer *t);
void __wrap_loop_timer_free(struct loop_timer *t);

int64_t
__wrap_clock_mono_ms(void)
{
	return now_ms;
}

struct loop_timer *
__wrap_loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));

	(void)l;
	*t = (struct loop_timer){ fn, arg, FOR_EVER, timers };
	timers = t;
	return t;
}

void
__wrap_loop_timer_set(struct loop_timer *t, int64_t ms)
{
	t->due = now_ms + ms;
}

void
__wrap_loop_timer_stop(struct loop_timer *t)
{
	t->due = FOR_EVER;
}

void
__wrap_loop_timer_free(struct loop_timer *t)
{
	struct loop_timer **at = &timers;

	if (!t)
		return;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	free(t);
}

/* Time goes on, and what is due happens when it is. */
static void
pass(int64_t ms)
{
	int64_t end = now_ms + ms;
	struct loop_timer *t, *first;

	for (;;) {
		for (first = t = timers; t; t = t->next)
			if (t->due < first->due)
				first = t;
		if (!first || first->due > end)
			break;
		now_ms = first->due > now_ms ? first->due : now_ms;
		first->due = FOR_EVER;
		first->fn(first->arg);
	}
	now_ms = end;
}

/* ---- the connection ---- */

/* One stand-in connection. */
struct apns {
	struct apns_callbacks cb;
	char *topic;
	enum apns_state state;
	X509 *cert; /* the leaf it presents */
	unsigned pushes, identities;
	void *tag;
	int64_t expiration;
	int bulk;
	unsigned char token[8];
	char magic[32];
};

static struct apns *lines[LINES_MAX];

struct apns *
apns_new(struct loop *l, const struct apns_options *o, const struct apns_callbacks *cb)
{
	struct apns *a = xcalloc(1, sizeof(*a));
	size_t i;

	(void)l;
	a->cb = *cb;
	a->topic = xstrdup(o->topic);
	for (i = 0; lines[i]; i++)
		assert_true(i < LINES_MAX - 1);
	lines[i] = a;
	return a;
}

void
apns_set_identity(struct apns *a, STACK_OF(X509) * chain, EVP_PKEY *key, const char *why)
{
	(void)key;
	(void)why;
	a->identities++;
	a->cert = chain ? sk_X509_value(chain, 0) : NULL;
}

int
apns_push(struct apns *a, struct bytes token, const char *magic, int64_t expiration, int bulk,
	void *tag)
{
	assert_true(token.len <= sizeof(a->token));
	assert_null(a->tag);
	memcpy(a->token, token.data, token.len);
	snprintf(a->magic, sizeof(a->magic), "%s", magic);
	a->expiration = expiration;
	a->bulk = bulk;
	a->tag = tag;
	a->pushes++;
	return 0;
}

const char *
apns_state_name(enum apns_state s)
{
	static const char *const names[] = { "Disconnected", "Connecting", "Connected", "Refused" };

	return names[s];
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

int64_t
apns_since(const struct apns *a)
{
	(void)a;
	return 1;
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
	return a->tag != NULL;
}

/* Gives the push in flight its answer. */
static void
answer(struct apns *a, enum apns_result result, int status, const char *reason, int64_t timestamp)
{
	struct apns_answer ans = { result, status, reason, timestamp, kit_now() };
	void *tag = a->tag;

	assert_non_null(tag);
	a->tag = NULL;
	a->cb.answer(a->cb.arg, a, tag, &ans);
}

void
apns_free(struct apns *a)
{
	size_t i, j;

	if (a->tag)
		answer(a, APNS_UNSENT, 0, "", 0);
	for (i = j = 0; i < LINES_MAX; i++)
		if (lines[i] != a)
			lines[j++] = lines[i];
	for (; j < LINES_MAX; j++)
		lines[j] = NULL;
	free(a->topic);
	free(a);
}

static void
change_state(struct apns *a, enum apns_state s)
{
	a->state = s;
	a->cb.state(a->cb.arg, a, s, "words");
}

/* How often each event was said. */
static unsigned said[EVENT_COUNT];

static void
count_events(const struct log_record *r)
{
	said[r->event]++;
}

struct scene {
	struct kit *k;
	struct kit_device d;
};

static void
run(struct scene *s, int64_t ms)
{
	pass(ms);
	assert_int_equal(store_commit(s->k->m.store), 0);
}

static int
setup(void **ctx)
{
	static const struct kit_issue fresh;
	struct scene *s = xcalloc(1, sizeof(*s));

	memset(said, 0, sizeof(said));
	log_set_sink(count_events);
	s->k = kit_new();
	now_ms = 1000000;
	kit_device_init(&s->d, s->k, "AA", "SER1", &fresh);
	kit_enroll(&s->d);
	pusher_new(&s->k->m);
	assert_non_null(lines[0]);
	change_state(lines[0], APNS_CONNECTED);
	*ctx = s;
	return 0;
}

static int
teardown(void **ctx)
{
	struct scene *s = *ctx;

	pusher_free(s->k->m.pusher);
	assert_null(lines[0]);
	log_set_sink(NULL);
	assert_null(timers);
	kit_device_free(&s->d);
	kit_free(s->k);
	free(s);
	return 0;
}

static void
asks_become_one_push(void **ctx)
{
	struct scene *s = *ctx;
	struct apns *a = lines[0];
	struct enrollment *e;
	struct pusher_numbers n;

	assert_string_equal(a->topic, KIT_TOPIC);
	pusher_ask(&s->k->m, "AA", false);
	pusher_ask(&s->k->m, "AA", false);
	run(s, 50);
	assert_int_equal(a->pushes, 1);
	assert_memory_equal(a->token, "\1\2\3\4", 4);
	assert_string_equal(a->magic, "magic");
	assert_false(a->bulk);
	assert_true(a->expiration >= kit_now() + 7 * 86400 - 5);
	/* in flight: asks wait */
	pusher_ask(&s->k->m, "AA", false);
	run(s, 50);
	assert_int_equal(a->pushes, 1);
	answer(a, APNS_ACCEPTED, 200, "", 0);
	e = kit_load(s->k, "AA");
	assert_true(e->last_push > 0);
	enrollment_free(e);
	/* within the time of one push no second one */
	run(s, 300);
	assert_int_equal(a->pushes, 1);
	run(s, PUSH_COALESCE_MS);
	assert_int_equal(a->pushes, 2);
	answer(a, APNS_ACCEPTED, 200, "", 0);
	run(s, PUSH_COALESCE_MS + 300);
	assert_int_equal(a->pushes, 2);
	pusher_numbers(&s->k->m, &n);
	assert_int_equal(n.accepted, 2);
	assert_true(n.coalesced >= 1);
}

static void
queued_commands_ask_after_the_commit(void **ctx)
{
	struct scene *s = *ctx;
	struct enqueue_options o = { .by_person = true };
	const char *id = "AA";
	struct command c;
	char *why = NULL;
	int fault;

	assert_int_equal(command_from_words("ProfileList", NULL, 0, &c, &why), 0);
	assert_int_equal(mdm_enqueue(&s->k->m, &id, 1, &c, &o, &fault), 1);
	command_free(&c);
	pass(20);
	assert_int_equal(lines[0]->pushes, 0);
	assert_int_equal(store_commit(s->k->m.store), 0);
	run(s, 20);
	assert_int_equal(lines[0]->pushes, 1);
}

static void
nobody_is_asked_in_vain(void **ctx)
{
	struct scene *s = *ctx;

	assert_int_equal(kit_checkin(&s->d, "CheckOut", NULL, NULL), 200);
	pusher_ask(&s->k->m, "AA", false);
	pusher_ask(&s->k->m, "ZZ", false);
	run(s, 20);
	assert_int_equal(lines[0]->pushes, 0);
}

static void
unsent_waits_for_the_connection(void **ctx)
{
	struct scene *s = *ctx;
	struct pusher_numbers n;

	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	answer(lines[0], APNS_UNSENT, 0, "", 0);
	change_state(lines[0], APNS_DISCONNECTED);
	run(s, 20);
	pusher_numbers(&s->k->m, &n);
	assert_int_equal(n.waiting, 1);
	assert_int_equal(lines[0]->pushes, 1);
	change_state(lines[0], APNS_CONNECTED);
	run(s, PUSH_COALESCE_MS + 200);
	assert_int_equal(lines[0]->pushes, 2);
}

static void
bad_tokens_are_left_alone(void **ctx)
{
	struct scene *s = *ctx;
	struct enrollment *e;

	/* as long as Apple took no token of this topic, the fault may be ours */
	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	answer(lines[0], APNS_REJECTED, 400, "BadDeviceToken", 0);
	e = kit_load(s->k, "AA");
	assert_false(e->token_bad);
	assert_int_equal(e->unanswered, 0);
	enrollment_free(e);
	run(s, PUSH_COALESCE_MS + 100);
	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	answer(lines[0], APNS_ACCEPTED, 200, "", 0);
	run(s, PUSH_COALESCE_MS + 100);
	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	answer(lines[0], APNS_REJECTED, 400, "BadDeviceToken", 0);
	e = kit_load(s->k, "AA");
	assert_true(e->token_bad);
	/* both were asks */
	assert_int_equal(e->unanswered, 2);
	assert_int_equal(e->state, STATE_ENROLLED);
	enrollment_free(e);
	run(s, PUSH_COALESCE_MS + 100);
	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	assert_int_equal(lines[0]->pushes, 3);
	/* a new token makes it good: TokenUpdate pushes for what waits */
	assert_int_equal(kit_token(&s->d, NULL), 200);
	run(s, 20);
	assert_int_equal(lines[0]->pushes, 4);
}

static void
gone_counts_only_for_the_current_token(void **ctx)
{
	struct scene *s = *ctx;
	struct enrollment *e;

	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	/* APNs knew before the TokenUpdate, or so near to it that nobody can tell */
	answer(lines[0], APNS_REJECTED, 410, "Unregistered", kit_now() + 299);
	e = kit_load(s->k, "AA");
	assert_int_equal(e->state, STATE_ENROLLED);
	/* no removal; but asked, without an answer, it was: a clock that was wrong hides nobody */
	assert_int_equal(e->unanswered, 1);
	assert_false(e->token_bad);
	enrollment_free(e);
	run(s, PUSH_COALESCE_MS + 100);
	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	kit_forward(1000);
	answer(lines[0], APNS_REJECTED, 410, "Unregistered", kit_now());
	e = kit_load(s->k, "AA");
	assert_int_equal(e->state, STATE_REMOVED);
	assert_int_equal(e->removal, REMOVAL_PUSH);
	/* the device can take it back: its token, queue and identity stay */
	assert_true(e->token.len > 0);
	enrollment_free(e);
	assert_int_equal(kit_waiting(s->k, "AA"), 1);
	assert_int_equal(kit_report(&s->d, "Idle", NULL, NULL, NULL), 200);
	assert_int_equal(kit_state(s->k, "AA"), STATE_ENROLLED);
}

/* A backup's token may be an old one: for a week 410 is no removal, and then it is. */
static void
gone_removes_nobody_after_a_restore(void **ctx)
{
	struct scene *s = *ctx;
	struct enrollment *e;

	s->k->m.restored_at = kit_now();
	/* an answer to the ask before, which stands in memory only, is not taken for one to this */
	roster_set_heard(s->k->m.roster, "AA", true);
	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	kit_forward(1000);
	answer(lines[0], APNS_REJECTED, 410, "Unregistered", kit_now());
	e = kit_load(s->k, "AA");
	assert_int_equal(e->state, STATE_ENROLLED);
	assert_int_equal(e->unanswered, 1); /* dead since then: of the device's own doing */
	enrollment_free(e);
	assert_false(roster_find(s->k->m.roster, "AA")->heard);
	assert_int_equal(kit_token(&s->d, ""), 200);
	s->k->m.restored_at = kit_now() + 1;
	kit_forward(8 * 86400);
	run(s, PUSH_COALESCE_MS + 100);
	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	kit_forward(1000);
	answer(lines[0], APNS_REJECTED, 410, "Unregistered", kit_now());
	assert_int_equal(kit_state(s->k, "AA"), STATE_REMOVED);
}

/* It was dead before the restore: the device's newer token is among what was lost. */
static void
an_outdated_token_says_nothing_of_the_device(void **ctx)
{
	struct scene *s = *ctx;
	struct enrollment *e = kit_load(s->k, "AA");

	e->unanswered = 3; /* as the backup has it */
	e->unanswered_since = 1000;
	assert_int_equal(enrollment_save(s->k->m.store, e), 0);
	enrollment_free(e);
	kit_forward(20 * 86400);
	s->k->m.restored_at = kit_now();
	kit_forward(30 * 86400);
	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	answer(lines[0], APNS_REJECTED, 410, "ExpiredToken", s->k->m.restored_at - 86400);
	e = kit_load(s->k, "AA");
	assert_int_equal(e->state, STATE_ENROLLED);
	assert_true(e->token_bad);
	assert_int_equal(e->unanswered, 0);
	assert_int_equal(e->unanswered_since, 0);
	enrollment_free(e);
}

/* Asks once and has Apple say that the device is gone, as of now. */
static void
ask_and_hear_gone(struct scene *s)
{
	run(s, PUSH_COALESCE_MS + 100);
	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	kit_forward(1000);
	answer(lines[0], APNS_REJECTED, 410, "Unregistered", kit_now());
}

/* Apple's time says nothing to a clock that may be wrong; the silence of the device does. */
static void
gone_is_not_judged_by_a_clock_that_may_be_wrong(void **ctx)
{
	struct scene *s = *ctx;
	struct enrollment *e;

	kit_unsynchronise(true);
	ask_and_hear_gone(s);
	ask_and_hear_gone(s);
	e = kit_load(s->k, "AA");
	assert_int_equal(e->state, STATE_ENROLLED);
	assert_false(e->token_bad);
	assert_int_equal(e->unanswered, 2);
	enrollment_free(e);
	/* said once a day */
	assert_int_equal(said[EV_CLOCK_DOUBTED], 1);
	kit_unsynchronise(false);
	ask_and_hear_gone(s);
	assert_int_equal(kit_state(s->k, "AA"), STATE_REMOVED);
	assert_int_equal(said[EV_CLOCK_DOUBTED], 1);
}

/* The push in flight is answered so, and repeated after `seconds`: not a millisecond before. */
static void
expect_again(struct scene *s, int status, const char *reason, int64_t seconds)
{
	unsigned pushes = lines[0]->pushes;

	answer(lines[0], APNS_REJECTED, status, reason, 0);
	run(s, seconds * 500);
	pusher_ask(&s->k->m, "AA", false); /* shortens nothing */
	run(s, seconds * 1000 - seconds * 500 - 1);
	assert_int_equal(lines[0]->pushes, pushes);
	run(s, 1);
	assert_int_equal(lines[0]->pushes, pushes + 1);
}

/* Apple: after a 5xx 15 minutes, then doubled; a day is the end. */
static void
faults_of_apple_are_waited_out(void **ctx)
{
	static const int64_t waits[] = { 900, 1800, 3600, 7200, 14400, 28800, 57600, 86400, 86400 };
	struct scene *s = *ctx;
	size_t i;

	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	for (i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		expect_again(s, i % 2 ? 500 : 503,
			i % 2 ? "InternalServerError" : "ServiceUnavailable", waits[i]);
	/* one that is taken makes good for all of them */
	answer(lines[0], APNS_ACCEPTED, 200, "", 0);
	run(s, PUSH_COALESCE_MS + 300);
	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	expect_again(s, 502, "", 900);
	answer(lines[0], APNS_ACCEPTED, 200, "", 0);
}

/* 429 is about one device: the others are pushed as ever. */
static void
too_many_pushes_slow_down_one_device(void **ctx)
{
	static const struct kit_issue fresh;
	struct scene *s = *ctx;
	struct kit_device other;
	unsigned pushes;

	kit_device_init(&other, s->k, "BB", "SER2", &fresh);
	kit_enroll(&other);
	run(s, PUSH_COALESCE_MS);
	if (lines[0]->tag)
		answer(lines[0], APNS_ACCEPTED, 200, "", 0);
	run(s, PUSH_COALESCE_MS + 300);
	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	expect_again(s, 429, "TooManyRequests", 60);
	expect_again(s, 429, "TooManyProviderTokenUpdates", 120);
	answer(lines[0], APNS_REJECTED, 429, "TooManyRequests", 0);
	pushes = lines[0]->pushes;
	pusher_ask(&s->k->m, "BB", false);
	run(s, 20);
	assert_int_equal(lines[0]->pushes, pushes + 1);
	answer(lines[0], APNS_ACCEPTED, 200, "", 0);
	run(s, 239000);
	assert_int_equal(lines[0]->pushes, pushes + 1);
	run(s, 1000);
	assert_int_equal(lines[0]->pushes, pushes + 2);
	kit_device_free(&other);
}

/* A new connection is all that is wanted: the push goes out by it a second later. */
static void
a_server_that_leaves_is_asked_again(void **ctx)
{
	struct scene *s = *ctx;

	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	expect_again(s, 400, "IdleTimeout", 1);
	expect_again(s, 503, "Shutdown", 2);
}

/* What is said to be our fault is not repeated, whichever it is. */
static void
faults_of_ours_are_not_repeated(void **ctx)
{
	static const struct {
		int status;
		const char *reason;
	} ours[] = { { 400, "BadCollapseId" }, { 400, "BadExpirationDate" },
		{ 400, "BadMessageId" }, { 400, "BadPriority" }, { 400, "DuplicateHeaders" },
		{ 400, "InvalidPushType" }, { 400, "MissingTopic" }, { 400, "MissingDeviceToken" },
		{ 400, "PayloadEmpty" }, { 404, "BadPath" }, { 405, "MethodNotAllowed" },
		{ 413, "PayloadTooLarge" } };
	struct scene *s = *ctx;
	struct enrollment *e;
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		pusher_ask(&s->k->m, "AA", false);
		run(s, 20);
		assert_int_equal(lines[0]->pushes, i + 1);
		answer(lines[0], APNS_REJECTED, ours[i].status, ours[i].reason, 0);
		run(s, 2 * 86400 * INT64_C(1000));
		assert_int_equal(lines[0]->pushes, i + 1);
	}
	e = kit_load(s->k, "AA");
	assert_false(e->token_bad);
	assert_int_equal(e->unanswered, 0);
	enrollment_free(e);
	assert_in_range(said[EV_PUSH_FAILED], 1, i);
}

/* 403, and a topic that is not the certificate's: no push until there is another certificate. */
static void
refusals_stop_pushing(void **ctx)
{
	static const struct {
		int status;
		const char *reason;
	} refusals[] = { { 403, "BadCertificate" }, { 403, "BadCertificateEnvironment" },
		{ 403, "Forbidden" }, { 403, "ExpiredProviderToken" },
		{ 403, "InvalidProviderToken" }, { 403, "MissingProviderToken" },
		{ 403, "UnrelatedKeyIdInToken" }, { 403, "BadEnvironmentKeyIdInToken" },
		{ 400, "BadTopic" }, { 400, "TopicDisallowed" } };
	struct scene *s = *ctx;
	struct pusher_numbers n;
	size_t i;

	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		pusher_free(s->k->m.pusher);
		memset(said, 0, sizeof(said));
		pusher_new(&s->k->m);
		change_state(lines[0], APNS_CONNECTED);
		pusher_ask(&s->k->m, "AA", false);
		run(s, PUSH_COALESCE_MS);
		assert_int_equal(lines[0]->pushes, 1);
		answer(lines[0], APNS_REJECTED, refusals[i].status, refusals[i].reason, 0);
		change_state(lines[0], APNS_REFUSED);
		assert_in_range(said[EV_PUSH_REFUSED], 1, 2);
		pusher_ask(&s->k->m, "AA", false);
		run(s, 30 * 86400 * INT64_C(1000));
		pusher_ask(&s->k->m, "AA", true);
		run(s, 86400 * INT64_C(1000));
		assert_int_equal(lines[0]->pushes, 1);
		pusher_numbers(&s->k->m, &n);
		assert_int_equal(n.waiting, 1);
		/* what waits goes out when Apple takes one again */
		change_state(lines[0], APNS_CONNECTED);
		run(s, PUSH_COALESCE_MS);
		assert_int_equal(lines[0]->pushes, 2);
		answer(lines[0], APNS_ACCEPTED, 200, "", 0);
	}
}

static void
a_refused_certificate_gives_way_to_the_next(void **ctx)
{
	struct scene *s = *ctx;
	struct subject name = { .common_name = (char *)(uintptr_t) "second" };
	struct certpair two[2] = { s->k->push, s->k->push };
	EVP_PKEY *key = key_new_p256();
	X509 *second = ca_new_ssc(key, &name, clock_wall(), 86400);

	two[1].chain = sk_X509_new_null();
	sk_X509_push(two[1].chain, second);
	cert_sha256(second, two[1].sha256);
	s->k->certs.push = two;
	s->k->certs.push_count = 2;
	pusher_certs_changed(&s->k->m);
	assert_ptr_equal(lines[0]->cert, certpair_leaf(&s->k->push));
	assert_int_equal(lines[0]->identities, 1);
	pusher_ask(&s->k->m, "AA", false);
	run(s, 20);
	/* the connection says it first, and the push's own answer comes after the change */
	change_state(lines[0], APNS_REFUSED);
	assert_ptr_equal(lines[0]->cert, second);
	answer(lines[0], APNS_REJECTED, 403, "BadCertificate", 0);
	assert_ptr_equal(lines[0]->cert, second);
	/* what was asked goes out by the next one */
	change_state(lines[0], APNS_CONNECTED);
	run(s, PUSH_COALESCE_MS + 200);
	assert_int_equal(lines[0]->pushes, 2);
	answer(lines[0], APNS_ACCEPTED, 200, "", 0);
	s->k->certs.push = &s->k->push;
	s->k->certs.push_count = 1;
	sk_X509_pop_free(two[1].chain, X509_free);
	EVP_PKEY_free(key);
}

static void
lines_follow_the_certificates(void **ctx)
{
	struct scene *s = *ctx;
	struct certpair two[2] = { s->k->push, s->k->push };
	struct pusher_line line;

	/* a topic that was never ours is guarded */
	two[1].topic = (char *)(uintptr_t) "com.apple.mgmt.External.other";
	s->k->certs.push = two;
	s->k->certs.push_count = 2;
	pusher_certs_changed(&s->k->m);
	assert_null(lines[1]);
	assert_int_equal(mdm_topic_accept(&s->k->m, two[1].topic), 0);
	pusher_certs_changed(&s->k->m);
	assert_non_null(lines[1]);
	/* its certificate goes, and nobody is enrolled under it */
	s->k->certs.push_count = 1;
	pusher_certs_changed(&s->k->m);
	assert_null(lines[1]);
	/* one that devices are enrolled under stays to be seen */
	s->k->certs.push_count = 0;
	pusher_certs_changed(&s->k->m);
	assert_non_null(lines[0]);
	assert_null(lines[0]->cert);
	assert_true(pusher_main(&s->k->m, &line));
	assert_string_equal(line.topic, KIT_TOPIC);
	s->k->certs.push = &s->k->push;
	s->k->certs.push_count = 1;
	pusher_certs_changed(&s->k->m);
	assert_ptr_equal(lines[0]->cert, certpair_leaf(&s->k->push));
}

static void
a_restart_asks_those_with_waiting_commands(void **ctx)
{
	struct scene *s = *ctx;

	assert_int_equal(kit_waiting(s->k, "AA"), 1);
	pusher_resume(&s->k->m);
	run(s, 50);
	assert_int_equal(lines[0]->pushes, 1);
	assert_true(lines[0]->bulk);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(asks_become_one_push),
		TEST(queued_commands_ask_after_the_commit),
		TEST(nobody_is_asked_in_vain),
		TEST(unsent_waits_for_the_connection),
		TEST(bad_tokens_are_left_alone),
		TEST(gone_counts_only_for_the_current_token),
		TEST(gone_removes_nobody_after_a_restore),
		TEST(gone_is_not_judged_by_a_clock_that_may_be_wrong),
		TEST(an_outdated_token_says_nothing_of_the_device),
		TEST(faults_of_apple_are_waited_out),
		TEST(too_many_pushes_slow_down_one_device),
		TEST(a_server_that_leaves_is_asked_again),
		TEST(faults_of_ours_are_not_repeated),
		TEST(refusals_stop_pushing),
		TEST(a_refused_certificate_gives_way_to_the_next),
		TEST(lines_follow_the_certificates),
		TEST(a_restart_asks_those_with_waiting_commands),
	};

	return cmocka_run_group_tests_name("push", tests, NULL, NULL);
}
