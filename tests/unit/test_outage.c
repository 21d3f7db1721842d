/*
 * No outage locks anyone (DESIGN "States, lock, inactivity"): each kind for 40 days of fake time
 *
 * A fleet whose devices answer as usual before and after.  Nobody is locked who did not earn it;
 * and who really died is found afterwards, so that a daemon that locks nobody does not pass either.
 *
 * CORDON_OUTAGE_LOCK_AFTER: values of lock-after, as "24h 7d 14d"; 24h is the hardest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/mem.h"
#include "fleet.h"
#include "mdm/patrol.h"
#include "mdm/service.h"
#include "store/backup.h"
#include "store/meta.h"

#define BEGINS (5 * DAY)
#define ENDS (BEGINS + 40 * DAY)
#define OVER (ENDS + 15 * DAY)
#define AFTER_END (3 * DAY) /* what happens after the outage happens then */
#define YEAR_S (365 * INT64_C(86400))

enum role {
	NIGHTLY = 10, /* those before are always on */
	FLAPPING,     /* another token every five days */
	DIES_BEFORE,  /* twelve hours */
	DIES_DURING,
	DIES_AFTER,
	WIPED_DURING,	  /* Apple says 410 */
	TOKEN_THEN_WIPED, /* a new token during the outage, wiped after it */
	CAST
};

struct outage {
	const char *name;
	void (*prepare)(void);
	void (*begin)(void);
	void (*end)(void);
	enum {
		STANDS,
		LIMPS,
		RUNS
	} clock; /* does silence count in it: never, now and then, always */
};

static int64_t lock_after; /* milliseconds */
static int64_t locked_at[CAST], removed_at[CAST];
static bool stands; /* the whole outage: nobody at all is locked in it */

/* ---- devices ---- */

static bool
is_dead(const struct fleet_device *v)
{
	return v->habit >= DIES_BEFORE && fleet.now >= v->from;
}

static int64_t
awake_at(const struct fleet_device *v)
{
	int64_t day = (fleet.now + v->phase) % DAY;

	if (is_dead(v))
		return NEVER_AWAKE;
	if (v->habit == NIGHTLY && day >= 4 * HOUR)
		return fleet.now + DAY - day;
	return fleet.now;
}

static void
judge(const struct fleet_flight *f, struct fleet_verdict *ret)
{
	const struct fleet_device *v = f->dev;
	bool wiped = v->habit >= WIPED_DURING && is_dead(v);

	if (wiped)
		*ret = (struct fleet_verdict){ 410, "Unregistered", v->from, false };
	else if (f->generation != v->generation)
		*ret = (struct fleet_verdict){ 410, "ExpiredToken", v->changed, false };
}

static void
changed(struct fleet_device *v)
{
	bool in_outage = fleet.now >= BEGINS && fleet.now < ENDS;

	if (v->state == STATE_REMOVED && removed_at[v->habit] == 0)
		removed_at[v->habit] = fleet.now;
	if (!v->locked || locked_at[v->habit])
		return;
	locked_at[v->habit] = fleet.now;
	if (v->habit < DIES_BEFORE)
		fail_msg("%s did nothing wrong and is locked on day %.2f", v->id,
			(double)fleet.now / (double)DAY);
	if (fleet.now < v->from + lock_after - HOUR)
		fail_msg("%s is locked too early", v->id);
	if (in_outage && stands)
		fail_msg("%s is locked in the outage", v->id);
}

static void
flap(void *arg, uint64_t word)
{
	struct fleet_device *v = arg;

	fleet_renew_token(v, word);
	fleet_later(60 * SECOND, fleet_send_token, v, 0);
	if (v->habit == FLAPPING)
		fleet_later(5 * DAY, flap, v, 0);
}

static void
cast(void)
{
	static const int64_t from[CAST] = {
		[DIES_BEFORE] = BEGINS - 12 * HOUR,
		[DIES_DURING] = BEGINS + 15 * DAY,
		[DIES_AFTER] = ENDS + AFTER_END,
		[WIPED_DURING] = BEGINS + 20 * DAY,
		[TOKEN_THEN_WIPED] = ENDS + AFTER_END,
	};
	int i;

	memset(locked_at, 0, sizeof(locked_at));
	memset(removed_at, 0, sizeof(removed_at));
	fleet_init(CAST, 20261124);
	fleet.strict = true;
	fleet.awake_at = awake_at;
	fleet.judge = judge;
	fleet.changed = changed;
	fleet.kit->conf.lock_after = lock_after / 1000;
	fleet.kit->push.not_after += 3 * YEAR_S;
	fleet.kit->push.not_before -= 3 * YEAR_S;
	for (i = 0; i < CAST; i++) {
		struct fleet_device *v = &fleet.devices[i];

		v->habit = i;
		v->from = from[i];
		v->phase = fleet_chance(DAY);
		fleet_later(fleet_chance(HOUR), fleet_enroll, v, 0);
	}
	fleet_later(2 * HOUR, flap, &fleet.devices[FLAPPING], 0);
}

/* ---- outages ---- */

static void
nothing(void)
{
}

static void
push_away(void)
{
	fleet_set_push(false);
}

static void
push_back(void)
{
	fleet_set_push(true);
}

static void
push_expires(void)
{
	fleet.kit->push.not_after = fleet_wall();
}

static void
push_renewed(void)
{
	fleet.kit->push.not_after = fleet_wall() + YEAR_S;
}

static void
with_tls(void)
{
	kit_serve_tls(fleet.kit, "mdm.example.org", 300 * INT64_C(86400));
}

static void
tls_expires(void)
{
	fleet.kit->certs.tls.not_after = fleet_wall();
	fleet.world.own_path = "certificate has expired";
}

static void
tls_renewed(void)
{
	fleet.kit->certs.tls.not_after = fleet_wall() + YEAR_S;
	fleet.world.own_path = NULL;
}

static void
name_gone(void)
{
	fleet.world.path = false;
	fleet.world.own_path = "Could not resolve host";
}

static void
proxy_fails(void)
{
	fleet.world.path = false;
	fleet.world.own_path = "it answers 502";
}

/* The server has another way to its name than devices have. */
static void
proxy_fails_others(void)
{
	fleet.world.path = false;
}

static void
path_back(void)
{
	fleet.world.path = true;
	fleet.world.own_path = NULL;
}

/* It tries another one again and again. */
static void
small_segments(void)
{
	kit_close(fleet.kit);
	fleet.kit->segment_size = 64 << 10;
}

static void
disk_full(void)
{
	fleet.world.disk_full = true;
}

static void
disk_mended(void)
{
	fleet.world.disk_full = false;
}

static void
wall_ahead(void)
{
	fleet.world.wall_offset = YEAR_S;
}

static void
wall_behind(void)
{
	fleet.world.wall_offset = -YEAR_S;
}

static void
wall_right(void)
{
	fleet.world.wall_offset = 0;
}

static void
boot_ahead(void)
{
	fleet_stop();
	wall_ahead();
	fleet_start();
}

static void
boot_behind(void)
{
	fleet_stop();
	wall_behind();
	fleet_start();
}

static void
boot_right(void)
{
	fleet_stop();
	wall_right();
	fleet_start();
}

/* Hours of it again and again: each is nearly as long as the shortest lock-after. */
static void
path_fails_often(void *arg, uint64_t away)
{
	(void)arg;
	if (away && fleet.now < ENDS - 23 * HOUR) {
		proxy_fails();
		fleet_later(22 * HOUR, path_fails_often, NULL, 0);
	} else {
		path_back();
		if (fleet.now < ENDS - 23 * HOUR)
			fleet_later(3 * HOUR + fleet_chance(6 * HOUR), path_fails_often, NULL, 1);
	}
}

static void
often(void)
{
	path_fails_often(NULL, 1);
}

static const struct outage outages[] = {
	{ "no outage at all", nothing, nothing, nothing, RUNS },
	{ "the server is down", nothing, fleet_stop, fleet_start, STANDS },
	{ "Apple's push service is unreachable", nothing, push_away, push_back, STANDS },
	{ "the push certificate is expired", nothing, push_expires, push_renewed, STANDS },
	{ "our TLS certificate is expired", with_tls, tls_expires, tls_renewed, STANDS },
	{ "our name is wrong or gone from DNS", nothing, name_gone, path_back, STANDS },
	{ "a proxy in front answers 502", nothing, proxy_fails, path_back, STANDS },
	{ "a proxy answers 502 to others", nothing, proxy_fails_others, path_back, STANDS },
	{ "a proxy answers 502 for 22 hours again and again", nothing, often, nothing, LIMPS },
	{ "every commit is refused", small_segments, disk_full, disk_mended, STANDS },
	{ "the wall clock is a year ahead", nothing, wall_ahead, wall_right, RUNS },
	{ "the wall clock is a year behind", nothing, wall_behind, wall_right, RUNS },
	{ "a year ahead, so that certificates seem expired", with_tls, wall_ahead, wall_right,
		STANDS },
	{ "a year behind, so that certificates are not valid yet", with_tls, wall_behind,
		wall_right, STANDS },
	{ "started with a wall clock a year ahead", nothing, boot_ahead, boot_right, RUNS },
	{ "started with a wall clock a year behind", nothing, boot_behind, boot_right, RUNS },
};

#define OUTAGES (sizeof(outages) / sizeof(outages[0]))

/* ---- what must hold ---- */

static void
found(int role, int64_t at, int64_t latest)
{
	if (at == 0 || at > latest)
		fail_msg("D%d should be found by day %.2f and is on day %.2f", role,
			(double)latest / (double)DAY, (double)at / (double)DAY);
}

/* The time that may pass from the moment when it can be asked. */
static int64_t
patience(void)
{
	int64_t interval = lock_after / 4 < DAY ? lock_after / 4 : DAY;

	return lock_after + interval + 2 * HOUR;
}

static void
the_dead_are_found(const struct outage *o)
{
	const struct fleet_device *d = fleet.devices;
	int64_t end = o->clock == RUNS ? 0 : ENDS;
	int i;

	for (i = DIES_BEFORE; i <= DIES_AFTER; i++)
		found(i, locked_at[i], (d[i].from > end ? d[i].from : end) + patience());
	i = WIPED_DURING;
	found(i, removed_at[i], (o->clock == RUNS ? d[i].from : end) + DAY + 2 * HOUR);
	/* dated by a clock that was wrong, its token is not known to be gone: then by its silence
	 */
	i = TOKEN_THEN_WIPED;
	found(i, removed_at[i] ? removed_at[i] : locked_at[i], d[i].from + patience());
}

static void
the_others_are_served(void)
{
	int i;

	for (i = 0; i < DIES_BEFORE; i++) {
		const struct roster_line *line =
			roster_find(fleet.kit->m.roster, fleet.devices[i].id);

		assert_int_equal(line->state, STATE_ENROLLED);
		assert_false(line->locked);
		assert_true(fleet_wall() - line->last_seen <= 2 * 86400);
	}
}

static void
live_through(const struct outage *o)
{
	cast();
	fleet_later(BEGINS + 10 * DAY, flap, &fleet.devices[TOKEN_THEN_WIPED], 0);
	o->prepare();
	fleet_start();
	fleet_set_push(true);
	fleet_run(BEGINS);
	stands = o->clock == STANDS;
	o->begin();
	fleet_run(ENDS);
	o->end();
	fleet_run(OVER);
	the_others_are_served();
	the_dead_are_found(o);
	fleet_fini();
}

static void
each_value(void (*live)(const struct outage *o), const struct outage *o)
{
	const char *values = getenv("CORDON_OUTAGE_LOCK_AFTER");
	char *copy = xstrdup(values ? values : "24h"), *value, *rest = copy;

	while ((value = strtok_r(rest, " ", &rest)) != NULL) {
		assert_int_equal(duration_parse(value, &lock_after), 0);
		lock_after *= 1000;
		live(o);
	}
	free(copy);
}

static void
an_outage_locks_nobody(void **state)
{
	each_value(live_through, *state);
}

/* ---- a backup that is 20 days old ---- */

#define BACKED_UP BEGINS
#define RESTORED (BACKED_UP + 20 * DAY)

/* Roles of their own; those after DIES_BEFORE are as above. */
enum { TOKEN_CHANGED = 0, RENEWED = 1, NIGHTLY_CHANGED = NIGHTLY, CHECKED_OUT = TOKEN_THEN_WIPED };

static void
write_backup(void *arg, const struct backup_made *b)
{
	char block[65536];
	ssize_t n;
	FILE *out = fopen(arg, "w");

	assert_non_null(out);
	assert_int_equal(b->err, 0);
	assert_int_equal(lseek(b->fd, 0, SEEK_SET), 0);
	while ((n = read(b->fd, block, sizeof(block))) > 0)
		assert_int_equal(fwrite(block, 1, (size_t)n, out), n);
	close(b->fd);
	assert_int_equal(fclose(out), 0);
}

static void
restore(const char *backup)
{
	struct kit *k = fleet.kit;
	int64_t made_at;
	char *why = NULL;

	fleet_stop();
	kit_empty(k);
	assert_int_equal(backup_restore(backup, k->directory, &made_at, &why), 0);
	kit_open(k);
	/* as cordond --restore does */
	assert_int_equal(meta_put_int(k->m.store, "restored-at", fleet_wall()), 0);
	assert_int_equal(store_commit(k->m.store), 0);
	kit_close(k);
	fleet_start();
}

static void
renew(void *arg, uint64_t word)
{
	(void)word;
	fleet_renew_identity(arg);
}

static void
poll_once(void *arg, uint64_t word)
{
	(void)word;
	fleet_session(arg);
}

static void
plan_losses(void)
{
	struct fleet_device *d = fleet.devices;

	fleet_later(BACKED_UP + 4 * DAY, flap, &d[TOKEN_CHANGED], 0);
	fleet_later(BACKED_UP + 5 * DAY, flap, &d[NIGHTLY_CHANGED], 0);
	fleet_later(BACKED_UP + 6 * DAY, renew, &d[RENEWED], 0);
	d[CHECKED_OUT].from = BACKED_UP + 7 * DAY;
	fleet_later(d[CHECKED_OUT].from, fleet_check_out, &d[CHECKED_OUT], 0);
	d[WIPED_DURING].from = RESTORED + 10 * DAY; /* after it: found */
	d[DIES_DURING].from = BACKED_UP + 8 * DAY;  /* found twice */
	d[DIES_AFTER].from = RESTORED + 5 * DAY;
	/* restarted by somebody long after */
	fleet_later(RESTORED + 12 * DAY, poll_once, &d[TOKEN_CHANGED], 0);
}

static void
a_restored_fleet(void)
{
	const struct fleet_device *d = fleet.devices;
	struct patrol_numbers n;
	int i;

	for (i = 0; i < DIES_BEFORE; i++)
		if (i != NIGHTLY_CHANGED)
			assert_true(fleet_wall() -
					    roster_find(fleet.kit->m.roster, d[i].id)->last_seen <
				    (i == TOKEN_CHANGED ? 9 : 2) * 86400);
	for (i = 0; i < DIES_BEFORE; i++)
		assert_int_equal(kit_state(fleet.kit, d[i].id), STATE_ENROLLED);
	/* nobody knows where these are */
	assert_int_equal(kit_state(fleet.kit, d[CHECKED_OUT].id), STATE_ENROLLED);
	patrol_numbers(&fleet.kit->m, &n);
	assert_int_equal(n.no_address, 3);
	found(DIES_BEFORE, locked_at[DIES_BEFORE], RESTORED + patience());
	found(DIES_DURING, locked_at[DIES_DURING], RESTORED + patience());
	found(DIES_AFTER, locked_at[DIES_AFTER], d[DIES_AFTER].from + patience());
	found(WIPED_DURING, removed_at[WIPED_DURING], d[WIPED_DURING].from + DAY + 2 * HOUR);
	assert_int_equal(locked_at[CHECKED_OUT], 0);
}

static void
restore_it(const struct outage *o)
{
	char backup[] = "outage-backup-XXXXXX";
	int fd = mkstemp(backup);

	(void)o;
	assert_true(fd >= 0);
	close(fd);
	cast();
	plan_losses();
	fleet_start();
	fleet_set_push(true);
	stands = false;
	fleet_run(BACKED_UP);
	assert_int_equal(store_backup(fleet.kit->m.store, write_backup, backup), 0);
	fleet_run(RESTORED);
	restore(backup);
	memset(locked_at, 0, sizeof(locked_at));
	memset(removed_at, 0, sizeof(removed_at));
	fleet_run(RESTORED + 20 * DAY);
	a_restored_fleet();
	unlink(backup);
	fleet_fini();
}

static void
a_restored_backup_locks_nobody(void **state)
{
	(void)state;
	each_value(restore_it, NULL);
}

/* After a failure too: there is one fleet at a time. */
static int
clean_up(void **state)
{
	(void)state;
	if (fleet.kit)
		fleet_fini();
	return 0;
}

int
main(void)
{
	struct CMUnitTest tests[OUTAGES + 1];
	size_t i;

	memset(tests, 0, sizeof(tests));
	for (i = 0; i < OUTAGES; i++) {
		tests[i].name = outages[i].name;
		tests[i].test_func = an_outage_locks_nobody;
		tests[i].teardown_func = clean_up;
		tests[i].initial_state = (void *)(uintptr_t)&outages[i];
	}
	tests[OUTAGES].name = "a backup from 20 days ago is restored";
	tests[OUTAGES].test_func = a_restored_backup_locks_nobody;
	tests[OUTAGES].teardown_func = clean_up;
	if (getenv("CORDON_OUTAGE"))
		cmocka_set_test_filter(getenv("CORDON_OUTAGE"));
	return cmocka_run_group_tests_name("outage", tests, NULL, NULL);
}
