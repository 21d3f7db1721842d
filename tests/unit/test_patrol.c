/*
 * Tests of daemon/mdm/patrol, service and silence: days and weeks in fake time, without sockets
 *
 * APNs is a stand-in in this file: each ask is answered at once, as the scene says, and a device
 * that is awake answers as a signed message does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/patrol.h"
#include "mdm/push.h"
#include "mdm/service.h"
#include "mdm/silence.h"
#include "mdm_kit.h"
#include "store/delivery.h"
#include "store/meta.h"

#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)
#define STEP INT64_C(300) /* fake seconds between rounds: the longest that counts */
#define FLEET 20u

enum habit { ANSWERS, SILENT, BAD_TOKEN, EARLY /* before APNs says that it took the push */ };

struct scene {
	struct kit *k;
	struct kit_device talker; /* signs real messages */
	int64_t mono_ms, wall_offset;
	enum apns_state push;
	int64_t push_since;
	bool refusing; /* the store takes no changes */
	enum habit habit[FLEET];
	unsigned asked[FLEET];
	unsigned inactive, limits, back, lapsed; /* events */
	char text[512];				 /* of the last EV_DEVICE_INACTIVE */
};

static struct scene *scene;

/* ---- the world ---- */

static int64_t
fake_mono(void)
{
	return scene->mono_ms;
}

static int64_t
fake_wall(void)
{
	return kit_now() + scene->wall_offset;
}

void __real_store_numbers(const struct store *s, struct store_numbers *ret);
void __wrap_store_numbers(const struct store *s, struct store_numbers *ret);
int __real_store_put(struct store *s, struct bytes key, struct bytes value);
int __wrap_store_put(struct store *s, struct bytes key, struct bytes value);

void
__wrap_store_numbers(const struct store *s, struct store_numbers *ret)
{
	__real_store_numbers(s, ret);
	if (scene && scene->refusing)
		ret->fault = -EDQUOT;
}

int __wrap_fdatasync(int fd);

/* Months pass here: what is durable is another test's matter. */
int
__wrap_fdatasync(int fd)
{
	(void)fd;
	return 0;
}

int
__wrap_store_put(struct store *s, struct bytes key, struct bytes value)
{
	return scene && scene->refusing ? -EROFS : __real_store_put(s, key, value);
}

static void
sink(const struct log_record *r)
{
	if (r->event == EV_DEVICE_INACTIVE) {
		scene->inactive++;
		snprintf(scene->text, sizeof(scene->text), "%s", r->message);
	}
	scene->limits += r->event == EV_LOCK_LIMIT;
	scene->back += r->event == EV_DEVICE_BACK;
	scene->lapsed += r->event == EV_CANDIDATE_LAPSED;
}

/* ---- the stand-in for push.c ---- */

int
pusher_each(const struct mdm *m, int (*each)(void *arg, const struct pusher_line *line), void *arg)
{
	struct pusher_line line = { .topic = KIT_TOPIC,
		.state = scene->push,
		.words = scene->push == APNS_CONNECTED ? "" : "the network is down",
		.since = scene->push_since };

	(void)m;
	return each(arg, &line);
}

static void
answer_ask(struct mdm *m, unsigned i, struct enrollment *e)
{
	struct silence_ask ask;

	silence_sending(m, e, &ask);
	if (scene->habit[i] == EARLY)
		silence_seen(m, e->id);
	e->token_bad = scene->habit[i] == BAD_TOKEN;
	e->last_push = fake_wall();
	silence_asked(m, e, &ask);
	if (scene->habit[i] == EARLY || e->paused_since)
		assert_int_equal(e->unanswered_since, 0);
	enrollment_save(m->store, e);
	if (scene->habit[i] == ANSWERS) {
		silence_seen(m, e->id);
		silence_reset(e);
		enrollment_save(m->store, e);
	}
}

void
pusher_ask(struct mdm *m, const char *id, bool bulk)
{
	unsigned i = (unsigned)strtoul(id + 1, NULL, 10);
	struct enrollment *e = kit_load(scene->k, id);

	assert_true(bulk);
	assert_true(i < FLEET);
	assert_int_equal(scene->push, APNS_CONNECTED);
	assert_false(e->token_bad);
	scene->asked[i]++;
	answer_ask(m, i, e);
	enrollment_free(e);
}

void
pusher_ask_later(struct mdm *m, const char *id, int64_t seconds)
{
	(void)m;
	(void)id;
	(void)seconds;
}

void
pusher_ask_after_commit(struct mdm *m, const char *id, bool bulk)
{
	(void)m;
	(void)id;
	(void)bulk;
}

/* ---- the scene ---- */

static const char *
name_of(unsigned i)
{
	static char name[8];

	snprintf(name, sizeof(name), "D%u", i);
	return name;
}

static void
add_device(struct kit *k, unsigned i)
{
	struct enrollment *e = enrollment_new(name_of(i), CHANNEL_DEVICE);

	e->state = STATE_ENROLLED;
	e->enrolled_at = e->first_enrolled_at = e->state_since = fake_wall();
	e->topic = xstrdup(KIT_TOPIC);
	e->facts.serial = xasprintf("SERIAL%u", i);
	buf_add_str(&e->token, "token");
	e->magic = xstrdup("magic");
	e->token_time = fake_wall();
	assert_int_equal(enrollment_save(k->m.store, e), 0);
	enrollment_free(e);
}

static void
commit(void)
{
	if (scene->refusing)
		return;
	assert_int_equal(store_commit(scene->k->m.store), 0);
}

static int
setup(void **ctx)
{
	struct scene *s = xcalloc(1, sizeof(*s));
	unsigned i;

	scene = s;
	s->k = kit_new();
	s->mono_ms = 5000000;
	s->push = APNS_CONNECTED;
	s->push_since = 1;
	s->k->m.wall = fake_wall;
	s->k->m.mono = fake_mono;
	s->k->conf.refresh.device_information = DURATION_NEVER;
	s->k->conf.lock_after = DAY;
	s->k->conf.lock_limit = 100;
	for (i = 0; i < FLEET; i++)
		add_device(s->k, i);
	commit();
	service_new(&s->k->m);
	patrol_new(&s->k->m);
	log_set_sink(sink);
	*ctx = s;
	return 0;
}

static void
stop_daemon(struct scene *s)
{
	commit();
	patrol_free(s->k->m.patrol);
	service_free(s->k->m.service);
	commit();
}

static int
teardown(void **ctx)
{
	struct scene *s = *ctx;

	s->refusing = false;
	stop_daemon(s);
	log_set_sink(NULL);
	kit_free(s->k);
	free(s);
	scene = NULL;
	return 0;
}

static void
one_step(struct scene *s, int64_t seconds)
{
	s->mono_ms += seconds * 1000;
	kit_forward(seconds);
	patrol_round(&s->k->m);
	commit();
}

static void
pass(struct scene *s, int64_t seconds)
{
	for (; seconds > 0; seconds -= STEP)
		one_step(s, seconds < STEP ? seconds : STEP);
}

/* Also the devices that nobody asks may prove that we can be heard. */
static void
pass_served(struct scene *s, int64_t seconds)
{
	for (; seconds > 0; seconds -= STEP) {
		service_served(&s->k->m);
		one_step(s, STEP);
	}
}

static int64_t
clock_seconds(struct scene *s)
{
	return service_clock_of(&s->k->m, KIT_TOPIC)->seconds;
}

static unsigned
count_locked(struct scene *s)
{
	unsigned i, n = 0;

	for (i = 0; i < FLEET; i++) {
		const struct roster_line *line = roster_find(s->k->m.roster, name_of(i));

		n += line->locked;
		assert_int_equal(line->locked, line->state == STATE_INACTIVE);
	}
	return n;
}

static void
silence_from(struct scene *s, unsigned first)
{
	unsigned i;

	for (i = first; i < FLEET; i++)
		s->habit[i] = SILENT;
}

static int
standing(void *arg, const struct service_line *line)
{
	*(struct service_line *)arg = *line;
	return 1;
}

/* ---- tests ---- */

static void
a_fleet_that_answers_is_left_alone(void **ctx)
{
	struct scene *s = *ctx;
	unsigned i;

	pass(s, 40 * DAY);
	assert_int_equal(count_locked(s), 0);
	assert_in_range(clock_seconds(s), 40 * DAY - HOUR, 40 * DAY + 1);
	for (i = 0; i < FLEET; i++)
		assert_in_range(s->asked[i], 4 * 40 - 1, 4 * 40 + 2);
}

static void
silent_devices_lock_exactly_at_lock_after(void **ctx)
{
	static const int64_t spans[] = { 24 * HOUR, 7 * DAY, 14 * DAY, 30 * DAY, 3 * DAY };
	struct scene *s = *ctx;
	size_t i;

	for (i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		struct enrollment *e;
		int64_t since;

		s->k->conf.lock_after = spans[i];
		s->habit[i] = SILENT;
		do {
			pass(s, STEP);
			e = kit_load(s->k, name_of((unsigned)i));
			since = e->unanswered_since;
			enrollment_free(e);
		} while (since == 0);
		while (kit_state(s->k, name_of((unsigned)i)) == STATE_ENROLLED) {
			assert_true(clock_seconds(s) - since < spans[i]);
			pass_served(s, STEP);
		}
		assert_in_range(clock_seconds(s) - since, spans[i], spans[i] + STEP);
		assert_int_equal(s->inactive, i + 1);
		assert_int_equal(count_locked(s), i + 1);
	}
	/* the numbers are in the line, and it comes once */
	pass_served(s, 5 * DAY);
	assert_int_equal(s->inactive, 5);
	assert_non_null(strstr(s->text, "SERIAL4"));
	assert_non_null(strstr(s->text, "asks unanswered"));
	assert_non_null(strstr(s->text, "lock-after 3d"));
}

static void
no_push_locks_nobody(void **ctx)
{
	struct scene *s = *ctx;
	struct service_line line;

	silence_from(s, 0);
	pass_served(s, 23 * HOUR);
	s->push = APNS_DISCONNECTED;
	pass_served(s, 40 * DAY);
	assert_int_equal(count_locked(s), 0);
	service_each(&s->k->m, standing, &line);
	assert_int_equal(line.standing, STANDING_PUSH);
	assert_non_null(strstr(line.words, "the network is down"));
	assert_in_range(line.since, fake_wall() - 40 * DAY, fake_wall() - 40 * DAY + 2 * STEP);
	/* what they really earned still comes, after everybody was asked again */
	s->push = APNS_CONNECTED;
	s->push_since = 2;
	pass_served(s, 4 * HOUR);
	assert_int_equal(count_locked(s), 0);
	pass_served(s, 30 * HOUR);
	assert_int_equal(count_locked(s), FLEET);
}

/* The connection breaks and comes back all the time: no step is whole. */
static void
a_flapping_connection_locks_nobody(void **ctx)
{
	struct scene *s = *ctx;
	int64_t t;

	silence_from(s, 0);
	for (t = 0; t < 40 * DAY; t += STEP) {
		s->push_since++;
		pass_served(s, STEP);
	}
	assert_int_equal(count_locked(s), 0);
}

static void
a_store_that_refuses_locks_nobody(void **ctx)
{
	struct scene *s = *ctx;
	struct service_line line;

	silence_from(s, 0);
	pass_served(s, 12 * HOUR);
	s->refusing = true;
	pass_served(s, 40 * DAY);
	assert_int_equal(count_locked(s), 0);
	service_each(&s->k->m, standing, &line);
	assert_int_equal(line.standing, STANDING_STORE);
	s->refusing = false;
	pass_served(s, 2 * HOUR);
	assert_int_equal(count_locked(s), 0);
}

static void
our_own_certificate_locks_nobody(void **ctx)
{
	struct scene *s = *ctx;
	struct conf_listen listen = { .tls = true };
	struct service_line line;

	s->k->conf.listen = &listen;
	s->k->conf.listen_count = 1;
	silence_from(s, 0);
	/* none, a wrong one, an expired one */
	pass_served(s, 40 * DAY);
	service_each(&s->k->m, standing, &line);
	assert_int_equal(line.standing, STANDING_TLS);
	assert_int_equal(clock_seconds(s), 1);
	kit_serve_tls(s->k, "other.example.org", 90 * DAY);
	pass_served(s, 10 * DAY);
	service_each(&s->k->m, standing, &line);
	assert_non_null(strstr(line.words, "is not for mdm.example.org"));
	assert_int_equal(clock_seconds(s), 1);
	kit_serve_tls(s->k, "mdm.example.org", 20 * HOUR);
	pass_served(s, 40 * DAY);
	service_each(&s->k->m, standing, &line);
	assert_non_null(strstr(line.words, "expired"));
	assert_in_range(clock_seconds(s), 19 * HOUR, 20 * HOUR + 1);
	assert_int_equal(count_locked(s), 0);
}

/* A firewall or a proxy keeps all devices away, and nothing here notices. */
static void
nobody_is_locked_while_nobody_can_be_heard(void **ctx)
{
	struct scene *s = *ctx;
	struct service_line line;

	pass(s, 2 * DAY);
	s->k->conf.lock_after = 2 * HOUR;
	silence_from(s, 0);
	pass(s, 40 * DAY);
	assert_int_equal(count_locked(s), 0);
	service_each(&s->k->m, standing, &line);
	assert_int_equal(line.standing, STANDING_UNHEARD);
	service_reached(&s->k->m, "connection refused");
	pass(s, DAY);
	assert_int_equal(count_locked(s), 0);
	service_each(&s->k->m, standing, &line);
	assert_non_null(strstr(line.words, "connection refused"));
	/* our own request may take another way than devices: a whole fleet is not silent at once */
	service_reached(&s->k->m, NULL);
	pass(s, DAY);
	service_each(&s->k->m, standing, &line);
	assert_int_equal(line.standing, STANDING_UNHEARD);
	assert_non_null(strstr(line.words, "that 20 devices are silent at once"));
	assert_int_equal(count_locked(s), 0);
	/* one that is served proves the path; then silence is theirs */
	service_served(&s->k->m);
	pass(s, STEP);
	service_each(&s->k->m, standing, &line);
	assert_int_equal(line.standing, STANDING_NO);
	assert_int_equal(count_locked(s), 0);
	pass_served(s, 4 * HOUR);
	assert_int_equal(count_locked(s), FLEET);
}

/* Of a few devices all may be silent by themselves: there our own request speaks for the path. */
static void
our_own_request_speaks_for_a_few_devices(void **ctx)
{
	struct scene *s = *ctx;
	struct service_line line;
	unsigned i;

	for (i = INACTIVITY_FEW - 1; i < FLEET; i++) {
		struct enrollment *e = kit_load(s->k, name_of(i));

		e->state = STATE_REMOVED;
		assert_int_equal(enrollment_save(s->k->m.store, e), 0);
		enrollment_free(e);
	}
	commit();
	silence_from(s, 0);
	for (i = 0; i < 36; i++) {
		pass(s, HOUR);
		service_reached(&s->k->m, NULL);
	}
	service_each(&s->k->m, standing, &line);
	assert_int_equal(line.standing, STANDING_NO);
	assert_int_equal(count_locked(s), INACTIVITY_FEW - 1);
}

static void
a_jumping_wall_clock_locks_nobody(void **ctx)
{
	static const int64_t jumps[] = { 365 * DAY, -365 * DAY, -365 * DAY, 365 * DAY };
	struct scene *s = *ctx;
	unsigned asked;
	size_t i;

	/* all but three answer; those have 12 hours to go */
	silence_from(s, FLEET - 3);
	pass(s, 12 * HOUR);
	asked = s->asked[0];
	for (i = 0; i < 4; i++) {
		s->wall_offset += jumps[i];
		pass(s, HOUR);
		assert_int_equal(count_locked(s), 0);
	}
	assert_in_range(s->asked[0] - asked, 1, 6);
	pass_served(s, DAY);
	assert_int_equal(count_locked(s), 3);
}

static void
a_restart_forgets_nothing_and_counts_nothing(void **ctx)
{
	struct scene *s = *ctx;
	int64_t before;

	silence_from(s, FLEET - 1);
	pass_served(s, 20 * HOUR);
	before = clock_seconds(s);
	stop_daemon(s);
	/* down for 40 days; monotonic time begins anew */
	kit_forward(40 * DAY);
	s->mono_ms = 1000;
	service_new(&s->k->m);
	patrol_new(&s->k->m);
	pass_served(s, 4 * HOUR);
	assert_in_range(clock_seconds(s), before + 4 * HOUR - 2 * STEP, before + 4 * HOUR + STEP);
	assert_int_equal(count_locked(s), 0);
	/* a quick restart is no outage */
	stop_daemon(s);
	service_new(&s->k->m);
	patrol_new(&s->k->m);
	pass_served(s, 8 * HOUR);
	assert_int_equal(count_locked(s), 1);
}

static void
lock_limit_stops_a_mass_lock_with_one_alarm(void **ctx)
{
	struct scene *s = *ctx;
	struct patrol_numbers n;

	s->k->conf.lock_limit = 20;
	silence_from(s, 5);
	pass_served(s, 36 * HOUR);
	assert_int_equal(count_locked(s), 10);
	assert_int_equal(s->limits, 1);
	patrol_numbers(&s->k->m, &n);
	assert_int_equal(n.over_limit, 5);
	assert_int_equal(n.drawn, 10);
	/* also after a restart */
	stop_daemon(s);
	service_new(&s->k->m);
	patrol_new(&s->k->m);
	pass_served(s, 2 * HOUR);
	assert_int_equal(count_locked(s), 10);
	/* a person's word locks the rest */
	assert_int_equal(patrol_lock_silent(&s->k->m, "ann"), 5);
	pass_served(s, STEP);
	assert_int_equal(count_locked(s), 15);
	assert_int_equal(s->inactive, 15);
	assert_non_null(strstr(s->text, "by ann"));
	pass_served(s, STEP);
	patrol_numbers(&s->k->m, &n);
	assert_int_equal(n.over_limit, 0);
}

static void
a_bad_token_for_ever_locks(void **ctx)
{
	struct scene *s = *ctx;

	s->habit[3] = BAD_TOKEN;
	pass_served(s, 8 * HOUR);
	assert_int_equal(s->asked[3], 1);
	pass_served(s, 23 * HOUR);
	assert_int_equal(s->asked[3], 1);
	assert_int_equal(count_locked(s), 1);
	assert_int_equal(kit_state(s->k, "D3"), STATE_INACTIVE);
}

static void
answers_before_the_200_of_apns_count(void **ctx)
{
	struct scene *s = *ctx;
	unsigned i;

	for (i = 0; i < FLEET; i++)
		s->habit[i] = EARLY;
	pass(s, 10 * DAY);
	assert_int_equal(count_locked(s), 0);
}

/* It spoke while nothing could be written; then the disk is mended and it sleeps again. */
static void
an_answer_that_could_not_be_written_counts(void **ctx)
{
	struct scene *s = *ctx;
	struct enrollment *e;

	silence_from(s, FLEET - 1);
	pass_served(s, 20 * HOUR);
	s->refusing = true;
	pass_served(s, STEP);
	silence_seen(&s->k->m, name_of(FLEET - 1));
	pass_served(s, STEP);
	s->refusing = false;
	pass_served(s, STEP);
	e = kit_load(s->k, name_of(FLEET - 1));
	assert_true(e->unanswered <= 1);
	enrollment_free(e);
	pass_served(s, 20 * HOUR);
	assert_int_equal(count_locked(s), 0);
	pass_served(s, 11 * HOUR);
	assert_int_equal(count_locked(s), 1);
}

/* The next ask goes out before anybody found the time to write that answer down. */
static void
an_ask_after_such_an_answer_begins_anew(void **ctx)
{
	struct scene *s = *ctx;
	struct enrollment *e;
	int64_t before;

	silence_from(s, 0);
	pass_served(s, 12 * HOUR);
	e = kit_load(s->k, "D0");
	before = e->unanswered_since;
	enrollment_free(e);
	assert_true(before > 0);
	silence_seen(&s->k->m, "D0");
	pusher_ask(&s->k->m, "D0", true);
	commit();
	e = kit_load(s->k, "D0");
	assert_true(e->unanswered_since >= before + 11 * HOUR);
	assert_int_equal(e->unanswered, 1);
	enrollment_free(e);
}

static void
set_paused(struct scene *s, unsigned i, bool paused)
{
	struct enrollment *e = kit_load(s->k, name_of(i));

	e->paused_since = paused ? fake_wall() : 0;
	silence_reset(e);
	assert_int_equal(enrollment_save(s->k->m.store, e), 0);
	enrollment_free(e);
	commit();
}

static void
paused_time_does_not_count(void **ctx)
{
	struct scene *s = *ctx;

	s->habit[2] = s->habit[4] = SILENT;
	pass_served(s, 20 * HOUR);
	set_paused(s, 2, true);
	pass_served(s, 30 * DAY);
	assert_int_equal(kit_state(s->k, "D2"), STATE_ENROLLED);
	assert_int_equal(kit_state(s->k, "D4"), STATE_INACTIVE);
	set_paused(s, 2, false);
	pass_served(s, 20 * HOUR);
	assert_int_equal(kit_state(s->k, "D2"), STATE_ENROLLED);
	pass_served(s, 12 * HOUR);
	assert_int_equal(kit_state(s->k, "D2"), STATE_INACTIVE);
}

static void
never_locks_nobody_and_changes_act_at_the_next_round(void **ctx)
{
	struct scene *s = *ctx;

	s->k->conf.lock_after = DURATION_NEVER;
	silence_from(s, 16);
	pass_served(s, 20 * DAY);
	assert_int_equal(count_locked(s), 0);
	s->k->conf.lock_after = 30 * DAY;
	pass_served(s, STEP);
	assert_int_equal(count_locked(s), 0);
	s->k->conf.lock_after = DAY;
	pass_served(s, STEP);
	assert_int_equal(count_locked(s), 4);
	assert_int_equal(s->inactive, 4);
	/* and back: nobody is unlocked, nobody more is locked */
	s->k->conf.lock_after = DURATION_NEVER;
	silence_from(s, 10);
	pass_served(s, 20 * DAY);
	assert_int_equal(count_locked(s), 4);
}

/* A real device: signed messages, from Inactive back to Enrolled, still locked. */
static void
an_answer_brings_back_but_does_not_unlock(void **ctx)
{
	static const struct kit_issue fresh;
	struct scene *s = *ctx;
	struct enrollment *e;

	kit_device_init(&s->talker, s->k, "D1", "SERIAL1", &fresh);
	kit_enroll(&s->talker);
	s->habit[1] = SILENT;
	pass_served(s, 32 * HOUR);
	assert_int_equal(kit_state(s->k, "D1"), STATE_INACTIVE);
	assert_int_equal(kit_report(&s->talker, "Idle", NULL, NULL, NULL), 200);
	e = kit_load(s->k, "D1");
	assert_int_equal(e->state, STATE_ENROLLED);
	assert_true(e->locked);
	assert_int_equal(e->lock_cause, LOCK_INACTIVE);
	assert_int_equal(e->unanswered_since, 0);
	enrollment_free(e);
	assert_int_equal(s->back, 1);
	kit_device_free(&s->talker);
}

static void
candidates_lapse_after_an_hour(void **ctx)
{
	static const struct kit_issue fresh;
	struct scene *s = *ctx;
	struct identity *i;

	kit_device_init(&s->talker, s->k, "D1", "SERIAL1", &fresh);
	assert_int_equal(kit_authenticate(&s->talker), 200);
	pass(s, 55 * 60);
	assert_int_equal(s->lapsed, 0);
	/* what waits is found again after a restart */
	stop_daemon(s);
	service_new(&s->k->m);
	patrol_new(&s->k->m);
	pass(s, 15 * 60);
	assert_int_equal(s->lapsed, 1);
	assert_int_equal(identity_load(s->k->m.store, s->talker.sha256, &i), 0);
	assert_int_equal(i->status, IDENTITY_REVOKED);
	identity_free(i);
	assert_int_equal(kit_state(s->k, "D1"), STATE_ENROLLED);
	pass(s, 2 * HOUR);
	assert_int_equal(s->lapsed, 1);
	kit_device_free(&s->talker);
}

static void
profiles_that_led_nowhere_are_forgotten_in_a_day(void **ctx)
{
	struct scene *s = *ctx;
	struct delivery *d = delivery_new(), *got;

	d->created = fake_wall();
	assert_int_equal(delivery_save(s->k->m.store, d), 0);
	pass(s, DELIVERY_LIFETIME + 23 * HOUR);
	assert_int_equal(delivery_load(s->k->m.store, d->number, &got), 0);
	delivery_free(got);
	pass(s, 26 * HOUR);
	assert_int_equal(delivery_load(s->k->m.store, d->number, &got), -ENOENT);
	delivery_free(d);
}

static void
set_imported(struct scene *s, unsigned i, bool came)
{
	struct enrollment *e = kit_load(s->k, name_of(i));

	e->imported_at = 1;
	e->current.set = came;
	e->current.not_after = fake_wall() + 365 * DAY;
	if (came) { /* by a message, like any other */
		silence_seen(&s->k->m, e->id);
		silence_reset(e);
	}
	assert_int_equal(enrollment_save(s->k->m.store, e), 0);
	enrollment_free(e);
	commit();
}

/* It may be with its earlier server still: asked while it may come, and silent only once it came.
 */
static void
an_imported_device_is_not_silent_before_it_came(void **ctx)
{
	struct scene *s = *ctx;
	unsigned i;

	for (i = 0; i < 3; i++)
		set_imported(s, i, false);
	silence_from(s, 0);
	for (i = 3; i < FLEET; i++)
		s->habit[i] = ANSWERS;
	pass_served(s, 10 * DAY);
	assert_int_equal(s->asked[0], 0); /* the window is closed */
	s->k->m.migration_until = fake_wall() + 10 * DAY;
	pass_served(s, 9 * DAY);
	assert_in_range(s->asked[0], 4 * 9 - 1, 4 * 9 + 2);
	assert_int_equal(count_locked(s), 0);
	s->habit[1] = ANSWERS;
	set_imported(s, 0, true);
	set_imported(s, 1, true);
	pass_served(s, 3 * DAY);
	assert_int_equal(count_locked(s), 1);
	assert_int_equal(kit_state(s->k, name_of(0)), STATE_INACTIVE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fleet_that_answers_is_left_alone),
		TEST(silent_devices_lock_exactly_at_lock_after),
		TEST(no_push_locks_nobody),
		TEST(a_flapping_connection_locks_nobody),
		TEST(a_store_that_refuses_locks_nobody),
		TEST(our_own_certificate_locks_nobody),
		TEST(nobody_is_locked_while_nobody_can_be_heard),
		TEST(our_own_request_speaks_for_a_few_devices),
		TEST(a_jumping_wall_clock_locks_nobody),
		TEST(a_restart_forgets_nothing_and_counts_nothing),
		TEST(lock_limit_stops_a_mass_lock_with_one_alarm),
		TEST(a_bad_token_for_ever_locks),
		TEST(answers_before_the_200_of_apns_count),
		TEST(an_answer_that_could_not_be_written_counts),
		TEST(an_ask_after_such_an_answer_begins_anew),
		TEST(paused_time_does_not_count),
		TEST(never_locks_nobody_and_changes_act_at_the_next_round),
		TEST(an_answer_brings_back_but_does_not_unlock),
		TEST(candidates_lapse_after_an_hour),
		TEST(profiles_that_led_nowhere_are_forgotten_in_a_day),
		TEST(an_imported_device_is_not_silent_before_it_came),
	};

	return cmocka_run_group_tests_name("patrol", tests, NULL, NULL);
}
