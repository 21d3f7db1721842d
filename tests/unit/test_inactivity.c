/* Tests of policy/inactivity: the service clock, asks, silence, lock-limit */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/duration.h"
#include "policy/inactivity.h"

#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)

static struct service_signs
good(int64_t now_s)
{
	return (struct service_signs){ .now_ms = now_s * 1000,
		.store_takes = true,
		.heard_ms = DAY * 1000,
		.push_connected = true,
		.tls_valid = true,
		.connection = 1,
		.proof_ms = now_s * 1000 };
}

/* Ticks each minute from `from` (exclusive) to `to`, changed by `change` (NULL: all is well). */
static void
run(struct service_clock *c, int64_t from, int64_t to, void (*change)(struct service_signs *s))
{
	int64_t t;

	for (t = from + 60; t <= to; t += 60) {
		struct service_signs s = good(t);

		if (change)
			change(&s);
		service_clock_tick(c, &s);
	}
}

static void
start(struct service_clock *c, int64_t seconds)
{
	struct service_signs s = good(1000);

	service_clock_init(c, seconds, 0, false);
	service_clock_tick(c, &s);
}

static void
no_store(struct service_signs *s)
{
	s->store_takes = false;
}

static void
no_push(struct service_signs *s)
{
	s->push_connected = false;
}

static void
no_tls(struct service_signs *s)
{
	s->tls_valid = false;
}

static void
no_proof(struct service_signs *s)
{
	s->proof_ms = 1000 * 1000;
}

static void
flapping(struct service_signs *s)
{
	s->connection = s->now_ms;
}

static void
the_clock_runs_while_all_is_well(void **state)
{
	struct service_clock c;

	(void)state;
	start(&c, 0);
	assert_int_equal(c.seconds, 1);
	run(&c, 1000, 1000 + DAY, NULL);
	assert_int_equal(c.seconds, 1 + DAY);
	assert_int_equal(c.standing, STANDING_NO);
	start(&c, 500);
	run(&c, 1000, 1000 + HOUR, NULL);
	assert_int_equal(c.seconds, 500 + HOUR);
}

static void
it_stands_for_each_cause(void **state)
{
	static const struct {
		void (*change)(struct service_signs *s);
		enum standing standing;
	} cases[] = {
		{ no_store, STANDING_STORE },
		{ no_push, STANDING_PUSH },
		{ no_tls, STANDING_TLS },
		{ flapping, STANDING_NO },
	};
	struct service_clock c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(&c, 100);
		run(&c, 1000, 1000 + HOUR, NULL);
		run(&c, 1000 + HOUR, 1000 + 40 * DAY, cases[i].change);
		assert_int_equal(c.seconds, 100 + HOUR);
		assert_int_equal(c.standing, cases[i].standing);
		run(&c, 1000 + 40 * DAY, 1000 + 40 * DAY + HOUR, NULL);
		/* the step that begins in an outage does not count */
		assert_in_range(c.seconds, 100 + 2 * HOUR - 60, 100 + 2 * HOUR);
		assert_int_equal(c.standing, STANDING_NO);
	}
	assert_string_equal(standing_name(STANDING_UNHEARD), "unheard");
	assert_string_equal(standing_name(STANDING_NO), "");
}

static void
unheard_time_is_counted_by_the_next_proof_or_never(void **state)
{
	struct service_clock c;
	struct service_signs s;

	(void)state;
	start(&c, 100);
	run(&c, 1000, 1000 + 20 * HOUR, no_proof);
	assert_int_equal(c.seconds, 100);
	assert_int_equal(c.standing, STANDING_NO);
	/* what is sent now is sent at the time that may still be counted */
	assert_int_equal(service_clock_ahead(&c, c.last_ms), 100 + 20 * HOUR);
	/* ... and what is sent between two ticks not before the time that the next may count */
	assert_int_equal(service_clock_ahead(&c, c.last_ms + 30000), 130 + 20 * HOUR);
	s = good(1060 + 20 * HOUR);
	service_clock_tick(&c, &s);
	assert_int_equal(c.seconds, 160 + 20 * HOUR);

	start(&c, 100);
	run(&c, 1000, 1000 + 30 * HOUR, no_proof);
	assert_int_equal(c.standing, STANDING_UNHEARD);
	s = good(1060 + 30 * HOUR);
	service_clock_tick(&c, &s);
	assert_int_equal(c.seconds, 100);
	assert_int_equal(c.standing, STANDING_NO);
	assert_int_equal(c.resumed, 100);
	run(&c, 1060 + 30 * HOUR, 1060 + 31 * HOUR, NULL);
	assert_int_equal(c.seconds, 100 + HOUR);
}

/* Time that waits for a proof is lost with it, however little of it there is. */
static void
a_proof_after_more_than_a_day_counts_nothing(void **state)
{
	struct service_clock c;
	int64_t t;

	(void)state;
	start(&c, 100);
	for (t = 1060; t <= 1000 + 30 * HOUR; t += 60) {
		struct service_signs s = good(t);

		no_proof(&s);
		s.push_connected = t < 1000 + HOUR;
		service_clock_tick(&c, &s);
	}
	run(&c, 1000 + 30 * HOUR, 1060 + 30 * HOUR, NULL);
	assert_in_range(c.seconds, 100, 160);
}

static void
sleep_and_jumps_count_nothing(void **state)
{
	struct service_clock c;
	struct service_signs s;

	(void)state;
	start(&c, 100);
	s = good(1000 + 2 * HOUR);
	service_clock_tick(&c, &s);
	assert_int_equal(c.seconds, 100);
	assert_int_equal(c.resumed, 100);
	s = good(500);
	service_clock_tick(&c, &s);
	assert_int_equal(c.seconds, 100);
	/* fractions are kept */
	start(&c, 100);
	s = good(1000);
	s.now_ms += 700;
	s.proof_ms += 700;
	service_clock_tick(&c, &s);
	assert_int_equal(c.seconds, 100);
	s.now_ms += 700;
	s.proof_ms += 700;
	service_clock_tick(&c, &s);
	assert_int_equal(c.seconds, 101);
}

static void
nobody_is_judged_right_after_an_outage(void **state)
{
	struct service_clock c;
	int64_t wait = 6 * HOUR + INACTIVITY_SETTLE, resumed;

	(void)state;
	start(&c, 100);
	run(&c, 1000, 1000 + 30 * HOUR, NULL);
	assert_true(inactivity_silent(&c, 100, DAY));
	/* a short one changes nothing */
	run(&c, 1000 + 30 * HOUR, 1000 + 30 * HOUR + 1800, no_push);
	run(&c, 1000 + 30 * HOUR + 1800, 1000 + 31 * HOUR, NULL);
	assert_true(inactivity_silent(&c, 100, DAY));
	run(&c, 1000 + 31 * HOUR, 1000 + 40 * HOUR, no_push);
	run(&c, 1000 + 40 * HOUR, 1120 + 40 * HOUR, NULL);
	assert_false(inactivity_silent(&c, 100, DAY));
	resumed = c.resumed;
	assert_true(resumed > 100);
	run(&c, 1120 + 40 * HOUR, 1000 + 50 * HOUR, NULL);
	assert_true(c.seconds >= resumed + wait);
	assert_true(inactivity_silent(&c, 100, DAY));

	service_clock_init(&c, 100 + 2 * DAY, 0, true);
	assert_false(inactivity_silent(&c, 100, DAY));
	c.seconds += wait - 1;
	assert_false(inactivity_silent(&c, 100, DAY));
	c.seconds++;
	assert_true(inactivity_silent(&c, 100, DAY));
	/* a first start is no outage */
	service_clock_init(&c, 0, 0, true);
	assert_int_equal(c.resumed, 0);
	/* what was kept is kept */
	service_clock_init(&c, 1000, 900, false);
	assert_int_equal(c.resumed, 900);
}

static void
silence_is_exact_for_every_lock_after(void **state)
{
	static const int64_t spans[] = { HOUR, DAY, 7 * DAY, 14 * DAY, 30 * DAY, 1234567 };
	struct service_clock c;
	size_t i;

	(void)state;
	service_clock_init(&c, 1, 0, false);
	for (i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		c.seconds = 5000 + spans[i] - 1;
		assert_false(inactivity_silent(&c, 5000, spans[i]));
		c.seconds++;
		assert_true(inactivity_silent(&c, 5000, spans[i]));
		assert_false(inactivity_silent(&c, 0, spans[i]));
		assert_false(inactivity_silent(&c, 5000, DURATION_NEVER));
	}
	/* a clock that lags behind the record */
	c.seconds = 10;
	assert_false(inactivity_silent(&c, 5000, HOUR));
	assert_int_equal(inactivity_silence(&c, 5000), 0);
	assert_int_equal(inactivity_silence(&c, 0), 0);
	assert_int_equal(inactivity_silence(&c, 3), 7);
}

static void
asks_come_once_an_interval(void **state)
{
	static const int64_t intervals[] = { 900, 6 * HOUR, DAY };
	size_t i;
	uint64_t spread;

	(void)state;
	assert_int_equal(inactivity_ask_interval(DAY), 6 * HOUR);
	assert_int_equal(inactivity_ask_interval(HOUR), 900);
	assert_int_equal(inactivity_ask_interval(4 * DAY), DAY);
	assert_int_equal(inactivity_ask_interval(30 * DAY), DAY);
	assert_int_equal(inactivity_ask_interval(DURATION_NEVER), DAY);
	assert_true(inactivity_ask_due(1, 0, 7, DAY));
	for (i = 0; i < 3; i++) {
		for (spread = 1; spread < UINT64_MAX / 3; spread = spread * 7 + 5) {
			int64_t last = 1800000000, t, count = 0;

			for (t = last; t < 1800000000 + 20 * intervals[i]; t += 60)
				if (inactivity_ask_due(t, last, spread, intervals[i])) {
					last = t;
					count++;
				}
			assert_in_range(count, 19, 20);
		}
	}
	/* a clock that jumps costs one ask */
	assert_true(inactivity_ask_due(1800000000 - 365 * DAY, 1800000000, 7, DAY));
	assert_false(inactivity_ask_due(1800000060 - 365 * DAY, 1800000000 - 365 * DAY, 7, DAY));
	assert_true(inactivity_ask_due(1800000000 + 365 * DAY, 1800000000, 7, DAY));
}

static void
asks_of_a_fleet_are_spread(void **state)
{
	unsigned at[24] = { 0 }, hour, i;
	uint64_t spread = 88172645463325252u;

	(void)state;
	for (i = 0; i < 24000; i++) {
		spread ^= spread << 13;
		spread ^= spread >> 7;
		spread ^= spread << 17;
		for (hour = 0; hour < 24; hour++)
			if (inactivity_ask_due(20000 * DAY + (hour + 1) * HOUR,
				    20000 * DAY + hour * HOUR, spread, DAY))
				at[hour]++;
	}
	for (hour = 0; hour < 24; hour++)
		assert_in_range(at[hour], 850, 1150);
}

static void
the_limit_is_a_share_but_ten_at_least(void **state)
{
	(void)state;
	assert_int_equal(lock_window_limit(1000, 20), 200);
	assert_int_equal(lock_window_limit(49, 20), 10);
	assert_int_equal(lock_window_limit(0, 20), 10);
	assert_int_equal(lock_window_limit(1000, 0), 10);
	assert_int_equal(lock_window_limit(1000, 100), 1000);
	assert_int_equal(lock_window_limit(4000000000u, 100), 4000000000u);
}

static void
draws_count_for_a_day(void **state)
{
	struct lock_window w = { 0 };
	int64_t t = 1000 * HOUR + 1800;
	unsigned i;

	(void)state;
	for (i = 0; i < 7; i++)
		lock_window_draw(&w, t);
	lock_window_draw(&w, t + 3 * HOUR);
	assert_int_equal(lock_window_drawn(&w, t + 3 * HOUR), 8);
	/* never less than 24 hours, never more than 25 */
	assert_int_equal(lock_window_drawn(&w, t + DAY - 1), 8);
	assert_int_equal(lock_window_drawn(&w, t + DAY), 8);
	assert_int_equal(lock_window_drawn(&w, t + DAY + HOUR), 1);
	assert_int_equal(lock_window_drawn(&w, t + DAY + 4 * HOUR), 0);
	/* a clock that lags after a crash takes nothing back */
	lock_window_draw(&w, t + 60 * HOUR);
	lock_window_draw(&w, t + 58 * HOUR);
	assert_int_equal(lock_window_drawn(&w, t + 60 * HOUR), 2);
	assert_int_equal(lock_window_drawn(&w, t + 1000 * HOUR), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_clock_runs_while_all_is_well),
		cmocka_unit_test(it_stands_for_each_cause),
		cmocka_unit_test(unheard_time_is_counted_by_the_next_proof_or_never),
		cmocka_unit_test(a_proof_after_more_than_a_day_counts_nothing),
		cmocka_unit_test(sleep_and_jumps_count_nothing),
		cmocka_unit_test(nobody_is_judged_right_after_an_outage),
		cmocka_unit_test(silence_is_exact_for_every_lock_after),
		cmocka_unit_test(asks_come_once_an_interval),
		cmocka_unit_test(asks_of_a_fleet_are_spread),
		cmocka_unit_test(the_limit_is_a_share_but_ten_at_least),
		cmocka_unit_test(draws_count_for_a_day),
	};

	return cmocka_run_group_tests_name("inactivity", tests, NULL, NULL);
}
