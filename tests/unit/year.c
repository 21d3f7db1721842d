/*
 * year.c - a fleet over a year of fake time, as a log of what happened and of what the daemon made
 * of it, a line each on stdout
 *
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

#include "base/duration.h"
#include "base/mem.h"
#include "fleet.h"
#include "mdm/party.h"

#define UNLOCK_AFTER (3 * DAY) /* from the return of a locked device */

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

/* ---- the log ---- */

static void
event(const char *what, const struct fleet_device *v, const struct fleet_flight *f,
	const struct fleet_verdict *said)
{
	printf("%" PRId64 " %s %s", fleet.now, what, v ? v->id : "-");
	if (f)
		printf(" %u", f->number);
	if (said && said->status == 410)
		printf(" %" PRId64, said->gone);
	putchar('\n');
}

static void
note(const char *what)
{
	event(what, NULL, NULL, NULL);
}

static void
unlock(void *arg, uint64_t word)
{
	struct fleet_device *v = arg;
	struct enrollment *e;

	(void)word;
	v->unlocking = false;
	if (!fleet.world.running || fleet.world.disk_full) {
		v->unlocking = true;
		fleet_later(DAY, unlock, v, 0); /* who tries it sees that it did not work */
		return;
	}
	e = kit_load(fleet.kit, v->id);
	if (e->locked && e->state == STATE_ENROLLED) {
		event("unlock", v, NULL, NULL);
		assert_int_equal(party_set_lock(&fleet.kit->m, e, false, "ann"), 0);
		assert_int_equal(store_commit(fleet.kit->m.store), 0);
		fleet_look(v);
	}
	enrollment_free(e);
}

static void
changed(struct fleet_device *v)
{
	printf("%" PRId64 " state %s %s %s\n", fleet.now, v->id, state_name((enum state)v->state),
		v->locked ? "locked" : "open");
	if (v->locked && v->state == STATE_ENROLLED && !v->unlocking) {
		v->unlocking = true;
		fleet_later(UNLOCK_AFTER, unlock, v, 0);
	}
}

/* ---- habits ---- */

static int64_t
awake_at(const struct fleet_device *v)
{
	int64_t now = fleet.now, day = (now + v->phase) % DAY, week = (now + v->phase) % (7 * DAY);

	switch ((enum habit)v->habit) {
	case NIGHTLY:
		return day < 4 * HOUR ? now : now + DAY - day;
	case WEEKLY:
		return week < 2 * HOUR ? now : now + 7 * DAY - week;
	case HOLIDAY:
		return now >= v->from && now < v->from + 28 * DAY ? v->from + 28 * DAY : now;
	case DYING:
	case WIPED:
	case CHECKED_OUT:
	case REMOVED:
	case BAD_TOKEN:
		return now < v->from ? now : NEVER_AWAKE;
	default:
		return now;
	}
}

static void
judge(const struct fleet_flight *f, struct fleet_verdict *ret)
{
	const struct fleet_device *v = f->dev;
	int64_t dead = v->habit == WIPED ? v->from + 8 * DAY : v->from;

	if ((v->habit == WIPED || v->habit == REMOVED) && fleet.now >= dead)
		*ret = (struct fleet_verdict){ 410, "Unregistered", dead, false };
	else if (v->habit == BAD_TOKEN && fleet.now >= v->from)
		*ret = (struct fleet_verdict){ 400, "BadDeviceToken", 0, false };
	else if (f->generation != v->generation)
		*ret = (struct fleet_verdict){ 410, "ExpiredToken", v->changed, false };
	else if (fleet_chance(300) == 0)
		*ret = (struct fleet_verdict){ fleet_chance(2) ? 503 : 429, "", 0, false };
	else
		ret->early = v->habit == EARLY;
}

static const char *
status(const struct fleet_device *v, const char *type)
{
	(void)type;
	return v->habit == NOT_NOW ? "NotNow" : "Acknowledged";
}

/* Apple gives it another token; it says so two hours later. */
static void
flap(void *arg, uint64_t word)
{
	struct fleet_device *v = arg;

	fleet_renew_token(v, word);
	fleet_later(2 * HOUR, fleet_send_token, v, 0);
	fleet_later(4 * DAY + fleet_chance(3 * DAY), flap, v, 0);
}

static void
begin(void *arg, uint64_t word)
{
	struct fleet_device *v = arg;

	if (!fleet.world.running || fleet.world.disk_full) {
		fleet_later(DAY, begin, v, word);
		return;
	}
	fleet_enroll(v, word);
	if (v->habit == FLAPPING)
		fleet_later(fleet_chance(4 * DAY), flap, v, 0);
	if (v->habit == CHECKED_OUT)
		fleet_later(v->from - fleet.now, fleet_check_out, v, 0);
}

/* ---- outages ---- */

static void
push_outage(bool over)
{
	fleet_set_push(over);
}

static void
server_outage(bool over)
{
	if (over)
		fleet_start();
	else
		fleet_stop();
}

static void
path_outage(bool over)
{
	fleet.world.path = over;
	fleet.world.own_path = over ? NULL : "it answers 502";
}

static void
tls_outage(bool over)
{
	note(over ? "renewed" : "expired");
	fleet.kit->certs.tls.not_after = over ? INT64_MAX : fleet_wall();
}

static void
disk_outage(bool over)
{
	note(over ? "disk-mended" : "disk-full");
	fleet.world.disk_full = !over;
}

static void
wall_outage(bool over)
{
	fleet.world.wall_offset = over ? 0 : (fleet_chance(2) ? 1 : -1) * 30 * (DAY / 1000);
	printf("%" PRId64 " wall - %" PRId64 "\n", fleet.now, fleet.world.wall_offset * 1000);
}

static void (*const outages[])(bool over) = { push_outage, server_outage, push_outage, path_outage,
	tls_outage, disk_outage, wall_outage };

#define OUTAGES (sizeof(outages) / sizeof(outages[0]))

static void
turn(void *arg, uint64_t word)
{
	(void)arg;
	outages[word / 2](word % 2);
}

/* Every two weeks another kind: mostly for minutes, each third time for days. */
static void
plan_outages(int64_t end)
{
	int64_t at, lasts;
	unsigned n = 0;

	for (at = 10 * DAY; at < end; at += 14 * DAY, n++) {
		uint64_t kind = n % OUTAGES;

		lasts = n % 3 == 1 ? DAY + fleet_chance(3 * DAY)
				   : HOUR / 6 + fleet_chance(HOUR / 2);
		fleet_later(at, turn, NULL, kind * 2);
		fleet_later(at + lasts, turn, NULL, kind * 2 + 1);
	}
}

/* ---- the year ---- */

static void
prepare(unsigned count, int64_t end, int64_t lock_after, uint64_t seed)
{
	unsigned i;

	fleet_init(count, seed);
	fleet.awake_at = awake_at;
	fleet.judge = judge;
	fleet.status = status;
	fleet.event = event;
	fleet.changed = changed;
	fleet.kit->push.not_after += 3 * 365 * DAY / 1000;
	fleet.kit->push.not_before -= 365 * DAY / 1000;
	kit_serve_tls(fleet.kit, "mdm.example.org", 3 * 365 * DAY / 1000);
	fleet.kit->certs.tls.not_before = 0;
	fleet.kit->conf.lock_after = lock_after;
	fleet.kit->conf.refresh.device_information = 7 * DAY / 1000;
	for (i = 0; i < count; i++) {
		struct fleet_device *v = &fleet.devices[i];

		v->habit = (int)(i % HABITS);
		v->has_user = v->habit == USER_ONLY;
		v->from = 2 * DAY + fleet_chance(end - 2 * DAY);
		v->phase = fleet_chance(7 * DAY);
		fleet_later(fleet_chance(DAY), begin, v, 0);
	}
	plan_outages(end);
}

int
main(int argc, char **argv)
{
	int64_t end, lock_after = DURATION_NEVER;

	if (argc != 5 ||
		(strcmp(argv[3], "never") != 0 && duration_parse(argv[3], &lock_after) < 0)) {
		fprintf(stderr, "usage: year DEVICES DAYS LOCK-AFTER SEED\n");
		return 64;
	}
	end = strtoll(argv[2], NULL, 10) * DAY;
	prepare((unsigned)strtoul(argv[1], NULL, 10), end, lock_after, strtoull(argv[4], NULL, 10));
	fleet_start();
	fleet_set_push(true);
	fleet_run(end);
	note("end");
	fleet_fini();
	return 0;
}
